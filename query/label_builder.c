#include "query/label_builder.h"

#include "base/utf8.h"

#include "base/banned.h"

#define ERROR_NAME STR("__error__")
#define ERROR_DETAILS_NAME STR("__error_details__")
#define PRESERVE_ERROR_NAME STR("__preserve_error__")
#define CLASH_SUFFIX STR("_extracted")

static bool is_there(const struct label_table *t, struct str name)
{
    return label_table_find(t, name) != NULL;
}

void label_builder_init(struct label_builder *b, struct arena *scratch,
                        const struct label_hints *hints)
{
    *b = (struct label_builder){.scratch = scratch, .hints = hints};
}

static struct str add_suffix(struct arena *a, struct str name)
{
    char *text = arena_bytes(a, name.len + CLASH_SUFFIX.len);

    if (text == NULL)
        return name;
    memcpy(text, name.ptr, name.len);
    memcpy(text + name.len, CLASH_SUFFIX.ptr, CLASH_SUFFIX.len);
    return str_make(text, name.len + CLASH_SUFFIX.len);
}

void label_builder_begin(struct label_builder *b, struct labels base, struct labels metadata)
{
    label_builder_init(b, b->scratch, b->hints);
    b->base = base;
    for (size_t i = 0; i < metadata.count; i++) {
        struct label pair = metadata.pairs[i];
        if (str_eq(pair.name, ERROR_NAME)) {
            b->error = pair.value;
        } else if (str_eq(pair.name, ERROR_DETAILS_NAME)) {
            b->error_details = pair.value;
        } else {
            if (labels_has(base, pair.name))
                pair.name = add_suffix(b->scratch, pair.name);
            label_table_put(b->scratch, &b->metadata, pair.name, pair.value);
        }
    }
}

bool label_builder_get(const struct label_builder *b, struct str name, struct str *ret_value)
{
    const struct label *pair = label_table_find(&b->metadata, name);

    if (pair == NULL)
        pair = label_table_find(&b->parsed, name);
    if (pair != NULL) {
        *ret_value = pair->value;
        return true;
    }
    if (is_there(&b->deleted, name))
        return false;
    struct str value = labels_get(b->base, name);
    if (value.len == 0)
        return false;
    *ret_value = value;
    return true;
}

void label_builder_set(struct label_builder *b, struct str name, struct str value)
{
    label_table_remove(&b->metadata, name);
    label_table_put(b->scratch, &b->parsed, name, value);
}

void label_builder_delete(struct label_builder *b, struct str name)
{
    label_table_remove(&b->metadata, name);
    if (is_there(&b->parsed, name))
        label_table_put(b->scratch, &b->revoked, name, STR_NULL);
    label_table_remove(&b->parsed, name);
    label_table_put(b->scratch, &b->deleted, name, STR_NULL);
}

void label_builder_set_error(struct label_builder *b, struct str type, struct str details)
{
    b->error = type;
    if (details.len > 0)
        b->error_details = arena_str(b->scratch, details);
}

void label_builder_set_parser_error(struct label_builder *b, struct str type, struct str details)
{
    label_builder_set_error(b, type, details);
    if (b->hints != NULL && b->hints->preserve_errors)
        label_builder_set(b, PRESERVE_ERROR_NAME, STR("true"));
}

void label_builder_clear_error(struct label_builder *b)
{
    b->error = STR_NULL;
}

void label_builder_clear_error_details(struct label_builder *b)
{
    b->error_details = STR_NULL;
}

/* ---- for parsers ---- */

static bool is_restricted(const struct label_builder *b)
{
    return b->hints != NULL && b->hints->restricted;
}

/* Was it set as a parsed label at any time? */
static bool was_extracted(const struct label_builder *b, struct str name)
{
    return is_there(&b->parsed, name) || is_there(&b->revoked, name);
}

/* What was extracted once stays so: a name that was found need not be looked at again. */
static bool all_are_extracted(struct label_builder *b)
{
    const struct label_table *required = &b->hints->required;
    size_t *found = &b->required_extracted;

    while (*found < required->count && was_extracted(b, required->pairs[*found].name))
        (*found)++;
    return *found == required->count;
}

bool label_builder_wants_any(struct label_builder *b)
{
    return !is_restricted(b) || !all_are_extracted(b);
}

bool label_builder_wants_prefix(const struct label_builder *b, struct str prefix)
{
    if (!is_restricted(b))
        return true;
    const struct label_table *required = &b->hints->required;
    for (size_t i = 0; i < required->count; i++) {
        if (str_starts(required->pairs[i].name, prefix))
            return true;
    }
    return false;
}

struct str label_builder_unclash(struct label_builder *b, struct str name)
{
    if (labels_has(b->base, name) || is_there(&b->metadata, name))
        return add_suffix(b->scratch, name);
    return name;
}

bool label_builder_wants(struct label_builder *b, struct str *name)
{
    struct str unclashed = label_builder_unclash(b, *name);

    if (was_extracted(b, unclashed))
        return false;
    if (is_restricted(b) && !is_there(&b->hints->required, unclashed))
        return false;
    *name = unclashed;
    return true;
}

static bool passes_early_filter(struct label_builder *b, struct str name)
{
    for (size_t i = 0; b->hints != NULL && i < b->hints->early_count; i++) {
        const struct early_filter *early = &b->hints->early[i];
        if (str_eq(early->name, name))
            return early->passes(early->filter, b);
    }
    return true;
}

enum extracted label_builder_extract(struct label_builder *b, struct str name, struct str value)
{
    label_builder_set(b, name, value);
    if (!passes_early_filter(b, name))
        return EXTRACTED_DROP;
    return is_restricted(b) && all_are_extracted(b) ? EXTRACTED_ALL : EXTRACTED_MORE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_byte(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || is_digit(c) || c == '_';
}

/*
 * A key that begins with a byte of a name gives a name that begins with it, or with `_` before a
 * digit: only other bytes are cut off or replaced.
 */
bool label_name_may_begin_one(struct str key, const struct label_table *names)
{
    if (key.len == 0 || !is_name_byte(key.ptr[0]) || names->slots != NULL)
        return key.len > 0;
    char first = is_digit(key.ptr[0]) ? '_' : key.ptr[0];
    for (size_t i = 0; i < names->count; i++) {
        struct str name = names->pairs[i].name;
        if (name.len > 0 && name.ptr[0] == first)
            return true;
    }
    return false;
}

bool label_builder_may_want(const struct label_builder *b, struct str key)
{
    return !is_restricted(b) || label_name_may_begin_one(key, &b->hints->required);
}

static struct str trim_spaces(struct str s)
{
    size_t len, end = 0;

    while (s.len > 0 && rune_is_space(utf8_decode(s, &len)))
        s = str_cut(s, len);
    for (size_t at = 0; at < s.len; at += len) {
        if (!rune_is_space(utf8_decode(str_cut(s, at), &len)))
            end = at + len;
    }
    return str_head(s, end);
}

/* The name out of a key that is none yet. */
static struct str make_name(struct arena *scratch, struct str key, bool in_front)
{
    size_t count = 0, len;

    key = trim_spaces(key);
    if (key.len == 0)
        return key;
    char *text = arena_bytes(scratch, key.len + 1);
    if (text == NULL)
        return STR_NULL;
    if (in_front && key.ptr[0] >= '0' && key.ptr[0] <= '9')
        text[count++] = '_';
    for (size_t at = 0; at < key.len; at += len) {
        (void)utf8_decode(str_cut(key, at), &len);
        text[count++] = is_name_byte(key.ptr[at]) ? key.ptr[at] : '_';
    }
    return str_make(text, count);
}

struct str label_name_sanitize(struct arena *scratch, struct str key)
{
    return label_name_valid(key) ? key : make_name(scratch, key, true);
}

struct str label_name_sanitize_part(struct arena *scratch, struct str key)
{
    return label_name_valid(key) ? key : make_name(scratch, key, false);
}

/* The length of the beginning of `text` that needs no change. */
static size_t plain_run(struct str text)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t at = 0, len;

    while (at < text.len) {
        uint64_t word;
        if (text.len - at >= sizeof(word)) {
            memcpy(&word, text.ptr + at, sizeof(word));
            if ((word & high_bits) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        if (utf8_decode(str_cut(text, at), &len) == RUNE_ERROR)
            return at;
        at += len;
    }
    return at;
}

bool label_value_valid(struct str text)
{
    return plain_run(text) == text.len;
}

struct str label_value_sanitize(struct arena *scratch, struct str text)
{
    size_t plain = plain_run(text), count = 0;

    if (plain == text.len)
        return text;
    char *to = arena_bytes(scratch, text.len);
    if (to == NULL)
        return STR_NULL;
    for (;;) {
        memcpy(to + count, text.ptr, plain);
        count += plain;
        text = str_cut(text, plain);
        if (text.len == 0)
            return str_make(to, count);
        to[count++] = ' ';
        size_t len;
        (void)utf8_decode(text, &len);
        text = str_cut(text, len);
        plain = plain_run(text);
    }
}

/* ---- the result ---- */

static bool is_hidden(const struct label_builder *b, struct str name)
{
    return is_there(&b->deleted, name) || is_there(&b->metadata, name) ||
           is_there(&b->parsed, name);
}

static struct labels base_result(const struct label_builder *b)
{
    size_t count = 0;

    if (b->deleted.count + b->metadata.count + b->parsed.count == 0)
        return b->base;
    struct label *pairs = arena_new(b->scratch, struct label, b->base.count);
    if (pairs == NULL)
        return (struct labels){NULL, 0};
    for (size_t i = 0; i < b->base.count; i++) {
        if (!is_hidden(b, b->base.pairs[i].name))
            pairs[count++] = b->base.pairs[i];
    }
    return count == b->base.count ? b->base : (struct labels){pairs, count};
}

/* Room for the errors, which join the parsed labels. */
enum { ERROR_LABELS_MAX = 2 };

static struct label_table copy_labels(const struct label_builder *b, const struct label_table *from)
{
    struct label_table to = {.capacity = from->count + ERROR_LABELS_MAX};

    to.pairs = arena_new(b->scratch, struct label, to.capacity);
    if (to.pairs == NULL)
        return (struct label_table){0};
    if (from->count > 0)
        memcpy(to.pairs, from->pairs, from->count * sizeof(*to.pairs));
    to.count = from->count;
    return to;
}

static struct labels metadata_result(const struct label_builder *b)
{
    if (b->metadata.count == 0)
        return (struct labels){NULL, 0};
    struct label_table all = copy_labels(b, &b->metadata);
    labels_sort(all.pairs, all.count);
    return (struct labels){all.pairs, all.count};
}

/* Details without an error are shown only beside something else that has changed. */
static struct labels parsed_result(const struct label_builder *b)
{
    size_t changes = b->deleted.count + b->metadata.count + b->parsed.count;
    bool has_details = b->error_details.len > 0 && (b->error.len > 0 || changes > 0);

    if (b->parsed.count == 0 && b->error.len == 0 && !has_details)
        return (struct labels){NULL, 0};
    struct label_table all = copy_labels(b, &b->parsed);
    if (b->error.len > 0)
        label_table_put(b->scratch, &all, ERROR_NAME, b->error);
    if (has_details)
        label_table_put(b->scratch, &all, ERROR_DETAILS_NAME, b->error_details);
    labels_sort(all.pairs, all.count);
    return (struct labels){all.pairs, all.count};
}

struct entry_labels label_builder_result(const struct label_builder *b)
{
    return (struct entry_labels){
        .of =
            {
                [LABEL_OF_STREAM] = base_result(b),
                [LABEL_OF_METADATA] = metadata_result(b),
                [LABEL_PARSED] = parsed_result(b),
            },
    };
}

struct labels entry_labels_merge(struct arena *a, const struct entry_labels *l)
{
    size_t at[LABEL_CATEGORY_COUNT] = {0}, count = 0, total = 0;

    for (int c = 0; c < LABEL_CATEGORY_COUNT; c++)
        total += l->of[c].count;
    for (int c = 0; c < LABEL_CATEGORY_COUNT; c++) {
        if (l->of[c].count == total)
            return l->of[c];
    }
    struct label *pairs = arena_new(a, struct label, total);
    if (pairs == NULL)
        return (struct labels){NULL, 0};
    for (; count < total; count++) {
        int best = -1;
        for (int c = 0; c < LABEL_CATEGORY_COUNT; c++) {
            if (at[c] == l->of[c].count)
                continue;
            if (best < 0 ||
                str_cmp(l->of[c].pairs[at[c]].name, l->of[best].pairs[at[best]].name) < 0)
                best = c;
        }
        pairs[count] = l->of[best].pairs[at[best]++];
    }
    return (struct labels){pairs, count};
}

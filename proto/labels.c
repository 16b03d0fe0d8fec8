#include "proto/labels.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "proto/unquote.h"

#include "base/banned.h"

enum {
    LABELS_PARSED_MAX =
        4096,        /* pairs of one set, far above the limit that the settings put on it */
    LABELS_FEW = 32, /* up to here insertion sort is the fastest */
};

_Static_assert(sizeof(struct label) == 2 * sizeof(struct str), "a set is also a list of its parts");

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

bool label_name_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_char(name.ptr[i], i == 0))
            return false;
    }
    return name.len > 0;
}

/* ---- parsing ---- */

struct scanner {
    struct str text; /* all of it */
    struct str rest;
    struct arena *arena;
    struct err *err;
};

static void skip_blanks(struct scanner *s)
{
    while (s->rest.len > 0 && strchr(" \t\r\n", s->rest.ptr[0]) != NULL && s->rest.ptr[0] != '\0')
        s->rest = str_cut(s->rest, 1);
}

static bool next_is(struct scanner *s, char c)
{
    skip_blanks(s);
    return s->rest.len > 0 && s->rest.ptr[0] == c;
}

static bool accept(struct scanner *s, char c)
{
    if (!next_is(s, c))
        return false;
    s->rest = str_cut(s->rest, 1);
    return true;
}

/* The error at the place where the scanner stands: an unexpected character, or the end. */
static enum status unexpected(struct scanner *s, const char *where)
{
    struct str before = str_head(s->text, s->text.len - s->rest.len);
    size_t line = 1, column = 1, len;

    for (; before.len > 0; before = str_cut(before, len)) {
        bool newline = utf8_decode(before, &len) == '\n';
        line += newline ? 1 : 0;
        column = newline ? 1 : column + 1;
    }
    if (s->rest.len == 0)
        return err_set(s->err, ST_INVALID, "%zu:%zu: parse error: unexpected end of input%s", line,
                       column, where);
    (void)utf8_decode(s->rest, &len);
    return err_set(s->err, ST_INVALID, "%zu:%zu: parse error: unexpected character%s: '%.*s'", line,
                   column, where, STR_ARG(str_head(s->rest, len)));
}

static enum status scan_name(struct scanner *s, struct str *ret_name)
{
    size_t len = 0;

    skip_blanks(s);
    while (len < s->rest.len && is_name_char(s->rest.ptr[len], len == 0))
        len++;
    if (len == 0)
        return unexpected(s, " inside braces");
    *ret_name = str_head(s->rest, len);
    s->rest = str_cut(s->rest, len);
    return ST_OK;
}

static enum status scan_string(struct scanner *s, struct str *ret_value)
{
    size_t literal_len;

    skip_blanks(s);
    enum status st = unquote(s->arena, s->rest, &literal_len, ret_value);
    if (st == ST_INVALID)
        return unexpected(s, " inside braces");
    if (st != ST_OK)
        return arena_status(s->arena, s->err);
    s->rest = str_cut(s->rest, literal_len);
    return ST_OK;
}

static enum status scan_pair(struct scanner *s, struct label *ret_pair)
{
    struct label pair;
    enum status st = next_is(s, '"') ? scan_string(s, &pair.name) : scan_name(s, &pair.name);

    if (st != ST_OK)
        return st;
    if (!accept(s, '='))
        return unexpected(s, " inside braces");
    st = scan_string(s, &pair.value);
    if (st == ST_OK)
        *ret_pair = pair;
    return st;
}

/* The name in front of the braces: `:` is allowed there too. */
static struct str scan_metric_name(struct scanner *s)
{
    size_t len = 0;

    skip_blanks(s);
    while (len < s->rest.len &&
           (is_name_char(s->rest.ptr[len], len == 0) || s->rest.ptr[len] == ':'))
        len++;
    struct str name = str_head(s->rest, len);
    s->rest = str_cut(s->rest, len);
    return name;
}

enum status labels_parse(struct arena *a, struct str text, struct labels *ret_labels,
                         struct err *err)
{
    struct scanner s = {.text = text, .rest = text, .arena = a, .err = err};
    struct label *pairs = NULL;
    size_t count = 0, capacity = 0;

    struct str metric = scan_metric_name(&s);
    if (metric.len > 0) {
        pairs = arena_reserve(a, pairs, count, &capacity, sizeof(*pairs));
        if (pairs == NULL)
            return arena_status(a, err);
        pairs[count++] = (struct label){STR("__name__"), metric};
    }
    if (accept(&s, '{')) {
        while (!accept(&s, '}')) {
            pairs = arena_reserve(a, pairs, count, &capacity, sizeof(*pairs));
            if (pairs == NULL)
                return arena_status(a, err);
            if (count == LABELS_PARSED_MAX)
                return err_set(err, ST_INVALID, "more than %d labels", LABELS_PARSED_MAX);
            enum status st = scan_pair(&s, &pairs[count]);
            if (st != ST_OK)
                return st;
            count++;
            if (!accept(&s, ',') && !next_is(&s, '}'))
                return unexpected(&s, " inside braces");
        }
    }
    skip_blanks(&s);
    if (s.rest.len > 0)
        return unexpected(&s, "");
    *ret_labels = (struct labels){pairs, labels_normalize(pairs, count)};
    return ST_OK;
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

void labels_sort(struct label *pairs, size_t count)
{
    if (count > LABELS_FEW) {
        qsort(pairs, count, sizeof(*pairs), compare_names);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct label pair = pairs[i];
        size_t at = i;
        for (; at > 0 && str_cmp(pairs[at - 1].name, pair.name) > 0; at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = pair;
    }
}

size_t labels_normalize(struct label *pairs, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (pairs[i].value.len > 0)
            pairs[kept++] = pairs[i];
    }
    labels_sort(pairs, kept);
    return kept;
}

/* ---- reading ---- */

static const struct label *find(struct labels l, struct str name)
{
    for (size_t i = 0; i < l.count; i++) {
        if (str_eq(l.pairs[i].name, name))
            return &l.pairs[i];
    }
    return NULL;
}

struct str labels_get(struct labels l, struct str name)
{
    const struct label *pair = find(l, name);

    return pair == NULL ? STR("") : pair->value;
}

bool labels_has(struct labels l, struct str name)
{
    return find(l, name) != NULL;
}

bool labels_eq(struct labels a, struct labels b)
{
    if (a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++) {
        if (!str_eq(a.pairs[i].name, b.pairs[i].name) ||
            !str_eq(a.pairs[i].value, b.pairs[i].value))
            return false;
    }
    return true;
}

int labels_cmp(struct labels a, struct labels b)
{
    for (size_t i = 0; i < a.count && i < b.count; i++) {
        int order = str_cmp(a.pairs[i].name, b.pairs[i].name);
        if (order == 0)
            order = str_cmp(a.pairs[i].value, b.pairs[i].value);
        if (order != 0)
            return order;
    }
    return (a.count > b.count) - (a.count < b.count);
}

void labels_put_text(struct buf *b, struct labels l)
{
    buf_put_char(b, '{');
    for (size_t i = 0; i < l.count; i++) {
        if (i > 0)
            buf_put(b, STR(", "));
        buf_put(b, l.pairs[i].name);
        buf_put_char(b, '=');
        utf8_put_quoted(b, l.pairs[i].value);
    }
    buf_put_char(b, '}');
}

uint64_t labels_hash(struct labels l)
{
    return hash_xxh64(l.count == 0 ? NULL : &l.pairs[0].name, l.count * 2, '\xff');
}

/* ---- stored form ---- */

void labels_encode(struct buf *b, struct labels l)
{
    buf_put_uvarint(b, l.count);
    for (size_t i = 0; i < l.count; i++) {
        buf_put_str(b, l.pairs[i].name);
        buf_put_str(b, l.pairs[i].value);
    }
}

enum status labels_decode(struct arena *a, struct str *in, struct labels *ret_labels,
                          struct err *err)
{
    struct str rest = *in;
    uint64_t count;

    if (!get_uvarint(&rest, &count) || count > rest.len / 2)
        return err_set(err, ST_CORRUPT, "a label set is cut short");
    struct label *pairs = arena_new(a, struct label, (size_t)count);
    if (pairs == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < count; i++) {
        if (!get_str(&rest, &pairs[i].name) || !get_str(&rest, &pairs[i].value))
            return err_set(err, ST_CORRUPT, "a label set is cut short");
        if (i > 0 && str_cmp(pairs[i - 1].name, pairs[i].name) >= 0)
            return err_set(err, ST_CORRUPT, "a label set is not sorted");
    }
    *in = rest;
    *ret_labels = (struct labels){pairs, (size_t)count};
    return ST_OK;
}

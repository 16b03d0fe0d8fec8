#include "server/store/validate.h"

#include "base/hash.h"
#include "base/num.h"
#include "base/time.h"
#include "base/utf8.h"
#include "proto/level.h"

#include "base/banned.h"

enum {
    DISTINCT_ERRORS_MAX = 64, /* further texts are counted under the last one */
    LABELS_TEXT_BYTES_MAX = 1 << 20,
    LOOK_ENTRIES = 1024, /* between two looks whether somebody waits */
};

/* ---- what is refused ---- */

struct push_message {
    struct push_message *next;
    struct str text;
    uint64_t key; /* a hash of what the text follows from; equal ones are taken for equal texts */
    uint64_t count;
};

/* Count refusals whose text is known, or that come too late to be told. False: it is a new one. */
static bool count_known(struct push_errors *errors, uint64_t key, uint64_t count)
{
    struct push_message *m = errors->first;

    while (m != NULL && m->key != key)
        m = m->next;
    if (m == NULL && errors->distinct == DISTINCT_ERRORS_MAX)
        m = errors->last;
    if (m != NULL)
        m->count += count;
    return m != NULL;
}

static void add_message(struct push_errors *errors, struct arena *a, struct push_message from)
{
    struct push_message *m = arena_new(a, struct push_message, 1);

    if (m == NULL)
        return; /* the arena remembers that it failed */
    *m = from;
    if (errors->last == NULL)
        errors->first = m;
    else
        errors->last->next = m;
    errors->last = m;
    errors->distinct++;
}

void push_errors_add(struct push_errors *errors, struct arena *a, struct str text, uint64_t count)
{
    uint64_t key = hash_text(text);

    if (count_known(errors, key, count))
        return;
    text = arena_str(a, text);
    add_message(errors, a, (struct push_message){.text = text, .key = key, .count = count});
}

void push_errors_put(struct buf *b, const struct push_errors *errors)
{
    const struct push_message *first = errors->first;

    if (first == NULL)
        return;
    if (first->next == NULL && first->count == 1) {
        buf_put(b, first->text);
        return;
    }
    for (const struct push_message *m = first; m != NULL; m = m->next)
        buf_printf(b, "%s%llu errors like: %.*s", m == first ? "" : "; ",
                   (unsigned long long)m->count, STR_ARG(m->text));
}

static void discard(struct push_check *c, enum discard_reason reason, uint64_t entries,
                    uint64_t bytes)
{
    counter_add(&c->counters->discarded[reason].entries, entries);
    counter_add(&c->counters->discarded[reason].bytes, bytes);
}

static uint64_t metadata_bytes(struct labels l)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < l.count; i++)
        bytes += l.pairs[i].name.len + l.pairs[i].value.len;
    return bytes;
}

static uint64_t entry_bytes(const struct entry *e)
{
    return e->line.len + metadata_bytes(e->metadata);
}

/* The labels as they stand in messages. */
static struct str labels_text(struct push_check *c, struct labels l)
{
    struct buf b;

    buf_init(&b, LABELS_TEXT_BYTES_MAX);
    labels_put_text(&b, l);
    struct str text = arena_str(c->arena, buf_str(&b));
    buf_release(&b);
    return text;
}

/* ---- streams ---- */

static bool is_internal_stream(struct labels l)
{
    return labels_has(l, STR("__aggregated_metric__")) || labels_has(l, STR("__pattern__"));
}

/* Add service_name where it is missing. */
static enum status discover_service_name(struct push_check *c, struct labels *l)
{
    const struct str_list *names = &c->limits->discover_service_name;
    struct label service = {STR("service_name"), STR("unknown_service")};

    if (names->count == 0 || labels_has(*l, service.name) || is_internal_stream(*l))
        return ST_OK;
    for (size_t i = 0; i < names->count; i++) {
        struct str value = labels_get(*l, names->items[i]);
        if (value.len > 0) {
            service.value = value;
            break;
        }
    }
    struct label *pairs = arena_new(c->arena, struct label, l->count + 1);
    if (pairs == NULL)
        return ST_LIMIT;
    if (l->count > 0)
        memcpy(pairs, l->pairs, l->count * sizeof(*pairs));
    pairs[l->count] = service;
    *l = (struct labels){pairs, labels_normalize(pairs, l->count + 1)};
    return ST_OK;
}

/* The first limit that the labels break: its reason, with the message in `*ret_text`. */
static bool labels_refused(struct push_check *c, struct labels l, enum discard_reason *ret_reason,
                           struct str *ret_text)
{
    const struct limits *limits = c->limits;
    size_t counted = l.count - (labels_has(l, STR("service_name")) ? 1 : 0);
    struct str text;

    if (l.count == 0) {
        *ret_reason = DISCARD_MISSING_LABELS;
        *ret_text = STR("error at least one label pair is required per stream");
        return true;
    }
    if (counted > limits->max_label_names_per_series) {
        *ret_reason = DISCARD_MAX_LABEL_NAMES;
        text = labels_text(c, l);
        *ret_text = arena_printf(
            c->arena, "entry for stream '%.*s' has %zu label names; limit %llu", STR_ARG(text),
            counted, (unsigned long long)limits->max_label_names_per_series);
        return true;
    }
    for (size_t i = 0; i < l.count; i++) {
        struct label pair = l.pairs[i];
        const char *what = NULL;
        struct str shown = pair.name;
        if (pair.name.len > limits->max_label_name_length) {
            *ret_reason = DISCARD_LABEL_NAME_TOO_LONG;
            what = "label name too long";
        } else if (pair.value.len > limits->max_label_value_length) {
            *ret_reason = DISCARD_LABEL_VALUE_TOO_LONG;
            what = "label value too long";
            shown = pair.value;
        } else if (i > 0 && str_eq(l.pairs[i - 1].name, pair.name)) {
            *ret_reason = DISCARD_DUPLICATE_LABEL_NAMES;
            what = "duplicate label name";
        }
        if (what != NULL) {
            text = labels_text(c, l);
            *ret_text = arena_printf(c->arena, "stream '%.*s' has %s: '%.*s'", STR_ARG(text), what,
                                     STR_ARG(shown));
            return true;
        }
    }
    return false;
}

static bool stream_accepted(struct push_check *c, const struct push_stream *s)
{
    enum discard_reason reason;
    struct str text;
    uint64_t bytes = 0;

    if (!labels_refused(c, s->labels, &reason, &text))
        return true;
    for (size_t i = 0; i < s->entry_count; i++)
        bytes += entry_bytes(&s->entries[i]);
    discard(c, reason, s->entry_count, bytes);
    push_errors_add(&c->errors, c->arena, text, 1);
    return false;
}

/* ---- entries ---- */

enum { LEVEL_SETS = 8 }; /* as many as there are levels, "unknown" included */

/* What does not change from entry to entry of a stream. */
struct stream_check {
    struct push_check *check;
    const struct push_stream *stream;
    struct str labels_text; /* made when the first message needs it */
    uint64_t hash;          /* of the labels: made when the first entry is refused */
    bool has_hash;
    struct level_spec level_spec;
    struct str stream_level;              /* what its labels say; empty: look at each entry */
    struct labels level_sets[LEVEL_SETS]; /* made for entries without metadata, one pair each */
    size_t level_set_count;               /* of all so far; the oldest is overwritten */
};

static struct str stream_text(struct stream_check *s)
{
    if (s->labels_text.ptr == NULL)
        s->labels_text = labels_text(s->check, s->stream->labels);
    return s->labels_text;
}

static struct str time_text(struct push_check *c, int64_t ts_ns)
{
    struct buf b;

    buf_init(&b, ERR_TEXT_BYTES);
    time_put(&b, ts_ns, TIME_SECONDS);
    struct str text = arena_str(c->arena, buf_str(&b));
    buf_release(&b);
    return text;
}

/* The times of the limits, saturating. */
static int64_t oldest_ns(const struct push_check *c)
{
    if (!c->limits->reject_old_samples)
        return INT64_MIN;
    return i64_sub_saturated(c->now_ns, c->limits->reject_old_samples_max_age);
}

static int64_t newest_ns(const struct push_check *c)
{
    return i64_add_saturated(c->now_ns, c->limits->creation_grace_period);
}

/*
 * Why an entry is refused. With the labels of its stream it is all that the text follows from, the
 * limits aside: a push may have millions of entries that are refused alike, and labels whose text
 * is a hundred KB, so the text is made when it is a new one.
 */
struct refusal {
    enum discard_reason reason;
    uint64_t number; /* of what is too much; of times the second */
    struct str name; /* of metadata, if that is what is refused */
};

/* The limit of a line, that of the format included. */
static uint64_t line_bytes_max(const struct limits *limits)
{
    enum { LINE_BYTES_MAX = 16 * 1024 * 1024 }; /* of the format, see options.h */
    uint64_t max = limits->max_line_size;

    return max == 0 || max > LINE_BYTES_MAX ? LINE_BYTES_MAX : max;
}

static bool time_refused(const struct push_check *c, const struct entry *e,
                         struct refusal *ret_refusal)
{
    bool too_old = e->ts_ns < oldest_ns(c);

    if (!too_old && e->ts_ns <= newest_ns(c))
        return false;
    ret_refusal->reason = too_old ? DISCARD_TOO_OLD : DISCARD_TOO_NEW;
    int64_t second = e->ts_ns / SECOND_NS - (e->ts_ns % SECOND_NS < 0 ? 1 : 0);
    ret_refusal->number = (uint64_t)second;
    return true;
}

/* It may be cut instead. */
static bool line_refused(struct push_check *c, struct entry *e, struct refusal *ret_refusal)
{
    uint64_t max = line_bytes_max(c->limits);

    if (e->line.len <= max)
        return false;
    if (c->limits->max_line_size_truncate) {
        counter_add(&c->counters->lines_truncated, 1);
        counter_add(&c->counters->bytes_truncated, e->line.len - max);
        e->line = str_head(e->line, (size_t)max);
        c->changed = true;
        return false;
    }
    ret_refusal->reason = DISCARD_LINE_TOO_LONG;
    ret_refusal->number = e->line.len;
    return true;
}

static bool metadata_refused(const struct push_check *c, const struct entry *e,
                             struct refusal *ret_refusal)
{
    const struct limits *limits = c->limits;
    uint64_t bytes = metadata_bytes(e->metadata);

    if (e->metadata.count == 0)
        return false;
    if (!limits->allow_structured_metadata) {
        ret_refusal->reason = DISCARD_METADATA_NOT_ALLOWED;
        return true;
    }
    if (bytes > limits->max_structured_metadata_size) {
        ret_refusal->reason = DISCARD_METADATA_TOO_LARGE;
        ret_refusal->number = bytes;
        return true;
    }
    if (e->metadata.count > limits->max_structured_metadata_entries_count) {
        ret_refusal->reason = DISCARD_METADATA_TOO_MANY;
        ret_refusal->number = e->metadata.count;
        return true;
    }
    return false;
}

/* ---- the stored form of metadata ---- */

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* A name that normalizing would not change. */
static bool is_regular_name(struct str name)
{
    if (name.len == 0 || (name.ptr[0] >= '0' && name.ptr[0] <= '9') || str_eq(name, STR("_")))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        bool underscore = name.ptr[i] == '_';
        if (!underscore && !is_alphanumeric(name.ptr[i]))
            return false;
        if (underscore && i > 0 && name.ptr[i - 1] == '_')
            return false;
    }
    return true;
}

/* `__x__` keeps its double underscores. */
static bool is_reserved_name(struct str name)
{
    struct str inside = name.len < 5 ? STR_NULL : str_make(name.ptr + 2, name.len - 4);

    return inside.len > 0 && str_starts(name, STR("__")) && str_ends(name, STR("__")) &&
           is_regular_name(inside);
}

/*
 * Every run of other characters than letters and digits becomes one underscore; a leading digit
 * gets the prefix `key_`. ST_INVALID: nothing is left of the name.
 */
static enum status normalize_name(struct arena *a, struct str name, struct str *ret_name)
{
    struct str prefix =
        name.len > 0 && name.ptr[0] >= '0' && name.ptr[0] <= '9' ? STR("key_") : STR("");
    char *to = arena_bytes(a, prefix.len + name.len);
    size_t len = prefix.len;
    bool any = false;

    if (to == NULL)
        return ST_LIMIT;
    memcpy(to, prefix.ptr, prefix.len);
    for (size_t i = 0; i < name.len; i++) {
        if (is_alphanumeric(name.ptr[i])) {
            to[len++] = name.ptr[i];
            any = true;
        } else if (len == 0 || to[len - 1] != '_') {
            to[len++] = '_';
        }
    }
    *ret_name = str_make(to, len);
    return any ? ST_OK : ST_INVALID;
}

/* Bytes that are not UTF-8 become blanks. */
static struct str valid_text(struct push_check *c, struct str s)
{
    struct buf b;

    if (utf8_valid(s))
        return s;
    buf_init(&b, s.len + 1);
    utf8_put_valid(&b, s, STR(" "));
    struct str text = arena_str(c->arena, buf_str(&b));
    buf_release(&b);
    return text;
}

/*
 * Take pair `from` into the list: renamed if it must be, and instead of an earlier one of its name.
 *
 * ST_INVALID  there is no name, or nothing is left of it      ST_LIMIT  the arena is full
 */
static enum status add_pair(struct push_check *c, struct label from, struct label *pairs,
                            bool *renamed, size_t *count)
{
    struct label pair = from;
    bool rename = !is_regular_name(from.name) && !is_reserved_name(from.name);

    if (from.name.len == 0)
        return ST_INVALID;
    enum status st = rename ? normalize_name(c->arena, from.name, &pair.name) : ST_OK;
    if (st != ST_OK)
        return st;
    pair.value = valid_text(c, pair.value);
    size_t at = 0;
    while (at < *count && !str_eq(pairs[at].name, pair.name))
        at++;
    if (at < *count && renamed[at] && !rename)
        return ST_OK; /* a renamed one beats it */
    pairs[at] = pair;
    renamed[at] = rename;
    *count += at == *count ? 1 : 0;
    return ST_OK;
}

/* The set made for a level, or NULL. Most levels are the same words at the same place. */
static const struct labels *level_set(const struct stream_check *s, struct str level)
{
    size_t count = MIN_OF(s->level_set_count, (size_t)LEVEL_SETS);

    for (size_t i = 0; i < count; i++) {
        struct str known = s->level_sets[i].pairs[0].value;
        if (known.ptr == level.ptr && known.len == level.len)
            return &s->level_sets[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (str_eq(s->level_sets[i].pairs[0].value, level))
            return &s->level_sets[i];
    }
    return NULL;
}

/* The level of an entry as a pair, or an empty one when levels are not wanted. */
static struct label level_pair(struct stream_check *s, const struct entry *e)
{
    static const struct str name = STR_INIT("detected_level");
    const struct limits *limits = s->check->limits;
    struct str level = labels_get(e->metadata, name);

    if (!limits->discover_log_levels || !limits->allow_structured_metadata)
        return (struct label){name, valid_text(s->check, level)};
    if (level.len > 0)
        level = level_normalize(level);
    else if (s->stream_level.len > 0)
        level = s->stream_level;
    else
        level = level_of_entry(&s->level_spec, s->check->arena, e->metadata, e->line);
    const struct labels *known = level_set(s, level);
    if (known != NULL)
        return known->pairs[0]; /* that of an entry before: its text is known to be valid */
    return (struct label){name, valid_text(s->check, level)};
}

/* Most entries have no metadata but their level: one set serves many of them. */
static enum status store_level_only(struct stream_check *s, struct entry *e, struct label level)
{
    const struct labels *known = level_set(s, level.value);

    if (level.value.len == 0)
        return ST_OK;
    if (known == NULL) {
        struct label *pair = arena_new(s->check->arena, struct label, 1);
        if (pair == NULL)
            return ST_LIMIT;
        *pair = level;
        size_t slot = s->level_set_count++ % LEVEL_SETS;
        s->level_sets[slot] = (struct labels){pair, 1};
        known = &s->level_sets[slot];
    }
    e->metadata = *known;
    return ST_OK;
}

/* Bring the metadata of an entry into the form it is stored in, unless a name makes no sense. */
static enum status store_metadata(struct stream_check *s, struct entry *e,
                                  struct refusal *ret_refusal)
{
    struct push_check *c = s->check;
    struct label level = level_pair(s, e);
    size_t count = 0;

    if (e->metadata.count == 0)
        return store_level_only(s, e, level);
    c->changed = true;
    struct label *pairs = arena_new(c->arena, struct label, e->metadata.count + 1);
    bool *renamed = arena_new(c->arena, bool, e->metadata.count + 1);
    if (pairs == NULL || renamed == NULL)
        return ST_LIMIT;
    for (size_t i = 0; i < e->metadata.count; i++) {
        struct label from = e->metadata.pairs[i];
        enum status st = add_pair(c, from, pairs, renamed, &count);
        if (st != ST_OK) {
            *ret_refusal = (struct refusal){.reason = DISCARD_METADATA_NAME, .name = from.name};
            return st;
        }
    }
    if (level.value.len > 0) {
        size_t at = 0;
        while (at < count && !str_eq(pairs[at].name, level.name))
            at++;
        pairs[at] = level;
        count += at == count ? 1 : 0;
    }
    e->metadata = (struct labels){pairs, labels_normalize(pairs, count)};
    return ST_OK;
}

/* ---- what is told of refused entries ---- */

#define SEE_LIMIT "Please see `limits_config.%s` or contact your Loki administrator to %s it"

static struct str name_text(struct push_check *c, struct str name)
{
    struct buf b;

    if (name.len == 0)
        return STR("label name is empty");
    buf_init(&b, LABELS_TEXT_BYTES_MAX);
    buf_put(&b, STR("normalization for label name "));
    utf8_put_quoted(&b, name);
    buf_put(&b, STR(" resulted in invalid name \"_\""));
    struct str text = arena_str(c->arena, buf_str(&b));
    buf_release(&b);
    return text;
}

static struct str metadata_text(struct stream_check *s, const struct refusal *r)
{
    const struct limits *limits = s->check->limits;
    struct arena *a = s->check->arena;

    if (r->reason == DISCARD_METADATA_NOT_ALLOWED)
        return arena_printf(a,
                            "stream '%.*s' includes structured metadata, but this feature is "
                            "disallowed. " SEE_LIMIT,
                            STR_ARG(stream_text(s)), "allow_structured_metadata", "enable");
    if (r->reason == DISCARD_METADATA_TOO_LARGE)
        return arena_printf(a,
                            "stream '%.*s' has structured metadata too large: '%llu' bytes, "
                            "limit: '%llu' bytes. " SEE_LIMIT,
                            STR_ARG(stream_text(s)), (unsigned long long)r->number,
                            (unsigned long long)limits->max_structured_metadata_size,
                            "max_structured_metadata_size", "increase");
    if (r->reason == DISCARD_METADATA_TOO_MANY)
        return arena_printf(a,
                            "stream '%.*s' has too many structured metadata labels: '%llu', "
                            "limit: '%llu'. " SEE_LIMIT,
                            STR_ARG(stream_text(s)), (unsigned long long)r->number,
                            (unsigned long long)limits->max_structured_metadata_entries_count,
                            "max_structured_metadata_entries_count", "increase");
    return name_text(s->check, r->name);
}

static struct str refusal_text(struct stream_check *s, const struct entry *e,
                               const struct refusal *r)
{
    struct push_check *c = s->check;

    if (r->reason == DISCARD_TOO_OLD)
        return arena_printf(c->arena,
                            "entry for stream '%.*s' has timestamp too old: %.*s, oldest "
                            "acceptable timestamp is: %.*s",
                            STR_ARG(stream_text(s)), STR_ARG(time_text(c, e->ts_ns)),
                            STR_ARG(time_text(c, oldest_ns(c))));
    if (r->reason == DISCARD_TOO_NEW)
        return arena_printf(c->arena, "entry for stream '%.*s' has timestamp too new: %.*s",
                            STR_ARG(stream_text(s)), STR_ARG(time_text(c, e->ts_ns)));
    if (r->reason == DISCARD_LINE_TOO_LONG)
        return arena_printf(c->arena,
                            "max entry size '%llu' bytes exceeded for stream '%.*s' while adding "
                            "an entry with length '%llu' bytes",
                            (unsigned long long)line_bytes_max(c->limits), STR_ARG(stream_text(s)),
                            (unsigned long long)r->number);
    return metadata_text(s, r);
}

static uint64_t stream_hash(struct stream_check *s)
{
    if (!s->has_hash)
        s->hash = labels_hash(s->stream->labels);
    s->has_hash = true;
    return s->hash;
}

/* Everything that the text of a refusal follows from, in short. */
static uint64_t refusal_key(struct stream_check *s, const struct refusal *r)
{
    bool of_name = r->reason == DISCARD_METADATA_NAME;
    const uint64_t parts[] = {r->reason, r->number, of_name ? hash_text(r->name) : stream_hash(s)};

    return hash_text(str_make((const char *)parts, sizeof(parts)));
}

static void refuse(struct stream_check *s, const struct entry *e, const struct refusal *r)
{
    struct push_check *c = s->check;
    uint64_t key = refusal_key(s, r);

    if (count_known(&c->errors, key, 1))
        return;
    struct str text = refusal_text(s, e, r);
    c->text_bytes += text.len;
    add_message(&c->errors, c->arena, (struct push_message){.text = text, .key = key, .count = 1});
}

static bool entry_accepted(struct stream_check *s, struct entry *e)
{
    struct push_check *c = s->check;
    uint64_t bytes = entry_bytes(e);
    struct refusal refusal = {.reason = DISCARD_METADATA_NAME};

    bool refused = time_refused(c, e, &refusal) || line_refused(c, e, &refusal) ||
                   metadata_refused(c, e, &refusal);
    if (!refused) {
        bytes = entry_bytes(e); /* the line may have been cut */
        refused = store_metadata(s, e, &refusal) != ST_OK;
    }
    if (refused) {
        discard(c, refusal.reason, 1, bytes);
        refuse(s, e, &refusal);
        return false;
    }
    c->entries++;
    c->bytes += bytes;
    return true;
}

/* Within one request: an entry at the time of the one before, but with another line, moves on by 1
 * ns. */
static void bump_duplicate_times(struct push_stream *s)
{
    int64_t original_ns = 0;

    for (size_t i = 0; i < s->entry_count; i++) {
        struct entry *e = &s->entries[i];
        int64_t ts_ns = e->ts_ns;
        if (i > 0 && !str_eq(e->line, e[-1].line) &&
            (ts_ns == original_ns || ts_ns == e[-1].ts_ns) && e[-1].ts_ns < INT64_MAX)
            e->ts_ns = e[-1].ts_ns + 1;
        original_ns = ts_ns;
    }
}

static bool is_given_up(const struct push_check *c)
{
    return c->gone != NULL && flag_get(c->gone);
}

static void check_entries(struct push_check *c, struct push_stream *s)
{
    const struct limits *limits = c->limits;
    struct stream_check check = {
        .check = c,
        .stream = s,
    };
    size_t kept = 0;

    level_spec_init(&check.level_spec, limits->log_level_fields.items,
                    limits->log_level_fields.count, (int)limits->log_level_from_json_max_depth);
    check.stream_level = level_of_labels(&check.level_spec, s->labels);
    for (size_t i = 0; i < s->entry_count; i++) {
        struct entry e = s->entries[i];
        if (i % LOOK_ENTRIES == LOOK_ENTRIES - 1 && is_given_up(c))
            break;
        if (entry_accepted(&check, &e))
            s->entries[kept++] = e;
    }
    c->changed |= kept < s->entry_count || limits->increment_duplicate_timestamp;
    s->entry_count = kept;
    if (limits->increment_duplicate_timestamp)
        bump_duplicate_times(s);
}

static void count_received(struct push_check *c, const struct push_stream *s)
{
    uint64_t bytes = 0, metadata = 0;

    for (size_t i = 0; i < s->entry_count; i++) {
        bytes += entry_bytes(&s->entries[i]);
        metadata += metadata_bytes(s->entries[i].metadata);
    }
    counter_add(&c->counters->lines_received, s->entry_count);
    counter_add(&c->counters->bytes_received, bytes);
    counter_add(&c->counters->metadata_bytes_received, metadata);
}

enum status validate_request(const struct push_request *request, struct err *err)
{
    if (request->stream_count == 0)
        return err_set(err, ST_EMPTY, "error at least one valid stream is required for ingestion");
    for (size_t i = 0; i < request->stream_count; i++) {
        struct labels l = request->streams[i].labels;
        if (labels_has(l, STR("__backfill__")) || labels_has(l, STR("__backfill_shard__")))
            return err_set(err, ST_INVALID,
                           "labels __backfill__ and __backfill_shard__ are reserved");
    }
    return ST_OK;
}

enum status validate_push(struct push_check *c, struct push_request *request, struct err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < request->stream_count; i++) {
        struct push_stream *s = &request->streams[i];
        if (s->entry_count == 0)
            continue;
        if (is_given_up(c))
            break;
        count_received(c, s);
        if (discover_service_name(c, &s->labels) != ST_OK)
            break;
        if (!stream_accepted(c, s))
            continue;
        check_entries(c, s);
        if (s->entry_count > 0)
            request->streams[kept++] = *s;
    }
    c->changed |= kept < request->stream_count;
    request->stream_count = kept;
    if (is_given_up(c))
        return err_set(err, ST_CANCELLED, "nobody waits for the answer any more");
    return arena_status(c->arena, err);
}

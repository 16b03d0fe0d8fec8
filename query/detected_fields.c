#include "query/detected_fields.h"

#include <stdlib.h>

#include "base/num.h"
#include "base/time.h"
#include "query/byte_size.h"
#include "query/field_path.h"

#include "base/banned.h"

/* ---- types ---- */

struct str field_type_text(enum field_type type)
{
    static const struct str texts[] = {
#define X(name, text) STR_INIT(text),
        FIELD_TYPES(X)
#undef X
    };

    ASSERT((size_t)type < COUNT_OF(texts));
    return texts[type];
}

static bool is_boolean(struct str value)
{
    static const struct str words[] = {
        STR_INIT("t"), STR_INIT("T"), STR_INIT("true"),  STR_INIT("TRUE"),  STR_INIT("True"),
        STR_INIT("f"), STR_INIT("F"), STR_INIT("false"), STR_INIT("FALSE"), STR_INIT("False")};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_eq(words[i], value))
            return true;
    }
    return false;
}

enum field_type field_type_of(struct str value)
{
    uint64_t bytes;
    int64_t integer;
    double number;

    if (num_parse_i64(value, &integer) == ST_OK)
        return FIELD_INT;
    if (num_parse_double(value, &number) == ST_OK)
        return FIELD_FLOAT;
    if (is_boolean(value))
        return FIELD_BOOLEAN;
    if (duration_parse_go(value, &integer, NULL) == ST_OK)
        return FIELD_DURATION;
    return byte_size_parse(value, &bytes, NULL) == ST_OK ? FIELD_BYTES : FIELD_STRING;
}

/* ---- a detector ---- */

enum status field_detector_init(struct field_detector *d, struct arena *a, struct err *err)
{
    const struct stage_expr json = {.kind = STAGE_JSON}, logfmt = {.kind = STAGE_LOGFMT};

    *d = (struct field_detector){.arena = a, .fields_max = SIZE_MAX, .values_max = SIZE_MAX};
    arena_init_child(&d->scratch, a);
    enum status st = stage_json_compile(a, &json, &d->json, err);
    return st == ST_OK ? stage_logfmt_compile(a, &logfmt, &d->logfmt, err) : st;
}

void field_detector_release(struct field_detector *d)
{
    size_t cursor = 0;

    for (struct detected_field *f = map_next(&d->map, &cursor); f != NULL;
         f = map_next(&d->map, &cursor))
        map_release(&f->values);
    map_release(&d->map);
    arena_release(&d->scratch);
}

/* Why there is no memory for more. */
static enum status no_memory(const struct field_detector *d, struct err *err)
{
    if (d->arena->failed)
        return arena_status(d->arena, err);
    return d->scratch.failed ? arena_status(&d->scratch, err)
                             : err_set(err, ST_NOMEM, "no memory for the fields");
}

/* The field of a name; NULL when it is not wanted. */
static enum status find_field(struct field_detector *d, struct str name,
                              struct detected_field **ret_field, struct err *err)
{
    *ret_field = map_get(&d->map, name);
    if (*ret_field != NULL || d->map.count >= d->fields_max ||
        (d->only.len > 0 && !str_eq(d->only, name)))
        return ST_OK;
    struct detected_field *f = arena_new(d->arena, struct detected_field, 1);
    struct str copy = arena_str(d->arena, name);
    if (f == NULL || copy.ptr == NULL)
        return no_memory(d, err);
    f->name = copy;
    if (map_set(&d->map, copy, f) != ST_OK)
        return no_memory(d, err);
    *ret_field = f;
    return ST_OK;
}

static enum status add_value(struct field_detector *d, struct detected_field *f, struct str value,
                             struct err *err)
{
    if (map_get(&f->values, value) != NULL || f->values.count >= d->values_max)
        return ST_OK;
    struct str *copy = arena_new(d->arena, struct str, 1);
    if (copy == NULL)
        return no_memory(d, err);
    *copy = arena_str(d->arena, value);
    if (copy->ptr == NULL || map_set(&f->values, *copy, copy) != ST_OK)
        return no_memory(d, err);
    return ST_OK;
}

/* "10kb" and "10 KB" are one size. */
static struct str size_in_one_form(struct field_detector *d, struct str value)
{
    enum { SIZE_TEXT_BYTES = 64 };
    uint64_t bytes;
    struct buf b;

    if (byte_size_parse(value, &bytes, NULL) != ST_OK)
        return value;
    buf_init(&b, SIZE_TEXT_BYTES);
    byte_size_put(&b, bytes);
    struct str text = arena_str(&d->scratch, buf_str(&b));
    buf_release(&b);
    return text.ptr == NULL ? value : text;
}

static bool is_error(struct str name)
{
    return str_eq(name, STR("__error__")) || str_eq(name, STR("__error_details__")) ||
           str_eq(name, STR("__preserve_error__"));
}

/* What one entry has under a name. */
struct found {
    struct label label;
    bool parsed;      /* it is no metadata; and by which parser of this module's: */
    bool line_json;   /* the line was JSON, */
    bool line_logfmt; /* or logfmt */
};

/* ---- paths ---- */

static void keep_path(struct field_detector *d, struct str name, struct name_list path)
{
    struct detected_field *f = map_get(&d->map, name);

    if (f == NULL || !f->by_json || f->path.count > 0)
        return;
    struct str *keys = arena_new(d->arena, struct str, path.count);
    for (size_t i = 0; keys != NULL && i < path.count; i++)
        keys[i] = arena_str(d->arena, path.names[i]);
    if (!d->arena->failed)
        f->path = (struct name_list){keys, path.count};
}

/* A member may have given its name to a field, or one that says that a stream label has it. */
static void visit_path(void *context, struct str name, struct name_list path)
{
    static const struct str suffix = STR_INIT("_extracted");
    struct field_detector *d = context;

    keep_path(d, name, path);
    char *text = arena_bytes(&d->scratch, name.len + suffix.len);
    if (text == NULL)
        return;
    memcpy(text, name.ptr, name.len);
    memcpy(text + name.len, suffix.ptr, suffix.len);
    keep_path(d, str_make(text, name.len + suffix.len), path);
}

/* ---- adding ---- */

static enum status add_found(struct field_detector *d, const struct found *found, struct err *err)
{
    struct detected_field *f = NULL;
    struct str value = found->label.value;

    if (is_error(found->label.name))
        return ST_OK;
    enum status st = find_field(d, found->label.name, &f, err);
    if (st != ST_OK || f == NULL)
        return st;
    f->type = field_type_of(value);
    f->by_json = f->by_json || found->line_json;
    f->by_logfmt = f->by_logfmt || found->line_logfmt;
    d->wants_paths = d->wants_paths || (f->by_json && f->path.count == 0);
    if (found->parsed && d->only.len > 0 && f->type == FIELD_BYTES)
        value = size_in_one_form(d, value);
    return st == ST_OK ? add_value(d, f, value, err) : st;
}

static enum status add_labels(struct field_detector *d, struct labels l, struct found found,
                              struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < l.count && st == ST_OK; i++) {
        found.label = l.pairs[i];
        st = add_found(d, &found, err);
    }
    return st;
}

/* Parse the line by one stage; false: it cannot. */
static bool parse(struct field_detector *d, const struct stage *stage, struct str line,
                  struct entry_state *e)
{
    static const struct labels none;
    struct labels stream = e->labels.base;

    arena_reset(&d->scratch);
    label_builder_begin(&e->labels, stream, none);
    e->line = line;
    return stage->run(stage, e) && e->labels.error.len == 0;
}

enum status field_detector_add(struct field_detector *d, const struct result_stream *stream,
                               const struct result_row *row, struct err *err)
{
    static const struct label_hints no_hints;
    struct entry_state e = {.ts_ns = row->ts_ns, .scratch = &d->scratch};
    struct found found = {.parsed = true};
    struct labels parsed = {NULL, 0};

    enum status st = add_labels(d, row->metadata, (struct found){.parsed = false}, err);
    if (st != ST_OK)
        return st;
    label_builder_init(&e.labels, &d->scratch, &no_hints);
    e.labels.base = stream->labels;
    found.line_json = parse(d, &d->json, row->line, &e);
    found.line_logfmt = !found.line_json && parse(d, &d->logfmt, row->line, &e);
    if (found.line_json || found.line_logfmt)
        parsed = label_builder_result(&e.labels).of[LABEL_PARSED];
    if (d->scratch.failed)
        return no_memory(d, err);
    st = add_labels(d, row->parsed, found, err); /* which the reference ascribes to the parser */
    d->wants_paths = false;
    if (st == ST_OK)
        st = add_labels(d, parsed, found, err);
    if (st != ST_OK || !d->wants_paths)
        return st;
    field_paths_visit(&d->scratch, row->line, visit_path, d);
    return d->arena->failed || d->scratch.failed ? no_memory(d, err) : ST_OK;
}

static int compare_fields(const void *a, const void *b)
{
    const struct detected_field *const *x = a, *const *y = b;

    return str_cmp((*x)->name, (*y)->name);
}

enum status field_detector_fields(const struct field_detector *d,
                                  const struct detected_field ***ret_fields, size_t *ret_count,
                                  struct err *err)
{
    const struct detected_field **fields =
        arena_new(d->arena, const struct detected_field *, d->map.count + 1);
    size_t cursor = 0, count = 0;

    if (fields == NULL)
        return arena_status(d->arena, err);
    for (const struct detected_field *f = map_next(&d->map, &cursor); f != NULL;
         f = map_next(&d->map, &cursor))
        fields[count++] = f;
    qsort(fields, count, sizeof(*fields), compare_fields);
    *ret_fields = fields;
    *ret_count = count;
    return ST_OK;
}

#include "cli/answer_bare.h"

#include <stdlib.h>

#include "base/num.h"
#include "proto/json.h"

#include "base/banned.h"

static void take_count(struct json *j, uint64_t *ret_count)
{
    if (num_parse_u64(json_literal(j), ret_count) != ST_OK)
        json_fail(j, "expected a count before it");
}

static enum status finish(struct json *j, struct err *err)
{
    json_finish(j);
    return json_status(j) == ST_OK ? ST_OK
                                   : err_prefix(err, json_status(j), "the answer of the server");
}

/* ---- index/stats ---- */

enum status answer_index_stats(struct str body, struct arena *a, struct index_stats *ret_stats,
                               struct err *err)
{
    struct index_stats stats = {0};
    const struct {
        struct str key;
        uint64_t *count;
    } counts[] = {
        {STR("streams"), &stats.streams},
        {STR("chunks"), &stats.chunks},
        {STR("bytes"), &stats.bytes},
        {STR("entries"), &stats.entries},
    };
    struct json j;
    struct str key;

    json_init(&j, body, a, err);
    json_enter_object(&j);
    while (json_next_key(&j, &key)) {
        size_t i = 0;
        while (i < COUNT_OF(counts) && !str_eq(key, counts[i].key))
            i++;
        if (i < COUNT_OF(counts))
            take_count(&j, counts[i].count);
        else
            json_skip(&j);
    }
    enum status st = finish(&j, err);
    if (st == ST_OK)
        *ret_stats = stats;
    return st;
}

/* ---- detected_fields ---- */

/* {"label":"size","type":"bytes","cardinality":4,...} */
static void take_field(struct json *j, struct field *field)
{
    struct str key;

    (void)json_peek(j); /* blanks are behind us now */
    const char *begin = j->rest.ptr;
    *field = (struct field){.cardinality = 0};
    json_enter_object(j);
    while (json_next_key(j, &key)) {
        if (str_eq(key, STR("label")))
            field->label = json_read_string(j);
        else if (str_eq(key, STR("type")))
            field->type = json_read_string(j);
        else if (str_eq(key, STR("cardinality")))
            take_count(j, &field->cardinality);
        else
            json_skip(j);
    }
    field->json = str_make(begin, (size_t)(j->rest.ptr - begin));
}

static void take_fields(struct json *j, struct field_list *list)
{
    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return;
    }
    json_enter_array(j);
    while (json_next_item(j)) {
        list->items = arena_reserve(j->arena, list->items, list->count, &list->capacity,
                                    sizeof(struct field));
        if (list->items == NULL) {
            json_fail(j, "it is too large");
            return;
        }
        take_field(j, &list->items[list->count++]);
    }
}

static int compare_fields(const void *a, const void *b)
{
    const struct field *x = a, *y = b;

    return str_cmp(x->label, y->label);
}

enum status answer_fields(struct str body, struct arena *a, struct field_list *ret_list,
                          struct err *err)
{
    struct field_list list = {0};
    struct json j;
    struct str key;

    json_init(&j, body, a, err);
    json_enter_object(&j);
    while (json_next_key(&j, &key)) {
        if (str_eq(key, STR("fields")))
            take_fields(&j, &list);
        else
            json_skip(&j);
    }
    enum status st = finish(&j, err);
    if (st != ST_OK)
        return st;
    if (list.count > 0)
        qsort(list.items, list.count, sizeof(*list.items), compare_fields);
    *ret_list = list;
    return ST_OK;
}

/*
 * An answer is first cut into parts, so that the order of its keys does not matter, and each part
 * is then read with the streaming reader: no tree, and numbers keep the digits the server gave.
 */
#include "cli/answer.h"

#include <stdlib.h>

#include "base/num.h"
#include "cli/json_text.h"
#include "cli/print.h"
#include "proto/json.h"

#include "base/banned.h"

enum { STATS_NAME_BYTES_MAX = 1024 };

/* ---- the envelope ---- */

/* One of the keys that are looked for, and where its value goes. */
struct part {
    const char *key;
    bool is_string; /* its value is wanted, not its text */
    struct str *ret;
};

/* Read an object: values of other keys are skipped, and so is null. */
static enum status cut_object(struct str text, struct arena *a, const struct part *parts,
                              size_t count, struct err *err)
{
    struct json j;
    struct str key;

    json_init(&j, text, a, err);
    json_enter_object(&j);
    while (json_next_key(&j, &key)) {
        size_t i = 0;
        while (i < count && !str_eq(key, str_from(parts[i].key)))
            i++;
        if (i == count || json_peek(&j) == JSON_NULL)
            json_skip(&j);
        else
            *parts[i].ret = parts[i].is_string ? json_read_string(&j) : json_text_take(&j);
    }
    json_finish(&j);
    return json_status(&j);
}

enum status answer_parse(struct str body, struct arena *a, struct answer *ret_answer,
                         struct err *err)
{
    struct str status = STR("");
    struct answer answer = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    const struct part outer[] = {
        {"status", true, &status},
        {"data", false, &answer.payload},
        {"warnings", false, &answer.warnings},
    };
    const struct part inner[] = {
        {"resultType", true, &answer.kind},
        {"result", false, &answer.result},
        {"stats", false, &answer.stats},
    };

    enum status st = cut_object(body, a, outer, COUNT_OF(outer), err);
    if (st == ST_OK && !str_eq(status, STR("success")))
        st = err_set(err, ST_INVALID, "it does not say \"success\"");
    if (st == ST_OK && answer.payload.len > 0 && answer.payload.ptr[0] == '{')
        st = cut_object(answer.payload, a, inner, COUNT_OF(inner), err);
    if (st != ST_OK)
        return err_prefix(err, st, "this is no answer of a log store");
    *ret_answer = answer;
    return ST_OK;
}

static enum status bad_answer(enum status st, struct err *err)
{
    return st == ST_OK ? ST_OK : err_prefix(err, st, "the answer of the server");
}

/* ---- label sets ---- */

static struct labels take_labels(struct json *j)
{
    struct label *pairs = NULL;
    size_t count = 0, capacity = 0;
    struct str name;

    json_enter_object(j);
    while (json_next_key(j, &name)) {
        pairs = arena_reserve(j->arena, pairs, count, &capacity, sizeof(*pairs));
        if (pairs == NULL) {
            json_fail(j, "it is too large");
            break;
        }
        pairs[count++] = (struct label){name, json_read_string(j)};
    }
    if (json_status(j) != ST_OK)
        return (struct labels){NULL, 0};
    return (struct labels){pairs, labels_normalize(pairs, count)};
}

/* ---- rows ---- */

/* ["1795218538845111672", "the line", {...}] */
static void take_row(struct json *j, struct row *row)
{
    json_enter_array(j);
    if (!json_next_item(j) || num_parse_i64(json_read_string(j), &row->ts_ns) != ST_OK) {
        json_fail(j, "expected a time before it");
        return;
    }
    if (!json_next_item(j)) {
        json_fail(j, "expected a line before it");
        return;
    }
    row->line = json_read_string(j);
    while (json_next_item(j))
        json_skip(j);
}

static enum status read_rows(struct str text, struct arena *a, struct page *page, struct err *err)
{
    struct json j;

    json_init(&j, text, a, err);
    json_enter_array(&j);
    while (json_next_item(&j)) {
        page->rows =
            arena_reserve(a, page->rows, page->row_count, &page->row_capacity, sizeof(struct row));
        if (page->rows == NULL)
            return arena_status(a, err);
        struct row *row = &page->rows[page->row_count];
        *row = (struct row){.stream = page->stream_count, .place = page->row_count};
        take_row(&j, row);
        page->row_count++;
    }
    return json_status(&j);
}

static enum status read_stream(struct str text, struct arena *a, struct page *page, struct err *err)
{
    struct str labels = STR("{}"), values = STR("[]");
    const struct part parts[] = {{"stream", false, &labels}, {"values", false, &values}};
    struct json j;

    enum status st = cut_object(text, a, parts, COUNT_OF(parts), err);
    if (st != ST_OK)
        return st;
    page->streams = arena_reserve(a, page->streams, page->stream_count, &page->stream_capacity,
                                  sizeof(struct labels));
    if (page->streams == NULL)
        return arena_status(a, err);
    json_init(&j, labels, a, err);
    page->streams[page->stream_count] = take_labels(&j);
    st = json_status(&j);
    if (st == ST_OK)
        st = read_rows(values, a, page, err);
    page->stream_count++;
    return st;
}

enum status answer_page(const struct answer *answer, struct arena *a, struct page *ret_page,
                        struct err *err)
{
    struct page page = {0};
    enum status st = ST_OK;
    struct json j;

    json_init(&j, answer->result, a, err);
    json_enter_array(&j);
    while (st == ST_OK && json_next_item(&j)) {
        struct str stream = json_text_take(&j);
        if (json_status(&j) == ST_OK)
            st = read_stream(stream, a, &page, err);
    }
    st = st == ST_OK ? json_status(&j) : st;
    if (st == ST_OK)
        *ret_page = page;
    return bad_answer(st, err);
}

/* ---- lists ---- */

enum status answer_names(const struct answer *answer, struct arena *a, struct name_list *ret_names,
                         struct err *err)
{
    struct name_list list = {0};
    struct json j;

    *ret_names = list;
    if (answer->payload.len == 0)
        return ST_OK;
    json_init(&j, answer->payload, a, err);
    json_enter_array(&j);
    while (json_next_item(&j)) {
        list.items = arena_reserve(a, list.items, list.count, &list.capacity, sizeof(struct str));
        if (list.items == NULL)
            return arena_status(a, err);
        list.items[list.count++] = json_read_string(&j);
    }
    if (json_status(&j) == ST_OK)
        *ret_names = list;
    return bad_answer(json_status(&j), err);
}

static int compare_labels(const void *a, const void *b)
{
    const struct labels *x = a, *y = b;

    for (size_t i = 0; i < x->count && i < y->count; i++) {
        int order = str_cmp(x->pairs[i].name, y->pairs[i].name);
        if (order == 0)
            order = str_cmp(x->pairs[i].value, y->pairs[i].value);
        if (order != 0)
            return order;
    }
    return (x->count > y->count) - (x->count < y->count);
}

enum status answer_series(const struct answer *answer, struct arena *a,
                          struct series_list *ret_series, struct err *err)
{
    struct series_list list = {0};
    struct json j;

    *ret_series = list;
    if (answer->payload.len == 0)
        return ST_OK;
    json_init(&j, answer->payload, a, err);
    json_enter_array(&j);
    while (json_next_item(&j)) {
        list.items =
            arena_reserve(a, list.items, list.count, &list.capacity, sizeof(struct labels));
        if (list.items == NULL)
            return arena_status(a, err);
        list.items[list.count++] = take_labels(&j);
    }
    if (json_status(&j) != ST_OK)
        return bad_answer(json_status(&j), err);
    if (list.count > 0)
        qsort(list.items, list.count, sizeof(*list.items), compare_labels);
    *ret_series = list;
    return ST_OK;
}

/* ---- results that are printed as they are ---- */

enum status answer_put_result(struct buf *b, const struct answer *answer, struct arena *a,
                              struct err *err)
{
    struct json j;

    json_init(&j, answer->result, a, err);
    json_text_put_indented(b, &j);
    json_finish(&j);
    buf_put_char(b, '\n');
    return json_status(&j) == ST_OK ? buf_status(b, err) : bad_answer(json_status(&j), err);
}

static void put_json_line(struct buf *b, struct json *j)
{
    json_text_put_line(b, j);
    buf_put_char(b, '\n');
}

enum status answer_put_result_lines(struct buf *b, const struct answer *answer, struct arena *a,
                                    struct err *err)
{
    struct json j;

    json_init(&j, answer->result, a, err);
    if (str_eq(answer->kind, STR("scalar"))) {
        put_json_line(b, &j);
    } else {
        json_enter_array(&j);
        while (json_next_item(&j))
            put_json_line(b, &j);
    }
    json_finish(&j);
    return json_status(&j) == ST_OK ? buf_status(b, err) : bad_answer(json_status(&j), err);
}

/* ---- what is said besides ---- */

void answer_put_warnings(struct buf *b, const struct answer *answer, struct arena *a)
{
    struct json j;

    if (answer->warnings.len == 0)
        return;
    json_init(&j, answer->warnings, a, NULL);
    json_enter_array(&j);
    while (json_next_item(&j)) {
        buf_put(b, STR("warning: "));
        put_visible(b, json_read_string(&j));
        buf_put_char(b, '\n');
    }
}

/* Lines for all that lies below the next value; `name` has its name, and gets longer below. */
static void put_stats(struct buf *b, struct buf *name, struct json *j)
{
    size_t before = name->len;
    struct str key;

    if (json_peek(j) != JSON_OBJECT) {
        struct str value = json_text_take(j);
        if (str_eq(value, STR("0")) || str_eq(value, STR("false")))
            return;
        put_visible(b, buf_str(name));
        buf_put(b, STR(": "));
        put_visible(b, value);
        buf_put_char(b, '\n');
        return;
    }
    json_enter_object(j);
    while (json_next_key(j, &key)) {
        if (before > 0)
            buf_put_char(name, '.');
        buf_put(name, key);
        put_stats(b, name, j);
        name->len = before;
    }
}

void answer_put_stats(struct buf *b, const struct answer *answer, struct arena *a)
{
    struct buf name;
    struct json j;

    if (answer->stats.len == 0)
        return;
    buf_init(&name, STATS_NAME_BYTES_MAX);
    json_init(&j, answer->stats, a, NULL);
    put_stats(b, &name, &j);
    buf_release(&name);
}

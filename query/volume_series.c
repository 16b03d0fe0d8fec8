#include "query/volume_series.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/time.h"
#include "query/cells.h"

#include "base/banned.h"

struct volume_row {
    struct labels labels;
    struct str text;             /* of the labels, for the order */
    struct source_totals totals; /* of all cells */
};

struct collecting {
    const struct volume_series *wanted;
    struct arena *arena;
    struct map rows; /* labels in stored form -> struct volume_row */
    struct cells cells;
    struct buf key;
    struct label *pairs; /* room for those of a stream that make its series */
    size_t pair_capacity;
};

static enum status no_memory(const struct collecting *c, struct err *err)
{
    return c->arena->failed ? arena_status(c->arena, err)
                            : err_set(err, ST_NOMEM, "no memory for the sums");
}

static enum status add_row(struct collecting *c, struct str key, struct volume_row **ret_row,
                           struct err *err)
{
    uint64_t max = c->wanted->series_max;
    struct volume_row *row = arena_new(c->arena, struct volume_row, 1);
    struct str copy = arena_str(c->arena, key), rest = copy;

    if (max > 0 && c->rows.count >= max)
        return err_set(err, ST_INVALID,
                       "the query hit the max number of series limit (limit: %llu series)",
                       (unsigned long long)max);
    if (row == NULL || copy.ptr == NULL ||
        labels_decode(c->arena, &rest, &row->labels, NULL) != ST_OK ||
        map_set(&c->rows, copy, row) != ST_OK)
        return no_memory(c, err);
    *ret_row = row;
    return ST_OK;
}

static enum status add_bytes(struct collecting *c, const struct volume_part *part,
                             struct labels labels, struct err *err)
{
    enum status st = ST_OK;

    buf_reset(&c->key);
    labels_encode(&c->key, labels);
    if (c->key.failed)
        return buf_status(&c->key, err);
    struct volume_row *row = map_get(&c->rows, buf_str(&c->key));
    if (row == NULL)
        st = add_row(c, buf_str(&c->key), &row, err);
    if (st != ST_OK)
        return st;
    totals_add(&row->totals, &part->totals);
    return cells_add(&c->cells, row, part->bucket_ns, &part->totals, err);
}

static bool is_wanted(const struct volume_series *v, struct str name)
{
    bool found = v->all_names;

    for (size_t i = 0; i < v->names.count && !found; i++)
        found = str_eq(v->names.names[i], name);
    return found;
}

static bool has_all(const struct volume_series *v, struct labels l)
{
    for (size_t i = 0; i < v->names.count; i++) {
        if (!labels_has(l, v->names.names[i]))
            return false;
    }
    return true;
}

static enum status add_part(void *context, const struct volume_part *part, struct err *err)
{
    struct collecting *c = context;
    const struct volume_series *v = c->wanted;
    struct labels l = part->stream->labels;
    size_t count = 0;
    enum status st = ST_OK;

    if (v->need_all && !has_all(v, l))
        return ST_OK;
    if (l.count > c->pair_capacity || c->pairs == NULL) {
        c->pair_capacity = 2 * l.count + 1;
        c->pairs = arena_new(c->arena, struct label, c->pair_capacity);
    }
    struct label *pairs = c->pairs;
    if (pairs == NULL)
        return arena_status(c->arena, err);
    for (size_t i = 0; i < l.count && st == ST_OK; i++) {
        if (!is_wanted(v, l.pairs[i].name))
            continue;
        pairs[count] = l.pairs[i];
        if (v->by_name) {
            pairs[0] = (struct label){l.pairs[i].name, STR("")};
            st = add_bytes(c, part, (struct labels){pairs, 1}, err);
        } else {
            count++;
        }
    }
    return v->by_name ? st : add_bytes(c, part, (struct labels){pairs, count}, err);
}

/* ---- the result ---- */

static int compare_rows(const void *a, const void *b)
{
    const struct volume_row *const *x = a, *const *y = b;

    uint64_t left = volume_bytes(&(*x)->totals), right = volume_bytes(&(*y)->totals);
    if (left != right)
        return left < right ? 1 : -1;
    return str_cmp((*x)->text, (*y)->text);
}

/* The largest rows, in order. */
static enum status sort_rows(struct collecting *c, struct volume_row ***ret_rows, size_t *ret_count,
                             struct err *err)
{
    struct volume_row **rows = arena_new(c->arena, struct volume_row *, c->rows.count + 1);
    size_t cursor = 0, count = 0;

    if (rows == NULL)
        return arena_status(c->arena, err);
    for (struct volume_row *row = map_next(&c->rows, &cursor); row != NULL;
         row = map_next(&c->rows, &cursor)) {
        buf_reset(&c->key);
        labels_put_text(&c->key, row->labels);
        row->text = arena_str(c->arena, buf_str(&c->key));
        if (c->key.failed || row->text.ptr == NULL)
            return no_memory(c, err);
        rows[count++] = row;
    }
    qsort(rows, count, sizeof(struct volume_row *), compare_rows);
    *ret_rows = rows;
    *ret_count = MIN_OF(count, c->wanted->limit);
    return ST_OK;
}

static struct sample sample_of(const struct volume_series *v, const struct cell *cell)
{
    const struct volume_request *r = &v->request;
    int64_t ts_ns = r->step_ns == 0 ? r->end_ns : cell->key.bucket_ns + (r->step_ns - MS_NS);

    return (struct sample){ts_ns, (double)volume_bytes(&cell->totals)};
}

static enum status make_result(struct collecting *c, struct result *ret_result, struct err *err)
{
    struct result result = {.kind = RESULT_VECTOR};
    struct volume_row **rows = NULL;

    enum status st = sort_rows(c, &rows, &result.series_count, err);
    if (st == ST_OK)
        st = cells_sort(&c->cells, err);
    if (st != ST_OK)
        return st;
    result.series = arena_new(c->arena, struct series, result.series_count + 1);
    struct sample *samples = arena_new(c->arena, struct sample, c->cells.count + 1);
    if (result.series == NULL || samples == NULL)
        return arena_status(c->arena, err);
    for (size_t i = 0; i < result.series_count; i++) {
        struct series *s = &result.series[i];
        *s = (struct series){rows[i]->labels, samples, 0};
        struct cell **cells = cells_of(&c->cells, rows[i], &s->count);
        for (size_t j = 0; j < s->count; j++)
            samples[j] = sample_of(c->wanted, cells[j]);
        samples += s->count;
        if (s->count > 1)
            result.kind = RESULT_MATRIX;
    }
    *ret_result = result;
    return ST_OK;
}

enum status volume_series(const struct volume_series *v, struct result *ret_result, struct err *err)
{
    struct collecting c = {.wanted = v, .arena = v->request.q->arena};
    struct volume_request request = v->request;

    cells_init(&c.cells, c.arena);
    buf_init(&c.key, c.arena->max_bytes);
    request.add = add_part;
    request.context = &c;
    enum status st = volume_walk(&request, err);
    if (st == ST_OK)
        st = make_result(&c, ret_result, err);
    map_release(&c.rows);
    cells_release(&c.cells);
    buf_release(&c.key);
    return st;
}

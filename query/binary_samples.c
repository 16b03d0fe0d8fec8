/*
 * binary_samples.c - arithmetic and comparisons between vectors.
 *
 * One side has at most one sample of each key at a step: the right one, or with group_right the
 * left one. Call it the one side. Its series of one key are folded into one column. Then each
 * series of the other side, the many side, is combined with the column of its key, and the result
 * goes to the series that has the labels of the result. Two samples for one place there are an
 * error: without grouping the other side was not unique either, with grouping the labels do not
 * tell the results apart.
 *
 * An error ends a query, and the earliest step has the word. So an error found at a step makes that
 * step the end of all that is left to do.
 */
#include "query/binary_internal.h"

#include "base/banned.h"

/* The samples of one key on the one side. */
struct one_side {
    double *values;
    size_t first;   /* the first series */
    size_t *owners; /* whose sample it is at each step; NULL: there is one series only */
};

struct matching {
    struct join *j;
    const struct binary_modifier *modifier;
    struct operation operation;
    struct name_list include; /* of the modifier, each name once */
    struct matrix one;
    struct one_side *ones; /* by number of j->keys */
    struct label_index results;
    struct matrix out; /* by number of `results` */
    size_t capacity;
    size_t end;        /* the steps before it have no error */
    const char *error; /* at step `end` */
};

static void fail_at(struct matching *m, size_t step, const char *error)
{
    ASSERT(step < m->end);
    m->end = step;
    m->error = error;
}

/* ---- the one side ---- */

static const char *not_unique(const struct matching *m)
{
    return m->modifier->card == CARD_GROUP_RIGHT
               ? "found duplicate series on the left hand-side;many-to-many matching not allowed: "
                 "matching labels must be unique on one side"
               : "found duplicate series on the right hand-side;many-to-many matching not allowed: "
                 "matching labels must be unique on one side";
}

/* Add a second or later series to the column of its key. */
static enum status fold_series(struct matching *m, struct one_side *o, size_t series)
{
    const double *values = m->one.series[series].values;

    if (o->owners == NULL) {
        o->owners = arena_new(m->j->arena, size_t, m->one.steps);
        if (o->owners == NULL)
            return arena_status(m->j->arena, m->j->err);
        for (size_t i = 0; i < m->one.steps; i++)
            o->owners[i] = o->first;
    }
    for (size_t i = 0; i < m->end; i++) {
        if (value_is_absent(values[i]))
            continue;
        if (!value_is_absent(o->values[i])) {
            fail_at(m, i, not_unique(m));
            break;
        }
        o->values[i] = values[i];
        o->owners[i] = series;
    }
    return ST_OK;
}

static enum status fold_one_side(struct matching *m)
{
    struct join *j = m->j;

    m->ones = arena_new(j->arena, struct one_side, m->one.count);
    if (m->ones == NULL)
        return arena_status(j->arena, j->err);
    for (size_t i = 0; i < m->one.count; i++) {
        const struct matrix_series *s = &m->one.series[i];
        size_t known = j->keys.count, number;

        enum status st = pace_add(&j->pace, m->one.steps + join_work(j, s->labels), j->err);
        if (st == ST_OK)
            st = label_index_add(&j->keys, join_key(j, s->labels), &number, j->err);
        if (st == ST_OK && number < known)
            st = fold_series(m, &m->ones[number], i);
        else if (st == ST_OK)
            m->ones[number] = (struct one_side){s->values, i, NULL};
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* ---- labels of results ---- */

/* How much it is to find the labels of one result, in samples. */
static size_t result_work(const struct matching *m, struct labels many)
{
    return join_work(m->j, many) + m->include.count * (1 + many.count);
}

/* Those of the many side, with what is included taken from the one side, or taken away. */
static struct labels grouped_labels(const struct matching *m, struct labels many, struct labels one)
{
    struct label *pairs = m->j->scratch;
    const struct name_list *include = &m->include;
    size_t count = 0;

    for (size_t i = 0; i < many.count; i++) {
        if (!name_is_listed(*include, many.pairs[i].name))
            pairs[count++] = many.pairs[i];
    }
    for (size_t i = 0; i < include->count; i++)
        pairs[count++] = (struct label){include->names[i], labels_get(one, include->names[i])};
    return (struct labels){pairs, labels_normalize(pairs, count)};
}

/* The series of the results that has the labels: it has no values when it is new. */
static enum status find_result(struct matching *m, struct labels many, struct labels one,
                               struct matrix_series **ret_series)
{
    struct join *j = m->j;
    struct labels labels =
        m->modifier->card == CARD_ONE_TO_ONE ? join_key(j, many) : grouped_labels(m, many, one);
    size_t number;

    enum status st = label_index_add(&m->results, labels, &number, j->err);
    if (st != ST_OK)
        return st;
    if (number == m->out.count) {
        m->out.series = arena_reserve(j->arena, m->out.series, m->out.count, &m->capacity,
                                      sizeof(*m->out.series));
        if (m->out.series == NULL)
            return arena_status(j->arena, j->err);
        struct matrix_series added = {.values = NULL};
        st = labels_copy(j->arena, labels, &added.labels, j->err);
        if (st != ST_OK)
            return st;
        m->out.series[m->out.count++] = added;
    }
    *ret_series = &m->out.series[number];
    return ST_OK;
}

/* ---- the many side ---- */

static double combine(const struct matching *m, double many, double one)
{
    if (m->modifier->card == CARD_GROUP_RIGHT)
        return operation_apply(&m->operation, one, many);
    return operation_apply(&m->operation, many, one);
}

static void combine_in_place(struct matching *m, double *many, const double *one)
{
    for (size_t i = 0; i < m->end; i++) {
        if (value_is_absent(one[i]))
            many[i] = value_absent();
        else if (!value_is_absent(many[i]))
            many[i] = combine(m, many[i], one[i]);
    }
}

/* The steps from `begin` to before `end`. */
struct steps {
    size_t begin;
    size_t end;
};

static void combine_into(struct matching *m, double *out, const double *many, const double *one,
                         struct steps steps)
{
    for (size_t i = steps.begin; i < steps.end; i++) {
        if (value_is_absent(many[i]) || value_is_absent(one[i]))
            continue;
        if (!value_is_absent(out[i])) {
            fail_at(m, i,
                    m->modifier->card == CARD_ONE_TO_ONE
                        ? "multiple matches for labels: many-to-one matching must be explicit "
                          "(group_left/group_right)"
                        : "multiple matches for labels: grouping labels must ensure unique "
                          "matches");
            return;
        }
        out[i] = combine(m, many[i], one[i]);
    }
}

/* The steps from `begin` on at which the labels of the result stay what they are. */
static struct steps steps_of_owner(const struct matching *m, const struct one_side *o, size_t begin)
{
    size_t end = begin + 1;

    if (o->owners == NULL || m->include.count == 0)
        return (struct steps){begin, m->end};
    while (end < m->end && o->owners[end] == o->owners[begin])
        end++;
    return (struct steps){begin, end};
}

static enum status join_series(struct matching *m, const struct matrix_series *many,
                               const struct one_side *o)
{
    for (size_t begin = 0; begin < m->end;) {
        struct steps steps = steps_of_owner(m, o, begin);
        bool whole = steps.begin == 0 && steps.end == m->end;
        size_t owner = o->owners == NULL ? o->first : o->owners[begin];
        struct matrix_series *result = NULL;

        enum status st = pace_add(&m->j->pace, result_work(m, many->labels), m->j->err);
        if (st == ST_OK)
            st = find_result(m, many->labels, m->one.series[owner].labels, &result);
        if (st != ST_OK)
            return st;
        if (result->values == NULL && whole) {
            combine_in_place(m, many->values, o->values);
            result->values = many->values;
            return ST_OK;
        }
        if (result->values == NULL)
            result->values = values_new(m->j->arena, m->out.steps);
        if (result->values == NULL)
            return arena_status(m->j->arena, m->j->err);
        combine_into(m, result->values, many->values, o->values, steps);
        begin = steps.end;
    }
    return ST_OK;
}

static enum status join_many_side(struct matching *m, const struct matrix *many)
{
    struct join *j = m->j;

    for (size_t i = 0; i < many->count; i++) {
        const struct matrix_series *s = &many->series[i];
        size_t number;

        enum status st = pace_add(&j->pace, many->steps + join_work(j, s->labels), j->err);
        if (st == ST_OK)
            st = label_index_find(&j->keys, join_key(j, s->labels), &number, j->err);
        if (st == ST_OK && number != LABEL_INDEX_NONE)
            st = join_series(m, s, &m->ones[number]);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* ---- all of it ---- */

static void drop_filtered(struct matrix *m)
{
    for (size_t i = 0; i < m->count; i++) {
        for (size_t step = 0; step < m->steps; step++) {
            if (value_is_filtered(m->series[i].values[step]))
                m->series[i].values[step] = value_absent();
        }
    }
    matrix_compact(m);
}

enum status join_samples(struct join *j, struct matrix left, struct matrix right,
                         struct matrix *ret)
{
    const struct binary_modifier *modifier = &j->e->binary.modifier;
    bool one_is_left = modifier->card == CARD_GROUP_RIGHT;
    const struct matrix *many = one_is_left ? &right : &left;
    struct matching m = {
        .j = j,
        .modifier = modifier,
        .operation = {.op = j->e->binary.op, .return_bool = modifier->return_bool},
        .one = one_is_left ? left : right,
        .out = {.steps = left.steps, .ordered = many->ordered},
        .end = left.steps,
    };

    enum status st = names_sort(j->arena, modifier->include, &m.include, j->err);
    if (st != ST_OK)
        return st;
    label_index_init(&m.results, j->arena);
    st = fold_one_side(&m);
    if (st == ST_OK)
        st = join_many_side(&m, many);
    label_index_release(&m.results);
    if (st == ST_OK && m.error != NULL)
        st = err_set(j->err, ST_INTERNAL, "%s", m.error);
    if (st != ST_OK)
        return st;
    drop_filtered(&m.out);
    *ret = m.out;
    return ST_OK;
}

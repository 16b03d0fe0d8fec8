#include "tests/support/matrix_text.h"

#include <criterion/criterion.h>

#include "base/num.h"
#include "base/time.h"
#include "query/parser.h"

#define ORDERED STR("ordered: ")

enum { OPERANDS_BYTES = 16 * 1024 * 1024, QUERY_TEXT_BYTES = 4096 };

/* ---- reading ---- */

static struct labels read_labels(struct arena *a, struct str text)
{
    struct labels l;

    cr_assert_eq(labels_parse(a, text, &l, NULL), ST_OK, "%.*s", STR_ARG(text));
    struct label *pairs = arena_new(a, struct label, l.count);
    for (size_t i = 0; i < l.count; i++) {
        pairs[i] = l.pairs[i];
        if (str_eq(pairs[i].value, STR("EMPTY")))
            pairs[i].value = STR("");
    }
    return (struct labels){pairs, l.count};
}

/* Write the values of `text` to `values`, if it is not NULL; returns how many there are. */
static size_t read_values(struct str text, double *values)
{
    struct str word;
    size_t count = 0;

    while (str_split(&text, ' ', &word)) {
        double v = value_absent();
        if (word.len == 0)
            continue;
        if (!str_eq(word, STR("_")))
            cr_assert_eq(num_parse_double(word, &v), ST_OK, "%.*s", STR_ARG(word));
        if (values != NULL)
            values[count] = v;
        count++;
    }
    return count;
}

static struct str cut_labels(struct str *series)
{
    size_t end = str_find_last_char(*series, '}') + 1;
    struct str labels = str_head(*series, end);

    *series = str_cut(*series, end);
    return labels;
}

/* The series of a matrix, without what stands in front of them. */
static struct str series_of(const char *text)
{
    struct str all = str_from(text);

    return str_starts(all, ORDERED) ? str_cut(all, ORDERED.len) : all;
}

/* How many steps the first series has; 0 if there is none. */
static size_t steps_of(const char *text)
{
    struct str rest = series_of(text), series;

    if (rest.len == 0 || !str_split(&rest, ';', &series))
        return 0;
    (void)cut_labels(&series);
    return read_values(series, NULL);
}

struct matrix matrix_read(struct arena *a, const char *text, size_t steps)
{
    struct matrix m = {.steps = steps, .ordered = str_starts(str_from(text), ORDERED)};
    struct str rest = series_of(text), series;
    size_t capacity = 0;

    while (rest.len > 0 && str_split(&rest, ';', &series)) {
        m.series = arena_reserve(a, m.series, m.count, &capacity, sizeof(*m.series));
        struct matrix_series *s = &m.series[m.count++];
        s->labels = read_labels(a, cut_labels(&series));
        s->values = arena_new(a, double, steps);
        cr_assert_eq(read_values(series, NULL), steps, "%s", text);
        (void)read_values(series, s->values);
    }
    return m;
}

static struct matrix read_number(struct arena *a, double number, size_t steps)
{
    struct matrix m = {.steps = steps, .count = 1, .is_scalar = true};

    m.series = arena_new(a, struct matrix_series, 1);
    m.series->values = arena_new(a, double, steps);
    for (size_t i = 0; i < steps; i++)
        m.series->values[i] = number;
    return m;
}

/* ---- writing ---- */

void matrix_put(struct buf *b, struct matrix m)
{
    bool first = true;

    if (m.ordered)
        buf_put(b, ORDERED);
    else
        matrix_sort_by_labels(&m);
    if (m.is_scalar)
        buf_put(b, STR("scalar: "));
    for (size_t i = 0; i < m.count; i++) {
        buf_put(b, first ? STR("") : STR(" ; "));
        first = false;
        labels_put_text(b, m.series[i].labels);
        for (size_t step = 0; step < m.steps; step++) {
            buf_put_char(b, ' ');
            if (value_is_absent(m.series[i].values[step]))
                buf_put_char(b, '_');
            else
                num_put_double(b, m.series[i].values[step]);
        }
    }
}

/* ---- operating ---- */

const struct expr *matrix_query(struct arena *a, const char *text)
{
    const struct expr *e = NULL;
    struct err err = {.status = ST_OK};
    struct buf query;

    buf_init(&query, QUERY_TEXT_BYTES);
    for (; *text != '\0'; text++) {
        if (*text == '@')
            buf_put(&query, STR("count_over_time({x=\"y\"}[1m])"));
        else
            buf_put_char(&query, *text);
    }
    cr_assert_eq(logql_parse(a, buf_str(&query), &e, &err), ST_OK, "%.*s: %s",
                 STR_ARG(buf_str(&query)), err.text);
    buf_release(&query);
    return e;
}

static struct matrix operand(struct arena *a, const struct expr *e, const char *text, size_t steps)
{
    return e->kind == EXPR_LITERAL ? read_number(a, e->number, steps) : matrix_read(a, text, steps);
}

enum status matrix_apply(const struct query_context *q, const struct expr *e, struct matrix left,
                         struct matrix right, struct matrix *ret, struct err *err)
{
    switch (e->kind) {
    case EXPR_VECTOR_AGGREGATION:
        return matrix_aggregate(q, e, left, ret, err);
    case EXPR_BINARY:
        return matrix_binary(q, e, left, right, ret, err);
    case EXPR_LABEL_REPLACE:
        return matrix_label_replace(q, e, left, ret, err);
    case EXPR_LOG:
    case EXPR_RANGE_AGGREGATION:
    case EXPR_LITERAL:
    case EXPR_VECTOR:
        break;
    }
    return err_set(err, ST_INVALID, "not an operation on matrices");
}

void matrix_operate(struct buf *out, const char *query, const char *left, const char *right)
{
    struct arena a;
    struct query_context q = {.arena = &a, .deadline_ns = time_mono_ns() + MINUTE_NS};
    size_t steps = MAX_OF(steps_of(left), steps_of(right));
    struct err err = {.status = ST_OK};
    struct matrix l, r = {.count = 0}, result;

    arena_init(&a, OPERANDS_BYTES);
    steps = MAX_OF(steps, (size_t)1);
    const struct expr *e = matrix_query(&a, query);
    if (e->kind == EXPR_BINARY) {
        l = operand(&a, e->binary.left, left, steps);
        r = operand(&a, e->binary.right, right, steps);
    } else {
        l = matrix_read(&a, left, steps);
    }
    enum status st = matrix_apply(&q, e, l, r, &result, &err);
    if (st == ST_OK)
        matrix_put(out, result);
    else
        buf_printf(out, "%s: %s", status_name(st), err.text);
    arena_release(&a);
}

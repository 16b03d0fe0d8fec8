/*
 * Strings are compared as a list of tests, one of which must hold: that is what the simplified
 * regular expressions come to, and an equality is a list of one.
 *
 * The other kinds convert the value and ask how it stands to the one of the filter. A value that is
 * not there fails; one that cannot be converted passes, with an error. Only ip() looks for an
 * earlier error first.
 */
#include "query/label_filter.h"

#include "base/regex.h"
#include "base/time.h"
#include "query/byte_size.h"
#include "query/ipset.h"
#include "query/label_regex.h"
#include "query/number.h"
#include "query/stage.h"

#include "base/banned.h"

enum { EXPRESSION_BYTES_MAX = 4 << 20 }; /* every byte of a query may become four */

enum test_kind {
    TEST_ALWAYS,
    TEST_NOT_EMPTY,
    TEST_EQUALS,
    TEST_CONTAINS,
    TEST_REGEX,
};

struct string_test {
    enum test_kind kind;
    struct str text;
    const struct regex *re;
};

struct label_filter {
    enum label_filter_kind kind;
    struct str name;
    enum compare_op op;
    union {
        struct {
            struct string_test *tests;
            size_t count; /* >= 1 */
            bool negated;
        } string;
        double number;
        int64_t duration_ns;
        uint64_t bytes;
        struct ipset ips;
        struct {
            const struct label_filter *left;
            const struct label_filter *right;
        } pair;
    };
};

/* ---- compiling ---- */

/* A test for what matches `before`, `text` and `behind` in a row. */
static enum status make_regex(struct arena *a, const struct str parts[3], struct string_test *ret,
                              struct err *err)
{
    struct buf whole;

    buf_init(&whole, EXPRESSION_BYTES_MAX);
    for (size_t i = 0; i < 3; i++)
        buf_put(&whole, parts[i]);
    enum status st = buf_status(&whole, err);
    if (st == ST_OK)
        st = regex_compile_in(a, buf_str(&whole), &ret->re, err);
    buf_release(&whole);
    ret->kind = TEST_REGEX;
    return st;
}

/* An expression that ends inside \Q would swallow the end of the group, so \E is tried too. */
static enum status make_whole(struct arena *a, struct str expression, struct string_test *ret,
                              struct err *err)
{
    static const struct str ends[] = {STR_INIT(")$"), STR_INIT("\\E)$")};
    enum status st = ST_INVALID;

    for (size_t i = 0; i < COUNT_OF(ends) && st == ST_INVALID; i++)
        st = make_regex(a, (struct str[]){STR("^(?:"), expression, ends[i]}, ret, err);
    return st;
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

/* Append an expression for `text`. */
static void put_escaped(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_plain(c))
            buf_put_char(b, c);
        else
            buf_printf(b, "\\x%02x", (unsigned char)c);
    }
}

/* Only regular expressions know upper and lower case of all scripts. */
static enum status make_any_case(struct arena *a, const struct label_term *term,
                                 struct string_test *ret, struct err *err)
{
    bool whole = term->kind == LABEL_TERM_EQUALS;
    struct buf text;

    buf_init(&text, EXPRESSION_BYTES_MAX);
    put_escaped(&text, term->text);
    enum status st = buf_status(&text, err);
    if (st == ST_OK)
        st = make_regex(a,
                        (struct str[]){whole ? STR("^(?i:") : STR("(?i:"), buf_str(&text),
                                       whole ? STR(")$") : STR(")")},
                        ret, err);
    buf_release(&text);
    return st;
}

static enum status make_term(struct arena *a, const struct label_term *term,
                             struct string_test *ret, struct err *err)
{
    static const enum test_kind kinds[] = {
        [LABEL_TERM_EQUALS] = TEST_EQUALS,
        [LABEL_TERM_CONTAINS] = TEST_CONTAINS,
        [LABEL_TERM_NOT_EMPTY] = TEST_NOT_EMPTY,
    };

    if (term->any_case)
        return make_any_case(a, term, ret, err);
    *ret = (struct string_test){.kind = kinds[term->kind], .text = term->text};
    return ST_OK;
}

static enum status make_expression(struct arena *a, struct str expression, struct label_filter *f,
                                   struct err *err)
{
    struct label_regex regex;
    enum status st = label_regex_simplify(a, expression, &regex, err);

    if (st != ST_OK)
        return st;
    size_t count = MAX_OF(regex.count, 1);
    f->string.tests = arena_new(a, struct string_test, count);
    f->string.count = count;
    if (f->string.tests == NULL)
        return arena_status(a, err);
    switch (regex.kind) {
    case LABEL_REGEX_ALWAYS:
        f->string.tests[0].kind = TEST_ALWAYS;
        break;
    case LABEL_REGEX_WHOLE:
        return make_whole(a, expression, &f->string.tests[0], err);
    case LABEL_REGEX_ANY_OF:
        ASSERT(regex.count > 0);
        for (size_t i = 0; i < count && st == ST_OK; i++)
            st = make_term(a, &regex.terms[i], &f->string.tests[i], err);
        break;
    }
    return st;
}

static enum status make_string(struct arena *a, const struct matcher *m, struct label_filter *f,
                               struct err *err)
{
    f->string.negated = m->op == MATCH_NEQ || m->op == MATCH_NRE;
    if (m->op == MATCH_RE || m->op == MATCH_NRE)
        return make_expression(a, m->value, f, err);
    f->string.tests = arena_new(a, struct string_test, 1);
    f->string.count = 1;
    if (f->string.tests == NULL)
        return arena_status(a, err);
    f->string.tests[0] = (struct string_test){.kind = TEST_EQUALS, .text = m->value};
    return ST_OK;
}

/*
 * The reference sends a query through its canonical text before it runs it, which keeps two digits
 * of a byte size: 2MiB is compared as 2.1MB.
 */
static uint64_t as_printed(uint64_t bytes)
{
    enum { SIZE_TEXT_BYTES_MAX = 64 };
    uint64_t printed = bytes;
    struct buf text;

    buf_init(&text, SIZE_TEXT_BYTES_MAX);
    byte_size_put(&text, bytes);
    if (text.failed || byte_size_parse(buf_str(&text), &printed, NULL) != ST_OK)
        printed = bytes;
    buf_release(&text);
    return printed;
}

static enum status make_pair(struct arena *a, const struct label_filter_expr *expr,
                             struct label_filter *f, struct err *err)
{
    enum status st = label_filter_compile(a, expr->left, &f->pair.left, err);

    return st == ST_OK ? label_filter_compile(a, expr->right, &f->pair.right, err) : st;
}

enum status label_filter_compile(struct arena *a, const struct label_filter_expr *expr,
                                 const struct label_filter **ret_filter, struct err *err)
{
    struct label_filter *f = arena_new(a, struct label_filter, 1);
    enum status st = ST_OK;

    if (f == NULL)
        return arena_status(a, err);
    f->kind = expr->kind;
    f->name = expr->name;
    f->op = expr->op;
    switch (expr->kind) {
    case LABEL_FILTER_STRING:
        st = make_string(a, &expr->matcher, f, err);
        break;
    case LABEL_FILTER_NUMBER:
        f->number = expr->number;
        break;
    case LABEL_FILTER_DURATION:
        f->duration_ns = expr->duration_ns;
        break;
    case LABEL_FILTER_BYTES:
        f->bytes = as_printed(expr->bytes);
        break;
    case LABEL_FILTER_IP:
        st = ipset_compile(expr->text, &f->ips, err);
        break;
    case LABEL_FILTER_AND:
    case LABEL_FILTER_OR:
        st = make_pair(a, expr, f, err); /* as deep as the parser lets it be */
        break;
    }
    if (st == ST_OK)
        *ret_filter = f;
    return st;
}

/* ---- strings ---- */

static bool test_holds(const struct string_test *t, struct str value)
{
    switch (t->kind) {
    case TEST_ALWAYS:
        return true;
    case TEST_NOT_EMPTY:
        return value.len > 0;
    case TEST_EQUALS:
        return str_eq(value, t->text);
    case TEST_CONTAINS:
        return str_find(value, t->text) != STR_NPOS;
    case TEST_REGEX:
        return regex_search(t->re, value);
    }
    return false;
}

/* A label that is not there is empty. The error is no label, but may be asked for like one. */
static bool string_passes(const struct label_filter *f, const struct label_builder *b)
{
    struct str value = STR_NULL;
    bool any = false;

    if (str_eq(f->name, STR("__error__")))
        value = b->error;
    else
        (void)label_builder_get(b, f->name, &value);
    for (size_t i = 0; i < f->string.count && !any; i++)
        any = test_holds(&f->string.tests[i], value);
    return any != f->string.negated;
}

/* ---- values that are converted ---- */

/* How the value of the label stands to the one of the filter. */
enum order {
    ORDER_LESS,
    ORDER_EQUAL,
    ORDER_GREATER,
    ORDER_NONE, /* one of them is NaN */
};

#define ORDER_OF(value, other)            \
    ((value) < (other)    ? ORDER_LESS    \
     : (value) == (other) ? ORDER_EQUAL   \
     : (value) > (other)  ? ORDER_GREATER \
                          : ORDER_NONE)

static bool op_accepts(enum compare_op op, enum order order)
{
    switch (op) {
    case COMPARE_EQ:
        return order == ORDER_EQUAL;
    case COMPARE_NEQ:
        return order != ORDER_EQUAL;
    case COMPARE_GT:
        return order == ORDER_GREATER;
    case COMPARE_GTE:
        return order == ORDER_GREATER || order == ORDER_EQUAL;
    case COMPARE_LT:
        return order == ORDER_LESS;
    case COMPARE_LTE:
        return order == ORDER_LESS || order == ORDER_EQUAL;
    }
    return false;
}

static enum status compare_number(const struct label_filter *f, struct str value, enum order *ret,
                                  struct err *err)
{
    double number;
    enum status st = number_parse(value, &number, err);

    if (st == ST_OK)
        *ret = ORDER_OF(number, f->number);
    return st;
}

static enum status compare_duration(const struct label_filter *f, struct str value, enum order *ret,
                                    struct err *err)
{
    int64_t ns;
    enum status st = duration_parse_go(value, &ns, err);

    if (st == ST_OK)
        *ret = ORDER_OF(ns, f->duration_ns);
    return st;
}

static enum status compare_bytes(const struct label_filter *f, struct str value, enum order *ret,
                                 struct err *err)
{
    uint64_t bytes;
    enum status st = byte_size_parse(value, &bytes, err);

    if (st == ST_OK)
        *ret = ORDER_OF(bytes, f->bytes);
    return st;
}

typedef enum status compare_fn(const struct label_filter *f, struct str value, enum order *ret,
                               struct err *err);

static bool converted_passes(const struct label_filter *f, struct label_builder *b,
                             compare_fn *compare)
{
    enum order order = ORDER_NONE;
    struct str value;
    struct err err;

    if (!label_builder_get(b, f->name, &value))
        return false;
    enum status st = compare(f, value, &order, &err);
    if (st == ST_OK)
        return op_accepts(f->op, order);
    if (st == ST_NOMEM)
        b->scratch->failed = true;
    else if (b->error.len == 0)
        label_builder_set_error(b, STR("LabelFilterErr"), str_from(err.text));
    return true;
}

static bool ip_passes(const struct label_filter *f, const struct label_builder *b)
{
    struct str value;

    if (b->error.len > 0)
        return true;
    if (!label_builder_get(b, f->name, &value))
        return false;
    return ipset_search(&f->ips, value) == (f->op == COMPARE_EQ);
}

/* Both sides are asked, as the right one may set an error. */
static bool and_passes(const struct label_filter *f, struct label_builder *b)
{
    bool left = label_filter_passes(f->pair.left, b);
    bool right = label_filter_passes(f->pair.right, b);

    return left && right;
}

bool label_filter_passes(const struct label_filter *f, struct label_builder *b)
{
    switch (f->kind) {
    case LABEL_FILTER_STRING:
        return string_passes(f, b);
    case LABEL_FILTER_NUMBER:
        return converted_passes(f, b, compare_number);
    case LABEL_FILTER_DURATION:
        return converted_passes(f, b, compare_duration);
    case LABEL_FILTER_BYTES:
        return converted_passes(f, b, compare_bytes);
    case LABEL_FILTER_IP:
        return ip_passes(f, b);
    case LABEL_FILTER_AND:
        return and_passes(f, b);
    case LABEL_FILTER_OR:
        return label_filter_passes(f->pair.left, b) || label_filter_passes(f->pair.right, b);
    }
    return false;
}

/* ---- the stage ---- */

static bool run_label_filter(const struct stage *s, struct entry_state *e)
{
    return label_filter_passes(s->compiled, &e->labels);
}

enum status stage_label_filter_compile(struct arena *a, const struct stage_expr *expr,
                                       struct stage *ret_stage, struct err *err)
{
    const struct label_filter *filter;
    enum status st = label_filter_compile(a, expr->label_filter, &filter, err);

    if (st == ST_OK)
        *ret_stage = (struct stage){run_label_filter, filter};
    return st;
}

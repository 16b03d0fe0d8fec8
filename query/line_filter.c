/*
 * A regular expression that only looks for one of some texts becomes substring tests, which cost a
 * tenth. That also reproduces a quirk: in `a|b|` the empty branch, which would accept every line,
 * counts for nothing, just as an empty alternative of an `or` chain does.
 */
#include "query/line_filter_internal.h"

#include "query/label_regex.h"

#include "base/banned.h"

/* The tests of a filter while they are collected. */
struct test_list {
    struct arena *arena;
    struct line_test *tests;
    size_t count;
    size_t capacity;
    bool has_always_true; /* an alternative that accepts every line */
};

static enum status add_test(struct test_list *list, struct line_test test)
{
    list->tests =
        arena_reserve(list->arena, list->tests, list->count, &list->capacity, sizeof(*list->tests));
    if (list->tests == NULL)
        return ST_LIMIT;
    list->tests[list->count++] = test;
    return ST_OK;
}

static enum status add_contains(struct test_list *list, struct str text)
{
    struct line_test test = {.kind = TEST_CONTAINS};

    line_needs_add(list->arena, &test.needs, &text, 1);
    return add_test(list, test);
}

static bool all_terms_are_plain(const struct label_regex *simple)
{
    for (size_t i = 0; i < simple->count; i++) {
        if (simple->terms[i].any_case)
            return false;
    }
    return simple->kind == LABEL_REGEX_ANY_OF;
}

/* Only lines with one of `also` are looked at, if there are any. */
static enum status add_regex(struct test_list *list, struct str text, const struct str *also,
                             size_t also_count, struct err *err)
{
    struct line_test test = {.kind = TEST_REGEX};

    enum status st = regex_compile_in(list->arena, text, &test.re, err);
    if (st != ST_OK)
        return st;
    if (!arena_charge(list->arena, regex_needs_bytes(test.re)))
        return arena_status(list->arena, err);
    if (also_count > 0)
        line_needs_add(list->arena, &test.needs, also, also_count);
    line_needs_add_regex(list->arena, &test.needs, test.re);
    return add_test(list, test);
}

/* `(?i)text` of nothing but ASCII letters, digits, blanks and signs that stand for themselves. */
static bool is_text_in_any_case(struct str expression)
{
    static const char others[] = "\\.+*?()|[]{}^$";
    struct str flag = STR("(?i)");

    if (!str_starts(expression, flag) || expression.len == flag.len ||
        expression.len - flag.len > NEEDLE_ANY_CASE_BYTES_MAX)
        return false;
    for (size_t i = flag.len; i < expression.len; i++) {
        unsigned char c = (unsigned char)expression.ptr[i];
        if (c >= 0x80 || memchr(others, c, sizeof(others)) != NULL) /* and zero */
            return false;
    }
    return true;
}

/*
 * A search for the text, without case. Outside of ASCII k and s are also the sign for Kelvin and
 * the long s: a line with one of these has a second chance.
 */
static enum status add_any_case(struct test_list *list, struct str expression, struct err *err)
{
    static const struct str others[] = {STR_INIT("\xe2\x84\xaa"), STR_INIT("\xc5\xbf")};
    struct str text = str_cut(expression, STR("(?i)").len);
    char *small = arena_bytes(list->arena, text.len);
    struct line_test test = {.kind = TEST_CONTAINS};
    bool has_others = false;

    if (small == NULL)
        return ST_LIMIT;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        small[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
        has_others = has_others || small[i] == 'k' || small[i] == 's';
    }
    line_needs_add_any_case(list->arena, &test.needs, str_make(small, text.len));
    enum status st = add_test(list, test);
    if (st != ST_OK || !has_others)
        return st;
    return add_regex(list, expression, others, COUNT_OF(others), err);
}

static enum status add_expression(struct test_list *list, struct str text, struct err *err)
{
    struct label_regex simple;

    if (is_text_in_any_case(text))
        return add_any_case(list, text, err);
    enum status st = label_regex_simplify(list->arena, text, &simple, err);
    if (st != ST_OK)
        return st;
    if (simple.kind != LABEL_REGEX_ALWAYS && !all_terms_are_plain(&simple))
        return add_regex(list, text, NULL, 0, err);
    if (simple.kind == LABEL_REGEX_ALWAYS)
        list->has_always_true = true;
    for (size_t i = 0; i < simple.count && simple.kind == LABEL_REGEX_ANY_OF && st == ST_OK; i++) {
        struct label_term term = simple.terms[i];
        st = term.kind == LABEL_TERM_NOT_EMPTY
                 ? add_test(list, (struct line_test){.kind = TEST_NOT_EMPTY})
                 : add_contains(list, term.text);
    }
    return st;
}

static enum status add_pattern(struct test_list *list, struct str text, struct err *err)
{
    struct line_test test = {.kind = TEST_PATTERN};

    enum status st = line_pattern_compile_filter(list->arena, text, &test.pattern, err);
    for (size_t i = 0; st == ST_OK && i < test.pattern.count; i++) {
        if (!test.pattern.parts[i].is_capture)
            line_needs_add(list->arena, &test.needs, &test.pattern.parts[i].text, 1);
    }
    return st == ST_OK ? add_test(list, test) : st;
}

static enum status add_ip(struct test_list *list, enum line_op op, struct str text, struct err *err)
{
    struct line_test test = {.kind = TEST_IP};

    if (op != LINE_CONTAINS && op != LINE_NOT_CONTAINS)
        return err_set(err, ST_INVALID, "ip: invalid operation");
    enum status st = ipset_compile(text, &test.ips, err);
    return st == ST_OK ? add_test(list, test) : st;
}

static enum status add_alternative(struct test_list *list, enum line_op op,
                                   struct line_alternative alternative, struct err *err)
{
    struct str text = alternative.text;

    if (alternative.is_ip)
        return add_ip(list, op, text, err);
    if (op == LINE_RE || op == LINE_NOT_RE)
        return add_expression(list, text, err);
    if (op == LINE_PATTERN || op == LINE_NOT_PATTERN)
        return add_pattern(list, text, err);
    if (text.len == 0) {
        list->has_always_true = true;
        return ST_OK;
    }
    return add_contains(list, text);
}

enum status line_filter_compile(struct arena *a, const struct line_filter_expr *expr,
                                struct line_filter *ret_filter, struct err *err)
{
    struct test_list list = {.arena = a};
    enum status st = ST_OK;

    for (size_t i = 0; i < expr->count && st == ST_OK; i++)
        st = add_alternative(&list, expr->op, expr->alternatives[i], err);
    if (a->failed)
        return arena_status(a, err);
    if (st != ST_OK)
        return st;
    ASSERT(list.count > 0 || list.has_always_true);
    *ret_filter = (struct line_filter){
        .tests = list.tests,
        .count = list.count, /* 0: nothing but what is always true */
        .negated = expr->op == LINE_NOT_CONTAINS || expr->op == LINE_NOT_RE ||
                   expr->op == LINE_NOT_PATTERN,
    };
    return ST_OK;
}

bool line_test_verify(const struct line_test *t, struct str line)
{
    switch (t->kind) {
    case TEST_CONTAINS:
        return true;
    case TEST_NOT_EMPTY:
        return line.len > 0;
    case TEST_REGEX:
        return regex_search(t->re, line);
    case TEST_PATTERN:
        return line_pattern_matches(&t->pattern, line);
    case TEST_IP:
        return ipset_search(&t->ips, line);
    }
    return false;
}

bool line_filter_keeps(const struct line_filter *f, struct str line)
{
    bool any = f->count == 0;

    for (size_t i = 0; i < f->count && !any; i++)
        any = line_needs_are_met(&f->tests[i].needs, line) && line_test_verify(&f->tests[i], line);
    return any != f->negated;
}

static bool pattern_may_match(const struct line_pattern *p, regex_probe_fn *may_contain,
                              void *context)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!p->parts[i].is_capture && !may_contain(context, p->parts[i].text))
            return false;
    }
    return true;
}

static bool test_may_hold(const struct line_test *t, regex_probe_fn *may_contain, void *context)
{
    switch (t->kind) {
    case TEST_CONTAINS:
        return may_contain(context, t->needs.all[0].needles[0].text);
    case TEST_REGEX:
        return regex_may_match(t->re, may_contain, context);
    case TEST_PATTERN:
        return pattern_may_match(&t->pattern, may_contain, context);
    case TEST_NOT_EMPTY:
    case TEST_IP:
        break;
    }
    return true;
}

bool line_filter_may_keep(const struct line_filter *f, regex_probe_fn *may_contain, void *context)
{
    bool any = f->count == 0 || f->negated;

    for (size_t i = 0; i < f->count && !any; i++)
        any = test_may_hold(&f->tests[i], may_contain, context);
    return any;
}

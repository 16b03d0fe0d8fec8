#include "config/retention_rules.h"

#include "base/num.h"
#include "base/time.h"
#include "proto/labels.h"
#include "proto/unquote.h"

#include "base/banned.h"

enum { MATCHERS_MAX = 64 };

/* ---- selectors ---- */

static struct str skip_blanks(struct str text)
{
    while (text.len > 0 && text.ptr[0] != '\0' && strchr(" \t\r\n", text.ptr[0]) != NULL)
        text = str_cut(text, 1);
    return text;
}

static bool accept(struct str *rest, struct str token)
{
    struct str after = skip_blanks(*rest);

    if (!str_starts(after, token))
        return false;
    *rest = str_cut(after, token.len);
    return true;
}

/* Bytes of the label name that `text` begins with. */
static size_t name_length(struct str text)
{
    size_t len = 0;

    while (len < text.len && label_name_valid(str_head(text, len + 1)))
        len++;
    return len;
}

static bool scan_operation(struct str *rest, enum match_op *ret_op)
{
    static const enum match_op longest_first[] = {MATCH_RE, MATCH_NRE, MATCH_NEQ, MATCH_EQ};

    for (size_t i = 0; i < COUNT_OF(longest_first); i++) {
        if (accept(rest, match_op_text(longest_first[i]))) {
            *ret_op = longest_first[i];
            return true;
        }
    }
    return false;
}

/* One `name="value"`; names and values borrow what `*rest` borrows, or live in `a`. */
static enum status scan_matcher(struct arena *a, struct str *rest, struct matcher *ret_m,
                                struct err *err)
{
    struct matcher wanted = {0};
    size_t literal_len;

    *rest = skip_blanks(*rest);
    size_t len = name_length(*rest);
    if (len == 0)
        return err_set(err, ST_INVALID, "expected the name of a label");
    wanted.name = str_head(*rest, len);
    *rest = str_cut(*rest, len);
    if (!scan_operation(rest, &wanted.op))
        return err_set(err, ST_INVALID, "expected =, !=, =~ or !~ behind %.*s",
                       STR_ARG(wanted.name));
    *rest = skip_blanks(*rest);
    enum status st = unquote(a, *rest, &literal_len, &wanted.value);
    if (st == ST_INVALID)
        return err_set(err, st, "expected a value in quotes for %.*s", STR_ARG(wanted.name));
    if (st != ST_OK)
        return arena_status(a, err);
    *rest = str_cut(*rest, literal_len);
    return matcher_make(a, &wanted, ret_m, err);
}

/* Cut `{...}` off `*rest`. */
static enum status scan_selector(struct arena *a, struct str *rest, struct matcher_list *ret_list,
                                 struct err *err)
{
    struct matcher *items = NULL;
    size_t count = 0, capacity = 0;

    if (!accept(rest, STR("{")))
        return err_set(err, ST_INVALID, "expected a selector in braces");
    while (!accept(rest, STR("}"))) {
        items = arena_reserve(a, items, count, &capacity, sizeof(*items));
        if (items == NULL)
            return arena_status(a, err);
        if (count == MATCHERS_MAX)
            return err_set(err, ST_INVALID, "more than %d matchers", MATCHERS_MAX);
        enum status st = scan_matcher(a, rest, &items[count], err);
        if (st != ST_OK)
            return st;
        count++;
        if (!accept(rest, STR(",")) && !str_starts(skip_blanks(*rest), STR("}")))
            return err_set(err, ST_INVALID, "expected , or } in a selector");
    }
    if (count == 0)
        return err_set(err, ST_INVALID, "a selector needs a matcher");
    *ret_list = (struct matcher_list){items, count};
    return ST_OK;
}

/* The selector that `*rest` begins with, which is cut off. */
static enum status take_selector(struct arena *a, struct retention_rule *rule, struct str *rest,
                                 struct err *err)
{
    struct matcher_list list;
    struct str text = skip_blanks(*rest);

    *rest = text;
    enum status st = scan_selector(a, rest, &list, err);
    if (st != ST_OK)
        return err_prefix(err, st, "selector");
    rule->selector = str_head(text, text.len - rest->len);
    rule->matchers = list;
    return ST_OK;
}

/* ---- rules ---- */

static enum status set_selector(struct arena *a, struct retention_rule *rule, struct str value,
                                struct err *err)
{
    struct str rest = arena_str(a, value);

    if (rest.ptr == NULL)
        return arena_status(a, err);
    enum status st = take_selector(a, rule, &rest, err);
    if (st == ST_OK && skip_blanks(rest).len > 0)
        st = err_set(err, ST_INVALID, "selector: there is text behind the brace");
    return st;
}

enum status retention_rule_set(struct arena *a, struct retention_rule *rule, struct str key,
                               struct str value, struct err *err)
{
    int64_t number;

    if (str_eq(key, STR("selector")))
        return set_selector(a, rule, value, err);
    if (str_eq(key, STR("priority"))) {
        if (num_parse_i64(value, &number) != ST_OK)
            return err_set(err, ST_INVALID, "priority: \"%.*s\" is not a number", STR_ARG(value));
        rule->priority = number;
        return ST_OK;
    }
    if (str_eq(key, STR("period"))) {
        bool known = duration_parse_prometheus(value, &number, NULL) == ST_OK ||
                     duration_parse_go(value, &number, NULL) == ST_OK;
        if (!known || number < 0)
            return err_set(err, ST_INVALID, "period: \"%.*s\" is not a duration", STR_ARG(value));
        rule->period = number;
        return ST_OK;
    }
    return err_set(err, ST_INVALID, "there is no \"%.*s\", only selector, priority and period",
                   STR_ARG(key));
}

/* The word that `*rest` begins with, which is cut off. */
static struct str take_word(struct str *rest)
{
    struct str text = skip_blanks(*rest);
    size_t len = 0;

    while (len < text.len && (text.ptr[len] == '\0' || strchr(" \t\r\n;", text.ptr[len]) == NULL))
        len++;
    *rest = str_cut(text, len);
    return str_head(text, len);
}

static enum status parse_rule(struct arena *a, struct str *rest, struct retention_rule *rule,
                              struct err *err)
{
    enum status st = take_selector(a, rule, rest, err);

    if (st == ST_OK)
        st = retention_rule_set(a, rule, STR("priority"), take_word(rest), err);
    if (st == ST_OK)
        st = retention_rule_set(a, rule, STR("period"), take_word(rest), err);
    return st;
}

enum status retention_rules_parse(struct arena *a, struct str text,
                                  struct retention_rules *ret_rules, struct err *err)
{
    struct str rest = arena_str(a, text);
    struct retention_rule *items = NULL;
    size_t count = 0, capacity = 0;

    if (rest.ptr == NULL)
        return arena_status(a, err);
    while (skip_blanks(rest).len > 0) {
        items = arena_reserve(a, items, count, &capacity, sizeof(*items));
        if (items == NULL)
            return arena_status(a, err);
        if (count == RETENTION_RULES_MAX)
            return err_set(err, ST_INVALID, "more than %d rules", RETENTION_RULES_MAX);
        items[count] = (struct retention_rule){0};
        enum status st = parse_rule(a, &rest, &items[count], err);
        if (st != ST_OK)
            return err_prefix(err, st, "rule %zu", count + 1);
        count++;
        if (!accept(&rest, STR(";")) && skip_blanks(rest).len > 0)
            return err_set(err, ST_INVALID, "rule %zu: expected ; behind the period", count);
    }
    *ret_rules = (struct retention_rules){items, count};
    return ST_OK;
}

void retention_rule_put(struct buf *b, const struct retention_rule *rule)
{
    buf_printf(b, "%.*s ", STR_ARG(rule->selector));
    buf_put_i64(b, rule->priority);
    buf_put_char(b, ' ');
    duration_put_go(b, rule->period);
}

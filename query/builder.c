#include "base/num.h"
#include "query/line_pattern.h"
#include "query/parser_internal.h"

#include "base/banned.h"

void *list_add(struct parser *p, struct list *list, size_t item_size)
{
    ASSERT(list->count <= list->capacity);
    void *items = arena_reserve(p->a, list->items, list->count, &list->capacity, item_size);

    if (items == NULL) {
        (void)parser_stop(p);
        return NULL;
    }
    list->items = items;
    return (char *)items + item_size * list->count++;
}

void *node_new(struct parser *p, size_t count)
{
    void *node = arena_alloc(p->a, 1, count);

    if (node == NULL)
        (void)parser_stop(p);
    return node;
}

enum status depth_above(struct parser *p, unsigned child, unsigned *ret_depth)
{
    ASSERT(child <= AST_DEPTH_MAX);
    if (child == AST_DEPTH_MAX)
        return parser_refuse(p, "the query is nested deeper than %d levels", (int)AST_DEPTH_MAX);
    *ret_depth = child + 1;
    return ST_OK;
}

/* Compile and forget: whoever evaluates the tree compiles what it needs. */
enum status check_regex(struct parser *p, struct str expression)
{
    struct regex *re = NULL;
    struct err reason;

    if (regex_compile(expression, &re, &reason) != ST_OK)
        return parser_refuse(p, "%s", reason.text);
    bool affordable = arena_charge(p->a, regex_work_bytes(re));
    regex_free(re);
    return affordable ? ST_OK : parser_stop(p);
}

/* The names of a regular expression's groups: at least one, each once. */
static enum status check_groups(struct parser *p, const struct regex *re)
{
    size_t count = regex_group_count(re), named = 0;

    for (size_t i = 1; i <= count; i++) {
        struct str name = regex_group_name(re, i);
        if (name.len == 0)
            continue;
        named++;
        for (size_t j = 1; j < i; j++) {
            if (str_eq(name, regex_group_name(re, j)))
                return parser_refuse(p,
                                     "invalid regexp parser: duplicate extracted label name "
                                     "'%.*s'",
                                     STR_ARG(name));
        }
    }
    if (named == 0)
        return parser_refuse(p,
                             "invalid regexp parser: at least one named capture must be supplied");
    return ST_OK;
}

enum status check_regexp_stage(struct parser *p, struct str expression)
{
    struct regex *re = NULL;
    struct err reason;

    if (regex_compile(expression, &re, &reason) != ST_OK)
        return parser_refuse(p, "invalid regexp parser: %s", reason.text);
    enum status st = check_groups(p, re);
    bool affordable = arena_charge(p->a, regex_work_bytes(re));
    regex_free(re);
    return st == ST_OK && !affordable ? parser_stop(p) : st;
}

enum status check_pattern_stage(struct parser *p, struct str expression)
{
    struct line_pattern pattern;
    struct err reason;

    enum status st = line_pattern_compile_parser(p->a, expression, &pattern, &reason);
    if (st == ST_INVALID)
        return parser_refuse(p, "invalid pattern parser: %s", reason.text);
    return st == ST_OK ? ST_OK : parser_stop(p);
}

enum status read_number(struct parser *p, struct str text, double *ret, const char **ret_reason)
{
    *ret_reason = NULL;
    enum status st = num_parse_double(text, ret);
    if (st == ST_OK)
        return ST_OK;
    if (st == ST_NOMEM)
        return parser_stop(p);
    *ret = 0;
    *ret_reason = arena_printf(p->a, "strconv.ParseFloat: parsing \"%.*s\": %s", STR_ARG(text),
                               st == ST_LIMIT ? "value out of range" : "invalid syntax")
                      .ptr;
    return *ret_reason == NULL ? parser_stop(p) : ST_OK;
}

enum status read_literal(struct parser *p, struct str number, bool negative,
                         struct literal_value *ret)
{
    struct literal_value value = {.error = NULL};
    const char *reason;

    enum status st = read_number(p, number, &value.number, &reason);
    if (st != ST_OK)
        return st;
    if (reason != NULL) {
        value.error = arena_printf(p->a, "unable to parse literal as a float: %s", reason).ptr;
        if (value.error == NULL)
            return parser_stop(p);
    }
    if (negative)
        value.number = -value.number;
    *ret = value;
    return ST_OK;
}

#include "query/parser_internal.h"

#include "base/banned.h"

/* A leaf whose value the caller fills in. */
static enum status build_leaf(struct parser *p, enum label_filter_kind kind, struct str name,
                              enum compare_op op, struct filter_value *ret)
{
    struct label_filter_expr *filter = node_new(p, sizeof(*filter));

    if (filter == NULL)
        return p->status;
    filter->kind = kind;
    filter->name = name;
    filter->op = op;
    *ret = (struct filter_value){filter, 1};
    return ST_OK;
}

enum status build_match_filter(struct parser *p, const struct matcher *m, struct filter_value *ret)
{
    enum status st = build_leaf(p, LABEL_FILTER_STRING, m->name, COMPARE_EQ, ret);

    if (st == ST_OK)
        ret->filter->matcher = *m;
    return st;
}

enum status build_number_filter(struct parser *p, struct str name, enum compare_op op,
                                struct literal_value number, struct filter_value *ret)
{
    if (number.error != NULL)
        return parser_refuse(p, "%s", number.error);
    enum status st = build_leaf(p, LABEL_FILTER_NUMBER, name, op, ret);
    if (st == ST_OK)
        ret->filter->number = number.number;
    return st;
}

enum status build_duration_filter(struct parser *p, struct str name, enum compare_op op,
                                  int64_t duration_ns, struct filter_value *ret)
{
    enum status st = build_leaf(p, LABEL_FILTER_DURATION, name, op, ret);

    if (st == ST_OK)
        ret->filter->duration_ns = duration_ns;
    return st;
}

enum status build_bytes_filter(struct parser *p, struct str name, enum compare_op op,
                               uint64_t bytes, struct filter_value *ret)
{
    enum status st = build_leaf(p, LABEL_FILTER_BYTES, name, op, ret);

    if (st == ST_OK)
        ret->filter->bytes = bytes;
    return st;
}

enum status build_ip_filter(struct parser *p, struct str name, enum compare_op op, struct str text,
                            struct filter_value *ret)
{
    ASSERT(op == COMPARE_EQ || op == COMPARE_NEQ);

    enum status st = build_leaf(p, LABEL_FILTER_IP, name, op, ret);

    if (st == ST_OK)
        ret->filter->text = text;
    return st;
}

enum status build_filter_pair(struct parser *p, enum label_filter_kind kind,
                              struct filter_value left, struct filter_value right,
                              struct filter_value *ret)
{
    struct filter_value pair;
    unsigned depth;

    ASSERT(kind == LABEL_FILTER_AND || kind == LABEL_FILTER_OR);
    ASSERT(left.filter != NULL && right.filter != NULL);
    enum status st = depth_above(p, MAX_OF(left.depth, right.depth), &depth);
    if (st == ST_OK)
        st = build_leaf(p, kind, STR_NULL, COMPARE_EQ, &pair);
    if (st != ST_OK)
        return st;
    pair.filter->left = left.filter;
    pair.filter->right = right.filter;
    pair.depth = depth;
    *ret = pair;
    return ST_OK;
}

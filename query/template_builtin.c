/*
 * The functions of text/template itself, but for the escapes.
 */
#include "query/template_call.h"
#include "query/template_printf.h"

#include "base/banned.h"

enum { SLICE_INDEXES_MAX = 3 };

/* `and` and `or` of arguments of which none decided. */
enum status fn_last(struct template_call *c, struct template_value *ret)
{
    ASSERT(c->args.count > 0);
    *ret = c->args.items[c->args.count - 1];
    return ST_OK;
}

enum status fn_not(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_bool(!value_truth(&c->args.items[0]));
    return ST_OK;
}

/* ---- comparison ---- */

/* Equal to one of the others? */
enum status fn_eq(struct template_call *c, struct template_value *ret)
{
    bool equal = false;

    if (c->args.count < 2)
        return err_set(c->err, ST_INVALID, "missing argument for comparison");
    for (size_t i = 1; i < c->args.count && !equal; i++) {
        enum status st = value_equals(&c->args.items[0], &c->args.items[i], &equal, c->err);
        if (st != ST_OK)
            return st;
    }
    *ret = value_of_bool(equal);
    return ST_OK;
}

enum status fn_ne(struct template_call *c, struct template_value *ret)
{
    enum status st = fn_eq(c, ret);

    if (st == ST_OK)
        ret->truth = !ret->truth;
    return st;
}

enum status fn_lt(struct template_call *c, struct template_value *ret)
{
    bool less;

    enum status st = value_less(&c->args.items[0], &c->args.items[1], &less, c->err);
    if (st == ST_OK)
        *ret = value_of_bool(less);
    return st;
}

enum status fn_le(struct template_call *c, struct template_value *ret)
{
    enum status st = fn_lt(c, ret);

    return st == ST_OK && !ret->truth ? fn_eq(c, ret) : st;
}

enum status fn_gt(struct template_call *c, struct template_value *ret)
{
    enum status st = fn_le(c, ret);

    if (st == ST_OK)
        ret->truth = !ret->truth;
    return st;
}

enum status fn_ge(struct template_call *c, struct template_value *ret)
{
    enum status st = fn_lt(c, ret);

    if (st == ST_OK)
        ret->truth = !ret->truth;
    return st;
}

/* ---- elements ---- */

/* An index up to `max`, which itself is allowed. */
static enum status read_index(struct template_call *c, const struct template_value *v, size_t max,
                              size_t *ret)
{
    if (v->kind == VALUE_NIL)
        return err_set(c->err, ST_INVALID, "cannot index slice/array with nil");
    if (!value_is_integer(v))
        return err_set(c->err, ST_INVALID, "cannot index slice/array with type %s", value_type(v));
    if (v->integer < 0 || (uint64_t)v->integer > max)
        return err_set(c->err, ST_INVALID, "index out of range: %lld", (long long)v->integer);
    *ret = (size_t)v->integer;
    return ST_OK;
}

static enum status element(struct template_call *c, struct template_value *item,
                           const struct template_value *index)
{
    size_t count, i;

    switch (item->kind) {
    case VALUE_NIL:
        return err_set(c->err, ST_INVALID, "index of nil pointer");
    case VALUE_STRING:
    case VALUE_LIST:
        (void)value_count(item, &count);
        enum status st = read_index(c, index, count, &i);
        if (st != ST_OK)
            return st;
        if (i == count)
            return err_set(c->err, ST_INVALID, "reflect: %s index out of range",
                           item->kind == VALUE_STRING ? "string" : "slice");
        *item = value_item(item, i);
        return ST_OK;
    case VALUE_LABELS:
    case VALUE_MAP:
        if (index->kind == VALUE_NIL)
            return err_set(c->err, ST_INVALID, "value is nil; should be of type string");
        if (index->kind != VALUE_STRING)
            return err_set(c->err, ST_INVALID, "value has type %s; should be string",
                           value_type(index));
        *item = value_get(item, index->string);
        return ST_OK;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_INT64:
    case VALUE_UINT8:
    case VALUE_FLOAT:
    case VALUE_TIME:
        break;
    }
    return err_set(c->err, ST_INVALID, "can't index item of type %s", value_type(item));
}

enum status fn_index(struct template_call *c, struct template_value *ret)
{
    struct template_value item = c->args.items[0];

    if (item.kind == VALUE_NIL)
        return err_set(c->err, ST_INVALID, "index of untyped nil");
    for (size_t i = 1; i < c->args.count; i++) {
        enum status st = element(c, &item, &c->args.items[i]);
        if (st != ST_OK)
            return st;
    }
    *ret = item;
    return ST_OK;
}

static enum status check_slice(struct template_call *c)
{
    const struct template_value *item = &c->args.items[0];
    size_t indexes = c->args.count - 1;

    if (item->kind == VALUE_NIL)
        return err_set(c->err, ST_INVALID, "slice of untyped nil");
    if (indexes > SLICE_INDEXES_MAX)
        return err_set(c->err, ST_INVALID, "too many slice indexes: %zu", indexes);
    if (item->kind != VALUE_STRING && item->kind != VALUE_LIST)
        return err_set(c->err, ST_INVALID, "can't slice item of type %s", value_type(item));
    if (item->kind == VALUE_STRING && indexes == SLICE_INDEXES_MAX)
        return err_set(c->err, ST_INVALID, "cannot 3-index slice a string");
    return ST_OK;
}

enum status fn_slice(struct template_call *c, struct template_value *ret)
{
    size_t at[SLICE_INDEXES_MAX] = {0}, count = 0;

    enum status st = check_slice(c);
    if (st != ST_OK)
        return st;
    struct template_value item = c->args.items[0];
    (void)value_count(&item, &count);
    at[1] = at[2] = count;
    for (size_t i = 1; i < c->args.count; i++) {
        st = read_index(c, &c->args.items[i], count, &at[i - 1]);
        if (st != ST_OK)
            return st;
    }
    for (size_t i = 1; i < SLICE_INDEXES_MAX; i++) {
        if (at[i - 1] > at[i])
            return err_set(c->err, ST_INVALID, "invalid slice index: %zu > %zu", at[i - 1], at[i]);
    }
    if (item.kind == VALUE_STRING)
        item.string = str_make(item.string.ptr + at[0], at[1] - at[0]);
    else
        item.list = (struct template_values){item.list.items + at[0], at[1] - at[0]};
    *ret = item;
    return ST_OK;
}

enum status fn_len(struct template_call *c, struct template_value *ret)
{
    const struct template_value *item = &c->args.items[0];
    size_t count;

    if (item->kind == VALUE_NIL)
        return err_set(c->err, ST_INVALID,
                       item->boxed ? "len of nil pointer"
                                   : "reflect: call of reflect.Value.Type on zero Value");
    if (!value_count(item, &count))
        return err_set(c->err, ST_INVALID, "len of type %s", value_type(item));
    *ret = value_of_int((int64_t)count);
    return ST_OK;
}

/* ---- texts ---- */

enum status fn_print(struct template_call *c, struct template_value *ret)
{
    template_put_all(c->text, &c->args);
    return template_call_return_text(c, ret);
}

enum status fn_println(struct template_call *c, struct template_value *ret)
{
    template_put_line(c->text, &c->args);
    return template_call_return_text(c, ret);
}

enum status fn_printf(struct template_call *c, struct template_value *ret)
{
    struct template_values args = {c->args.items + 1, c->args.count - 1};

    template_put_format(c->text, template_call_str(c, 0), &args);
    return template_call_return_text(c, ret);
}

/* ---- others ---- */

/* No value is a function. */
enum status fn_call(struct template_call *c, struct template_value *ret)
{
    const struct template_value *fn = &c->args.items[0];

    (void)ret;
    if (fn->kind == VALUE_NIL)
        return err_set(c->err, ST_INVALID, "call of nil");
    return err_set(c->err, ST_INVALID, "non-function %.*s of type %s", STR_ARG(c->first_text),
                   value_type(fn));
}

enum status fn_line(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_string(c->data->line);
    return ST_OK;
}

enum status fn_default(struct template_call *c, struct template_value *ret)
{
    bool given = c->args.count > 1 && value_truth(&c->args.items[1]);

    *ret = c->args.items[given ? 1 : 0];
    return ST_OK;
}

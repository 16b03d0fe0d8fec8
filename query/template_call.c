#include "query/template_call.h"

#include "base/banned.h"

static const struct {
    struct template_signature signature;
    template_function_fn *fn;
} calls[] = {
#define X(function, kinds, variadic, fn) [TEMPLATE_FUNCTION_##function] = {{kinds, variadic}, fn},
    TEMPLATE_CALLS(X)
#undef X
};

/* Every name of TEMPLATE_FUNCTIONS has a row above. */
#define X(name, text) +1
#define Y(function, kinds, variadic, fn) +1
_Static_assert((0 TEMPLATE_FUNCTIONS(X)) == (0 TEMPLATE_CALLS(Y)), "a function has no call");
#undef Y
#undef X

struct template_signature template_signature_of(enum template_function function)
{
    ASSERT((size_t)function < COUNT_OF(calls));
    return calls[function].signature;
}

bool template_work_spend(struct template_work *w, size_t units)
{
    bool enough = units <= w->units;

    w->units -= MIN_OF(units, w->units);
    return enough;
}

enum status template_call_refuse_work(struct template_call *c)
{
    return err_set(c->err, ST_LIMIT, "a template takes too many steps");
}

enum status template_call_return_text(struct template_call *c, struct template_value *ret)
{
    enum status st = buf_status(c->text, NULL);

    if (st != ST_OK)
        return err_set(c->err, st == ST_NOMEM ? ST_NOMEM : ST_LIMIT,
                       "a text that a template makes is longer than %zu bytes", c->text->max);
    struct str copy = arena_str(c->arena, buf_str(c->text));
    if (copy.ptr == NULL)
        return arena_status(c->arena, c->err);
    *ret = value_of_string(copy);
    return ST_OK;
}

/* Looking at long texts is work. */
static bool spend_on_texts(struct template_call *c)
{
    size_t units = 0;

    for (size_t i = 0; i < c->args.count; i++) {
        if (c->args.items[i].kind == VALUE_STRING)
            units += c->args.items[i].string.len / TEMPLATE_UNIT_BYTES;
    }
    return template_work_spend(c->work, units);
}

enum status template_call(struct template_call *c, struct template_value *ret)
{
    ASSERT((size_t)c->function < COUNT_OF(calls));
    if (!spend_on_texts(c))
        return template_call_refuse_work(c);
    buf_reset(c->text);
    return calls[c->function].fn(c, ret);
}

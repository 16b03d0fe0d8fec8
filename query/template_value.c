#include "query/template_value.h"

#include "query/template_printf.h"

#include "base/banned.h"

enum { SHOWN_BYTES_MAX = 4096 }; /* of a value in an error */

/* Kinds that compare with each other. */
enum basic_kind { BASIC_NONE, BASIC_BOOL, BASIC_INTEGER, BASIC_FLOAT, BASIC_STRING };

static const struct {
    const char *type;
    enum basic_kind basic;
} kinds[] = {
    [VALUE_NIL] = {"<nil>", BASIC_NONE},
    [VALUE_BOOL] = {"bool", BASIC_BOOL},
    [VALUE_INT] = {"int", BASIC_INTEGER},
    [VALUE_INT64] = {"int64", BASIC_INTEGER},
    [VALUE_UINT8] = {"uint8", BASIC_INTEGER},
    [VALUE_FLOAT] = {"float64", BASIC_FLOAT},
    [VALUE_STRING] = {"string", BASIC_STRING},
    [VALUE_LIST] = {"[]interface {}", BASIC_NONE},
    [VALUE_LABELS] = {"map[string]string", BASIC_NONE},
    [VALUE_MAP] = {"map[string]interface {}", BASIC_NONE},
    [VALUE_TIME] = {"time.Time", BASIC_NONE},
};

static enum basic_kind basic_kind(const struct template_value *v)
{
    ASSERT((size_t)v->kind < COUNT_OF(kinds));
    return kinds[v->kind].basic;
}

bool value_is_integer(const struct template_value *v)
{
    return basic_kind(v) == BASIC_INTEGER;
}

const char *value_type(const struct template_value *v)
{
    ASSERT((size_t)v->kind < COUNT_OF(kinds));
    return kinds[v->kind].type;
}

const char *value_static_type(const struct template_value *v)
{
    return v->boxed ? "interface {}" : value_type(v);
}

bool value_truth(const struct template_value *v)
{
    size_t count;

    switch (v->kind) {
    case VALUE_NIL:
        return false;
    case VALUE_BOOL:
        return v->truth;
    case VALUE_INT:
    case VALUE_INT64:
    case VALUE_UINT8:
        return v->integer != 0;
    case VALUE_FLOAT:
        return v->number != 0;
    case VALUE_STRING:
    case VALUE_LIST:
    case VALUE_LABELS:
    case VALUE_MAP:
        return value_count(v, &count) && count > 0;
    case VALUE_TIME:
        return true;
    }
    return false;
}

bool value_count(const struct template_value *v, size_t *ret)
{
    switch (v->kind) {
    case VALUE_STRING:
        *ret = v->string.len;
        return true;
    case VALUE_LIST:
        *ret = v->list.count;
        return true;
    case VALUE_LABELS:
        *ret = v->labels.count;
        return true;
    case VALUE_MAP:
        *ret = v->map.count;
        return true;
    case VALUE_NIL:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_INT64:
    case VALUE_UINT8:
    case VALUE_FLOAT:
    case VALUE_TIME:
        break;
    }
    return false;
}

struct template_value value_item(const struct template_value *v, size_t i)
{
    struct template_value item;

    if (v->kind == VALUE_STRING) {
        ASSERT(i < v->string.len);
        return (struct template_value){.kind = VALUE_UINT8,
                                       .integer = (unsigned char)v->string.ptr[i]};
    }
    ASSERT(v->kind == VALUE_LIST);
    ASSERT(i < v->list.count);
    item = v->list.items[i];
    item.boxed = true;
    return item;
}

struct template_value value_get(const struct template_value *v, struct str key)
{
    struct template_value missing = {.kind = VALUE_NIL, .boxed = true};
    size_t low = 0;

    if (v->kind == VALUE_LABELS)
        return value_of_string(labels_get(v->labels, key));
    ASSERT(v->kind == VALUE_MAP);
    for (size_t high = v->map.count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(v->map.keys[middle], key);
        if (order == 0) {
            struct template_value value = v->map.values[middle];
            value.boxed = true;
            return value;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return missing;
}

/* ---- comparison ---- */

static bool basic_equals(const struct template_value *a, const struct template_value *b)
{
    switch (basic_kind(a)) {
    case BASIC_BOOL:
        return a->truth == b->truth;
    case BASIC_INTEGER:
        return a->integer == b->integer;
    case BASIC_FLOAT:
        return a->number == b->number;
    case BASIC_STRING:
        return str_eq(a->string, b->string);
    case BASIC_NONE:
        break;
    }
    return false;
}

static bool is_map(const struct template_value *v)
{
    return v->kind == VALUE_LABELS || v->kind == VALUE_MAP;
}

static enum status refuse_comparison(const struct template_value *a, const struct template_value *b,
                                     struct err *err)
{
    bool same = a->kind == b->kind || (is_map(a) && is_map(b));
    struct buf text;

    buf_init(&text, SHOWN_BYTES_MAX);
    buf_put(&text, same ? STR("non-comparable type ") : STR("non-comparable types "));
    template_put_value(&text, same ? b : a);
    buf_printf(&text, ": %s", value_type(same ? b : a));
    if (!same) {
        buf_printf(&text, ", %s: ", value_type(b));
        template_put_value(&text, b);
    }
    enum status st = err_set(err, ST_INVALID, "%.*s", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return st;
}

enum status value_equals(const struct template_value *a, const struct template_value *b, bool *ret,
                         struct err *err)
{
    bool any_nil = a->kind == VALUE_NIL || b->kind == VALUE_NIL;

    if (any_nil) {
        *ret = a->kind == b->kind;
        return ST_OK;
    }
    if (basic_kind(a) != basic_kind(b))
        return err_set(err, ST_INVALID, "incompatible types for comparison: %s and %s",
                       value_type(a), value_type(b));
    if (basic_kind(a) != BASIC_NONE) {
        *ret = basic_equals(a, b);
        return ST_OK;
    }
    if (a->kind != VALUE_TIME || b->kind != VALUE_TIME)
        return refuse_comparison(a, b, err);
    *ret = a->time->seconds == b->time->seconds && a->time->ns == b->time->ns &&
           a->time->offset_s == b->time->offset_s && str_eq(a->time->zone, b->time->zone);
    return ST_OK;
}

enum status value_less(const struct template_value *a, const struct template_value *b, bool *ret,
                       struct err *err)
{
    enum basic_kind kind = basic_kind(a);

    if (kind == BASIC_NONE || basic_kind(b) == BASIC_NONE)
        return err_set(err, ST_INVALID, "invalid type for comparison");
    if (kind != basic_kind(b))
        return err_set(err, ST_INVALID, "incompatible types for comparison");
    switch (kind) {
    case BASIC_INTEGER:
        *ret = a->integer < b->integer;
        return ST_OK;
    case BASIC_FLOAT:
        *ret = a->number < b->number;
        return ST_OK;
    case BASIC_STRING:
        *ret = str_cmp(a->string, b->string) < 0;
        return ST_OK;
    case BASIC_BOOL:
    case BASIC_NONE:
        break;
    }
    return err_set(err, ST_INVALID, "invalid type for comparison");
}

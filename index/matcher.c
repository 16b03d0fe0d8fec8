#include "index/matcher.h"

#include <stdlib.h>

#include "base/banned.h"

/* `value` with anchors around it; `tail` stands before the end of the group. */
static struct str anchored(struct arena *a, struct str value, struct str tail)
{
    const struct str parts[] = {STR("^(?s:"), value, tail, STR(")$")};
    size_t len = 0;

    for (size_t i = 0; i < COUNT_OF(parts); i++)
        len += parts[i].len;
    char *to = arena_bytes(a, len);
    if (to == NULL)
        return STR_NULL;
    len = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].len > 0)
            memcpy(to + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return str_make(to, len);
}

/*
 * Compile `value` for whole values. Errors speak of `value` alone, as the user wrote it. One that
 * ends inside \Q would swallow the end of the group: it is tried again with \E behind it.
 */
static enum status compile(struct arena *a, struct str value, const struct regex **ret_re,
                           struct err *err)
{
    static const struct str tails[] = {STR_INIT(""), STR_INIT("\\E")};
    struct regex *alone = NULL;
    enum status st = regex_compile(value, &alone, err);

    if (st != ST_OK)
        return st;
    regex_free(alone);

    st = ST_INVALID;
    for (size_t i = 0; i < COUNT_OF(tails) && st == ST_INVALID; i++) {
        struct str whole = anchored(a, value, tails[i]);
        if (whole.ptr == NULL)
            return arena_status(a, err);
        st = regex_compile_in(a, whole, ret_re, err);
    }
    return st;
}

enum status matcher_make(struct arena *a, const struct matcher *wanted, struct matcher *ret_m,
                         struct err *err)
{
    struct matcher m = {.name = wanted->name, .op = wanted->op, .value = wanted->value};

    if (m.op == MATCH_RE || m.op == MATCH_NRE) {
        enum status st = compile(a, m.value, &m.re, err);
        if (st != ST_OK)
            return st;
    }
    *ret_m = m;
    return ST_OK;
}

bool matcher_accepts(const struct matcher *m, struct str value)
{
    switch (m->op) {
    case MATCH_EQ:
        return str_eq(m->value, value);
    case MATCH_NEQ:
        return !str_eq(m->value, value);
    case MATCH_RE:
        return regex_search(m->re, value);
    case MATCH_NRE:
        return !regex_search(m->re, value);
    }
    return false;
}

bool matcher_list_accepts(struct matcher_list matchers, struct labels labels)
{
    for (size_t i = 0; i < matchers.count; i++) {
        const struct matcher *m = &matchers.items[i];
        if (!matcher_accepts(m, labels_get(labels, m->name)))
            return false;
    }
    return true;
}

static int compare_strs(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

bool matcher_values(struct arena *a, const struct matcher *m, struct matcher_values *ret_values)
{
    static const char meaningful[] = "\\.+*?()[]{}^$";
    struct str rest = m->value, part;
    size_t count = 1, kept = 0;

    if (m->op != MATCH_EQ && m->op != MATCH_RE)
        return false;
    for (size_t i = 0; i < rest.len && m->op == MATCH_RE; i++) {
        if ((signed char)rest.ptr[i] <= 0 || strchr(meaningful, rest.ptr[i]) != NULL)
            return false; /* beyond ASCII: U+FFFD accepts damaged bytes too */
        count += rest.ptr[i] == '|';
    }
    struct str *items = arena_new(a, struct str, count);
    if (items == NULL)
        return false;
    items[0] = m->value;
    for (size_t i = 0; i < count && count > 1; i++)
        items[i] = str_split(&rest, '|', &part) ? part : STR("");
    qsort(items, count, sizeof(*items), compare_strs);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !str_eq(items[kept - 1], items[i]))
            items[kept++] = items[i];
    }
    *ret_values = (struct matcher_values){items, kept};
    return true;
}

struct str match_op_text(enum match_op op)
{
    static const struct str texts[] = {STR_INIT("="), STR_INIT("!="), STR_INIT("=~"),
                                       STR_INIT("!~")};

    ASSERT((size_t)op < COUNT_OF(texts));
    return texts[op];
}

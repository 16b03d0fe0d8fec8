/*
 * label_replace.c - label_replace(): a label made of the groups of an expression.
 *
 * The replacement is a template of Go's regexp package: `$1`, `${1}`, `$name`, `${name}`, and `$$`
 * for a dollar. A name is as long as it can be, so `$1x` asks for a group of the name 1x. A dollar
 * with no name behind it is just a dollar, a group that does not exist is nothing.
 */
#include "base/regex.h"
#include "base/utf8.h"
#include "query/matrix_internal.h"

#include "base/banned.h"

enum {
    GROUP_NUMBER_DIGITS_MAX = 8,
    MATCH_SAMPLES = 64, /* a match costs about as much as that many samples */
};

/* One label_replace(), and the groups of the last match; group 0 is all of it. */
struct replacement {
    const struct expr *e;
    struct arena *arena;
    struct str *groups;
    size_t count;
    struct buf text;
};

static size_t name_length(struct str s)
{
    size_t len = 0, rune_len;

    for (; len < s.len; len += rune_len) {
        uint32_t rune = utf8_decode(str_cut(s, len), &rune_len);
        if (rune != '_' && !rune_is_letter(rune) && !rune_is_digit(rune))
            break;
    }
    return len;
}

/* Cut the name of a group, perhaps in braces, off `*in`; false, with nothing cut, if none is. */
static bool cut_name(struct str *in, struct str *ret_name)
{
    bool braced = str_starts(*in, STR("{"));
    struct str rest = braced ? str_cut(*in, 1) : *in;
    struct str name = str_head(rest, name_length(rest));

    rest = str_cut(rest, name.len);
    if (name.len == 0 || (braced && !str_starts(rest, STR("}"))))
        return false;
    *in = braced ? str_cut(rest, 1) : rest;
    *ret_name = name;
    return true;
}

/* Is `name` a number without zeros in front? A longer one is taken for a name. */
static bool is_number(struct str name, size_t *ret_number)
{
    size_t number = 0;

    if (name.len > GROUP_NUMBER_DIGITS_MAX || (name.len > 1 && name.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
        number = number * 10 + (size_t)(name.ptr[i] - '0');
    }
    *ret_number = number;
    return true;
}

/* Of several groups with one name it is the first that took part. */
static struct str find_group(const struct replacement *r, struct str name)
{
    size_t number;

    if (is_number(name, &number))
        return number < r->count ? r->groups[number] : STR_NULL;
    for (size_t i = 1; i < r->count; i++) {
        if (r->groups[i].ptr != NULL && str_eq(regex_group_name(r->e->label_replace.re, i), name))
            return r->groups[i];
    }
    return STR_NULL;
}

static void expand(struct replacement *r)
{
    struct str template = r->e->label_replace.replacement;
    size_t at;

    buf_reset(&r->text);
    while ((at = str_find_char(template, '$')) != STR_NPOS) {
        struct str name;
        buf_put(&r->text, str_head(template, at));
        template = str_cut(template, at + 1);
        if (cut_name(&template, &name)) {
            buf_put(&r->text, find_group(r, name));
            continue;
        }
        buf_put_char(&r->text, '$');
        if (str_starts(template, STR("$")))
            template = str_cut(template, 1);
    }
    buf_put(&r->text, template);
}

/* Give `l` the label, in place of the one of that name; an empty value takes it away. */
static enum status set_label(struct arena *a, struct label label, struct labels *l, struct err *err)
{
    struct label *pairs = arena_new(a, struct label, l->count + 1);
    size_t count = 0;

    if (pairs == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < l->count; i++) {
        if (!str_eq(l->pairs[i].name, label.name))
            pairs[count++] = l->pairs[i];
    }
    pairs[count++] = label;
    *l = (struct labels){pairs, labels_normalize(pairs, count)};
    return ST_OK;
}

static enum status replace(struct replacement *r, struct labels *l, struct err *err)
{
    struct str value = labels_get(*l, r->e->label_replace.src);

    if (!regex_match(r->e->label_replace.re, value, r->groups, r->count))
        return ST_OK;
    expand(r);
    enum status st = buf_status(&r->text, err);
    if (st != ST_OK)
        return st;
    struct label label = {r->e->label_replace.dst, arena_str(r->arena, buf_str(&r->text))};
    if (label.value.ptr == NULL)
        return arena_status(r->arena, err);
    return set_label(r->arena, label, l, err);
}

enum status matrix_label_replace(const struct query_context *q, const struct expr *e,
                                 struct matrix in, struct matrix *ret, struct err *err)
{
    struct replacement r = {.e = e, .arena = q->arena};
    struct pace pace = {.q = q};
    enum status st = ST_OK;

    ASSERT(e->kind == EXPR_LABEL_REPLACE);
    r.count = 1 + regex_group_count(e->label_replace.re);
    r.groups = arena_new(q->arena, struct str, r.count);
    if (r.groups == NULL)
        return arena_status(q->arena, err);
    buf_init(&r.text, q->arena->max_bytes);
    for (size_t i = 0; st == ST_OK && i < in.count; i++) {
        struct labels *l = &in.series[i].labels;
        st = pace_add(&pace, MATCH_SAMPLES + e->label_replace.replacement.len, err);
        if (st == ST_OK)
            st = replace(&r, l, err);
    }
    buf_release(&r.text);
    if (st == ST_OK)
        *ret = in;
    return st;
}

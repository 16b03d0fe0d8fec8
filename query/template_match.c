/*
 * Functions of regular expressions. A constant expression was compiled with the template; any other
 * is compiled for the call, which counts as much work.
 */
#include "base/num.h"
#include "base/utf8.h"
#include "query/template_call.h"

#include "base/banned.h"

enum {
    GROUPS_MAX = 256,          /* more are not expanded */
    COMPILE_UNITS = 256,       /* of work, at least, */
    INSTRUCTION_UNITS = 8,     /* and for each instruction: some take a tenth of a second */
    SEARCH_UNIT_BYTES = 2048,  /* a search may look at all that remains, but seldom does */
    EXPANSION_UNIT_BYTES = 16, /* of a replacement: names of groups are looked for in it */
};

struct matching {
    struct template_call *call;
    const struct regex *re;
    struct str text;
    size_t copied; /* so much of the text is in the result */
    size_t count;
    bool literal;
    bool out_of_work;
};

/* For a match, what follows it and what it is replaced by. */
static bool charge(struct matching *m, struct str match, struct str replacement)
{
    size_t rest = m->text.len - (size_t)(match.ptr - m->text.ptr);
    size_t units = 1 + rest / SEARCH_UNIT_BYTES + replacement.len / EXPANSION_UNIT_BYTES;

    m->out_of_work = !template_work_spend(m->call->work, units);
    return !m->out_of_work;
}

static bool is_word(struct str s, size_t *ret_len)
{
    uint32_t rune = utf8_decode(s, ret_len);

    return rune == '_' || rune_is_letter(rune) || rune_is_digit(rune);
}

/* The name behind a `$`: `{name}` or as many letters, digits and `_` as there are. */
static bool take_group_name(struct str *in, struct str *ret)
{
    bool braces = str_starts(*in, STR("{"));
    struct str rest = str_cut(*in, braces ? 1 : 0);
    size_t at = 0;

    for (size_t len; at < rest.len && is_word(str_cut(rest, at), &len);)
        at += len;
    if (at == 0 || (braces && (at == rest.len || rest.ptr[at] != '}')))
        return false;
    *ret = str_head(rest, at);
    *in = str_cut(rest, at + (braces ? 1 : 0));
    return true;
}

/* A group that took no part, or that is not there, is empty. */
static struct str group_text(const struct matching *m, struct str name, const struct str *groups)
{
    size_t count = MIN_OF(regex_group_count(m->re), (size_t)GROUPS_MAX - 1);
    uint64_t number;

    enum status st = num_parse_u64(name, &number);
    if (st != ST_INVALID) /* all digits */
        return st == ST_OK && number <= count ? groups[number] : STR_NULL;
    for (size_t i = 1; i <= count; i++) {
        if (str_eq(regex_group_name(m->re, i), name) && groups[i].ptr != NULL)
            return groups[i];
    }
    return STR_NULL;
}

/* Behind a `$` that names nothing: another one belongs to it. */
static void put_dollar(struct buf *b, struct str *rest)
{
    buf_put_char(b, '$');
    if (str_starts(*rest, STR("$")))
        *rest = str_cut(*rest, 1);
}

static void put_expanded(const struct matching *m, struct str replacement, const struct str *groups)
{
    struct buf *b = m->call->text;
    struct str name;

    while (replacement.len > 0 && !b->failed) {
        size_t plain = MIN_OF(str_find_char(replacement, '$'), replacement.len);
        buf_put(b, str_head(replacement, plain));
        replacement = str_cut(replacement, plain);
        if (replacement.len == 0)
            return;
        replacement = str_cut(replacement, 1);
        if (take_group_name(&replacement, &name))
            buf_put(b, group_text(m, name, groups));
        else
            put_dollar(b, &replacement);
    }
}

static bool replace_one(void *context, const struct str *groups)
{
    struct matching *m = context;
    struct str replacement = template_call_str(m->call, 2);
    size_t begin = (size_t)(groups[0].ptr - m->text.ptr);

    if (!charge(m, groups[0], replacement))
        return false;
    buf_put(m->call->text, str_make(m->text.ptr + m->copied, begin - m->copied));
    if (m->literal)
        buf_put(m->call->text, replacement);
    else
        put_expanded(m, replacement, groups);
    m->copied = begin + groups[0].len;
    return !m->call->text->failed;
}

static bool count_one(void *context, const struct str *groups)
{
    struct matching *m = context;

    m->count++;
    return charge(m, groups[0], STR_NULL);
}

/* Compiled for this call; `*ret_own` is to be freed. */
static enum status find_regex(struct template_call *c, const struct regex **ret_re,
                              struct regex **ret_own)
{
    *ret_own = NULL;
    *ret_re = c->regex;
    if (c->regex != NULL)
        return ST_OK;
    if (!template_work_spend(c->work, COMPILE_UNITS))
        return template_call_refuse_work(c);
    enum status st = regex_compile(template_call_str(c, 0), ret_own, c->err);
    if (st != ST_OK)
        return st;
    *ret_re = *ret_own;
    if (template_work_spend(c->work, INSTRUCTION_UNITS * regex_program_size(*ret_own)))
        return ST_OK;
    regex_free(*ret_own);
    return template_call_refuse_work(c);
}

static enum status match_all(struct matching *m, regex_match_fn *found, size_t groups)
{
    struct regex *own;

    m->text = template_call_str(m->call, 1);
    if (m->text.ptr == NULL)
        m->text = STR("");
    enum status st = find_regex(m->call, &m->re, &own);
    if (st != ST_OK)
        return st;
    regex_match_all(m->re, m->text, groups, found, m);
    regex_free(own);
    return m->out_of_work ? template_call_refuse_work(m->call) : ST_OK;
}

static enum status replace_all(struct template_call *c, bool literal, struct template_value *ret)
{
    struct matching m = {.call = c, .literal = literal};

    enum status st = match_all(&m, replace_one, literal ? 1 : GROUPS_MAX);
    if (st != ST_OK)
        return st;
    buf_put(c->text, str_cut(m.text, m.copied));
    return template_call_return_text(c, ret);
}

enum status fn_regex_replace(struct template_call *c, struct template_value *ret)
{
    return replace_all(c, false, ret);
}

enum status fn_regex_replace_literal(struct template_call *c, struct template_value *ret)
{
    return replace_all(c, true, ret);
}

enum status fn_count(struct template_call *c, struct template_value *ret)
{
    struct matching m = {.call = c};

    enum status st = match_all(&m, count_one, 1);
    if (st == ST_OK)
        *ret = value_of_int((int64_t)m.count);
    return st;
}

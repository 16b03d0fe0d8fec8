#include "proto/logfmt.h"

#include "base/banned.h"

void logfmt_init(struct logfmt *l, struct str line, bool strict)
{
    *l = (struct logfmt){.line = line, .strict = strict};
}

static bool is_separator(char c)
{
    return (unsigned char)c <= ' ';
}

static bool at_separator(const struct logfmt *l)
{
    return l->at == l->line.len || is_separator(l->line.ptr[l->at]);
}

static void skip_word(struct logfmt *l)
{
    while (!at_separator(l))
        l->at++;
}

/* The byte at `l->at` does not belong there: true when scanning goes on behind it. */
static bool skip_bad(struct logfmt *l)
{
    if (l->strict) {
        l->failed = true;
        l->bad = l->at;
        return false;
    }
    skip_word(l);
    return true;
}

/* Read bytes up to a separator, `=` or a quote. */
static struct str scan_bare(struct logfmt *l)
{
    size_t begin = l->at;

    while (!at_separator(l) && l->line.ptr[l->at] != '=' && l->line.ptr[l->at] != '"')
        l->at++;
    return str_make(l->line.ptr + begin, l->at - begin);
}

/* The scanner stands on the opening quote. False: there is no closing one, the rest is lost. */
static bool scan_quoted(struct logfmt *l, struct logfmt_pair *pair)
{
    size_t begin = ++l->at;

    for (; l->at < l->line.len; l->at++) {
        char c = l->line.ptr[l->at];
        if (c == '"') {
            pair->value = str_make(l->line.ptr + begin, l->at - begin);
            pair->quoted = true;
            l->at++;
            return true;
        }
        if (c == '\\') {
            pair->escapes = true;
            l->at++;
        }
    }
    l->at = l->line.len;
    l->failed = l->strict;
    l->bad = l->line.len;
    return false;
}

bool logfmt_next(struct logfmt *l, struct logfmt_pair *ret_pair)
{
    while (!l->failed) {
        while (l->at < l->line.len && is_separator(l->line.ptr[l->at]))
            l->at++;
        if (l->at == l->line.len)
            return false;

        struct logfmt_pair pair = {.key = scan_bare(l)};
        char stop = at_separator(l) ? ' ' : l->line.ptr[l->at];
        if (pair.key.len == 0 || stop == '"') {
            if (!skip_bad(l))
                return false;
            continue;
        }
        if (stop == '=') {
            l->at++;
            if (!at_separator(l) && l->line.ptr[l->at] == '"') {
                if (!scan_quoted(l, &pair))
                    return false;
            } else {
                pair.value = scan_bare(l);
                if (!at_separator(l)) {
                    if (!skip_bad(l))
                        return false;
                    continue;
                }
            }
        }
        *ret_pair = pair;
        return true;
    }
    return false;
}

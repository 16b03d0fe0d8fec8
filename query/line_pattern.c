#include "query/line_pattern.h"

#include "base/map.h"

#include "base/banned.h"

static bool is_name_char(char c, bool first)
{
    return c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (!first && c >= '0' && c <= '9');
}

/* The length of the capture `text` begins with, brackets included; 0: it begins with none. */
static size_t capture_len(struct str text)
{
    size_t at = 1;

    if (text.len == 0 || text.ptr[0] != '<')
        return 0;
    while (at < text.len && is_name_char(text.ptr[at], at == 1))
        at++;
    return at > 1 && at < text.len && text.ptr[at] == '>' ? at + 1 : 0;
}

/* Cut the next part off `*text`, which is not empty. */
static struct line_pattern_part cut_part(struct str *text)
{
    size_t len = capture_len(*text);
    struct line_pattern_part part = {len > 0, STR_NULL};

    ASSERT(text->len > 0);
    if (len > 0) {
        part.text = str_make(text->ptr + 1, len - 2);
    } else {
        for (len = 1; len < text->len && capture_len(str_cut(*text, len)) == 0; len++)
            continue;
        part.text = str_head(*text, len);
    }
    *text = str_cut(*text, len);
    return part;
}

static enum status split(struct arena *a, struct str text, struct line_pattern *ret,
                         struct err *err)
{
    struct line_pattern p = {NULL, 0};
    size_t capacity = 0;

    while (text.len > 0) {
        p.parts = arena_reserve(a, p.parts, p.count, &capacity, sizeof(*p.parts));
        if (p.parts == NULL)
            return arena_status(a, err);
        p.parts[p.count++] = cut_part(&text);
    }
    *ret = p;
    return ST_OK;
}

static bool is_named(const struct line_pattern_part *part)
{
    return part->is_capture && !str_eq(part->text, STR("_"));
}

static enum status check_neighbours(const struct line_pattern *p, struct err *err)
{
    for (size_t i = 1; i < p->count; i++) {
        const struct line_pattern_part *l = &p->parts[i - 1], *r = &p->parts[i];
        if (l->is_capture && r->is_capture)
            return err_set(err, ST_INVALID,
                           "found consecutive capture '<%.*s><%.*s>': invalid expression",
                           STR_ARG(l->text), STR_ARG(r->text));
    }
    return ST_OK;
}

static enum status check_names(const struct line_pattern *p, struct err *err)
{
    enum status st = ST_OK;
    struct map seen = {NULL, 0, 0};

    for (size_t i = 0; i < p->count && st == ST_OK; i++) {
        struct str name = p->parts[i].text;
        if (!is_named(&p->parts[i]))
            continue;
        if (map_get(&seen, name) != NULL)
            st = err_set(err, ST_INVALID, "duplicate capture name (%.*s): invalid expression",
                         STR_ARG(name));
        else if (map_set(&seen, name, &p->parts[i]) != ST_OK)
            st = err_set(err, ST_NOMEM, "no memory for the names of a pattern");
    }
    map_release(&seen);
    return st;
}

enum status line_pattern_compile_parser(struct arena *a, struct str text, struct line_pattern *ret,
                                        struct err *err)
{
    struct line_pattern p;
    size_t named = 0;

    if (text.len == 0)
        return err_set(err, ST_INVALID,
                       "parse error at line 1, col 1: syntax error: unexpected $end, expecting "
                       "IDENTIFIER or LITERAL");
    enum status st = split(a, text, &p, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < p.count; i++)
        named += is_named(&p.parts[i]);
    if (named == 0)
        return err_set(err, ST_INVALID, "at least one capture is required");
    st = check_neighbours(&p, err);
    if (st == ST_OK)
        st = check_names(&p, err);
    if (st == ST_OK)
        *ret = p;
    return st;
}

enum status line_pattern_compile_filter(struct arena *a, struct str text, struct line_pattern *ret,
                                        struct err *err)
{
    struct line_pattern p;

    enum status st = split(a, text, &p, err);
    if (st == ST_OK)
        st = check_neighbours(&p, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < p.count; i++) {
        if (is_named(&p.parts[i]))
            return err_set(err, ST_INVALID, "named captures are not allowed: found '<%.*s>'",
                           STR_ARG(p.parts[i].text));
    }
    *ret = p;
    return ST_OK;
}

bool line_pattern_extract(const struct line_pattern *p, struct str line, struct str *values)
{
    size_t i = 0;

    ASSERT(p->count > 0);
    for (size_t part = 0; part < p->count; part++)
        values[part] = STR_NULL;
    if (line.len == 0)
        return false;
    if (!p->parts[0].is_capture) {
        if (!str_starts(line, p->parts[0].text))
            return false;
        line = str_cut(line, p->parts[0].text.len);
        i = 1;
    }

    /* From here on: a capture, and the literal that ends it if there is one. */
    for (; i < p->count; i += 2) {
        struct str literal = i + 1 < p->count ? p->parts[i + 1].text : STR_NULL;
        ASSERT(p->parts[i].is_capture);
        size_t len = literal.len > 0 ? str_find(line, literal) : STR_NPOS;
        if (is_named(&p->parts[i]))
            values[i] = str_head(line, len);
        if (len == STR_NPOS)
            break;
        line = str_cut(line, len + literal.len);
    }
    return true;
}

bool line_pattern_matches(const struct line_pattern *p, struct str line)
{
    if (p->count == 0 || line.len == 0)
        return p->count == 0 && line.len == 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->parts[i].is_capture)
            continue;
        size_t at = str_find(line, p->parts[i].text);
        if (at == STR_NPOS || (at == 0 && i > 0))
            return false; /* a wildcard takes at least one byte */
        line = str_cut(line, at + p->parts[i].text.len);
    }
    return p->parts[p->count - 1].is_capture == (line.len > 0);
}

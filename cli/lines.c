#include "cli/lines.h"

#include "base/banned.h"

void lines_init(struct lines *l, size_t line_bytes_max)
{
    *l = (struct lines){.input = STR("")};
    buf_init(&l->begun, line_bytes_max);
}

void lines_release(struct lines *l)
{
    buf_release(&l->begun);
}

void lines_feed(struct lines *l, struct str bytes)
{
    ASSERT(l->input.len == 0);
    l->input = bytes;
}

static void forget_taken(struct lines *l)
{
    if (!l->taken)
        return;
    buf_reset(&l->begun);
    l->has_begun = false;
    l->taken = false;
}

/* Give out what has been gathered; a line that did not fit is counted instead. */
static bool take_begun(struct lines *l, struct str *ret_line)
{
    l->taken = true;
    if (l->begun.failed) {
        l->too_long++;
        return false;
    }
    *ret_line = buf_str(&l->begun);
    return true;
}

bool lines_next(struct lines *l, struct str *ret_line)
{
    for (;;) {
        forget_taken(l);
        size_t end = str_find_char(l->input, '\n');
        struct str line = str_head(l->input, end);
        l->input = end == STR_NPOS ? STR("") : str_cut(l->input, end + 1);
        if (end == STR_NPOS) {
            buf_put(&l->begun, line);
            l->has_begun = l->has_begun || line.len > 0;
            return false;
        }
        if (!l->has_begun && line.len <= l->begun.max) {
            *ret_line = line;
            return true;
        }
        buf_put(&l->begun, line);
        if (take_begun(l, ret_line))
            return true;
    }
}

bool lines_last(struct lines *l, struct str *ret_line)
{
    ASSERT(l->input.len == 0);
    forget_taken(l);
    return l->has_begun && take_begun(l, ret_line);
}

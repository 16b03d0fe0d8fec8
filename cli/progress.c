#include "cli/progress.h"

#include <stdio.h>

#include "base/time.h"
#include "cli/print.h"

#include "base/banned.h"

enum {
    BAR_WIDTH = 40,
    PERCENT = 100,
    DRAW_MS = 100,
};

void progress_begin(struct progress *p, uint64_t total_bytes)
{
    *p = (struct progress){.shown = print_is_terminal(stderr), .total_bytes = total_bytes};
}

void progress_put(struct buf *b, uint64_t done_bytes, uint64_t total_bytes)
{
    double part = total_bytes == 0 ? 1 : (double)done_bytes / (double)total_bytes;

    part = MIN_OF(part, 1);
    int filled = (int)(part * BAR_WIDTH);
    buf_put_char(b, '[');
    for (int i = 0; i < BAR_WIDTH; i++)
        buf_put_char(b, i < filled ? '=' : i == filled ? '>' : ' ');
    buf_printf(b, "] %3d %%  %.1f of %.1f MiB", (int)(part * PERCENT),
               (double)done_bytes / (double)MIB, (double)total_bytes / (double)MIB);
}

void progress_add(struct progress *p, uint64_t bytes)
{
    struct buf b;

    p->done_bytes += bytes;
    int64_t now_ns = p->shown ? time_mono_ns() : 0;
    if (!p->shown || (p->drawn && now_ns - p->drawn_ns < DRAW_MS * MS_NS))
        return;
    buf_init(&b, KIB);
    progress_put(&b, p->done_bytes, p->total_bytes);
    fprintf(stderr, "\r%.*s\x1b[K", STR_ARG(buf_str(&b)));
    (void)fflush(stderr);
    buf_release(&b);
    p->drawn = true;
    p->drawn_ns = now_ns;
}

void progress_hide(struct progress *p)
{
    if (!p->drawn)
        return;
    fputs("\r\x1b[K", stderr);
    (void)fflush(stderr);
    p->drawn = false;
}

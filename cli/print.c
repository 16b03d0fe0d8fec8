#include "cli/print.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/time.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "proto/json.h"

#include "base/banned.h"

enum {
    DELETE = 0x7f,
    C1_LAST = 0x9f,
};

/* ---- terminals ---- */

bool print_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

bool print_has_colours(FILE *file)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

    if (!print_is_terminal(file) || (none != NULL && none[0] != '\0'))
        return false;
    return term != NULL && strcmp(term, "dumb") != 0;
}

int print_error(const char *command, const struct err *err)
{
    struct buf b;

    buf_init(&b, sizeof(err->text) * 8);
    put_visible_lines(&b, str_from(err->text));
    fprintf(stderr, "skald %s: %.*s\n", command, STR_ARG(buf_str(&b)));
    buf_release(&b);
    return EXIT_FAILED;
}

static enum status out_error(struct err *err)
{
    return err_errno(err, "standard output");
}

enum status print_out(struct str text, struct err *err)
{
    if (text.len > 0 && fwrite(text.ptr, 1, text.len, stdout) != text.len)
        return out_error(err);
    return ST_OK;
}

enum status print_finish(struct err *err)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return out_error(err);
    return ST_OK;
}

/* ---- times ---- */

static void put_offset(struct buf *b, long offset_s)
{
    long minutes = labs(offset_s) / 60;

    if (offset_s == 0)
        buf_put_char(b, 'Z');
    else
        buf_printf(b, "%c%02ld:%02ld", offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

void put_zoned_time(struct buf *b, int64_t ts_ns, enum print_zone zone, bool fraction)
{
    time_t seconds = (time_t)(ts_ns / SECOND_NS - (ts_ns % SECOND_NS < 0 ? 1 : 0));
    int64_t shifted_ns;
    struct tm tm = {0};
    long offset_s = 0;

    /* The wall clock of the zone is that of UTC, some seconds away. */
    if (zone == PRINT_LOCAL && localtime_r(&seconds, &tm) != NULL)
        offset_s = tm.tm_gmtoff;
    if (!i64_add(ts_ns, offset_s * SECOND_NS, &shifted_ns)) {
        shifted_ns = ts_ns;
        offset_s = 0;
    }
    time_put(b, shifted_ns, fraction ? TIME_NANOS : TIME_SECONDS);
    if (!b->failed) {
        b->len--; /* the Z */
        put_offset(b, offset_s);
    }
}

/* ---- text ---- */

static bool is_control(uint32_t rune)
{
    return rune < ' ' || (rune >= DELETE && rune <= C1_LAST);
}

static void put_visible_rune(struct buf *b, uint32_t rune)
{
    if (rune == '\n')
        buf_put(b, STR("\\n"));
    else if (rune == '\r')
        buf_put(b, STR("\\r"));
    else
        buf_printf(b, "\\x%02x", (unsigned)rune);
}

void put_visible(struct buf *b, struct str s)
{
    size_t plain = 0, len;

    while (plain < s.len) {
        uint32_t rune = utf8_decode(str_cut(s, plain), &len);
        bool invalid = rune == RUNE_ERROR && len == 1;
        if (!invalid && (rune == '\t' || !is_control(rune))) {
            plain += len;
            continue;
        }
        buf_put(b, str_head(s, plain));
        put_visible_rune(b, invalid ? (unsigned char)s.ptr[plain] : rune);
        s = str_cut(s, plain + len);
        plain = 0;
    }
    buf_put(b, s);
}

void put_visible_lines(struct buf *b, struct str text)
{
    struct str line;
    bool first = true;

    while (str_split(&text, '\n', &line)) {
        if (!first)
            buf_put_char(b, '\n');
        first = false;
        put_visible(b, line);
    }
}

void put_visible_json(struct buf *b, struct str json)
{
    size_t plain = 0, len;

    while (plain < json.len) {
        uint32_t rune = utf8_decode(str_cut(json, plain), &len);
        bool invalid = rune == RUNE_ERROR && len == 1;
        if (!invalid && (rune == '\t' || rune == '\n' || !is_control(rune))) {
            plain += len;
            continue;
        }
        buf_put(b, str_head(json, plain));
        buf_printf(b, "\\u%04x", (unsigned)rune);
        json = str_cut(json, plain + len);
        plain = 0;
    }
    buf_put(b, json);
}

size_t print_width(struct str s)
{
    size_t width = 0, len;

    for (; s.len > 0; s = str_cut(s, len)) {
        (void)utf8_decode(s, &len);
        width++;
    }
    return width;
}

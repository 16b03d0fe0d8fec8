#include "base/log.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "base/utf8.h"

#include "base/banned.h"

enum { LOG_LINE_BYTES_MAX = 16 * 1024 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
_Static_assert(COUNT_OF(level_names) == LOG_LEVELS, "one name for each level");

struct counter log_line_counts[LOG_LEVELS];
static struct counter lowest_level = {LOG_INFO};

void log_level_set(enum log_level level)
{
    counter_set(&lowest_level, level);
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

enum status log_level_parse(struct str name, enum log_level *ret_level)
{
    for (size_t i = 0; i < LOG_LEVELS; i++) {
        if (str_eq(name, str_from(level_names[i]))) {
            *ret_level = (enum log_level)i;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

/* A logfmt value may stand bare when nothing in it could end it or confuse a reader. */
static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return false;
    }
    return s.len > 0;
}

static void put_field(struct buf *line, const struct log_field *f)
{
    buf_printf(line, " %s=", f->key);
    if (f->text.ptr == NULL)
        buf_put_i64(line, f->number);
    else if (is_bare(f->text))
        buf_put(line, f->text);
    else
        utf8_put_quoted(line, f->text);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    struct buf line;

    counter_add(&log_line_counts[level], 1);
    if (level < counter_get(&lowest_level))
        return;

    buf_init(&line, LOG_LINE_BYTES_MAX);
    buf_put(&line, STR("ts="));
    time_put(&line, time_now_ns(), TIME_MILLIS);
    buf_printf(&line, " level=%s msg=", level_names[level]);
    utf8_put_quoted(&line, str_from(message));
    for (const struct log_field *f = fields; f->key != NULL; f++)
        put_field(&line, f);
    line.failed = false; /* a line that is too long is cut */
    if (line.len == line.max)
        line.len--;
    buf_put_char(&line, '\n');

    ssize_t written = write(STDERR_FILENO, line.ptr, line.len);
    (void)written; /* nobody is left to be told */
    buf_release(&line);
}

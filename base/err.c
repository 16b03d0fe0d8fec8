#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static const struct status_row {
    const char *name;
    int http;
    const char *text;
} status_rows[] = {
#define X(name, http, text) [name] = {#name, http, text},
    STATUSES(X)
#undef X
};

const char *status_name(enum status st)
{
    ASSERT((size_t)st < COUNT_OF(status_rows));
    return status_rows[st].name;
}

const char *status_text(enum status st)
{
    ASSERT((size_t)st < COUNT_OF(status_rows));
    return status_rows[st].text;
}

int status_http(enum status st)
{
    ASSERT((size_t)st < COUNT_OF(status_rows));
    return status_rows[st].http;
}

void assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "level=fatal msg=\"assertion failed\" expr=\"%s\" at=%s:%d\n", expression, file,
            line);
    abort();
}

enum status err_set(struct err *err, enum status st, const char *format, ...)
{
    va_list args;

    ASSERT(st != ST_OK);
    if (err == NULL)
        return st;
    err->status = st;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return st;
}

static enum status status_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return ST_FULL;
    case ENOMEM:
        return ST_NOMEM;
    case ENOENT:
        return ST_NOT_FOUND;
    default:
        return ST_IO;
    }
}

/* Put ": " and `more` behind the `used` characters of `err->text`, as far as they fit. */
static void append(struct err *err, int used, const char *more)
{
    size_t at = used < 0 ? 0 : MIN_OF((size_t)used, sizeof(err->text) - 1);
    size_t room = sizeof(err->text) - 1 - at;
    size_t len = MIN_OF(strlen(more), room > 2 ? room - 2 : 0);

    if (len == 0)
        return;
    memcpy(err->text + at, ": ", 2);
    memcpy(err->text + at + 2, more, len);
    err->text[at + 2 + len] = '\0';
}

enum status err_errno(struct err *err, const char *format, ...)
{
    int error = errno;
    enum status st = status_of_errno(error);
    va_list args;

    if (err == NULL)
        return st;
    err->status = st;
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    append(err, used, strerror(error));
    return st;
}

enum status err_prefix(struct err *err, enum status st, const char *format, ...)
{
    char old[ERR_TEXT_BYTES];
    va_list args;

    ASSERT(st != ST_OK);
    if (err == NULL)
        return st;
    err->status = st;
    memcpy(old, err->text, sizeof(old));
    va_start(args, format);
    int used = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    append(err, used, old);
    return st;
}

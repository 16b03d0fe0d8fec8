/*
 * log.h - our own log lines: logfmt on standard error.
 *
 * Only programs and the server log; libraries return errors. Each line is one write. Values are
 * quoted as needed, so nothing a client sends can forge a line.
 *
 *     LOG(LOG_INFO, "recovered", LOG_STR("dir", dir), LOG_INT("records", count));
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/err.h"
#include "base/str.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
    LOG_LEVELS, /* how many there are */
};

struct log_field {
    const char *key; /* NULL: no field */
    struct str text; /* ptr NULL: the number counts */
    int64_t number;
};

#define LOG_STR(key, s) ((struct log_field){(key), (s), 0})
#define LOG_TEXT(key, cstr) LOG_STR(key, str_from(cstr))
#define LOG_INT(key, n) ((struct log_field){(key), STR_NULL, (int64_t)(n)})
#define LOG_ERR(err) LOG_TEXT("err", (err)->text)

#define LOG(level, message, ...) \
    log_write((level), (message), (const struct log_field[]){__VA_ARGS__, {NULL, {NULL, 0}, 0}})

/* `fields` ends with one whose key is NULL. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* Lines below this level are not written. */
void log_level_set(enum log_level level);
const char *log_level_name(enum log_level level);

/* ST_INVALID: no such level. */
MUST_CHECK enum status log_level_parse(struct str name, enum log_level *ret_level);

/* How many lines each level has had. */
extern struct counter log_line_counts[LOG_LEVELS];

#endif

/*
 * err.h - how functions fail: a status for the caller, and a text for the person.
 *
 * Every fallible function returns enum status; one whose reason a person may read takes
 * `struct err *err` as its last parameter (NULL where nobody asks). On failure the outputs of a
 * function are untouched unless its header says otherwise.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"

/* clang-format off */
#define STATUSES(X)                                                                               \
    /* name              HTTP  meaning                                          */                \
    X(ST_OK,             200, "ok")                                                               \
    X(ST_INVALID,        400, "the input is not valid")                                           \
    X(ST_UNAUTHORIZED,   401, "no tenant was named")                                              \
    X(ST_NOT_FOUND,      404, "not found")                                                        \
    X(ST_BAD_METHOD,     405, "method not allowed")                                               \
    X(ST_TOO_LARGE,      413, "larger than the settings allow")                                   \
    X(ST_EMPTY,          422, "nothing to work on")                                               \
    X(ST_LIMIT,          429, "a limit is reached, later may be better")                          \
    X(ST_CANCELLED,      499, "the client went away")                                             \
    X(ST_NOMEM,          500, "out of memory")                                                    \
    X(ST_IO,             500, "an input/output error")                                            \
    X(ST_CORRUPT,        500, "stored bytes are damaged")                                         \
    X(ST_INTERNAL,       500, "an error of this program")                                         \
    X(ST_UNSUPPORTED,    501, "not implemented")                                                  \
    X(ST_BUSY,           503, "overloaded, try again")                                            \
    X(ST_FULL,           503, "no space left on the disk")                                        \
    X(ST_TIMEOUT,        504, "the deadline has passed")
/* clang-format on */

enum status {
#define X(name, http, text) name,
    STATUSES(X)
#undef X
};

/* "ST_INVALID" and so on. */
const char *status_name(enum status st);

/* One line about the status alone, for when nobody gave a better text. */
const char *status_text(enum status st);

int status_http(enum status st);

/* Memory, or the limit of it, was too little: nothing is known of what was to be looked at. */
static inline bool status_is_memory(enum status st)
{
    return st == ST_NOMEM || st == ST_LIMIT;
}

enum { ERR_TEXT_BYTES = 4096 };

/* A longer text is cut. `text` is always terminated. */
struct err {
    enum status status;
    char text[ERR_TEXT_BYTES];
};

/* Set `err` (which may be NULL) and return `st`, so that `return err_set(...)` reads well. */
enum status err_set(struct err *err, enum status st, const char *format, ...) PRINTF_LIKE(3, 4);

/*
 * The same for a failed system call: the text ends in ": " and the text of errno, the status
 * follows from errno (ENOSPC and EDQUOT are ST_FULL, ENOMEM is ST_NOMEM, ENOENT is ST_NOT_FOUND,
 * else ST_IO).
 */
enum status err_errno(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Put `format` and ": " in front of a text that is already there; returns `st`, as err_set(). */
enum status err_prefix(struct err *err, enum status st, const char *format, ...) PRINTF_LIKE(3, 4);

#endif

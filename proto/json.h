/*
 * json.h - a streaming JSON reader and writer.
 *
 * The reader is for push bodies, where a tree of values would cost more than the entries
 * themselves, and where numbers must keep their text. It walks the text once; the caller asks for
 * what it expects and gets ST_INVALID, with a text that names the offset, when something else
 * stands there.
 *
 *     json_enter_object(&j);
 *     while (json_next_key(&j, &key))
 *         ... one json_*() call for the value ...
 *
 * After an error every call fails with it, so it may be checked once: json_status().
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/labels.h"

enum json_kind {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_BOOL,
    JSON_NULL,
    JSON_END, /* of the text, or something that is no value */
};

enum { JSON_DEPTH_MAX = 128 };

struct json {
    struct str text;
    struct str rest;
    struct arena *arena; /* for strings with escapes */
    enum status status;
    struct err *err;
    int depth;
    bool first; /* nothing has been read of the innermost object or array */
};

/* `err` may be NULL; `text` is borrowed. */
void json_init(struct json *j, struct str text, struct arena *arena, struct err *err);

/* What the next value is. */
enum json_kind json_peek(struct json *j);

void json_enter_object(struct json *j);

/* The next key, or false at the closing brace (which is read) and after an error. */
bool json_next_key(struct json *j, struct str *ret_key);

void json_enter_array(struct json *j);

/* True when another item follows; false at the closing bracket (which is read) and after an error.
 */
bool json_next_item(struct json *j);

/* A string, with escapes resolved; a lone surrogate is U+FFFD. Borrowed if it has no escapes. */
struct str json_read_string(struct json *j);

/* The text of a number, true, false or null as it stands. */
struct str json_literal(struct json *j);

/* Read over one value of any kind; escapes in it are not looked at. */
void json_skip(struct json *j);

/* Nothing but blanks may follow. */
void json_finish(struct json *j);

/* Fail with a text of the caller's; later calls fail with it too. */
void json_fail(struct json *j, const char *reason);

enum status json_status(const struct json *j);

/*
 * Cut the escape whose backslash was read off `*in`. A surrogate without its partner is returned as
 * it is, for the caller to judge. False, with `*in` undefined: no escape.
 */
bool json_cut_escape(struct str *in, uint32_t *ret_rune);

/* json_cut_escape(), or what a format makes of it. */
typedef bool json_escape_fn(struct str *in, uint32_t *ret_rune);

/*
 * Write what stands between the quotes of a string to `to`, which has room for as many bytes: how
 * many came out, or STR_NPOS when `cut` finds that an escape is none. A lone surrogate that it lets
 * through becomes U+FFFD.
 */
size_t json_resolve_escapes(struct str raw, json_escape_fn *cut, char *to);

/*
 * Append `s` as a JSON string. Bytes that are not UTF-8 become U+FFFD. With `html_safe`, `<`, `>`,
 * `&` and U+2028/9 are written as \u escapes, as Loki does in lines.
 */
void json_put_string(struct buf *b, struct str s, bool html_safe);

/* {"a":"1","b":"2"}, in the order of the set. */
void json_put_labels(struct buf *b, struct labels l);

#endif

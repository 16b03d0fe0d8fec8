/*
 * json_scan.h - read log lines that should be JSON, as leniently as the reference does.
 *
 * Push bodies have a reader of their own (proto/json.h), which refuses what is not JSON. Lines are
 * cut short, end in a comma or have something behind them, and still have to give what they hold;
 * and there are many of them. So nothing is checked that need not be: a number is whatever begins
 * like one, what stands in an array is not looked at, and an object counts once its closing brace
 * is found.
 *
 * All views are borrowed from the line.
 */
#ifndef QUERY_JSON_SCAN_H
#define QUERY_JSON_SCAN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "proto/json.h"

/* What is wrong with a line. */
enum json_fault {
    JSON_FAULT_NONE,
    JSON_FAULT_OBJECT, /* no object, or not one to its end */
    JSON_FAULT_ARRAY,  /* no end of an array, or none behind a value */
    JSON_FAULT_MALFORMED,
    JSON_FAULT_STRING,
    JSON_FAULT_VALUE,
    JSON_FAULT_ESCAPE,
};

/* The text that users see. */
struct str json_fault_text(enum json_fault fault);

struct json_value {
    enum json_kind kind;
    struct str text; /* of a string: what stands between the quotes; else all of it */
    bool escapes;    /* of a string: there is a backslash in it */
};

void json_skip_blanks(struct str *in);

/* Cut the rest of a string, whose opening quote was read, off `*in`. False: it has no end. */
bool json_cut_string(struct str *in, struct json_value *ret);

/* Cut blanks and the value behind them off `*in`. On a fault both are undefined. */
enum json_fault json_cut_value(struct str *in, struct json_value *ret);

/*
 * Resolve the escapes of `raw`, into `a`. `ptr` is NULL when one of them is none, or a surrogate
 * without its partner.
 */
struct str json_unescape(struct arena *a, struct str raw);

/*
 * The value as that of a label: strings without their escapes ("" when one is bad) and with blanks
 * for what is not UTF-8, everything else as it stands.
 */
struct str json_label_value(struct arena *a, const struct json_value *v);

/* ---- the name of a label: the keys from the outermost object to a value ---- */

enum {
    JSON_NAME_DEPTH_MAX = 64,   /* objects deeper than this give no labels, */
    JSON_NAME_BYTES_MAX = 1024, /* nor do members with longer names */
};

/* Join `key` to the first `len` bytes of `name`: the new length, or STR_NPOS: there is no room. */
size_t json_name_join(struct arena *scratch, char name[JSON_NAME_BYTES_MAX], size_t len,
                      struct str key);

/* ---- the members of an object, one by one ---- */

struct json_members {
    struct str rest;
    struct arena *arena; /* for keys with escapes */
    bool begun;
    enum json_fault fault;
};

struct json_member {
    struct str key; /* escapes resolved */
    struct json_value value;
};

void json_members_init(struct json_members *m, struct arena *a, struct str object);

/* The next one; false at the closing brace, and when `fault` was found. */
bool json_members_next(struct json_members *m, struct json_member *ret);

#endif

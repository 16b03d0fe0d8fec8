/*
 * template_call.h - the functions of templates, their arguments checked.
 */
#ifndef QUERY_TEMPLATE_CALL_H
#define QUERY_TEMPLATE_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/regex.h"
#include "query/template_functions.h"
#include "query/template_run.h"
#include "query/template_value.h"

/* What a parameter takes. */
enum template_parameter {
    PARAMETER_STRING = 's',
    PARAMETER_INT = 'i',
    PARAMETER_FLOAT = 'f',
    PARAMETER_TIME = 't',
    PARAMETER_ANY = 'v',
};

/* `kinds` has a letter for each; the last one may come any number of times if it is variadic. */
struct template_signature {
    const char *kinds;
    bool variadic;
};

/*
 * What is left of the work a run may do; a unit is a node of the tree, or so many bytes of a text
 * that a function looks at.
 */
struct template_work {
    size_t units;
};

enum { TEMPLATE_UNIT_BYTES = 64 };

/* False: it is used up. */
bool template_work_spend(struct template_work *w, size_t units);

struct template_call {
    enum template_function function;
    struct template_values args; /* as the signature has them */
    struct str first_text;       /* the text of the first argument in the template */
    const struct regex *regex;   /* of a constant first argument, or NULL */
    const struct template_data *data;
    struct arena *arena;
    struct buf *text; /* for texts that are made; empty */
    struct template_work *work;
    struct err *err;
};

struct template_signature template_signature_of(enum template_function function);

/*
 * ST_INVALID  `err` has the function's reason
 * ST_LIMIT    the arena is full, a text too long or the work used up
 */
MUST_CHECK enum status template_call(struct template_call *c, struct template_value *ret);

/* ---- for the files that have the functions ---- */

typedef enum status template_function_fn(struct template_call *c, struct template_value *ret);

/* The text in c->text as a value. */
MUST_CHECK enum status template_call_return_text(struct template_call *c,
                                                 struct template_value *ret);

MUST_CHECK enum status template_call_refuse_work(struct template_call *c);

static inline struct str template_call_str(const struct template_call *c, size_t i)
{
    ASSERT(i < c->args.count);
    ASSERT(c->args.items[i].kind == VALUE_STRING);
    return c->args.items[i].string;
}

static inline int64_t template_call_int(const struct template_call *c, size_t i)
{
    ASSERT(i < c->args.count);
    ASSERT(c->args.items[i].kind == VALUE_INT);
    return c->args.items[i].integer;
}

/* clang-format off */
/* Function, its parameters, whether the last repeats, and what runs it. */
#define TEMPLATE_CALLS(X)                                                                         \
    /* template_builtin.c; `and` and `or` are the evaluator's own */                              \
    X(AND, "vv", true, fn_last)             X(OR, "vv", true, fn_last)                            \
    X(NOT, "v", false, fn_not)              X(EQ, "vv", true, fn_eq)                              \
    X(NE, "vv", false, fn_ne)               X(LT, "vv", false, fn_lt)                             \
    X(LE, "vv", false, fn_le)               X(GT, "vv", false, fn_gt)                             \
    X(GE, "vv", false, fn_ge)               X(INDEX, "vv", true, fn_index)                        \
    X(SLICE, "vv", true, fn_slice)          X(LEN, "v", false, fn_len)                            \
    X(PRINT, "v", true, fn_print)           X(PRINTF, "sv", true, fn_printf)                      \
    X(PRINTLN, "v", true, fn_println)       X(CALL, "vv", true, fn_call)                          \
    X(LINE, "", false, fn_line)             X(DEFAULT, "vv", true, fn_default)                    \
    /* template_encode.c */                                                                       \
    X(HTML, "v", true, fn_html)             X(JS, "v", true, fn_js)                               \
    X(URLQUERY, "v", true, fn_urlquery)     X(URLENCODE, "s", false, fn_urlencode)                \
    X(URLDECODE, "s", false, fn_urldecode)  X(B64ENC, "s", false, fn_b64enc)                      \
    X(B64DEC, "s", false, fn_b64dec)        X(FROM_JSON, "s", false, fn_from_json)                \
    /* template_text.c */                                                                         \
    X(LOWER, "s", false, fn_lower)          X(TO_LOWER, "s", false, fn_lower)                     \
    X(UPPER, "s", false, fn_upper)          X(TO_UPPER, "s", false, fn_upper)                     \
    X(TITLE, "s", false, fn_title)          X(TRIM, "s", false, fn_trim)                          \
    X(TRIM_SPACE, "s", false, fn_trim)      X(TRIM_CUT, "ss", false, fn_trim_cut)                 \
    X(TRIM_LEFT, "ss", false, fn_trim_cut)  X(TRIM_RIGHT, "ss", false, fn_trim_cut)               \
    X(TRIM_ALL, "ss", false, fn_trim_cut)   X(TRIM_PREFIX_OF, "ss", false, fn_trim_prefix)        \
    X(TRIM_PREFIX, "ss", false, fn_trim_prefix)                                                   \
    X(TRIM_SUFFIX_OF, "ss", false, fn_trim_suffix)                                                \
    X(TRIM_SUFFIX, "ss", false, fn_trim_suffix)                                                   \
    X(REPLACE_COUNT, "sssi", false, fn_replace_count)                                             \
    X(REPLACE, "sss", false, fn_replace)    X(CONTAINS, "ss", false, fn_contains)                 \
    X(HAS_PREFIX, "ss", false, fn_has_prefix)                                                     \
    X(HAS_SUFFIX, "ss", false, fn_has_suffix)                                                     \
    X(SUBSTR, "iis", false, fn_substr)      X(TRUNC, "is", false, fn_trunc)                       \
    X(ALIGN_LEFT, "is", false, fn_align_left)                                                     \
    X(ALIGN_RIGHT, "is", false, fn_align_right)                                                   \
    X(INDENT, "is", false, fn_indent)       X(NINDENT, "is", false, fn_nindent)                   \
    X(REPEAT, "is", false, fn_repeat)                                                             \
    /* template_match.c */                                                                        \
    X(REGEX_REPLACE_ALL, "sss", false, fn_regex_replace)                                          \
    X(REGEX_REPLACE_ALL_LITERAL, "sss", false, fn_regex_replace_literal)                          \
    X(COUNT, "ss", false, fn_count)                                                               \
    /* template_math.c */                                                                         \
    X(INT, "v", false, fn_int)              X(FLOAT64, "v", false, fn_float64)                    \
    X(ADD, "v", true, fn_add)               X(SUB, "vv", false, fn_sub)                           \
    X(MUL, "vv", true, fn_mul)              X(DIV, "vv", false, fn_div)                           \
    X(MOD, "vv", false, fn_mod)             X(ADDF, "v", true, fn_addf)                           \
    X(SUBF, "vv", true, fn_subf)            X(MULF, "vv", true, fn_mulf)                          \
    X(DIVF, "vv", true, fn_divf)            X(MAX, "vv", true, fn_max)                            \
    X(MIN, "vv", true, fn_min)              X(MAXF, "vv", true, fn_maxf)                          \
    X(MINF, "vv", true, fn_minf)            X(CEIL, "v", false, fn_ceil)                          \
    X(FLOOR, "v", false, fn_floor)          X(ROUND, "vif", true, fn_round)                       \
    X(BYTES, "s", false, fn_bytes)          X(DURATION, "s", false, fn_duration)                  \
    X(DURATION_SECONDS, "s", false, fn_duration)                                                  \
    /* template_time.c */                                                                         \
    X(TIMESTAMP, "", false, fn_timestamp)   X(NOW, "", false, fn_now)                             \
    X(DATE, "sv", false, fn_date)           X(TO_DATE, "ss", false, fn_to_date)                   \
    X(TO_DATE_IN_ZONE, "sss", false, fn_to_date_in_zone)                                          \
    X(UNIX_TO_TIME, "s", false, fn_unix_to_time)                                                  \
    X(UNIX_EPOCH, "t", false, fn_unix_epoch)                                                      \
    X(UNIX_EPOCH_MILLIS, "t", false, fn_unix_epoch_millis)                                        \
    X(UNIX_EPOCH_NANOS, "t", false, fn_unix_epoch_nanos)
/* clang-format on */

#define X(function, kinds, variadic, fn) template_function_fn fn;
TEMPLATE_CALLS(X)
#undef X

#endif

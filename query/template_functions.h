/*
 * template_functions.h - the functions a template may call, by name.
 *
 * The first list is Go's text/template's own; the second is what the reference adds. Some have two
 * names, some a second form with its arguments swapped; each name is an entry of its own.
 */
#ifndef QUERY_TEMPLATE_FUNCTIONS_H
#define QUERY_TEMPLATE_FUNCTIONS_H

#include <stdbool.h>

#include "base/str.h"

/* clang-format off */
#define TEMPLATE_FUNCTIONS(X)                                                                     \
    X(AND, "and") X(OR, "or") X(NOT, "not") X(EQ, "eq") X(NE, "ne") X(LT, "lt") X(LE, "le")       \
    X(GT, "gt") X(GE, "ge") X(INDEX, "index") X(SLICE, "slice") X(LEN, "len")                     \
    X(PRINT, "print") X(PRINTF, "printf") X(PRINTLN, "println") X(HTML, "html") X(JS, "js")       \
    X(URLQUERY, "urlquery") X(CALL, "call")                                                       \
                                                                                                  \
    X(LINE, "__line__") X(TIMESTAMP, "__timestamp__")                                             \
    X(LOWER, "lower") X(TO_LOWER, "ToLower") X(UPPER, "upper") X(TO_UPPER, "ToUpper")             \
    X(TITLE, "title") X(TRIM, "trim") X(TRIM_SPACE, "TrimSpace") X(TRIM_CUT, "Trim")              \
    X(TRIM_LEFT, "TrimLeft") X(TRIM_RIGHT, "TrimRight") X(TRIM_ALL, "trimAll")                    \
    X(TRIM_PREFIX_OF, "TrimPrefix") X(TRIM_SUFFIX_OF, "TrimSuffix")                               \
    X(TRIM_PREFIX, "trimPrefix") X(TRIM_SUFFIX, "trimSuffix") X(REPLACE_COUNT, "Replace")         \
    X(REPLACE, "replace") X(REGEX_REPLACE_ALL, "regexReplaceAll")                                 \
    X(REGEX_REPLACE_ALL_LITERAL, "regexReplaceAllLiteral") X(COUNT, "count")                      \
    X(CONTAINS, "contains") X(HAS_PREFIX, "hasPrefix") X(HAS_SUFFIX, "hasSuffix")                 \
    X(SUBSTR, "substr") X(TRUNC, "trunc") X(ALIGN_LEFT, "alignLeft")                              \
    X(ALIGN_RIGHT, "alignRight") X(INDENT, "indent") X(NINDENT, "nindent") X(REPEAT, "repeat")    \
    X(DEFAULT, "default") X(INT, "int") X(FLOAT64, "float64") X(ADD, "add") X(SUB, "sub")         \
    X(MUL, "mul") X(DIV, "div") X(MOD, "mod") X(ADDF, "addf") X(SUBF, "subf") X(MULF, "mulf")     \
    X(DIVF, "divf") X(MAX, "max") X(MIN, "min") X(MAXF, "maxf") X(MINF, "minf")                   \
    X(CEIL, "ceil") X(FLOOR, "floor") X(ROUND, "round") X(B64ENC, "b64enc")                       \
    X(B64DEC, "b64dec") X(URLENCODE, "urlencode") X(URLDECODE, "urldecode") X(BYTES, "bytes")     \
    X(DURATION, "duration") X(DURATION_SECONDS, "duration_seconds") X(FROM_JSON, "fromJson")      \
    X(NOW, "now") X(DATE, "date") X(TO_DATE, "toDate") X(TO_DATE_IN_ZONE, "toDateInZone")         \
    X(UNIX_TO_TIME, "unixToTime") X(UNIX_EPOCH, "unixEpoch")                                      \
    X(UNIX_EPOCH_MILLIS, "unixEpochMillis") X(UNIX_EPOCH_NANOS, "unixEpochNanos")
/* clang-format on */

enum template_function {
#define X(name, text) TEMPLATE_FUNCTION_##name,
    TEMPLATE_FUNCTIONS(X)
#undef X
};

/* False: there is no such function. */
bool template_function_find(struct str name, enum template_function *ret);

struct str template_function_name(enum template_function function);

#endif

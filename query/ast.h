/*
 * ast.h - the tree of a LogQL query.
 *
 * Plain values, built by the parser in the arena of the request and never changed afterwards.
 * Strings are decoded (escapes resolved); numbers, durations and sizes are values. Every kind of
 * node of the language is here, so evaluation adds code but no second tree.
 *
 * Lists are arrays with a count; a NULL array has count 0.
 */
#ifndef QUERY_AST_H
#define QUERY_AST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "index/matcher.h"

/*
 * No expression, and no label filter of a stage, is nested deeper than this many nodes; the parser
 * refuses more, so walks of the tree may recurse.
 */
enum { AST_DEPTH_MAX = 1000 };

struct name_list {
    struct str *names;
    size_t count;
};

/* ---- log pipelines ---- */

enum line_op {
    LINE_CONTAINS,     /* |= */
    LINE_NOT_CONTAINS, /* != */
    LINE_RE,           /* |~ */
    LINE_NOT_RE,       /* !~ */
    LINE_PATTERN,      /* |> */
    LINE_NOT_PATTERN,  /* !> */
};

struct line_alternative {
    struct str text;
    bool is_ip; /* written ip("text") */
};

/* One line filter: any alternative accepts the line. Negative chains are separate filters here. */
struct line_filter_expr {
    enum line_op op;
    struct line_alternative *alternatives;
    size_t count; /* >= 1 */
};

enum compare_op {
    COMPARE_EQ,
    COMPARE_NEQ,
    COMPARE_GT,
    COMPARE_GTE,
    COMPARE_LT,
    COMPARE_LTE,
};

enum label_filter_kind {
    LABEL_FILTER_STRING,   /* matcher */
    LABEL_FILTER_NUMBER,   /* number */
    LABEL_FILTER_DURATION, /* duration_ns */
    LABEL_FILTER_BYTES,    /* bytes */
    LABEL_FILTER_IP,       /* text; op is EQ or NEQ */
    LABEL_FILTER_AND,      /* left, right */
    LABEL_FILTER_OR,
};

struct label_filter_expr {
    enum label_filter_kind kind;
    struct str name; /* of the label; not for AND and OR */
    enum compare_op op;
    struct matcher
        matcher; /* its `re` is NULL: whether it is simplified is not the parser's matter */
    double number;
    int64_t duration_ns;
    uint64_t bytes;
    struct str text;
    const struct label_filter_expr *left;
    const struct label_filter_expr *right;
};

/* `id="expression"` of `json` and `logfmt`; `id` alone has itself as the expression. */
struct extraction {
    struct str id;
    struct str expression;
};

/* `dst=src` or `dst="template"`. */
struct label_format {
    struct str dst;
    struct str value;
    bool is_rename;
};

/* An item of `drop` and `keep`: a bare name, or a matcher. */
struct label_condition {
    struct str name;
    bool has_matcher;
    struct matcher matcher;
};

enum stage_kind {
    STAGE_LINE_FILTER,
    STAGE_JSON,
    STAGE_JSON_EXPR,
    STAGE_LOGFMT,
    STAGE_LOGFMT_EXPR,
    STAGE_REGEXP,
    STAGE_PATTERN,
    STAGE_UNPACK,
    STAGE_LABEL_FILTER,
    STAGE_LINE_FORMAT,
    STAGE_LABEL_FORMAT,
    STAGE_DROP,
    STAGE_KEEP,
    STAGE_DECOLORIZE,
};

struct stage_expr {
    enum stage_kind kind;
    union {
        struct line_filter_expr line_filter;
        struct {
            bool strict;
            bool keep_empty;
            struct extraction *extractions; /* the _EXPR kinds; json has no flags */
            size_t count;
        } parser;
        struct str text; /* REGEXP, PATTERN, LINE_FORMAT */
        const struct label_filter_expr *label_filter;
        struct {
            struct label_format *formats;
            size_t count;
        } label_format;
        struct {
            struct label_condition *conditions;
            size_t count;
        } names; /* DROP, KEEP */
    };
};

/* A selector and its stages. */
struct log_expr {
    struct matcher *matchers;
    size_t matcher_count;
    struct stage_expr *stages;
    size_t stage_count;
};

/* ---- metrics ---- */

enum unwrap_conversion {
    UNWRAP_NONE, /* a plain number */
    UNWRAP_BYTES,
    UNWRAP_DURATION,
    UNWRAP_DURATION_SECONDS,
};

struct unwrap_expr {
    struct str label; /* empty: there is no unwrap */
    enum unwrap_conversion conversion;
    const struct label_filter_expr **filters; /* what stands behind it, in order */
    size_t filter_count;
};

struct range_expr {
    struct log_expr log;
    struct unwrap_expr unwrap;
    int64_t range_ns;
    int64_t offset_ns;
};

/* clang-format off */
#define RANGE_OPS(X)                                                                              \
    X(COUNT_OVER_TIME,    "count_over_time")                                                      \
    X(RATE,               "rate")                                                                 \
    X(RATE_COUNTER,       "rate_counter")                                                         \
    X(BYTES_OVER_TIME,    "bytes_over_time")                                                      \
    X(BYTES_RATE,         "bytes_rate")                                                           \
    X(AVG_OVER_TIME,      "avg_over_time")                                                        \
    X(SUM_OVER_TIME,      "sum_over_time")                                                        \
    X(MIN_OVER_TIME,      "min_over_time")                                                        \
    X(MAX_OVER_TIME,      "max_over_time")                                                        \
    X(STDVAR_OVER_TIME,   "stdvar_over_time")                                                     \
    X(STDDEV_OVER_TIME,   "stddev_over_time")                                                     \
    X(QUANTILE_OVER_TIME, "quantile_over_time")                                                   \
    X(FIRST_OVER_TIME,    "first_over_time")                                                      \
    X(LAST_OVER_TIME,     "last_over_time")                                                       \
    X(ABSENT_OVER_TIME,   "absent_over_time")

#define VECTOR_OPS(X)                                                                             \
    X(SUM,         "sum")                                                                         \
    X(AVG,         "avg")                                                                         \
    X(COUNT,       "count")                                                                       \
    X(MAX,         "max")                                                                         \
    X(MIN,         "min")                                                                         \
    X(STDDEV,      "stddev")                                                                      \
    X(STDVAR,      "stdvar")                                                                      \
    X(BOTTOMK,     "bottomk")                                                                     \
    X(TOPK,        "topk")                                                                        \
    X(SORT,        "sort")                                                                        \
    X(SORT_DESC,   "sort_desc")                                                                   \
    X(APPROX_TOPK, "approx_topk")

#define BINARY_OPS(X)                                                                             \
    X(OR, "or") X(AND, "and") X(UNLESS, "unless")                                                 \
    X(ADD, "+") X(SUB, "-") X(MUL, "*") X(DIV, "/") X(MOD, "%") X(POW, "^")                       \
    X(EQ, "==") X(NEQ, "!=") X(GT, ">") X(GTE, ">=") X(LT, "<") X(LTE, "<=")
/* clang-format on */

enum range_op {
#define X(name, text) RANGE_OP_##name,
    RANGE_OPS(X)
#undef X
};

enum vector_op {
#define X(name, text) VECTOR_OP_##name,
    VECTOR_OPS(X)
#undef X
};

enum binary_op {
#define X(name, text) BINARY_OP_##name,
    BINARY_OPS(X)
#undef X
};

/* The words of the language. */
const char *range_op_text(enum range_op op);
const char *vector_op_text(enum vector_op op);
const char *binary_op_text(enum binary_op op);

enum grouping_kind {
    GROUPING_NONE,
    GROUPING_BY,
    GROUPING_WITHOUT,
};

struct grouping {
    enum grouping_kind kind;
    struct name_list names;
};

enum match_card {
    CARD_ONE_TO_ONE,
    CARD_GROUP_LEFT,  /* many to one */
    CARD_GROUP_RIGHT, /* one to many */
};

/* What stands behind a binary operator. */
struct binary_modifier {
    bool return_bool;
    bool has_matching; /* `on` or `ignoring` was written */
    bool on;
    struct name_list matching;
    enum match_card card;
    struct name_list include;
};

enum expr_kind {
    EXPR_LOG,
    EXPR_RANGE_AGGREGATION,
    EXPR_VECTOR_AGGREGATION,
    EXPR_BINARY,
    EXPR_LITERAL,
    EXPR_LABEL_REPLACE,
    EXPR_VECTOR,
};

struct expr {
    enum expr_kind kind;
    union {
        struct log_expr log;
        struct {
            enum range_op op;
            bool has_parameter;
            double parameter;
            struct range_expr range;
            struct grouping grouping;
        } range_aggregation;
        struct {
            enum vector_op op;
            int64_t parameter; /* k; 0 when there is none */
            const struct expr *child;
            struct grouping grouping;
        } vector_aggregation;
        struct {
            enum binary_op op;
            const struct expr *left;
            const struct expr *right;
            struct binary_modifier modifier;
        } binary;
        double number; /* LITERAL, VECTOR */
        struct {
            const struct expr *child;
            struct str dst;
            struct str replacement;
            struct str src;
            struct str pattern;
            const struct regex *re; /* anchored */
        } label_replace;
    };
};

#endif

/*
 * parser_internal.h - what the generated parser, the builders and the recovery share.
 *
 * For the files of the parser only: grammar.y, parser.c, recovery.c and the builders. The grammar
 * has no logic of its own: each production calls one builder, which makes nodes of ast.h in the
 * arena. A builder that fails has set `p->failure`, and the production stops the parser.
 *
 * Two kinds of errors meet here. One that a production raises at once replaces whatever was found
 * before (parser_refuse()). One that belongs to the finished tree travels upwards in `error` of
 * its expression and counts only if the whole text parses: the first that a walk from the top
 * would meet (a node's own, then its children's from left to right).
 */
#ifndef QUERY_PARSER_INTERNAL_H
#define QUERY_PARSER_INTERNAL_H

#include "query/ast.h"
#include "query/lexer.h"

/* Items of a repetition, in the arena; the production knows their type. */
struct list {
    void *items;
    size_t count;
    size_t capacity;
};

struct expr_value {
    struct expr *expr;
    const char *error; /* of the tree; NULL: none */
    unsigned depth;
};

struct filter_value {
    struct label_filter_expr *filter;
    unsigned depth;
};

struct literal_value {
    double number;
    const char *error; /* NULL: it is a number */
};

struct line_filter_value {
    enum line_op op;
    struct list alternatives;
};

/* A chain of alternatives, the first one in front. */
struct line_term {
    struct line_alternative alternative;
    struct line_term *next;
};

struct unwrap_value {
    struct unwrap_expr expr;
    struct list filters;
};

/* What a production of a range found, whatever the order. */
struct range_parts {
    struct list matchers;
    struct list stages;
    const struct unwrap_value *unwrap; /* NULL: none */
    int64_t range_ns;
    int64_t offset_ns;
};

/* A call of a range or vector operation. */
struct call_parts {
    int op;
    struct str parameter; /* as written; ptr NULL: none */
    const struct range_expr *range;
    struct expr_value child;
    const struct grouping *grouping; /* NULL: none */
};

struct binary_parts {
    enum binary_op op;
    struct binary_modifier *modifier;
    struct expr_value left;
    struct expr_value right;
};

struct replace_parts {
    struct expr_value child;
    struct str dst;
    struct str replacement;
    struct str src;
    struct str pattern;
};

/* The value of a symbol of the grammar. */
union grammar_value {
    struct str text;
    int64_t duration_ns;
    uint64_t bytes;
    int op;
    struct list list;
    struct expr_value expr;
    struct filter_value filter;
    struct literal_value literal;
    struct line_filter_value *line_filter;
    struct line_term *line_term;
    struct log_expr *log;
    struct range_expr *range;
    struct unwrap_value *unwrap;
    struct grouping *grouping;
    struct binary_modifier *modifier;
    struct matcher *matcher;
    struct stage_expr *stage;
    struct extraction *extraction;
    struct label_format *format;
    struct label_condition *condition;
};

struct parser {
    struct arena *a;
    struct lexer lexer;
    struct token token; /* the last one read */
    enum status status; /* not ST_OK: stop, `failure` says why */
    struct err failure; /* what parser_refuse() said, or that memory ran out */
    struct str first;   /* the first lexical or syntax error; ptr NULL: none */
    size_t first_line;
    size_t first_column;
    struct expr_value result;
};

/* ---- parser.c ---- */

/* Read the next token into `p->token` and return its kind, 0 at the end. */
int parser_read(struct parser *p);

/* A syntax error at the current token. */
void parser_report(struct parser *p, const char *unexpected, const char *const *expected,
                   size_t count);

/* Stop with this text, whatever was found before. Returns ST_INVALID. */
enum status parser_refuse(struct parser *p, const char *format, ...) PRINTF_LIKE(2, 3);

/* Stop because the arena failed; returns its status. */
enum status parser_stop(struct parser *p);

/* ---- grammar.y ---- */

enum {
    GRAMMAR_ERROR = -1, /* the token `error`, for grammar_action() */
    GRAMMAR_NONE = -2,  /* no token was read yet */
};

enum grammar_move {
    MOVE_SHIFT,
    MOVE_REDUCE,
    MOVE_READ, /* a token is needed to tell */
    MOVE_ERROR,
    MOVE_ACCEPT,
};

/* What a production refuses at once, by its shape. */
enum grammar_check {
    CHECK_NONE,
    CHECK_MATCH,   /* name, operator, value */
    CHECK_NUMBER,  /* name, operator, literal */
    CHECK_LITERAL, /* perhaps a sign, number; hands the number's text on */
    CHECK_STAGE,   /* word, perhaps an argument */
};

struct grammar_step {
    enum grammar_move move;
    int target; /* SHIFT: the state; REDUCE: the rule */
};

struct grammar_rule {
    int symbol_count; /* of its right side */
    enum grammar_check check;
};

int grammar_parse(struct parser *p);

/* The tables Bison made: what to do in `state` on a token, and what a rule is. */
struct grammar_step grammar_action(int state, int kind);
struct grammar_rule grammar_rule(int rule);

/* The state after reducing `rule`, with `state` then on top. */
int grammar_goto(int state, int rule);

/* ---- recovery.c ---- */

struct recovery {
    struct parser *p;
    struct list stack; /* of struct recovery_symbol */
    bool failed;       /* no memory: what was found before stands */
};

void recovery_init(struct recovery *r, struct parser *p);

/* The states of the parser's stack, from the bottom. */
void recovery_push(struct recovery *r, int state);

/*
 * Go on behind the syntax error at `p->token` as the reference's parser does, only to find out
 * whether a production has something to refuse.
 */
void recovery_run(struct recovery *r);

/* ---- builder.c: what all builders use, and what productions check ---- */

/* A new last item of `item_size` zero bytes, or NULL when the parser has to stop. */
void *list_add(struct parser *p, struct list *list, size_t item_size);

/* `count` zero bytes, or NULL when the parser has to stop. */
void *node_new(struct parser *p, size_t count);

/* The depth of a node above others; ST_INVALID when it is too deep. */
MUST_CHECK enum status depth_above(struct parser *p, unsigned child, unsigned *ret_depth);

MUST_CHECK enum status check_regex(struct parser *p, struct str expression);
MUST_CHECK enum status check_regexp_stage(struct parser *p, struct str expression);
MUST_CHECK enum status check_pattern_stage(struct parser *p, struct str expression);

/* Read `number` as ParseFloat does. A text that is none gives a literal with an error. */
MUST_CHECK enum status read_literal(struct parser *p, struct str number, bool negative,
                                    struct literal_value *ret);

/* The number alone: `*ret_reason` is what ParseFloat has against it, NULL if nothing. */
MUST_CHECK enum status read_number(struct parser *p, struct str text, double *ret,
                                   const char **ret_reason);

/* ---- builder_log.c: selectors and stages ---- */

MUST_CHECK enum status build_match(struct parser *p, enum match_op op, struct str name,
                                   struct str value, struct matcher **ret);
MUST_CHECK enum status build_selector_add(struct parser *p, struct list *matchers,
                                          const struct matcher *m);
MUST_CHECK enum status build_log(struct parser *p, struct list matchers, struct list stages,
                                 struct log_expr **ret);

MUST_CHECK enum status build_line_term(struct parser *p, struct str text, bool is_ip,
                                       struct line_term *next, struct line_term **ret);
MUST_CHECK enum status build_line_filter(struct parser *p, int op, struct str text, bool is_ip,
                                         struct line_filter_value **ret);
MUST_CHECK enum status build_line_filter_or(struct parser *p, struct line_filter_value *filter,
                                            const struct line_term *more);

/* A line filter is one stage, or one for each alternative if it is a negative one. */
MUST_CHECK enum status build_line_stages(struct parser *p, struct list *stages,
                                         const struct line_filter_value *filter);

MUST_CHECK enum status build_stage(struct parser *p, enum stage_kind kind, struct stage_expr **ret);
MUST_CHECK enum status build_regexp_stage(struct parser *p, struct str expression,
                                          struct stage_expr **ret);
MUST_CHECK enum status build_pattern_stage(struct parser *p, struct str expression,
                                           struct stage_expr **ret);
MUST_CHECK enum status build_filter_stage(struct parser *p, struct filter_value filter,
                                          struct list *ret_stages);
MUST_CHECK enum status build_stage_list(struct parser *p, const struct stage_expr *stage,
                                        struct list *ret_stages);
MUST_CHECK enum status build_stages_add(struct parser *p, struct list *stages, struct list more);

void build_flag(struct stage_expr *stage, struct str flag);
MUST_CHECK enum status build_extraction(struct parser *p, struct str id, struct str expression,
                                        struct extraction **ret);
MUST_CHECK enum status build_extraction_add(struct parser *p, struct list *list,
                                            const struct extraction *e);
void build_extractions(struct stage_expr *stage, struct list list);
MUST_CHECK enum status build_format(struct parser *p, struct str dst, struct str value,
                                    bool is_rename, struct label_format **ret);
MUST_CHECK enum status build_format_add(struct parser *p, struct list *list,
                                        const struct label_format *f);
void build_formats(struct stage_expr *stage, struct list list);
MUST_CHECK enum status build_condition(struct parser *p, struct str name, const struct matcher *m,
                                       struct label_condition **ret);
MUST_CHECK enum status build_condition_add(struct parser *p, struct list *list,
                                           const struct label_condition *c);
void build_conditions(struct stage_expr *stage, struct list list);

/* ---- builder_filter.c: label filters ---- */

MUST_CHECK enum status build_match_filter(struct parser *p, const struct matcher *m,
                                          struct filter_value *ret);
MUST_CHECK enum status build_number_filter(struct parser *p, struct str name, enum compare_op op,
                                           struct literal_value number, struct filter_value *ret);
MUST_CHECK enum status build_duration_filter(struct parser *p, struct str name, enum compare_op op,
                                             int64_t duration_ns, struct filter_value *ret);
MUST_CHECK enum status build_bytes_filter(struct parser *p, struct str name, enum compare_op op,
                                          uint64_t bytes, struct filter_value *ret);
MUST_CHECK enum status build_ip_filter(struct parser *p, struct str name, enum compare_op op,
                                       struct str text, struct filter_value *ret);
MUST_CHECK enum status build_filter_pair(struct parser *p, enum label_filter_kind kind,
                                         struct filter_value left, struct filter_value right,
                                         struct filter_value *ret);

/* ---- builder_metric.c: ranges, aggregations, operations ---- */

MUST_CHECK enum status build_name_add(struct parser *p, struct list *names, struct str name);
MUST_CHECK enum status build_grouping(struct parser *p, enum grouping_kind kind, struct list names,
                                      struct grouping **ret);
MUST_CHECK enum status build_unwrap(struct parser *p, int conversion, struct str label,
                                    struct unwrap_value **ret);
MUST_CHECK enum status build_unwrap_filter(struct parser *p, struct unwrap_value *unwrap,
                                           struct filter_value filter);
MUST_CHECK enum status build_range(struct parser *p, const struct range_parts *parts,
                                   struct range_expr **ret);

MUST_CHECK enum status build_log_query(struct parser *p, const struct log_expr *log,
                                       struct expr_value *ret);
MUST_CHECK enum status build_literal(struct parser *p, struct literal_value number,
                                     struct expr_value *ret);
MUST_CHECK enum status build_vector(struct parser *p, struct str number, struct expr_value *ret);
MUST_CHECK enum status build_range_aggregation(struct parser *p, const struct call_parts *parts,
                                               struct expr_value *ret);
MUST_CHECK enum status build_vector_aggregation(struct parser *p, const struct call_parts *parts,
                                                struct expr_value *ret);
MUST_CHECK enum status build_label_replace(struct parser *p, const struct replace_parts *parts,
                                           struct expr_value *ret);

MUST_CHECK enum status build_modifier(struct parser *p, struct binary_modifier value,
                                      struct binary_modifier **ret);
void build_matching(struct binary_modifier *modifier, bool on, struct list names);
void build_group(struct binary_modifier *modifier, enum match_card card, struct list include);
MUST_CHECK enum status build_binary(struct parser *p, const struct binary_parts *parts,
                                    struct expr_value *ret);

#endif

/*
 * template.h - a compiled text/template: what `line_format` and `label_format` write.
 *
 * This is the whole syntax of Go's text/template, as a tree that an evaluator walks; the names of
 * functions are resolved, their arguments are not looked at. Errors have Go's texts.
 *
 * The tree keeps what an error at run time needs: it names the template, and the line, the byte
 * column and the text of the node it met ("template: line:1:5: executing "line" at <.a.b>: ..."),
 * see template_put_place() and template_put_node().
 *
 * Variables are known by name: a declaration pushes one, an assignment sets the innermost of its
 * name. A name is popped at the `end` of the control it was declared in. `$` is the
 * data the template was called with. The compiler has checked that a variable that is read was
 * declared before it in the text; whether it was at run time is not certain (`and` and `or` may
 * skip a declaration in parentheses), and an assignment is not checked at all.
 *
 * Ownership  Everything lives in the arena or is a view into the text, which must outlive it;
 * regular expressions are freed with the arena. Depth      Nodes nest at most TEMPLATE_DEPTH_MAX
 * deep.
 */
#ifndef QUERY_TEMPLATE_H
#define QUERY_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "query/template_functions.h"

enum { TEMPLATE_DEPTH_MAX = 200 };

enum template_node_kind {
    /* statements */
    TEMPLATE_TEXT,
    TEMPLATE_ACTION, /* `{{pipeline}}`: prints its value, unless it declares or assigns */
    TEMPLATE_IF,
    TEMPLATE_WITH,
    TEMPLATE_RANGE,
    TEMPLATE_BREAK,
    TEMPLATE_CONTINUE,
    TEMPLATE_INVOKE, /* `{{template "name" pipeline}}`; `{{block}}` leaves one too */

    /* values */
    TEMPLATE_PIPELINE,
    TEMPLATE_COMMAND,
    TEMPLATE_FUNCTION,
    TEMPLATE_DOT,
    TEMPLATE_NIL,
    TEMPLATE_FIELD,    /* `.a.b`, of dot */
    TEMPLATE_VARIABLE, /* `$x.a.b`; names[0] has the dollar sign */
    TEMPLATE_CHAIN,    /* `(pipeline).a.b`, or a function's result */
    TEMPLATE_BOOL,
    TEMPLATE_NUMBER,
    TEMPLATE_STRING,
};

struct template_list {
    struct template_node **nodes;
    size_t count;
};

struct template_names {
    struct str *names;
    size_t count;
};

struct regex;

/* `1.0` serves as an integer too, `1` also as a float. */
struct template_number {
    struct str text;
    bool is_float_constant; /* where any type will do, it is a float64, else an int */
    bool has_int; /* if not, and no float constant either: "X overflows int" at run time */
    int64_t int_value;
    double float_value;
};

struct template_node {
    enum template_node_kind kind;
    size_t pos; /* byte offset in the text; of a field chain: of its second name */
    union {
        struct str text; /* TEXT */

        /* ACTION: the pipeline. IF, WITH, RANGE: also what to do, and otherwise. */
        struct {
            struct template_node *pipeline;
            struct template_list body;
            struct template_list otherwise; /* of `else`; `else if` is an IF in here */
        } control;

        struct {
            struct str name;
            struct template_node *pipeline; /* NULL: none, the data is nil */
        } invoke;

        /* `$a, $b := command | command`: each command gets the one before as its last argument. */
        struct {
            struct template_list variables; /* VARIABLE nodes, at most two, two only in a range */
            bool is_assignment;             /* `=` instead of `:=` */
            struct template_list commands;  /* >= 1 */
        } pipeline;

        /* The first operand is the function, the field or the value; others are arguments. */
        struct template_list command; /* >= 1 operands; a PIPELINE among them was in parentheses */

        enum template_function function;
        struct template_names names; /* FIELD, VARIABLE: >= 1 */
        struct {
            struct template_node *inner;
            struct template_names names;
        } chain;
        bool truth;
        struct template_number number;
        struct {
            struct str value;
            struct str quoted;         /* as written, for errors */
            const struct regex *regex; /* if a function takes it as an expression, and it is one */
        } string;
    };
};

/* A template by its name; the first one is the main template. */
struct template_definition {
    struct str name;
    struct template_list body;
};

struct template
{
    struct str name;
    struct str text;
    struct template_definition *definitions;
    size_t definition_count; /* >= 1 */
};

/*
 * Compile `text` under `name` ("line" or "label"); both are borrowed.
 *
 * ST_INVALID  `err` has Go's text: "template: line:1: unclosed action"
 * ST_LIMIT    the arena is too small
 */
MUST_CHECK enum status template_compile(struct arena *a, struct str name, struct str text,
                                        const struct template **ret, struct err *err);

/* NULL: there is no template of this name. */
const struct template_definition *template_find(const struct template *t, struct str name);

/* "line:1:5": name of the template, line from 1, byte column from 0. */
void template_put_place(struct buf *b, const struct template *t, const struct template_node *node);

/* The text of a node as Go prints it: `mod 1 0`, `.a.b`, `"2"`. */
void template_put_node(struct buf *b, const struct template_node *node);

#endif

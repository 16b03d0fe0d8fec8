/*
 * Behind a syntax error the parser of the reference goes on, and if a production then refuses
 * something, that is what it reports. This file does the same with nothing but the tables: it
 * moves states and keeps the texts that checks need, but builds no tree.
 *
 * The rules are those of yacc. Drop states until one can shift `error`, shift it, and go on; until
 * three tokens were shifted the recovery is fresh: another error before the first of them drops
 * that token and stays in the state, one after it begins anew. Bison does not stay (it would drop
 * further states), which is why its own recovery is not used.
 */
#include "query/grammar.h"
#include "query/parser_internal.h"

#include "base/banned.h"

enum { FRESH_TOKENS = 3 }; /* tokens to shift until a recovery is over */

struct recovery_symbol {
    int state;
    int kind; /* of a token; a literal has the one of its number */
    struct str text;
};

void recovery_init(struct recovery *r, struct parser *p)
{
    *r = (struct recovery){.p = p};
}

static void push(struct recovery *r, struct recovery_symbol symbol)
{
    struct recovery_symbol *stack =
        arena_reserve(r->p->a, r->stack.items, r->stack.count, &r->stack.capacity, sizeof(symbol));

    if (stack == NULL) {
        r->failed = true;
        return;
    }
    stack[r->stack.count++] = symbol;
    r->stack.items = stack;
}

void recovery_push(struct recovery *r, int state)
{
    if (!r->failed)
        push(r, (struct recovery_symbol){.state = state});
}

static int top_state(const struct recovery *r)
{
    const struct recovery_symbol *stack = r->stack.items;

    ASSERT(r->stack.count > 0);
    return stack[r->stack.count - 1].state;
}

static enum status check(struct parser *p, enum grammar_check what,
                         const struct recovery_symbol *symbols, int count)
{
    struct literal_value number;

    switch (what) {
    case CHECK_MATCH:
        if (symbols[1].kind == TOKEN_RE || symbols[1].kind == TOKEN_NRE)
            return check_regex(p, symbols[2].text);
        return ST_OK;
    case CHECK_NUMBER:
        if (read_literal(p, symbols[2].text, false, &number) != ST_OK)
            return p->status;
        return number.error == NULL ? ST_OK : parser_refuse(p, "%s", number.error);
    case CHECK_STAGE:
        if (count == 2 && symbols[0].kind == TOKEN_REGEXP)
            return check_regexp_stage(p, symbols[1].text);
        if (count == 2 && symbols[0].kind == TOKEN_PATTERN)
            return check_pattern_stage(p, symbols[1].text);
        return ST_OK;
    case CHECK_LITERAL:
    case CHECK_NONE:
        break;
    }
    return ST_OK;
}

static enum status reduce(struct recovery *r, int number)
{
    struct grammar_rule rule = grammar_rule(number);
    struct recovery_symbol left = {.state = 0};

    ASSERT((size_t)rule.symbol_count < r->stack.count);
    r->stack.count -= (size_t)rule.symbol_count;
    const struct recovery_symbol *symbols =
        (const struct recovery_symbol *)r->stack.items + r->stack.count;
    enum status st = check(r->p, rule.check, symbols, rule.symbol_count);
    if (st != ST_OK)
        return st;
    if (rule.check == CHECK_LITERAL)
        left = symbols[rule.symbol_count - 1];
    left.state = grammar_goto(top_state(r), number);
    push(r, left);
    return ST_OK;
}

/* Drop states until `error` can be shifted, and shift it. False: there is no such state. */
static bool shift_error(struct recovery *r)
{
    while (r->stack.count > 0) {
        struct grammar_step step = grammar_action(top_state(r), GRAMMAR_ERROR);
        if (step.move == MOVE_SHIFT) {
            push(r, (struct recovery_symbol){.state = step.target});
            return true;
        }
        r->stack.count--;
    }
    return false;
}

static void read_token(struct recovery *r)
{
    (void)parser_read(r->p);
    r->failed = r->failed || r->p->status != ST_OK;
}

void recovery_run(struct recovery *r)
{
    const struct token *token = &r->p->token;
    int fresh = FRESH_TOKENS;
    bool have_token = true;

    if (r->failed || !shift_error(r))
        return;
    while (!r->failed) {
        struct grammar_step step =
            grammar_action(top_state(r), have_token ? token->kind : GRAMMAR_NONE);
        switch (step.move) {
        case MOVE_ACCEPT:
            return;
        case MOVE_READ:
            read_token(r);
            have_token = true;
            break;
        case MOVE_REDUCE:
            if (reduce(r, step.target) != ST_OK)
                return;
            break;
        case MOVE_SHIFT:
            push(r, (struct recovery_symbol){step.target, token->kind, token->text});
            have_token = false;
            fresh -= fresh > 0;
            break;
        case MOVE_ERROR:
            if (fresh == FRESH_TOKENS && token->kind == 0)
                return;
            if (fresh == FRESH_TOKENS)
                have_token = false;
            else if (!shift_error(r))
                return;
            fresh = FRESH_TOKENS;
            break;
        }
    }
}

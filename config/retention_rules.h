/*
 * retention_rules.h - how long the streams that a selector matches are kept: the rules of
 * `limits.retention_stream`.
 *
 * In YAML a rule is a map of selector, priority and period, as Loki has it. As text, for flags and
 * variables, rules are separated by semicolons:
 *
 *     {namespace="dev"} 1 24h; {app=~"audit|billing"} 2 400d
 */
#ifndef CONFIG_RETENTION_RULES_H
#define CONFIG_RETENTION_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "index/matcher.h"

enum { RETENTION_RULES_MAX = 1024 };

struct retention_rule {
    struct str selector; /* as written */
    struct matcher_list matchers;
    int64_t priority;
    int64_t period; /* ns; 0: for ever */
};

struct retention_rules {
    const struct retention_rule *items;
    size_t count;
};

/*
 * Set "selector", "priority" or "period" of a rule from its text; what it needs is copied into `a`.
 *
 * ST_INVALID  there is no such key, or it is not a value for it; `err` says which
 */
MUST_CHECK enum status retention_rule_set(struct arena *a, struct retention_rule *rule,
                                          struct str key, struct str value, struct err *err);

/* Parse the text form; everything lives in `a`. ST_INVALID: `err` says what is wrong. */
MUST_CHECK enum status retention_rules_parse(struct arena *a, struct str text,
                                             struct retention_rules *ret_rules, struct err *err);

/* The text form of one rule, without a semicolon. */
void retention_rule_put(struct buf *b, const struct retention_rule *rule);

#endif

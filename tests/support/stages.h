/*
 * stages.h - run the stages of a query over one entry, as far as they need no pipeline around them.
 */
#ifndef TESTS_SUPPORT_STAGES_H
#define TESTS_SUPPORT_STAGES_H

#include "query/stage.h"

struct stage_kit {
    enum stage_kind kind;
    stage_compile *compile;
};

/*
 * One row of a table: what stands behind the selector, the entry, and what comes out.
 *
 * An entry is written `LINE {a='1'} + {b='2'}`: without a line it is "l", what stands behind the
 * plus is metadata; NULL is an entry without any labels.
 */
struct stage_case {
    const char *name;
    const char *stages;
    const char *entry;
    const char *want; /* `{a="1"}`, with the line in front if it has changed; or "DROP"; or the
                         reason why a stage does not compile */
};

/* Of every entry. */
#define STAGE_CASE_TS_NS INT64_C(1700000000123456789)

/* Run each case with the stages the kit has. */
void stages_expect(const struct stage_kit *kit, size_t kit_count, const struct stage_case *cases,
                   size_t count);

#endif

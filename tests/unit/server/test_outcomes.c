#include "server/http/outcomes.h"

#include <criterion/criterion.h>

#include "base/defs.h"
#include "tests/support/expect.h"

#include "base/banned.h"

enum { NOTES_MAX = 4 };

static const struct outcome_case {
    const char *name;
    struct {
        uint64_t seq;
        enum status st;
        bool asked;
    } notes[NOTES_MAX];
    uint64_t seq;
    bool settled;
    enum status want;
} cases[] = {
    {"nothing is settled", {{0}}, 1, false, ST_OK},
    {"not settled yet", {{5, ST_OK, true}}, 6, false, ST_OK},
    {"stored", {{5, ST_OK, true}}, 5, true, ST_OK},
    {"failed", {{5, ST_FULL, true}}, 5, true, ST_FULL},
    {"failed, the first of them", {{5, ST_OK, true}, {9, ST_IO, true}}, 6, true, ST_IO},
    {"before the failure", {{5, ST_OK, true}, {9, ST_IO, true}}, 5, true, ST_OK},
    {"behind the failure", {{5, ST_IO, true}, {9, ST_OK, true}}, 6, true, ST_OK},
    {"not settled after a failure", {{5, ST_IO, true}}, 6, false, ST_OK},
    {"the earlier of two failures",
     {{5, ST_IO, true}, {9, ST_OK, true}, {12, ST_FULL, true}},
     3,
     true,
     ST_FULL},
    {"between two failures",
     {{5, ST_IO, true}, {9, ST_OK, true}, {12, ST_FULL, true}},
     7,
     true,
     ST_FULL},
    {"an earlier failure that nobody asks about",
     {{5, ST_IO, false}, {9, ST_OK, false}, {12, ST_FULL, false}},
     9,
     true,
     ST_OK},
    {"the failure behind it",
     {{5, ST_IO, false}, {9, ST_OK, false}, {12, ST_FULL, false}},
     10,
     true,
     ST_FULL},
};

Test(outcomes, are_found_late)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct outcome_case *c = &cases[i];
        struct outcomes o = {0};
        enum status st = ST_OK;

        for (size_t n = 0; n < NOTES_MAX && c->notes[n].seq > 0; n++)
            outcomes_note(&o, c->notes[n].seq, c->notes[n].st, c->notes[n].asked);
        cr_expect_eq(outcomes_find(&o, c->seq, &st), c->settled, "%s", c->name);
        EXPECT_STATUS(c->name, st, c->want);
    }
}

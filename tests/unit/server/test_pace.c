#include "server/http/pace.h"

#include "base/time.h"
#include "tests/support/expect.h"

#include "base/banned.h"

#define TIMEOUT_NS (10 * SECOND_NS)

enum { ENOUGH_BYTES = 10 * 4096, SHORT_BYTES = 150 };

static void answer(struct pace *p, size_t bytes, uint64_t left_bytes, int64_t now_ns)
{
    pace_put(p, bytes);
    pace_answered(p, left_bytes, now_ns, TIMEOUT_NS);
}

/* Each answer was taken when the next one comes: each has its own time. */
Test(pace, one_after_the_other)
{
    struct pace p = {.put_bytes = 0};

    for (int64_t now_ns = 0; now_ns < 100 * SECOND_NS; now_ns += SECOND_NS) {
        answer(&p, SHORT_BYTES, SHORT_BYTES, now_ns);
        cr_expect_eq(p.end_ns, now_ns + TIMEOUT_NS);
    }
}

/* However many short answers go to the system: while nothing is taken the time is that of the
 * first. */
Test(pace, short_answers_are_no_excuse)
{
    struct pace p = {.put_bytes = 0};
    uint64_t left_bytes = 0;

    for (int i = 0; i < 1000; i++) {
        left_bytes += SHORT_BYTES;
        answer(&p, SHORT_BYTES, left_bytes, SECOND_NS + i);
        cr_expect_eq(p.end_ns, SECOND_NS + TIMEOUT_NS);
    }
    /* It takes a little, and is given as much: this goes on for ever, but for the time. */
    left_bytes -= SHORT_BYTES;
    cr_expect(pace_was_kept(&p, left_bytes, p.end_ns, TIMEOUT_NS), "that was all it owed");
    for (int i = 0; i < 8; i++)
        answer(&p, SHORT_BYTES, left_bytes, 12 * SECOND_NS + i * SECOND_NS);
    cr_expect_not(pace_was_kept(&p, left_bytes, p.end_ns, TIMEOUT_NS));
}

/* Seldom and little, but always with something in the air: what was owed is taken in time. */
Test(pace, always_behind_is_not_slow)
{
    struct pace p = {.put_bytes = 0};

    for (int64_t now_ns = 0; now_ns < 100 * SECOND_NS; now_ns += SECOND_NS) {
        answer(&p, SHORT_BYTES, 2 * SHORT_BYTES, now_ns);
        cr_expect_gt(p.end_ns, now_ns);
    }
}

/* A long answer has time as long as 4 KB a second of it are taken. */
Test(pace, rate)
{
    struct pace p = {.put_bytes = 0};
    uint64_t left_bytes = 10 * ENOUGH_BYTES;

    answer(&p, left_bytes, left_bytes, 0);
    for (int i = 0; i < 8; i++) {
        left_bytes -= ENOUGH_BYTES;
        cr_expect(pace_was_kept(&p, left_bytes, p.end_ns, TIMEOUT_NS), "round %d", i);
    }
    left_bytes -= ENOUGH_BYTES - 1;
    cr_expect_not(pace_was_kept(&p, left_bytes, p.end_ns, TIMEOUT_NS));
}

/* The last bytes of an answer are fewer than a rate can ask for. */
Test(pace, end_of_an_answer)
{
    struct pace p = {.put_bytes = 0};

    answer(&p, ENOUGH_BYTES + 1, ENOUGH_BYTES + 1, 0);
    cr_expect(pace_was_kept(&p, 1, p.end_ns, TIMEOUT_NS));
    cr_expect(pace_was_kept(&p, 0, p.end_ns, TIMEOUT_NS));
}

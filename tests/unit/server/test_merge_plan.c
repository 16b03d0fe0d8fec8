#include "server/store/merge_plan.h"

#include <ctype.h>
#include <stdlib.h>

#include "tests/support/expect.h"

#include "base/banned.h"

enum { CHUNKS_MAX = 64, WEIGHT_MAX = 1000 };

/*
 * Chunks are words of a weight and flags: L packed with the level, B blocked, A alone, S stranded;
 * "8*5" is eight chunks of weight 5. A plan is words "begin+count", with f if it is finished, or m
 * if it is moved.
 */
static const struct plan_case {
    const char *name;
    bool final;
    const char *chunks;
    const char *plan;
} plan_cases[] = {
    {"nothing", false, "", ""},
    {"few small ones wait", false, "7*5", ""},
    {"eight of one size", false, "8*5", "0+8"},
    {"and more", false, "11*5", "0+11"},
    {"sizes of one tier", false, "8 9 10 11 12 13 14 15", "0+8"},
    {"a large one does not join", false, "400 8*5", "1+8"},
    {"nor one of the middle", false, "3*5 60 4*5", ""},
    {"the smallest tier first", false, "8*70L 8*5", "8+8"},
    {"then the next", false, "8*40 5", "0+9"},
    {"half a chunk is finished at once", false, "300 300", "0+2f"},
    {"one is, too", false, "600", "0+1f"},
    {"unless it is packed well", false, "600L", ""},
    {"a small one that is packed well waits", false, "100L", ""},
    {"what one chunk cannot hold is cut", false, "3*400", "0+2f"},
    {"twenty", false, "20*60", "0+16f"},
    {"finished ones part", false, "4*5 600L 4*5", ""},
    {"blocked ones part", false, "4*5 5B 4*5", ""},
    {"the last look takes two", true, "5 5", "0+2f"},
    {"and packs one again", true, "5", "0+1f"},
    {"but not twice", true, "5L", ""},
    {"with another it does", true, "5L 5", "0+2f"},
    {"small and large", true, "400 8*5 3*500", "0+10f 10+2f"},
    {"a finished one stays", true, "600L 5 5", "1+2f"},
    {"a finished one leaves its segment", true, "600LS 5S 5", "0+1m 1+2f"},
    {"a small one does", true, "5LS", "0+1m"},
    {"a large one is packed alone", true, "5 3000 5", "0+1f 1+1f 2+1f"},
    {"a huge one stays", true, "5000", ""},
    {"a huge one moves", true, "5S 5000S 5S", "0+1f 1+1m 2+1f"},
    {"a blocked one does neither", true, "5S 5BS 5S 5S", "0+1f 2+2f"},
    {"one that is alone moves", true, "5S 5AS 5S 5S", "0+1f 1+1m 2+2f"},
    {"one that is alone stays", true, "5 5A 5 5", "0+1f 2+2f"},
    {"a border parts", true, "5 5 5N 5", "0+2f 2+2f"},
    {"while the day goes on, too", false, "7*5 5N 7*5", "7+8"},
};

static size_t read_chunks(const char *text, struct plan_chunk *chunks)
{
    size_t count = 0;

    while (*text != '\0') {
        char *end;
        unsigned long times = 1, weight = strtoul(text, &end, 10);
        if (*end == '*') {
            times = weight;
            weight = strtoul(end + 1, &end, 10);
        }
        struct plan_chunk c = {.weight = weight};
        for (; isalpha((unsigned char)*end) != 0; end++) {
            c.at_level |= *end == 'L';
            c.blocked |= *end == 'B';
            c.alone |= *end == 'A';
            c.stranded |= *end == 'S';
            c.border |= *end == 'N';
        }
        for (; times > 0; times--) {
            cr_assert_lt(count, CHUNKS_MAX);
            chunks[count++] = c;
        }
        text = *end == ' ' ? end + 1 : end;
    }
    return count;
}

Test(merge_plan, cases)
{
    struct plan_chunk chunks[CHUNKS_MAX];
    struct plan_run runs[CHUNKS_MAX];
    struct buf got;

    buf_init(&got, MIB);
    for (size_t i = 0; i < COUNT_OF(plan_cases); i++) {
        const struct plan_case *c = &plan_cases[i];
        struct plan_rules rules = {WEIGHT_MAX, c->final};
        size_t count = merge_plan(&rules, chunks, read_chunks(c->chunks, chunks), runs);
        buf_reset(&got);
        for (size_t k = 0; k < count; k++)
            buf_printf(&got, "%s%zu+%zu%s", k == 0 ? "" : " ", runs[k].begin, runs[k].count,
                       runs[k].move       ? "m"
                       : runs[k].finished ? "f"
                                          : "");
        EXPECT_STR(c->name, buf_str(&got), str_from(c->plan));
    }
    buf_release(&got);
}

/* Merge what the plan says until it says nothing; returns how much was packed. */
static uint64_t run_down(const struct plan_rules *rules, struct plan_chunk *chunks, size_t *count)
{
    struct plan_run runs[CHUNKS_MAX];
    uint64_t packed = 0;

    for (size_t rounds = 0;; rounds++) {
        size_t run_count = merge_plan(rules, chunks, *count, runs), to = 0, from = 0;
        if (run_count == 0)
            return packed;
        cr_assert_lt(rounds, CHUNKS_MAX, "it does not end");
        for (size_t i = 0; i < run_count; i++) {
            while (from < runs[i].begin)
                chunks[to++] = chunks[from++];
            struct plan_chunk merged = {.at_level = runs[i].finished};
            for (; from < runs[i].begin + runs[i].count; from++)
                merged.weight += chunks[from].weight;
            packed += merged.weight;
            chunks[to++] = merged;
        }
        while (from < *count)
            chunks[to++] = chunks[from++];
        *count = to;
    }
}

/* However small the chunks that come one by one, they are not packed again and again. */
Test(merge_plan, writes_little)
{
    static const uint64_t weights[] = {1, 7, 20, 90, 150, 600};
    const struct plan_rules hot = {WEIGHT_MAX, false}, final = {WEIGHT_MAX, true};

    for (size_t w = 0; w < COUNT_OF(weights); w++) {
        struct plan_chunk chunks[CHUNKS_MAX];
        uint64_t packed = 0, came = 0;
        size_t count = 0;
        for (; came < 40 * WEIGHT_MAX && count < CHUNKS_MAX; came += weights[w]) {
            chunks[count++] = (struct plan_chunk){.weight = weights[w]};
            packed += run_down(&hot, chunks, &count);
        }
        packed += run_down(&final, chunks, &count);
        cr_expect_leq(packed, 5 * came, "%zu: %zu for %zu", (size_t)weights[w], (size_t)packed,
                      (size_t)came);
        cr_expect_leq(count, 2 * came / WEIGHT_MAX + 1, "%zu are left", count);
    }
}

#include "server/store/merge_plan.h"

#include "base/defs.h"

#include "base/banned.h"

enum {
    FEW_CHUNKS = 8,    /* fewer of one size are not worth a merge while the day goes on */
    LARGEST_SHARE = 4, /* the largest one is at most this part of what a merge makes */
    ALONE_SHARE = 4,   /* a chunk so many times too heavy is still packed again alone */
    TIER_BITS = 3,     /* sizes of one tier differ by less than eightfold */
    TIERS = 64 / TIER_BITS + 1,
};

struct planning {
    const struct plan_rules *rules;
    const struct plan_chunk *chunks;
    size_t count;
    struct plan_run *runs;
    size_t run_count;
};

static unsigned tier_of(uint64_t weight)
{
    return weight == 0 ? 0 : (63 - (unsigned)__builtin_clzll(weight)) / TIER_BITS;
}

/* Nothing is to be gained by packing it again, or it is too large for that. */
static bool is_whole(const struct plan_rules *rules, const struct plan_chunk *c)
{
    return c->weight / ALONE_SHARE > rules->weight_max ||
           (c->at_level && c->weight >= rules->weight_max / 2);
}

static bool can_merge(const struct planning *p, size_t i, unsigned tier_max)
{
    const struct plan_chunk *c = &p->chunks[i];

    return !c->blocked && !c->alone && !is_whole(p->rules, c) && tier_of(c->weight) <= tier_max;
}

/* The longest run from `begin` on that one chunk can hold. */
static struct plan_run run_from(const struct planning *p, size_t begin, unsigned tier_max,
                                uint64_t *ret_weight, uint64_t *ret_largest)
{
    struct plan_run run = {.begin = begin};
    uint64_t weight = 0, largest = 0;

    for (size_t i = begin; i < p->count && can_merge(p, i, tier_max); i++) {
        if (run.count > 0 &&
            (p->chunks[i].border || weight + p->chunks[i].weight > p->rules->weight_max))
            break;
        weight += p->chunks[i].weight;
        largest = MAX_OF(largest, p->chunks[i].weight);
        run.count++;
    }
    run.finished = p->rules->final || weight >= p->rules->weight_max / 2;
    *ret_weight = weight;
    *ret_largest = largest;
    return run;
}

static bool is_worth_it(const struct plan_run *run, uint64_t weight, uint64_t largest)
{
    return run->finished || (run->count >= FEW_CHUNKS && weight >= LARGEST_SHARE * largest);
}

static void add_run(struct planning *p, const struct plan_run *run)
{
    p->runs[p->run_count++] = *run;
}

/* What one tier, with all smaller ones, has to merge while the day goes on. */
static void plan_tier(struct planning *p, unsigned tier)
{
    uint64_t weight, largest;

    for (size_t i = 0; i < p->count;) {
        struct plan_run run = run_from(p, i, tier, &weight, &largest);
        if (run.count > 0 && is_worth_it(&run, weight, largest))
            add_run(p, &run);
        i += MAX_OF(run.count, (size_t)1);
    }
}

static void plan_final(struct planning *p)
{
    uint64_t weight, largest;

    for (size_t i = 0; i < p->count;) {
        const struct plan_chunk *c = &p->chunks[i];
        struct plan_run run = run_from(p, i, TIERS, &weight, &largest);
        if (run.count > 1 || (run.count == 1 && !c->at_level)) {
            add_run(p, &run);
        } else if (!c->blocked && c->stranded) {
            run = (struct plan_run){.begin = i, .count = 1, .move = true, .finished = true};
            add_run(p, &run);
        }
        i += MAX_OF(run.count, (size_t)1);
    }
}

size_t merge_plan(const struct plan_rules *rules, const struct plan_chunk *chunks, size_t count,
                  struct plan_run *runs)
{
    struct planning p = {.rules = rules, .chunks = chunks, .count = count, .runs = runs};

    if (rules->final)
        plan_final(&p);
    /* The smallest first: what becomes of them may be worth a merge the next time. */
    for (unsigned tier = 0; tier < TIERS && !rules->final && p.run_count == 0; tier++)
        plan_tier(&p, tier);
    return p.run_count;
}

/*
 * index_reading.h - ask the index everything that it can be asked, whatever its records are.
 *
 * `strict`: the tree is sound, only the records in it may be anything. Then every walk ends behind
 * the last record and comes to none twice; in a tree that is not, keys may stand in any order.
 */
#ifndef TESTS_FUZZ_INDEX_READING_H
#define TESTS_FUZZ_INDEX_READING_H

#include "index/index.h"
#include "tests/fuzz/fuzz.h"

enum {
    INDEX_READING_STEPS_MAX = 1 << 16, /* more than there are records */
    INDEX_READING_STREAMS = 8,         /* of an answer, looked at one by one */
};

struct index_reading {
    struct index_read *read;
    struct arena *arena; /* of the read */
    bool strict;
    size_t steps; /* of one walk */
};

/* False: the walk has taken so many steps that it goes round. */
static inline bool index_reading_step(struct index_reading *r)
{
    r->steps++;
    ASSERT(!r->strict || r->steps <= INDEX_READING_STEPS_MAX);
    return r->steps <= INDEX_READING_STEPS_MAX;
}

/* ---- what walks call ---- */

static inline enum status index_reading_chunk(void *context, const struct chunk_ref *ref)
{
    (void)ref;
    return index_reading_step(context) ? ST_OK : ST_LIMIT;
}

static inline enum status index_reading_pair(void *context, struct str name, struct str value)
{
    struct buf b;

    buf_init(&b, FUZZ_MEMORY_BYTES);
    buf_put(&b, name); /* each byte is looked at */
    buf_put(&b, value);
    buf_release(&b);
    return index_reading_step(context) ? ST_OK : ST_LIMIT;
}

/* ---- one question after the other ---- */

static inline void index_reading_streams(struct index_reading *r, struct str tenant,
                                         struct postings streams)
{
    struct chunk_range range = {.tenant = tenant, .start_ns = INT64_MIN, .end_ns = INT64_MAX};
    struct chunk_ref_list list = {0};
    uint64_t id, flushed_seq;
    struct labels labels;

    for (size_t i = 0; i < streams.count; i++)
        ASSERT(!r->strict || i == 0 || streams.ids[i - 1] < streams.ids[i]);
    for (size_t i = 0; i < MIN_OF(streams.count, (size_t)INDEX_READING_STREAMS); i++) {
        if (index_stream(r->read, streams.ids[i], &labels, &flushed_seq) == ST_OK)
            (void)!index_find_stream(r->read, tenant, labels, &id, &flushed_seq);
    }
    for (range.day = -1; range.day <= 2; range.day++) {
        if (index_chunks(r->read, &range, streams, &list, NULL) != ST_OK)
            continue;
        for (size_t i = 0; i < list.count; i++)
            ASSERT(!r->strict || list.refs[i].day == range.day);
    }
}

static inline void index_reading_days(struct index_reading *r, struct str tenant, bool backward)
{
    int32_t day = backward ? INT32_MAX : INT32_MIN, found;

    r->steps = 0;
    while (index_reading_step(r) &&
           index_nearest_day(r->read, tenant, day, backward, &found) == ST_OK) {
        struct day_walk walk = {
            .tenant = tenant, .day = found, .visit = index_reading_chunk, .context = r};
        bool is_last = found == (backward ? INT32_MIN : INT32_MAX);
        ASSERT(!r->strict || (backward ? found <= day : found >= day));
        (void)!index_walk_day(r->read, &walk);
        if (is_last || (backward ? found > day : found < day))
            return;
        day = backward ? found - 1 : found + 1;
    }
}

static inline void index_reading_pairs(struct index_reading *r, struct str tenant)
{
    struct pair_range range = {.tenant = tenant, .first_day = INT32_MIN, .last_day = INT32_MAX};

    r->steps = 0;
    (void)!index_pairs(r->read, &range, index_reading_pair, r);
    range.names_only = true;
    r->steps = 0;
    (void)!index_pairs(r->read, &range, index_reading_pair, r);
    range.name = STR("app");
    r->steps = 0;
    (void)!index_pairs(r->read, &range, index_reading_pair, r);
}

/* Every chunk, and whether its stream can be found. */
static inline void index_reading_chunks(struct index_reading *r)
{
    struct chunk_cursor cursor = {.key_bytes = 0};
    struct err err = {.text = ""};
    struct stream_claim claim;
    struct chunk_ref ref;

    r->steps = 0;
    while (index_reading_step(r) &&
           index_next_chunk(r->read, &cursor, &ref, &claim.tenant) == ST_OK) {
        claim.stream_id = ref.stream_id;
        claim.day = ref.day;
        if (index_stream(r->read, ref.stream_id, &claim.labels, NULL) == ST_OK)
            ASSERT(index_check_stream(r->read, &claim, &err) == ST_OK || err.text[0] != '\0');
    }
}

static inline void index_reading_segments(struct index_reading *r)
{
    uint64_t cursor = 0, before = 0;
    struct segment_ref segment;

    r->steps = 0;
    while (index_reading_step(r) && index_next_segment(r->read, &cursor, &segment) == ST_OK) {
        ASSERT(!r->strict || segment.id >= before);
        before = segment.id;
    }
}

static inline void index_reading_damage(struct index_reading *r)
{
    struct damage_cursor cursor = {.segment_id = 0};
    struct segment_damage damage;

    r->steps = 0;
    while (index_reading_step(r) && index_next_damage(r->read, &cursor, &damage) == ST_OK)
        continue;
}

/* ---- conditions ---- */

struct index_reading_matchers {
    struct matcher items[2];
    size_t count;
};

/* Compiled once; they stay. */
static inline const struct index_reading_matchers *index_reading_conditions(size_t *ret_count)
{
    static struct index_reading_matchers lists[] = {
        {{{{NULL, 0}, MATCH_EQ, {NULL, 0}, NULL}}, 0},
        {{{STR_INIT("app"), MATCH_EQ, STR_INIT("a"), NULL}}, 1},
        {{{STR_INIT("app"), MATCH_NEQ, STR_INIT("a"), NULL}}, 1},
        {{{STR_INIT("app"), MATCH_RE, STR_INIT("a|b"), NULL},
          {STR_INIT("env"), MATCH_EQ, STR_INIT(""), NULL}},
         2},
        {{{STR_INIT("env"), MATCH_RE, STR_INIT(".*x"), NULL}}, 1},
        {{{STR_INIT("app"), MATCH_RE, STR_INIT(".+"), NULL},
          {STR_INIT("env"), MATCH_NRE, STR_INIT("p.+"), NULL}},
         2},
    };
    static struct arena a;
    static bool compiled;

    if (!compiled) {
        compiled = true;
        arena_init(&a, FUZZ_MEMORY_BYTES);
        for (size_t i = 0; i < COUNT_OF(lists); i++) {
            for (size_t j = 0; j < lists[i].count; j++)
                ASSERT(matcher_make(&a, &lists[i].items[j], &lists[i].items[j], NULL) == ST_OK);
        }
    }
    *ret_count = COUNT_OF(lists);
    return lists;
}

static inline void index_reading_tenant(struct index_reading *r, struct str tenant)
{
    struct err err = {.text = ""};
    struct postings streams;
    size_t count;
    const struct index_reading_matchers *lists = index_reading_conditions(&count);

    for (size_t i = 0; i < count; i++) {
        struct matcher_list list = {lists[i].items, lists[i].count};
        enum status st = index_match(r->read, tenant, list, &streams, &err);
        ASSERT(st == ST_OK || err.text[0] != '\0');
        if (st == ST_OK)
            index_reading_streams(r, tenant, streams);
    }
    index_reading_days(r, tenant, false);
    index_reading_days(r, tenant, true);
    index_reading_pairs(r, tenant);
}

/* Everything. */
static inline void index_reading_all(struct index_reading *r)
{
    index_reading_segments(r);
    index_reading_damage(r);
    index_reading_chunks(r);
    index_reading_tenant(r, STR("t"));
    index_reading_tenant(r, STR("another"));
}

/* ---- an index to start from ---- */

static inline void index_reading_put_stream(struct index_batch *b, struct str tenant,
                                            struct labels labels, uint64_t number)
{
    struct stream_flush flush = {
        .tenant = tenant, .labels = labels, .seq = number, .first_day = 0, .last_day = 1};
    struct chunk_ref ref = {.segment_id = 1, .head_bytes = 200, .chunk_bytes = 1000, .entries = 3};

    ASSERT(index_batch_stream(b, tenant, labels, &flush.stream_id, NULL) == ST_OK);
    ASSERT(index_batch_flushed(b, &flush, NULL) == ST_OK);
    ref.stream_id = flush.stream_id;
    for (ref.day = 0; ref.day < 2; ref.day++) {
        ref.min_ns = (int64_t)ref.day * 1000;
        ref.max_ns = ref.min_ns + 500;
        ref.chunk_id = 2 * number + (uint64_t)ref.day;
        ref.offset = ref.chunk_id * 1000;
        ASSERT(index_batch_chunk(b, tenant, &ref, NULL) == ST_OK);
    }
}

/* Two tenants, three streams each, two days, two segments. */
static inline void index_reading_fill(struct index *ix)
{
    static struct label pairs[][2] = {
        {{STR_INIT("app"), STR_INIT("a")}, {STR_INIT("env"), STR_INIT("prod")}},
        {{STR_INIT("app"), STR_INIT("b")}, {STR_INIT("env"), STR_INIT("x")}},
        {{STR_INIT("app"), STR_INIT("b")}, {STR_INIT("zone"), STR_INIT("x")}},
    };
    static const struct str tenants[] = {STR_INIT("t"), STR_INIT("another")};
    struct index_batch *b = NULL;
    uint64_t number = 1;

    ASSERT(index_batch_begin(ix, &b, NULL) == ST_OK);
    for (size_t t = 0; t < COUNT_OF(tenants); t++) {
        struct segment_ref segment = {
            .id = t + 1, .day = 0, .committed_bytes = 100000, .tenant = tenants[t]};
        for (size_t i = 0; i < COUNT_OF(pairs); i++)
            index_reading_put_stream(b, tenants[t], (struct labels){pairs[i], 2}, number++);
        ASSERT(index_batch_segment(b, &segment, NULL) == ST_OK);
        struct segment_damage damage = {
            .segment_id = t + 1, .offset = 100, .bytes = 8, .day = 0, .tenant = tenants[t]};
        ASSERT(index_batch_damage(b, &damage, NULL) == ST_OK);
    }
    index_batch_counters(b, (struct index_counters){3, 2 * number, number});
    ASSERT(index_batch_commit(b, NULL) == ST_OK);
}

#endif

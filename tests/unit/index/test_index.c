#include "index/index.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tests/support/expect.h"
#include "tests/support/files.h"
#include "tests/support/random.h"

#include "base/banned.h"

#define MAP_BYTES ((uint64_t)64 << 20)
#define ARENA_BYTES ((size_t)64 << 20)

enum { FIRST_DAY = 20000, DAYS = 12 };

/* ---- an index in a directory of its own ---- */

struct place {
    char dir[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    struct index *index;
};

static void place_open(struct place *p)
{
    struct err err;

    cr_assert_eq(index_open(p->path, MAP_BYTES, &p->index, &err), ST_OK, "%s", err.text);
}

static void place_make(struct place *p)
{
    files_dir_make(p->dir);
    (void)files_path(p->path, p->dir, "index");
    place_open(p);
}

static void place_reopen(struct place *p, bool to_read)
{
    index_close(p->index);
    if (to_read)
        REQUIRE_OK(index_open_to_read(p->path, &p->index, NULL));
    else
        place_open(p);
}

static void place_remove(struct place *p)
{
    index_close(p->index);
    files_dir_remove(p->dir);
}

/* ---- a naive model: lists that are searched from end to end ---- */

enum { STREAMS_MAX = 600, CHUNKS_MAX = 4000, SEGMENTS_MAX = 300, LABELS_MAX = 5 };

struct model_stream {
    struct str tenant;
    struct label pairs[LABELS_MAX];
    struct labels labels;
    uint64_t id;
    uint64_t flushed_seq;
    int32_t first_day; /* over all flushes */
    int32_t last_day;
};

struct model_chunk {
    struct str tenant;
    struct chunk_ref ref;
};

struct model {
    struct model_stream streams[STREAMS_MAX];
    size_t stream_count;
    struct model_chunk chunks[CHUNKS_MAX];
    size_t chunk_count;
    struct segment_ref segments[SEGMENTS_MAX];
    size_t segment_count;
    struct index_counters counters;
};

static const struct str tenants[] = {STR_INIT("t1"), STR_INIT("another-tenant"), STR_INIT("t")};
static const struct str names[] = {STR_INIT("app"), STR_INIT("env"), STR_INIT("host"),
                                   STR_INIT("pod"), STR_INIT("v1")};
static const struct str values[] = {
    STR_INIT("v1"),   STR_INIT("v2"),   STR_INIT("v10"), STR_INIT("V1"),
    STR_INIT("a\0b"), STR_INIT("a\nb"), STR_INIT("app"), STR_INIT("\xff\xfe"),
};
static const struct str expressions[] = {
    STR_INIT(".*"),     STR_INIT(".+"),     STR_INIT(""),    STR_INIT("v1|v2"), STR_INIT("v1|"),
    STR_INIT("(?i)v1"), STR_INIT("v[0-9]"), STR_INIT("a.b"), STR_INIT("none"),  STR_INIT("v.*"),
};

/* Longer than a key of LMDB may be. */
static struct str long_value(void)
{
    static char bytes[3000];

    memset(bytes, 'x', sizeof(bytes));
    return str_make(bytes, sizeof(bytes));
}

static struct str random_value(struct random *r)
{
    size_t i = random_below(r, COUNT_OF(values) + 1);

    return i < COUNT_OF(values) ? values[i] : long_value();
}

static struct model_stream *model_find(struct model *m, struct str tenant, struct labels labels)
{
    for (size_t i = 0; i < m->stream_count; i++) {
        struct model_stream *s = &m->streams[i];
        if (str_eq(s->tenant, tenant) && labels_eq(s->labels, labels))
            return s;
    }
    return NULL;
}

/* A stream of random labels, perhaps one that is there. */
static struct model_stream *model_random_stream(struct model *m, struct random *r)
{
    struct model_stream *s = &m->streams[m->stream_count];

    cr_assert_lt(m->stream_count, STREAMS_MAX);
    *s = (struct model_stream){.tenant = tenants[random_below(r, COUNT_OF(tenants))],
                               .first_day = INT32_MAX,
                               .last_day = INT32_MIN};
    for (size_t i = 0; i < LABELS_MAX; i++) {
        if (random_below(r, 3) != 0)
            s->pairs[s->labels.count++] = (struct label){names[i], random_value(r)};
    }
    s->labels.pairs = s->pairs;
    struct model_stream *known = model_find(m, s->tenant, s->labels);
    if (known != NULL)
        return known;
    m->stream_count++;
    return s;
}

/* ---- batches into both ---- */

static void add_chunk(struct model *m, struct random *r, struct index_batch *b,
                      const struct model_stream *s, int32_t day)
{
    struct chunk_ref ref = {
        .stream_id = s->id,
        .chunk_id = m->counters.next_chunk++,
        .segment_id = random_u64(r),
        .day = day,
        .head_bytes = (uint32_t)random_u64(r),
        .chunk_bytes = (uint32_t)random_u64(r),
        .entries = (uint32_t)random_u64(r),
        .offset = random_u64(r),
        .min_ns = (int64_t)random_below(r, 100) - 50,
        .line_bytes = random_u64(r),
        .metadata_bytes = random_u64(r),
    };

    ref.max_ns = ref.min_ns + (int64_t)random_below(r, 30);
    cr_assert_lt(m->chunk_count, CHUNKS_MAX);
    m->chunks[m->chunk_count++] = (struct model_chunk){s->tenant, ref};
    REQUIRE_OK(index_batch_chunk(b, s->tenant, &ref, NULL));
}

static void add_stream(struct model *m, struct random *r, struct index_batch *b)
{
    struct model_stream *s = model_random_stream(m, r);
    int32_t first = FIRST_DAY + (int32_t)random_below(r, DAYS);
    uint64_t id;

    REQUIRE_OK(index_batch_stream(b, s->tenant, s->labels, &id, NULL));
    if (s->id == 0)
        s->id = id;
    cr_assert_eq(id, s->id, "a stream keeps its number");
    for (size_t i = 0; i < m->stream_count; i++)
        cr_assert(&m->streams[i] == s || m->streams[i].id != id, "a number is one stream's");

    struct stream_flush flush = {.tenant = s->tenant,
                                 .labels = s->labels,
                                 .stream_id = id,
                                 .seq = ++m->counters.seq,
                                 .first_day = first,
                                 .last_day = first + (int32_t)random_below(r, 2)};
    REQUIRE_OK(index_batch_flushed(b, &flush, NULL));
    s->flushed_seq = flush.seq;
    s->first_day = MIN_OF(s->first_day, flush.first_day);
    s->last_day = MAX_OF(s->last_day, flush.last_day);
    for (int32_t day = flush.first_day; day <= flush.last_day; day++) {
        for (size_t i = random_below(r, 3); i > 0; i--)
            add_chunk(m, r, b, s, day);
    }
}

/* One segment, new or grown. */
static void add_segment(struct model *m, struct random *r, struct index_batch *b)
{
    bool is_new = m->segment_count == 0 || random_below(r, 2) == 0;
    size_t at = is_new ? m->segment_count : random_below(r, m->segment_count);
    struct segment_ref *s = &m->segments[at];

    cr_assert_lt(m->segment_count, SEGMENTS_MAX);
    if (is_new) {
        m->segment_count++;
        *s = (struct segment_ref){.id = m->counters.next_segment,
                                  .day = FIRST_DAY - (int32_t)at,
                                  .tenant = tenants[random_below(r, COUNT_OF(tenants))],
                                  .state = (enum segment_state)random_below(r, 3)};
        m->counters.next_segment += 1 + random_below(r, 3);
        index_batch_counters(b, m->counters);
    }
    s->committed_bytes += random_below(r, 1000);
    REQUIRE_OK(index_batch_segment(b, s, NULL));
}

/* The labels of a model point into itself. */
static void model_copy(struct model *to, const struct model *from)
{
    *to = *from;
    for (size_t i = 0; i < to->stream_count; i++)
        to->streams[i].labels.pairs = to->streams[i].pairs;
}

static void random_batch(struct model *m, struct random *r, struct index *ix)
{
    static struct model before;
    struct index_batch *b = NULL;

    model_copy(&before, m);
    REQUIRE_OK(index_batch_begin(ix, &b, NULL));
    for (size_t i = random_below(r, 30); i > 0; i--)
        add_stream(m, r, b);
    for (size_t i = random_below(r, 4); i > 0; i--)
        add_segment(m, r, b);
    if (random_below(r, 5) != 0) {
        REQUIRE_OK(index_batch_commit(b, NULL));
        return;
    }
    index_batch_abort(b);
    model_copy(m, &before);
}

/* ---- reads compared ---- */

struct comparison {
    struct model *model;
    struct random *random;
    struct index_read *read;
    struct arena *arena;
};

static size_t random_matchers(struct comparison *c, struct matcher *to)
{
    size_t count = random_below(c->random, 5);

    for (size_t i = 0; i < count; i++) {
        size_t name = random_below(c->random, COUNT_OF(names) + 1);
        struct matcher m = {.name = name < COUNT_OF(names) ? names[name] : STR("nobody"),
                            .op = (enum match_op)random_below(c->random, 4)};
        size_t kind = random_below(c->random, 8);
        if (m.op == MATCH_RE || m.op == MATCH_NRE)
            m.value = expressions[random_below(c->random, COUNT_OF(expressions))];
        else
            m.value = kind == 0 ? STR("") : kind == 1 ? STR("nothing") : random_value(c->random);
        REQUIRE_OK(matcher_make(c->arena, &m, &to[i], NULL));
    }
    return count;
}

static bool accepted(const struct model_stream *s, struct str tenant, struct matcher_list list)
{
    if (!str_eq(s->tenant, tenant))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        if (!matcher_accepts(&list.items[i], labels_get(s->labels, list.items[i].name)))
            return false;
    }
    return true;
}

static bool has_id(struct postings p, uint64_t id)
{
    for (size_t i = 0; i < p.count; i++) {
        if (p.ids[i] == id)
            return true;
    }
    return false;
}

static struct postings compare_match(struct comparison *c, struct str tenant)
{
    struct matcher matchers[5];
    struct matcher_list list = {matchers, random_matchers(c, matchers)};
    struct postings got;
    size_t want = 0;

    REQUIRE_OK(index_match(c->read, tenant, list, &got, NULL));
    for (size_t i = 0; i < c->model->stream_count; i++) {
        const struct model_stream *s = &c->model->streams[i];
        bool is_wanted = accepted(s, tenant, list);
        want += is_wanted;
        if (str_eq(s->tenant, tenant))
            cr_assert_eq(has_id(got, s->id), is_wanted, "stream %" PRIu64 ", seed %" PRIu64, s->id,
                         c->random->seed);
    }
    cr_assert_eq(got.count, want, "seed %" PRIu64, c->random->seed);
    for (size_t i = 1; i < got.count; i++)
        cr_assert_lt(got.ids[i - 1], got.ids[i]);
    return got;
}

static void compare_streams(struct comparison *c)
{
    struct labels labels;
    uint64_t id, seq;

    for (size_t i = 0; i < c->model->stream_count; i++) {
        const struct model_stream *s = &c->model->streams[i];
        REQUIRE_OK(index_stream(c->read, s->id, &labels, &seq));
        cr_assert(labels_eq(labels, s->labels) && seq == s->flushed_seq);
        REQUIRE_OK(index_find_stream(c->read, s->tenant, s->labels, &id, &seq));
        cr_assert(id == s->id && seq == s->flushed_seq);
        for (size_t k = 0; k < COUNT_OF(tenants); k++) {
            enum status want =
                model_find(c->model, tenants[k], s->labels) != NULL ? ST_OK : ST_NOT_FOUND;
            cr_assert_eq(index_find_stream(c->read, tenants[k], s->labels, &id, &seq), want);
        }
        struct stream_claim claim = {s->tenant, s->labels, s->id, s->first_day};
        REQUIRE_OK(index_check_stream(c->read, &claim, NULL));
        claim.day = s->last_day;
        REQUIRE_OK(index_check_stream(c->read, &claim, NULL));
    }
    EXPECT_STATUS("no such stream", index_stream(c->read, UINT64_MAX, &labels, &seq), ST_NOT_FOUND);
}

static int compare_refs(const void *a, const void *b)
{
    const struct chunk_ref *x = a, *y = b;

    if (x->stream_id != y->stream_id)
        return x->stream_id < y->stream_id ? -1 : 1;
    if (x->min_ns != y->min_ns)
        return x->min_ns < y->min_ns ? -1 : 1;
    return (x->chunk_id > y->chunk_id) - (x->chunk_id < y->chunk_id);
}

static bool same_ref(const struct chunk_ref *a, const struct chunk_ref *b)
{
    return a->stream_id == b->stream_id && a->chunk_id == b->chunk_id &&
           a->segment_id == b->segment_id && a->day == b->day && a->head_bytes == b->head_bytes &&
           a->chunk_bytes == b->chunk_bytes && a->entries == b->entries && a->offset == b->offset &&
           a->min_ns == b->min_ns && a->max_ns == b->max_ns && a->line_bytes == b->line_bytes &&
           a->metadata_bytes == b->metadata_bytes;
}

static void compare_chunks(struct comparison *c, struct str tenant, struct postings streams)
{
    static struct chunk_ref want[CHUNKS_MAX];
    struct chunk_range range = {.tenant = tenant,
                                .day = FIRST_DAY + (int32_t)random_below(c->random, DAYS + 1),
                                .start_ns = (int64_t)random_below(c->random, 140) - 70};
    struct chunk_ref_list got;
    size_t count = 0;

    range.end_ns = range.start_ns + (int64_t)random_below(c->random, 60);
    for (size_t i = 0; i < c->model->chunk_count; i++) {
        const struct model_chunk *chunk = &c->model->chunks[i];
        if (str_eq(chunk->tenant, tenant) && chunk->ref.day == range.day &&
            has_id(streams, chunk->ref.stream_id) && chunk->ref.min_ns <= range.end_ns &&
            chunk->ref.max_ns >= range.start_ns)
            want[count++] = chunk->ref;
    }
    qsort(want, count, sizeof(*want), compare_refs);
    REQUIRE_OK(index_chunks(c->read, &range, streams, &got, NULL));
    cr_assert_eq(got.count, count, "%zu chunks, not %zu, seed %" PRIu64, got.count, count,
                 c->random->seed);
    for (size_t i = 0; i < count; i++)
        cr_assert(same_ref(&got.refs[i], &want[i]), "seed %" PRIu64, c->random->seed);
}

static void compare_days(struct comparison *c, struct str tenant)
{
    int32_t day = FIRST_DAY - 1 + (int32_t)random_below(c->random, DAYS + 3);

    for (int backward = 0; backward < 2; backward++) {
        int32_t want = backward ? INT32_MIN : INT32_MAX, got = -1;
        for (size_t i = 0; i < c->model->chunk_count; i++) {
            int32_t d = c->model->chunks[i].ref.day;
            if (!str_eq(c->model->chunks[i].tenant, tenant))
                continue;
            if (backward && d <= day)
                want = MAX_OF(want, d);
            if (!backward && d >= day)
                want = MIN_OF(want, d);
        }
        bool found = want != INT32_MIN && want != INT32_MAX;
        enum status st = index_nearest_day(c->read, tenant, day, backward, &got);
        cr_assert_eq(st, found ? ST_OK : ST_NOT_FOUND, "seed %" PRIu64, c->random->seed);
        cr_assert_eq(got, found ? want : -1, "seed %" PRIu64, c->random->seed);
    }
}

/* ---- label pairs ---- */

enum { PAIRS_MAX = 200 };

struct seen_pairs {
    struct label pairs[PAIRS_MAX];
    size_t count;
};

static enum status see_pair(void *context, struct str name, struct str value)
{
    struct seen_pairs *seen = context;

    cr_assert_lt(seen->count, PAIRS_MAX);
    seen->pairs[seen->count++] = (struct label){name, value};
    return ST_OK;
}

static bool has_pair(const struct seen_pairs *seen, struct label pair)
{
    for (size_t i = 0; i < seen->count; i++) {
        if (str_eq(seen->pairs[i].name, pair.name) && str_eq(seen->pairs[i].value, pair.value))
            return true;
    }
    return false;
}

/* Did any flush of the streams with the pair, all together, reach into the range? */
static bool pair_in_range(const struct model *m, const struct pair_range *range, struct label pair)
{
    int32_t first = INT32_MAX, last = INT32_MIN;

    for (size_t i = 0; i < m->stream_count; i++) {
        const struct model_stream *s = &m->streams[i];
        if (!str_eq(s->tenant, range->tenant) ||
            !str_eq(labels_get(s->labels, pair.name), pair.value))
            continue;
        first = MIN_OF(first, s->first_day);
        last = MAX_OF(last, s->last_day);
    }
    return first <= range->last_day && last >= range->first_day;
}

static bool has_name(const struct seen_pairs *seen, struct str name)
{
    for (size_t i = 0; i < seen->count; i++) {
        if (str_eq(seen->pairs[i].name, name))
            return true;
    }
    return false;
}

static void compare_pairs(struct comparison *c, struct str tenant)
{
    size_t name = random_below(c->random, 2 * COUNT_OF(names));
    struct pair_range range = {.tenant = tenant,
                               .name = name < COUNT_OF(names) ? names[name] : STR(""),
                               .first_day =
                                   FIRST_DAY - 1 + (int32_t)random_below(c->random, DAYS + 2)};
    static struct seen_pairs got, want;

    got.count = want.count = 0;
    range.last_day = range.first_day + (int32_t)random_below(c->random, 4);
    for (size_t i = 0; i < c->model->stream_count; i++) {
        const struct model_stream *s = &c->model->streams[i];
        for (size_t k = 0; k < s->labels.count && str_eq(s->tenant, tenant); k++) {
            struct label pair = s->labels.pairs[k];
            if ((range.name.len == 0 || str_eq(range.name, pair.name)) && !has_pair(&want, pair) &&
                pair_in_range(c->model, &range, pair))
                (void)see_pair(&want, pair.name, pair.value);
        }
    }
    REQUIRE_OK(index_pairs(c->read, &range, see_pair, &got));
    cr_assert_eq(got.count, want.count, "%zu pairs, not %zu, seed %" PRIu64, got.count, want.count,
                 c->random->seed);
    for (size_t i = 0; i < want.count; i++)
        cr_assert(has_pair(&got, want.pairs[i]), "seed %" PRIu64, c->random->seed);
    size_t changes = 1;
    for (size_t i = 1; i < got.count; i++)
        changes += !str_eq(got.pairs[i].name, got.pairs[i - 1].name);
    cr_assert_leq(changes, COUNT_OF(names), "pairs of one name come together");

    /* With names only: one of these pairs of each name. */
    size_t met = 0;
    range.names_only = true;
    got.count = 0;
    REQUIRE_OK(index_pairs(c->read, &range, see_pair, &got));
    for (size_t i = 0; i < got.count; i++) {
        cr_assert(has_pair(&want, got.pairs[i]), "seed %" PRIu64, c->random->seed);
        for (size_t k = 0; k < i; k++)
            cr_assert_not(str_eq(got.pairs[i].name, got.pairs[k].name), "a name comes once");
    }
    for (size_t i = 0; i < COUNT_OF(names); i++)
        met += has_name(&want, names[i]);
    cr_assert_eq(got.count, met, "%zu names, not %zu, seed %" PRIu64, got.count, met,
                 c->random->seed);
}

static void compare_segments(struct comparison *c)
{
    struct segment_ref got;
    uint64_t cursor = 0;

    for (size_t i = 0; i < c->model->segment_count; i++) {
        const struct segment_ref *want = &c->model->segments[i];
        REQUIRE_OK(index_next_segment(c->read, &cursor, &got));
        cr_assert(got.id == want->id && got.day == want->day && str_eq(got.tenant, want->tenant) &&
                  got.committed_bytes == want->committed_bytes && got.state == want->state);
    }
    cr_assert_eq(index_next_segment(c->read, &cursor, &got), ST_NOT_FOUND);
}

static void compare_all(struct model *m, struct random *r, struct index *ix)
{
    struct comparison c = {.model = m, .random = r};
    struct index_counters counters;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    c.arena = &a;
    REQUIRE_OK(index_counters(ix, &counters, NULL));
    cr_assert(counters.next_segment == m->counters.next_segment &&
              counters.next_chunk == m->counters.next_chunk && counters.seq == m->counters.seq);
    REQUIRE_OK(index_read_begin(ix, &a, &c.read, NULL));
    compare_streams(&c);
    compare_segments(&c);
    for (size_t i = 0; i < 60; i++) {
        struct str tenant = tenants[random_below(r, COUNT_OF(tenants))];
        struct postings streams = compare_match(&c, tenant);
        compare_chunks(&c, tenant, streams);
        compare_days(&c, tenant);
        compare_pairs(&c, tenant);
    }
    index_read_end(c.read);
    arena_release(&a);
}

Test(index, against_a_model)
{
    static struct model m;
    struct random r = random_begin();
    struct place p;

    memset(&m, 0, sizeof(m));
    m.counters.next_chunk = m.counters.next_segment = 1;
    place_make(&p);
    compare_all(&m, &r, p.index);
    for (size_t round = 0; round < 25; round++) {
        random_batch(&m, &r, p.index);
        if (random_below(&r, 3) == 0)
            place_reopen(&p, false);
        compare_all(&m, &r, p.index);
    }
    place_reopen(&p, true);
    compare_all(&m, &r, p.index);
    place_remove(&p);
}

/* ---- single things ---- */

static const struct label web[] = {{STR_INIT("app"), STR_INIT("web")},
                                   {STR_INIT("host"), STR_INIT("a")}};
static const struct labels web_labels = {web, 2};
static const struct labels app_labels = {web, 1};

static enum status put_stream(struct index_batch *b, struct str tenant, struct labels labels,
                              uint64_t *ret_id)
{
    struct stream_flush flush = {
        .tenant = tenant, .labels = labels, .seq = 7, .first_day = 20000, .last_day = 20001};

    enum status st = index_batch_stream(b, tenant, labels, &flush.stream_id, NULL);
    if (st == ST_OK)
        st = index_batch_flushed(b, &flush, NULL);
    if (st == ST_OK && ret_id != NULL)
        *ret_id = flush.stream_id;
    return st;
}

static size_t matched(struct index *ix, struct str tenant, struct matcher m)
{
    struct index_read *r = NULL;
    struct postings got;
    struct matcher made;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    REQUIRE_OK(matcher_make(&a, &m, &made, NULL));
    REQUIRE_OK(index_read_begin(ix, &a, &r, NULL));
    REQUIRE_OK(index_match(r, tenant, (struct matcher_list){&made, 1}, &got, NULL));
    index_read_end(r);
    arena_release(&a);
    return got.count;
}

static size_t matched_eq(struct index *ix, struct str tenant, struct str name, struct str value)
{
    return matched(ix, tenant, (struct matcher){.name = name, .op = MATCH_EQ, .value = value});
}

/* Posting lists of many pages. */
Test(index, many_streams)
{
    enum { STREAMS = 6000 };
    struct index_batch *b = NULL;
    struct place p;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    place_make(&p);
    for (size_t i = 0; i < STREAMS; i++) {
        struct label *pairs = arena_new(&a, struct label, 2);
        pairs[0] = (struct label){STR("all"), STR("1")};
        pairs[1] = (struct label){STR("i"), arena_printf(&a, "%zu", i)};
        if (b == NULL)
            REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
        REQUIRE_OK(put_stream(b, STR("t"), (struct labels){pairs, 2}, NULL));
        if (i % 2000 != 1999)
            continue;
        REQUIRE_OK(index_batch_commit(b, NULL));
        b = NULL;
    }
    cr_expect_eq(matched_eq(p.index, STR("t"), STR("all"), STR("1")), STREAMS);
    cr_expect_eq(matched_eq(p.index, STR("t"), STR("all"), STR("")), 0);
    cr_expect_eq(matched_eq(p.index, STR("t"), STR("i"), STR("4711")), 1);
    cr_expect_eq(matched(p.index, STR("t"),
                         (struct matcher){.name = STR("i"), .op = MATCH_RE, .value = STR("1.*")}),
                 1111);
    cr_expect_eq(matched(p.index, STR("t"),
                         (struct matcher){.name = STR("i"), .op = MATCH_NRE, .value = STR("1.*")}),
                 STREAMS - 1111);
    cr_expect_eq(matched_eq(p.index, STR("t2"), STR("all"), STR("1")), 0);
    place_remove(&p);
    arena_release(&a);
}

/* A read sees what was committed when it began. */
Test(index, a_read_stands_still)
{
    struct index_read *before = NULL;
    struct index_batch *b = NULL;
    struct postings got;
    struct place p;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    place_make(&p);
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    REQUIRE_OK(put_stream(b, STR("t"), web_labels, NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    REQUIRE_OK(index_read_begin(p.index, &a, &before, NULL));
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    REQUIRE_OK(put_stream(b, STR("t"), app_labels, NULL));
    cr_expect_eq(matched_eq(p.index, STR("t"), STR("app"), STR("web")), 1, "not committed yet");
    REQUIRE_OK(index_batch_commit(b, NULL));
    REQUIRE_OK(index_match(before, STR("t"), (struct matcher_list){NULL, 0}, &got, NULL));
    cr_expect_eq(got.count, 1);
    index_read_end(before);
    cr_expect_eq(matched_eq(p.index, STR("t"), STR("app"), STR("web")), 2);
    index_read_end(NULL);
    index_batch_abort(NULL);
    place_remove(&p);
    arena_release(&a);
}

Test(index, counters_only_rise)
{
    struct index_counters counters, want = {.next_segment = 100, .next_chunk = 200, .seq = 300};
    struct index_batch *b = NULL;
    struct place p;

    place_make(&p);
    for (uint64_t less = 0; less < 3; less++) {
        REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
        index_batch_counters(b, (struct index_counters){100 - less, 200 - less, 300 - less});
        REQUIRE_OK(index_batch_commit(b, NULL));
        place_reopen(&p, false);
        REQUIRE_OK(index_counters(p.index, &counters, NULL));
        cr_expect(counters.next_segment == want.next_segment &&
                  counters.next_chunk == want.next_chunk && counters.seq == want.seq);
    }
    place_remove(&p);
}

struct visits {
    size_t count;
    enum status st; /* of the second one */
};

static enum status refuse_second(void *context, struct str name, struct str value)
{
    struct visits *v = context;

    (void)name;
    (void)value;
    return ++v->count == 2 ? v->st : ST_OK;
}

Test(index, a_visitor_ends_the_walk)
{
    struct pair_range range = {.tenant = STR("t"), .first_day = 20000, .last_day = 20000};
    struct index_batch *b = NULL;
    static const enum status statuses[] = {ST_CANCELLED, ST_NOT_FOUND};
    struct index_read *r = NULL;
    struct place p;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    place_make(&p);
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    REQUIRE_OK(put_stream(b, STR("t"), web_labels, NULL));
    REQUIRE_OK(put_stream(b, STR("t"), (struct labels){web + 1, 1}, NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    REQUIRE_OK(index_read_begin(p.index, &a, &r, NULL));
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct visits v = {0, statuses[i]};
        EXPECT_STATUS("visitor", index_pairs(r, &range, refuse_second, &v), v.st);
        cr_expect_eq(v.count, 2);
    }
    index_read_end(r);
    place_remove(&p);
    arena_release(&a);
}

Test(index, arena_is_full)
{
    struct index_batch *b = NULL;
    struct index_read *r = NULL;
    struct chunk_ref ref = {.chunk_id = 1, .day = 20000};
    struct chunk_range range = {.tenant = STR("t"), .day = 20000};
    struct chunk_ref_list refs = {NULL, 77};
    struct postings got = {NULL, 77};
    struct labels labels = {NULL, 77};
    struct arena none;
    struct place p;

    arena_init(&none, 0);
    place_make(&p);
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    REQUIRE_OK(put_stream(b, STR("t"), web_labels, &ref.stream_id));
    REQUIRE_OK(index_batch_chunk(b, STR("t"), &ref, NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    REQUIRE_OK(index_read_begin(p.index, &none, &r, NULL));
    EXPECT_STATUS("match", index_match(r, STR("t"), (struct matcher_list){NULL, 0}, &got, NULL),
                  ST_LIMIT);
    struct postings one = {&ref.stream_id, 1};
    EXPECT_STATUS("chunks", index_chunks(r, &range, one, &refs, NULL), ST_LIMIT);
    EXPECT_STATUS("stream", index_stream(r, ref.stream_id, &labels, NULL), ST_LIMIT);
    cr_expect(got.count == 77 && refs.count == 77 && labels.count == 77, "outputs of a failure");
    index_read_end(r);
    place_remove(&p);
}

/* ---- the map is full ---- */

static enum status fill_batch(struct index *ix, struct arena *a, size_t number)
{
    struct index_batch *b = NULL;

    enum status st = index_batch_begin(ix, &b, NULL);
    for (size_t i = 0; i < 50 && st == ST_OK; i++) {
        struct label *pair = arena_new(a, struct label, 1);
        *pair = (struct label){STR("i"), arena_printf(a, "%zu/%zu", number, i)};
        st = put_stream(b, STR("t"), (struct labels){pair, 1}, NULL);
    }
    if (st == ST_OK)
        return index_batch_commit(b, NULL);
    index_batch_abort(b);
    return st;
}

/* The file of locks has no holes: writing to one on a full disk would be the end of the process. */
Test(index, lock_file_has_its_room)
{
    char path[TEST_PATH_BYTES];
    struct stat file;
    struct place p;

    place_make(&p);
    cr_assert_eq(stat(files_path(path, p.path, "lock.mdb"), &file), 0);
    cr_expect_gt(file.st_size, 64 * KIB);
    cr_expect_geq(file.st_blocks * 512, file.st_size);
    place_remove(&p);
}

/* The batch that did not fit is not there, all before it are, and reading goes on. */
Test(index, map_is_full)
{
    enum status st = ST_OK;
    size_t batches = 0;
    struct place p;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    files_dir_make(p.dir);
    (void)files_path(p.path, p.dir, "index");
    REQUIRE_OK(index_open(p.path, 512 * KIB, &p.index, NULL));
    for (; st == ST_OK && batches < 1000; batches++)
        st = fill_batch(p.index, &a, batches);
    EXPECT_STATUS("full", st, ST_FULL);
    struct matcher all = {.name = STR("i"), .op = MATCH_RE, .value = STR(".+")};
    cr_expect_eq(matched(p.index, STR("t"), all), 50 * (batches - 1));
    index_close(p.index);
    place_open(&p); /* with more room */
    REQUIRE_OK(fill_batch(p.index, &a, batches - 1));
    cr_expect_eq(matched(p.index, STR("t"), all), 50 * batches);
    place_remove(&p);
    arena_release(&a);
}

/* ---- memory runs out ---- */

/* A batch of `count` streams of a new tenant, with everything else a batch can have. */
static enum status whole_batch(struct index *ix, const struct labels *labels, size_t count)
{
    struct segment_ref segment = {
        .id = 5, .day = 20000, .committed_bytes = 100, .tenant = STR("new")};
    struct index_batch *b = NULL;

    enum status st = index_batch_begin(ix, &b, NULL);
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        struct chunk_ref ref = {.chunk_id = i + 1, .day = 20000};
        st = put_stream(b, STR("new"), labels[i], &ref.stream_id);
        if (st == ST_OK)
            st = index_batch_chunk(b, STR("new"), &ref, NULL);
    }
    if (st == ST_OK)
        st = index_batch_segment(b, &segment, NULL);
    if (st == ST_OK)
        return index_batch_commit(b, NULL);
    index_batch_abort(b);
    return st;
}

/* All of the batch is there, or nothing. */
static void expect_batch(struct index *ix, size_t count, bool there)
{
    struct index_counters counters;
    struct index_read *r = NULL;
    struct segment_ref segment;
    uint64_t cursor = 0;
    struct arena a;

    cr_expect_eq(matched_eq(ix, STR("new"), STR("app"), STR("web")), there ? count : 0);
    cr_expect_eq(matched_eq(ix, STR("new"), STR("i"), STR("0")), there ? 1 : 0);
    REQUIRE_OK(index_counters(ix, &counters, NULL));
    cr_expect_eq(counters.next_chunk, there ? count + 1 : 1);
    cr_expect_eq(counters.next_segment, there ? 6 : 1);
    cr_expect_eq(counters.seq, there ? 7 : 0);
    arena_init(&a, ARENA_BYTES);
    REQUIRE_OK(index_read_begin(ix, &a, &r, NULL));
    EXPECT_STATUS("segment", index_next_segment(r, &cursor, &segment),
                  there ? ST_OK : ST_NOT_FOUND);
    index_read_end(r);
    arena_release(&a);
}

static void fail_each_allocation(size_t streams, int64_t step_percent)
{
    struct place p;
    struct arena a;
    int64_t n = 1;

    arena_init(&a, ARENA_BYTES);
    struct labels *labels = arena_new(&a, struct labels, streams);
    for (size_t i = 0; i < streams; i++) {
        struct label *pairs = arena_new(&a, struct label, 2);
        pairs[0] = (struct label){STR("app"), STR("web")};
        pairs[1] = (struct label){STR("i"), arena_printf(&a, "%zu", i)};
        labels[i] = (struct labels){pairs, 2};
    }
    place_make(&p);
    for (;; n += 1 + n * step_percent / 100) {
        mem_fail_after(n);
        enum status st = whole_batch(p.index, labels, streams);
        mem_fail_after(0);
        if (st == ST_OK)
            break;
        cr_assert_eq(st, ST_NOMEM, "allocation %" PRId64 ": %s", n, status_name(st));
        expect_batch(p.index, streams, false);
    }
    cr_expect_gt(n, 10);
    place_reopen(&p, false);
    expect_batch(p.index, streams, true);
    place_remove(&p);
    arena_release(&a);
}

Test(index, each_allocation_of_a_batch_fails)
{
    fail_each_allocation(1, 0);
}

Test(index, some_allocations_of_a_large_batch_fail)
{
    fail_each_allocation(300, 2);
}

Test(index, no_memory_to_open_or_read)
{
    struct index_read *r = NULL;
    struct index *ix = NULL;
    struct place p;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    place_make(&p);
    mem_fail_after(1);
    EXPECT_STATUS("read", index_read_begin(p.index, &a, &r, NULL), ST_NOMEM);
    index_close(p.index);
    p.index = NULL;
    mem_fail_after(1);
    EXPECT_STATUS("open", index_open(p.path, MAP_BYTES, &ix, NULL), ST_NOMEM);
    mem_fail_after(1);
    EXPECT_STATUS("open to read", index_open_to_read(p.path, &ix, NULL), ST_NOMEM);
    mem_fail_after(0);
    cr_expect(r == NULL && ix == NULL);
    place_remove(&p);
}

/* ---- texts of one hash ---- */

enum { COLLISIONS = 201 };

/* With no bit of the hash left all values and all streams have one. */
Test(index, texts_of_one_hash)
{
    static char texts[COLLISIONS][8];
    struct label pairs[COLLISIONS];
    struct index_batch *b = NULL;
    struct index_read *r = NULL;
    uint64_t ids[COLLISIONS], id, seq;
    struct place p;
    struct arena a;

    for (size_t i = 0; i < COLLISIONS; i++) {
        int len = snprintf(texts[i], sizeof(texts[i]), "v%zu", i);
        pairs[i] = (struct label){STR("l"), str_make(texts[i], (size_t)len)};
    }
    hash_weaken(0);
    arena_init(&a, ARENA_BYTES);
    place_make(&p);
    for (size_t i = 0; i < COLLISIONS; i++) {
        if (i % 3 == 0)
            REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
        REQUIRE_OK(put_stream(b, STR("t"), (struct labels){&pairs[i], 1}, &ids[i]));
        for (size_t k = 0; k < i; k++)
            cr_expect_neq(ids[k], ids[i]);
        if (i % 3 == 2)
            REQUIRE_OK(index_batch_commit(b, NULL));
    }
    REQUIRE_OK(index_read_begin(p.index, &a, &r, NULL));
    for (size_t i = 0; i < COLLISIONS; i++) {
        struct labels labels = {&pairs[i], 1};
        struct stream_claim claim = {STR("t"), labels, ids[i], 20000};
        EXPECT_STATUS("find", index_find_stream(r, STR("t"), labels, &id, &seq), ST_OK);
        cr_expect_eq(id, ids[i], "stream %zu", i);
        EXPECT_STATUS("check", index_check_stream(r, &claim, NULL), ST_OK);
    }
    index_read_end(r);
    for (size_t i = 0; i < COLLISIONS; i++)
        cr_expect_eq(matched_eq(p.index, STR("t"), pairs[i].name, pairs[i].value), 1, "value %zu",
                     i);
    place_remove(&p);
    arena_release(&a);
}

/* ---- what merges do ---- */

struct walked {
    uint64_t ids[16];
    size_t count;
    size_t stop_at;
};

static enum status see_chunk(void *context, const struct chunk_ref *ref)
{
    struct walked *w = context;

    if (w->count == w->stop_at)
        return ST_EMPTY;
    w->ids[w->count++] = ref->chunk_id;
    return ST_OK;
}

/* The chunk_ids of a day from a stream on, as text. */
static enum status walk_day(struct index *ix, int32_t day, uint64_t stream_id, size_t stop_at,
                            struct buf *to)
{
    struct walked w = {.stop_at = stop_at};
    struct day_walk walk = {STR("t"), day, stream_id, see_chunk, &w};
    struct index_read *r = NULL;
    struct arena none = {0};

    buf_reset(to);
    REQUIRE_OK(index_read_begin(ix, &none, &r, NULL));
    enum status st = index_walk_day(r, &walk);
    index_read_end(r);
    for (size_t i = 0; i < w.count; i++)
        buf_printf(to, "%s%d", i == 0 ? "" : " ", (int)w.ids[i]);
    return st;
}

static struct chunk_ref ref_at(uint64_t stream_id, uint64_t chunk_id, int32_t day)
{
    return (struct chunk_ref){.stream_id = stream_id,
                              .chunk_id = chunk_id,
                              .segment_id = 1,
                              .day = day,
                              .offset = chunk_id * 100,
                              .min_ns = (int64_t)day * 1000 + (int64_t)(chunk_id % 3)};
}

static void put_refs(struct index *ix, const struct chunk_ref *refs, size_t count)
{
    struct index_batch *b = NULL;

    REQUIRE_OK(index_batch_begin(ix, &b, NULL));
    for (size_t i = 0; i < count; i++)
        REQUIRE_OK(index_batch_chunk(b, STR("t"), &refs[i], NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
}

Test(index, walks_a_day)
{
    const struct chunk_ref refs[] = {ref_at(1, 10, 5), ref_at(1, 11, 5), ref_at(2, 12, 5),
                                     ref_at(2, 13, 6), ref_at(3, 14, 5), ref_at(3, 15, 4)};
    struct index_batch *b = NULL;
    struct place p;
    struct buf got;

    buf_init(&got, MIB);
    place_make(&p);
    EXPECT_STATUS("unknown tenant", walk_day(p.index, 5, 0, 9, &got), ST_OK);
    put_refs(p.index, refs, COUNT_OF(refs));
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    REQUIRE_OK(index_batch_chunk(b, STR("u"), &refs[0], NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    EXPECT_STATUS("whole", walk_day(p.index, 5, 0, 9, &got), ST_OK);
    EXPECT_STR("whole", buf_str(&got), STR("10 11 12 14"));
    EXPECT_STATUS("rest", walk_day(p.index, 5, 2, 9, &got), ST_OK);
    EXPECT_STR("rest", buf_str(&got), STR("12 14"));
    EXPECT_STATUS("ended", walk_day(p.index, 5, 0, 2, &got), ST_EMPTY);
    EXPECT_STR("ended", buf_str(&got), STR("10 11"));
    EXPECT_STATUS("no such day", walk_day(p.index, 7, 0, 9, &got), ST_OK);
    EXPECT_STR("no such day", buf_str(&got), STR(""));
    place_remove(&p);
    buf_release(&got);
}

Test(index, replaces_chunks)
{
    struct chunk_ref refs[] = {ref_at(1, 10, 5), ref_at(1, 11, 5), ref_at(1, 12, 5)};
    struct chunk_ref merged = refs[0];
    struct index_batch *b = NULL;
    struct index_read *r = NULL;
    struct arena none = {0};
    struct place p;
    struct buf got;

    buf_init(&got, MIB);
    place_make(&p);
    put_refs(p.index, refs, COUNT_OF(refs));
    REQUIRE_OK(index_read_begin(p.index, &none, &r, NULL));

    /* The new one has the key of an old one, and is put before that one goes. */
    merged.offset = 7;
    merged.level = 9;
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    uint64_t number = index_batch_number(b);
    REQUIRE_OK(index_batch_chunk(b, STR("t"), &merged, NULL));
    REQUIRE_OK(index_batch_remove_chunk(b, STR("t"), &refs[0], NULL));
    REQUIRE_OK(index_batch_remove_chunk(b, STR("t"), &refs[1], NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    EXPECT_STATUS("walk", walk_day(p.index, 5, 0, 9, &got), ST_OK);
    EXPECT_STR("merged", buf_str(&got), STR("12 10"));

    cr_expect(!index_reads_have(p.index, number), "an older read is there");
    index_read_end(r);
    cr_expect(index_reads_have(p.index, number), "no read is there");
    REQUIRE_OK(index_read_begin(p.index, &none, &r, NULL));
    cr_expect(index_reads_have(p.index, number), "a newer read is there");
    index_read_end(r);

    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    EXPECT_STATUS("gone", index_batch_remove_chunk(b, STR("t"), &refs[1], NULL), ST_NOT_FOUND);
    EXPECT_STATUS("replaced", index_batch_remove_chunk(b, STR("t"), &refs[0], NULL), ST_NOT_FOUND);
    EXPECT_STATUS("tenant", index_batch_remove_chunk(b, STR("u"), &merged, NULL), ST_NOT_FOUND);
    EXPECT_STATUS("there", index_batch_remove_chunk(b, STR("t"), &merged, NULL), ST_OK);
    index_batch_abort(b);
    EXPECT_STATUS("walk", walk_day(p.index, 5, 0, 9, &got), ST_OK);
    EXPECT_STR("aborted", buf_str(&got), STR("12 10"));
    place_remove(&p);
    buf_release(&got);
}

/* Limits of labels may be raised to 256 of 64 KB: such a stream goes like any other. */
Test(index, forgets_streams_of_many_labels)
{
    enum { LABELS = 40, VALUE_BYTES = 60 * 1000 };
    static char text[LABELS][VALUE_BYTES];
    struct label pairs[LABELS];
    char label_names[LABELS][2];
    struct index_forget job = {.seq_max = 1, .streams_max = 10};
    struct index_batch *batch = NULL;
    struct place p;

    for (size_t i = 0; i < LABELS; i++) {
        memset(text[i], (int)('A' + i), VALUE_BYTES);
        label_names[i][0] = 'n';
        label_names[i][1] = (char)('A' + i);
        pairs[i] = (struct label){str_make(label_names[i], 2), str_make(text[i], VALUE_BYTES)};
    }
    place_make(&p);
    REQUIRE_OK(index_batch_begin(p.index, &batch, NULL));
    for (size_t count = LABELS; count > 0; count /= 2) {
        struct stream_flush flush = {
            .tenant = tenants[0], .labels = {pairs, count}, .seq = 1, .first_day = 1};
        REQUIRE_OK(index_batch_stream(batch, tenants[0], flush.labels, &flush.stream_id, NULL));
        REQUIRE_OK(index_batch_flushed(batch, &flush, NULL));
    }
    REQUIRE_OK(index_batch_commit(batch, NULL));
    REQUIRE_OK(index_forget_streams(p.index, &job, NULL));
    cr_expect(job.at_end);
    cr_expect_eq(job.forgotten, 6, "%d", (int)job.forgotten); /* of 40, 20, 10, 5, 2 and 1 */
    place_remove(&p);
}

Test(index, forgets_segments)
{
    const struct segment_ref segments[] = {{3, 5, 100, STR_INIT("t"), SEGMENT_FLUSHED},
                                           {4, 5, 200, STR_INIT("t"), SEGMENT_DEAD}};
    struct segment_ref got = {.id = 0};
    struct index_batch *b = NULL;
    struct index_read *r = NULL;
    struct arena none = {0};
    uint64_t cursor = 0;
    struct place p;

    place_make(&p);
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    for (size_t i = 0; i < COUNT_OF(segments); i++)
        REQUIRE_OK(index_batch_segment(b, &segments[i], NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    index_batch_remove_segment(b, 3);
    index_batch_remove_segment(b, 77);
    REQUIRE_OK(index_batch_commit(b, NULL));
    REQUIRE_OK(index_read_begin(p.index, &none, &r, NULL));
    REQUIRE_OK(index_next_segment(r, &cursor, &got));
    cr_expect(got.id == 4 && got.state == SEGMENT_DEAD);
    EXPECT_STATUS("end", index_next_segment(r, &cursor, &got), ST_NOT_FOUND);
    index_read_end(r);
    place_remove(&p);
}

/* A tool that is killed while it reads does not hold up what waits for reads. */
Test(index, forgets_reads_of_the_dead)
{
    struct index_batch *b = NULL;
    struct index_read *r = NULL;
    struct arena none = {0};
    int ready[2], status;
    struct place p;
    char byte;

    place_make(&p);
    index_close(p.index);
    cr_assert_eq(pipe(ready), 0);
    pid_t tool = fork();
    if (tool == 0) {
        bool good = index_open_to_read(p.path, &p.index, NULL) == ST_OK &&
                    index_read_begin(p.index, &none, &r, NULL) == ST_OK &&
                    write(ready[1], "", 1) == 1;
        while (good)
            (void)pause();
        _exit(1);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    place_open(&p);
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    uint64_t number = index_batch_number(b);
    index_batch_counters(b, (struct index_counters){.next_chunk = 7});
    REQUIRE_OK(index_batch_commit(b, NULL));
    cr_expect_not(index_reads_have(p.index, number), "it reads what was there before");
    cr_assert_eq(kill(tool, SIGKILL), 0);
    cr_assert_eq(waitpid(tool, &status, 0), tool);
    cr_expect(index_reads_have(p.index, number), "it is dead");
    (void)close(ready[0]);
    (void)close(ready[1]);
    place_remove(&p);
}

static uint64_t used_bytes(const struct place *p)
{
    uint64_t bytes = 0;

    REQUIRE_OK(index_used_bytes(p->index, &bytes, NULL));
    return bytes;
}

/* What is taken away does not count any more, though the file stays as large, and is filled again.
 */
Test(index, room_in_the_file_is_not_used)
{
    enum { REFS = 40000, SMALL = 1 << 18 };
    struct chunk_ref *refs = mem_new(REFS, sizeof(*refs));
    char path[TEST_PATH_BYTES];
    struct index_batch *b = NULL;
    struct stat before, after;
    struct place p;

    cr_assert_not_null(refs);
    place_make(&p);
    (void)files_path(path, p.path, "data.mdb");
    cr_expect_lt(used_bytes(&p), SMALL);
    for (size_t i = 0; i < REFS; i++)
        refs[i] = ref_at(i, i, 5);
    put_refs(p.index, refs, REFS);
    cr_assert_eq(stat(path, &before), 0);
    cr_expect_gt(used_bytes(&p), (uint64_t)before.st_size / 2);
    cr_expect_leq(used_bytes(&p), (uint64_t)before.st_size);
    REQUIRE_OK(index_batch_begin(p.index, &b, NULL));
    for (size_t i = 0; i < REFS; i++)
        REQUIRE_OK(index_batch_remove_chunk(b, STR("t"), &refs[i], NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    cr_expect_lt(used_bytes(&p), SMALL);
    cr_assert_eq(stat(path, &after), 0);
    cr_expect_geq(after.st_size, before.st_size);
    place_reopen(&p, false);
    cr_expect_lt(used_bytes(&p), SMALL);
    mem_free(refs);
    place_remove(&p);
}

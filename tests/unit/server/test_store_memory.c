/*
 * Streams in memory as queries see them: labels and series of a store with many, before they are
 * flushed and after, against a search through all of them.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/store/memory.h"
#include "server/store/store_internal.h"
#include "tests/support/expect.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

/* More than are visited under one hold of a lock. */
enum { STREAMS = 1500, HOSTS = 700, JOBS = 3 };

static const struct str tenant = STR_INIT("tenant");

static void begin(struct fixture *f)
{
    fixture_prepare(f, "0");
    fixture_set(f, "storage.index_max_bytes", "256MB");
    fixture_set(f, "limits.discover_service_name", "");
    fixture_open(f);
}

/* Stream `i`: {env="prod", host="host-X", job="job-Y", own="i"}; some are without `job`. */
static struct labels make_labels(struct arena *a, size_t i)
{
    struct label *pairs = arena_new(a, struct label, 4);
    size_t count = 0;

    pairs[count++] = (struct label){STR("env"), STR("prod")};
    pairs[count++] = (struct label){STR("host"), arena_printf(a, "host-%zu", i % HOSTS)};
    if (i % 5 != 0)
        pairs[count++] = (struct label){STR("job"), arena_printf(a, "job-%zu", i % JOBS)};
    pairs[count++] = (struct label){STR("own"), arena_printf(a, "%zu", i)};
    return (struct labels){pairs, count};
}

static void push_all(struct fixture *f)
{
    struct arena a;

    arena_init(&a, FIXTURE_ARENA_BYTES);
    struct push_stream *streams = arena_new(&a, struct push_stream, STREAMS);
    for (size_t i = 0; i < STREAMS; i++) {
        struct entry *e = arena_new(&a, struct entry, 1);
        *e = (struct entry){.ts_ns = (int64_t)i + 1, .line = STR("line")};
        streams[i] =
            (struct push_stream){.labels = make_labels(&a, i), .entries = e, .entry_count = 1};
    }
    struct push_request request = {streams, STREAMS};
    struct store_push push = {.tenant = tenant, .request = &request, .arena = &a};
    struct err err = {.text = ""};
    cr_assert_eq(store_push(f->store, &push, &err), ST_OK, "%s", err.text);
    arena_release(&a);
}

static const struct select_case {
    const char *name;
    struct matcher matchers[3];
    size_t count;
} select_cases[] = {
    {"one value", {{STR_INIT("own"), MATCH_EQ, STR_INIT("77"), NULL}}, 1},
    {"a value of many streams", {{STR_INIT("env"), MATCH_EQ, STR_INIT("prod"), NULL}}, 1},
    {"a value that nobody has", {{STR_INIT("env"), MATCH_EQ, STR_INIT("test"), NULL}}, 1},
    {"a label that nobody has", {{STR_INIT("none"), MATCH_EQ, STR_INIT("x"), NULL}}, 1},
    {"alternatives", {{STR_INIT("own"), MATCH_RE, STR_INIT("77|1400|none|77|3"), NULL}}, 1},
    {"alternatives of many streams",
     {{STR_INIT("job"), MATCH_RE, STR_INIT("job-2|job-0"), NULL}},
     1},
    {"an expression", {{STR_INIT("host"), MATCH_RE, STR_INIT("host-6.*"), NULL}}, 1},
    {"an expression over few values", {{STR_INIT("job"), MATCH_RE, STR_INIT(".*-[12]"), NULL}}, 1},
    {"a few of many",
     {{STR_INIT("env"), MATCH_EQ, STR_INIT("prod"), NULL},
      {STR_INIT("host"), MATCH_EQ, STR_INIT("host-5"), NULL},
      {STR_INIT("job"), MATCH_NEQ, STR_INIT("job-1"), NULL}},
     3},
    {"a missing label", {{STR_INIT("job"), MATCH_EQ, STR_INIT(""), NULL}}, 1},
    {"a label that is there", {{STR_INIT("job"), MATCH_NEQ, STR_INIT(""), NULL}}, 1},
    {"or missing",
     {{STR_INIT("job"), MATCH_RE, STR_INIT("job-1|"), NULL},
      {STR_INIT("host"), MATCH_RE, STR_INIT(".+9"), NULL}},
     2},
    {"not an expression", {{STR_INIT("host"), MATCH_NRE, STR_INIT("host-[1-6].*"), NULL}}, 1},
};

/* How many streams the matchers accept, by a search through all. */
static size_t expected(struct arena *a, struct matcher_list matchers)
{
    size_t count = 0;

    for (size_t i = 0; i < STREAMS; i++) {
        struct labels l = make_labels(a, i);
        bool accepted = true;
        for (size_t k = 0; k < matchers.count; k++)
            accepted = accepted &&
                       matcher_accepts(&matchers.items[k], labels_get(l, matchers.items[k].name));
        count += accepted;
    }
    return count;
}

static struct query_context query_of(struct arena *a)
{
    return (struct query_context){
        .arena = a, .memory_max = FIXTURE_ARENA_BYTES, .deadline_ns = INT64_MAX};
}

static enum status count_stream(void *context, const struct stream *s)
{
    size_t *count = context;

    cr_assert(stream_has_entries(s));
    (*count)++;
    return ST_OK;
}

static void check_case(struct fixture *f, const struct select_case *c, bool in_memory)
{
    struct matcher matchers[COUNT_OF(c->matchers)];
    struct labels_list list;
    struct arena a;
    size_t met = 0;

    arena_init(&a, FIXTURE_ARENA_BYTES);
    for (size_t i = 0; i < c->count; i++)
        REQUIRE_OK(matcher_make(&a, &c->matchers[i], &matchers[i], NULL));
    struct matcher_list selector = {matchers, c->count};
    struct series_request request = {tenant, &selector, 1, 0, INT64_MAX / 2};
    struct query_context q = query_of(&a);
    size_t want = expected(&a, selector);

    REQUIRE_OK(store_series(f->store, &q, &request, &list, NULL));
    cr_expect_eq(list.count, want, "%s: %zu series, not %zu", c->name, list.count, want);
    struct memory_walk walk = {f->store, &q, tenant, selector, count_stream, &met};
    REQUIRE_OK(memory_walk(&walk, NULL));
    want = in_memory ? want : 0;
    cr_expect_eq(met, want, "%s: %zu in memory, not %zu", c->name, met, want);
    arena_release(&a);
}

static size_t count_texts(struct fixture *f, struct str name)
{
    struct label_request request = {
        .tenant = tenant, .name = name, .start_ns = 0, .end_ns = INT64_MAX / 2};
    struct str_set set;
    struct arena a;

    arena_init(&a, FIXTURE_ARENA_BYTES);
    struct query_context q = query_of(&a);
    REQUIRE_OK(store_labels(f->store, &q, &request, &set, NULL));
    for (size_t i = 1; i < set.count; i++)
        cr_assert_lt(str_cmp(set.items[i - 1], set.items[i]), 0);
    arena_release(&a);
    return set.count;
}

static void check_all(struct fixture *f, bool in_memory)
{
    for (size_t i = 0; i < COUNT_OF(select_cases); i++)
        check_case(f, &select_cases[i], in_memory);
    cr_expect_eq(count_texts(f, STR("")), 4);
    cr_expect_eq(count_texts(f, STR("env")), 1);
    cr_expect_eq(count_texts(f, STR("job")), JOBS);
    cr_expect_eq(count_texts(f, STR("host")), HOSTS);
    cr_expect_eq(count_texts(f, STR("own")), STREAMS);
    cr_expect_eq(count_texts(f, STR("none")), 0);
}

static void add_streams(void *context, struct tenant *t)
{
    *(uint64_t *)context += counter_get(&t->counters.streams);
}

static uint64_t count_streams(struct fixture *f)
{
    uint64_t count = 0;

    store_each_tenant(f->store, add_streams, &count);
    return count;
}

Test(store_memory, streams_are_found_in_memory_and_after_the_flush)
{
    static struct fixture f;

    begin(&f);
    push_all(&f);
    cr_expect_eq(count_streams(&f), STREAMS);
    cr_expect_gt(store_state(f.store).stream_bytes, STREAMS * sizeof(struct stream));
    check_all(&f, true);

    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(count_streams(&f), 0, "a stream goes when its entries are flushed");
    cr_expect_eq(store_state(f.store).head_bytes, 0);
    cr_expect_eq(store_state(f.store).stream_bytes, 0);
    check_all(&f, false);

    push_all(&f); /* and may come back */
    cr_expect_eq(count_streams(&f), STREAMS);
    check_all(&f, true);
    fixture_end(&f);
}

/* A stream may have one short line, or an empty one: its labels are written to the log with it. */
Test(store_memory, labels_take_room_on_the_disk)
{
    enum { LABEL_BYTES = 2000 };
    static struct fixture f;
    char app[LABEL_BYTES + 1];

    memset(app, 'a', LABEL_BYTES);
    app[LABEL_BYTES] = '\0';
    begin(&f);
    counter_set(&f.store->space.room, (uint64_t)4 * LABEL_BYTES);
    counter_set(&f.store->space.allowed, LABEL_BYTES);
    REQUIRE_OK(fixture_push(&f, tenant, app, "[\"1\",\"\"]"));
    cr_expect_gt(counter_get(&f.store->space.taken), LABEL_BYTES);
    EXPECT_STATUS("until the flusher has looked", fixture_push(&f, tenant, app, "[\"2\",\"\"]"),
                  ST_BUSY);
    counter_set(&f.store->space.room, LABEL_BYTES);
    EXPECT_STATUS("too much", fixture_push(&f, tenant, app, "[\"3\",\"\"]"), ST_FULL);
    fixture_end(&f);
}

static int compare_orders(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* How many of the chunks and heads of a selection, which ends, it has met before? */
static size_t count_doubles(struct arena *a, struct selection *s)
{
    enum { RUNS_MAX = 100000 };
    uint64_t *orders = arena_new(a, uint64_t, RUNS_MAX);
    size_t count, total = 0, doubles = 0;
    struct source_run *runs;
    int64_t bound_ns;

    while (s->next_runs(s, &runs, &count, &bound_ns, NULL) == ST_OK) {
        for (size_t i = 0; i < count && total < RUNS_MAX; i++)
            orders[total++] = runs[i].order;
    }
    s->end(s);
    qsort(orders, total, sizeof(*orders), compare_orders);
    for (size_t i = 1; i < total; i++)
        doubles += orders[i] == orders[i - 1] ? 1 : 0;
    return doubles;
}

struct selecting {
    struct fixture *f;
    struct flag stop;
    size_t doubles;
};

static void *select_on(void *context)
{
    struct matcher matcher = {STR_INIT("env"), MATCH_EQ, STR_INIT("prod"), NULL};
    const struct source_request request = {
        .tenant = tenant, .matchers = {&matcher, 1}, .end_ns = INT64_MAX / 2};
    struct selecting *x = context;
    struct source *source = store_source(x->f->store);

    while (!flag_get(&x->stop)) {
        struct selection *s = NULL;
        struct arena a;
        arena_init(&a, FIXTURE_ARENA_BYTES);
        struct query_context q = query_of(&a);
        REQUIRE_OK(source->select(source, &q, &request, &s, NULL));
        x->doubles += count_doubles(&a, s);
        arena_release(&a);
    }
    return NULL;
}

/* Streams change their places while others leave: a selection has each head once all the same. */
Test(store_memory, each_head_once_while_streams_leave)
{
    enum { ROUNDS = 20, THREADS = 3 };
    static struct fixture f;
    struct selecting x[THREADS];
    pthread_t threads[THREADS];

    begin(&f);
    for (int i = 0; i < THREADS; i++) {
        x[i] = (struct selecting){.f = &f};
        cr_assert_eq(pthread_create(&threads[i], NULL, select_on, &x[i]), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        push_all(&f);
        REQUIRE_OK(store_flush(f.store, NULL));
    }
    for (int i = 0; i < THREADS; i++) {
        flag_set(&x[i].stop);
        (void)pthread_join(threads[i], NULL);
        cr_expect_eq(x[i].doubles, 0, "%zu", x[i].doubles);
    }
    fixture_end(&f);
}

/* An entry that was in memory when the selection began, and is in a chunk when it is asked for. */
Test(store_memory, later_entries_that_are_flushed_meanwhile)
{
    const struct source_request request = {.tenant = tenant, .end_ns = 1};
    struct source_run *runs;
    static struct fixture f;
    struct selection *s = NULL;
    bool later = false;
    int64_t bound_ns;
    struct arena a;
    size_t count;

    begin(&f);
    REQUIRE_OK(fixture_push(&f, tenant, "a", "[\"1\",\"first\"]"));
    REQUIRE_OK(store_flush(f.store, NULL));
    REQUIRE_OK(fixture_push(&f, tenant, "a", "[\"2\",\"last\"]"));
    arena_init(&a, FIXTURE_ARENA_BYTES);
    struct query_context q = query_of(&a);
    struct source *source = store_source(f.store);
    REQUIRE_OK(source->select(source, &q, &request, &s, NULL));
    REQUIRE_OK(store_flush(f.store, NULL));
    do
        REQUIRE_OK(s->next_runs(s, &runs, &count, &bound_ns, NULL));
    while (count == 0);
    REQUIRE_OK(s->identify(s, &runs[0], NULL));
    REQUIRE_OK(s->has_later(s, &runs[0], 1, &later, NULL));
    cr_expect(later);
    REQUIRE_OK(s->has_later(s, &runs[0], 2, &later, NULL));
    cr_expect(!later);
    s->end(s);
    arena_release(&a);
    fixture_end(&f);
}

/* A query whose client is gone ends between two slices. */
Test(store_memory, a_walk_can_be_cancelled)
{
    static struct fixture f;
    struct flag cancelled = {false};
    struct arena a;
    size_t met = 0;

    begin(&f);
    push_all(&f);
    arena_init(&a, FIXTURE_ARENA_BYTES);
    struct query_context q = query_of(&a);
    q.cancelled = &cancelled;
    flag_set(&cancelled);
    struct memory_walk walk = {
        .store = f.store, .q = &q, .tenant = tenant, .visit = count_stream, .context = &met};
    EXPECT_STATUS("walk", memory_walk(&walk, NULL), ST_CANCELLED);
    cr_expect_eq(met, 0);
    arena_release(&a);
    fixture_end(&f);
}

/* A selection ends with its query even before it has found anything. */
Test(store_memory, a_selection_can_be_cancelled)
{
    static struct fixture f;
    struct source *source;
    struct selection *s = NULL;
    struct flag cancelled = {false};
    struct matcher matcher = {STR_INIT("own"), MATCH_NEQ, STR_INIT(""), NULL};
    const struct source_request request = {
        .tenant = tenant, .matchers = {&matcher, 1}, .end_ns = INT64_MAX / 2};
    struct err err = {.text = ""};
    struct arena a;

    begin(&f);
    push_all(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    arena_init(&a, FIXTURE_ARENA_BYTES);
    struct query_context q = query_of(&a);
    source = store_source(f.store);
    q.cancelled = &cancelled;
    flag_set(&cancelled);
    EXPECT_STATUS("gone", source->select(source, &q, &request, &s, &err), ST_CANCELLED);
    EXPECT_STR("text", str_from(err.text), STR("the request was cancelled by the client"));
    flag_clear(&cancelled);
    REQUIRE_OK(source->select(source, &q, &request, &s, NULL));
    flag_set(&cancelled);
    struct source_run *runs;
    size_t count;
    int64_t bound_ns;
    enum status st = ST_OK;
    while (st == ST_OK)
        st = s->next_runs(s, &runs, &count, &bound_ns, NULL);
    EXPECT_STATUS("runs", st, ST_CANCELLED);
    s->end(s);
    arena_release(&a);
    fixture_end(&f);
}

/* What each of several selections of a query meets is counted once. */
Test(store_memory, damage_is_counted_once)
{
    static struct fixture f;
    const struct source_request request = {.tenant = tenant, .end_ns = INT64_MAX / 2};
    struct selection *s = NULL;
    struct arena a;

    begin(&f);
    arena_init(&a, FIXTURE_ARENA_BYTES);
    struct query_context q = query_of(&a);
    struct source *source = store_source(f.store);
    for (uint64_t n = 1; n <= 3; n++) {
        REQUIRE_OK(source->select(source, &q, &request, &s, NULL));
        REQUIRE_OK(query_forgive_damage(&q, ST_CORRUPT));
        s->end(s);
        cr_expect_eq(store_state(f.store).corrupt_blocks, n);
    }
    arena_release(&a);
    fixture_end(&f);
}

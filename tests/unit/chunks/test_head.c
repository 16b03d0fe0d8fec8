#include "chunks/head.h"

#include <pthread.h>

#include "base/atomic.h"
#include "base/map.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { ARENA_BYTES = 512 * 1024 * 1024 };

/* ---- a naive model: entries in order of arrival ---- */

enum { MODEL_MAX = 4000, LINE_MAX = 40 };

struct model_entry {
    int64_t ts_ns;
    char line[LINE_MAX];
    size_t line_len;
    char value[4]; /* of the metadata; empty: none */
};

struct model {
    struct model_entry entries[MODEL_MAX];
    size_t count;
};

static struct labels metadata_of(const struct model_entry *m, struct label *pair)
{
    *pair = (struct label){STR("k"), str_from(m->value)};
    return (struct labels){pair, m->value[0] == '\0' ? 0 : 1};
}

static bool is_same(const struct model_entry *a, const struct model_entry *b)
{
    return a->ts_ns == b->ts_ns && strcmp(a->value, b->value) == 0 &&
           str_eq(str_make(a->line, a->line_len), str_make(b->line, b->line_len));
}

/* The entries from `start` to `end` by time, equal times in order of arrival, without doubles. */
static size_t model_sorted(const struct model *m, int64_t start_ns, int64_t end_ns,
                           const struct model_entry **to)
{
    size_t count = 0;

    for (size_t i = 0; i < m->count; i++) {
        const struct model_entry *e = &m->entries[i];
        bool wanted = e->ts_ns >= start_ns && e->ts_ns <= end_ns;
        for (size_t k = 0; k < count && wanted; k++)
            wanted = !is_same(to[k], e);
        if (!wanted)
            continue;
        size_t at = count++;
        for (; at > 0 && to[at - 1]->ts_ns > e->ts_ns; at--)
            to[at] = to[at - 1];
        to[at] = e;
    }
    return count;
}

static enum status append_one(struct head *h, const struct entry *e)
{
    size_t added = 7;

    enum status st = head_append(h, e, 1, &added);
    cr_expect_eq(added, st == ST_OK ? 1 : 0);
    return st;
}

static void model_add(struct model *m, struct head *h, struct random *r, size_t times)
{
    struct model_entry *e = &m->entries[m->count++];
    struct label pair;

    *e = (struct model_entry){.ts_ns = (int64_t)random_below(r, times) - (int64_t)times / 2};
    e->line_len = random_below(r, random_below(r, 2) == 0 ? 3 : LINE_MAX);
    memset(e->line, 'a' + (int)random_below(r, 2), e->line_len);
    if (random_below(r, 2) == 0)
        e->value[0] = (char)('a' + random_below(r, 26));
    struct entry entry = {e->ts_ns, str_make(e->line, e->line_len), metadata_of(e, &pair)};
    REQUIRE_OK(append_one(h, &entry));
    memset(&pair, 0xff, sizeof(pair)); /* a head copies what it is given */
}

static size_t differences(const struct chunk_entries *got, const struct model_entry **want,
                          size_t count)
{
    size_t wrong = got->count != count;

    for (size_t i = 0; i < MIN_OF(got->count, count); i++) {
        struct label pair;
        wrong += got->items[i].ts_ns != want[i]->ts_ns ||
                 !str_eq(got->items[i].line, str_make(want[i]->line, want[i]->line_len)) ||
                 !labels_eq(*got->items[i].metadata, metadata_of(want[i], &pair));
    }
    return wrong;
}

static const struct shape {
    const char *name;
    size_t count;
    size_t times; /* how many different ones there may be */
} shapes[] = {
    {"few", 5, 3},           {"one time", 300, 1},         {"two times", 500, 2},
    {"some times", 800, 40}, {"many times", 1500, 100000},
};

Test(head, order_and_doubles)
{
    static const struct model_entry *want[MODEL_MAX];
    static struct model model;
    struct random r = random_begin();

    for (size_t i = 0; i < COUNT_OF(shapes) * 3; i++) {
        const struct shape *s = &shapes[i / 3];
        struct head *h = head_new(7);
        struct chunk_entries got = {NULL, 0};
        struct arena a;
        arena_init(&a, ARENA_BYTES);
        model.count = 0;
        while (model.count < s->count)
            model_add(&model, h, &r, s->times);
        struct head_view v = head_view(h);
        head_unref(h);
        REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got));
        size_t count = model_sorted(&model, INT64_MIN, INT64_MAX, want);
        cr_expect_eq(differences(&got, want, count), 0, "%s, seed %" PRIu64, s->name, r.seed);

        int64_t start = (int64_t)random_below(&r, s->times) - (int64_t)s->times / 2;
        int64_t end = start + (int64_t)random_below(&r, s->times);
        REQUIRE_OK(head_view_entries(&v, &a, start, end, &got));
        count = model_sorted(&model, start, end, want);
        cr_expect_eq(differences(&got, want, count), 0, "%s in a range, seed %" PRIu64, s->name,
                     r.seed);
        head_view_release(&v);
        arena_release(&a);
    }
}

static void append(struct head *h, int64_t ts_ns, struct str line)
{
    struct entry e = {ts_ns, line, {NULL, 0}};

    REQUIRE_OK(append_one(h, &e));
}

Test(head, size)
{
    struct head *h = head_new(42);
    static char line[100000];

    cr_expect_eq(head_chunk_id(h), 42);
    cr_expect_eq(head_size(h).entries, 0);
    append(h, 5, STR("abc"));
    append(h, -5, STR(""));
    append(h, 0, STR("xy"));
    struct head_size size = head_size(h);
    cr_expect(size.entries == 3 && size.line_bytes == 5);
    cr_expect(size.min_ns == -5 && size.max_ns == 5);
    append(h, INT64_MAX, str_make(line, sizeof(line)));
    append(h, INT64_MIN, STR("x"));
    cr_expect(head_size(h).min_ns == INT64_MIN && head_size(h).max_ns == INT64_MAX);
    cr_expect_geq(head_size(h).memory_bytes, sizeof(line));
    head_unref(h);
    head_unref(NULL);
}

/* Ranges include both ends, and an empty head has an empty view. */
Test(head, ranges)
{
    struct head *h = head_new(1);
    struct chunk_entries got;
    struct arena a;

    arena_init(&a, MIB);
    struct head_view v = head_view(h);
    REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got));
    cr_expect_eq(got.count, 0);
    head_view_release(&v);
    for (int64_t t = 10; t <= 30; t += 10)
        append(h, t, STR("x"));
    v = head_view(h);
    REQUIRE_OK(head_view_entries(&v, &a, 10, 30, &got));
    cr_expect_eq(got.count, 3);
    REQUIRE_OK(head_view_entries(&v, &a, 11, 29, &got));
    cr_expect_eq(got.count, 1);
    REQUIRE_OK(head_view_entries(&v, &a, 31, 100, &got));
    cr_expect_eq(got.count, 0);
    REQUIRE_OK(head_view_entries(&v, &a, 30, 10, &got));
    cr_expect_eq(got.count, 0);
    head_view_release(&v);
    head_unref(h);
    arena_release(&a);
}

/* A view stands still while the head grows, and outlives it. */
Test(head, view_stands_still)
{
    struct head *h = head_new(1);
    struct head_view views[50];
    struct arena a;

    arena_init(&a, 16 * MIB);
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        views[i] = head_view(h);
        for (size_t n = 0; n < 20; n++)
            append(h, (int64_t)(i * 20 + n), STR("some line of a log"));
    }
    head_unref(h);
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        struct chunk_entries got;
        REQUIRE_OK(head_view_entries(&views[i], &a, INT64_MIN, INT64_MAX, &got));
        cr_expect_eq(got.count, i * 20, "view %zu", i);
        cr_expect_eq(views[i].size.entries, i * 20, "view %zu", i);
        head_view_release(&views[i]);
    }
    arena_release(&a);
}

Test(head, arena_is_full)
{
    struct head *h = head_new(1);
    struct chunk_entries got = {NULL, 77};
    size_t full = 0;

    for (int64_t t = 100; t > 0; t--) {
        for (size_t n = 0; n < 20; n++)
            append(h, t, STR("x"));
    }
    struct head_view v = head_view(h);
    for (size_t max = 0; max < 200000; max += 1000) {
        struct arena a;
        arena_init(&a, max);
        got.count = 77;
        enum status st = head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got);
        full += st == ST_LIMIT;
        cr_expect(st == ST_LIMIT || (st == ST_OK && got.count == 100), "%zu: %s", max,
                  status_name(st));
        cr_expect(st == ST_OK || got.count == 77, "%zu: output changed", max);
        arena_release(&a);
    }
    cr_expect(full > 10 && full < 190, "%zu", full);
    head_view_release(&v);
    head_unref(h);
}

/* ---- metadata ---- */

/* Append an entry with metadata `id`=`n`. */
static enum status append_with_id(struct head *h, int64_t ts_ns, struct str line, size_t n)
{
    char text[24];
    struct label pair = {STR("id"), str_make(text, sizeof(text))};
    struct entry e = {ts_ns, line, {&pair, 1}};

    for (size_t i = 0; i < sizeof(text); i++, n /= 10)
        text[i] = (char)('0' + n % 10);
    return append_one(h, &e);
}

/* Equal sets are one, however many there are: doubles are found by that. */
Test(head, many_sets)
{
    static const size_t counts[] = {1, 7, 8, 9, 10, 100, 3000};

    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct head *h = head_new(1);
        struct chunk_entries got;
        struct arena a;
        arena_init(&a, ARENA_BYTES);
        for (size_t n = 0; n < 3 * counts[i]; n++)
            REQUIRE_OK(append_with_id(h, 0, STR("x"), n * 11 % counts[i]));
        struct head_view v = head_view(h);
        REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got));
        cr_expect_eq(got.count, counts[i], "%zu: %zu", counts[i], got.count);
        head_view_release(&v);
        head_unref(h);
        arena_release(&a);
    }
}

/*
 * A head that is full takes nothing more, and what it takes to pack one is known: here with
 * metadata that is as large as it can be, compared with what it takes in the head.
 */
Test(head, is_full)
{
    enum { PAIRS = 128, PACK_BYTES_MAX = 1 << 30 };
    struct label pairs[PAIRS];
    char names[PAIRS], value[3];
    struct head *h = head_new(1);
    struct chunk_entries got;
    size_t added = 1, count = 0;
    struct arena a;

    for (size_t i = 0; i < PAIRS; i++) {
        names[i] = (char)(i + 1);
        pairs[i] = (struct label){str_make(&names[i], 1), STR("")};
    }
    for (; added > 0; count += added) {
        memcpy(value, &count, sizeof(value));
        pairs[0].value = str_make(value, sizeof(value));
        struct entry e = {-(int64_t)count, STR(""), {pairs, PAIRS}};
        REQUIRE_OK(head_append(h, &e, 1, &added));
    }
    cr_expect(head_is_full(h));
    cr_expect_eq(head_size(h).entries, count);
    cr_expect_leq(head_size(h).memory_bytes, (uint64_t)HEAD_BYTES_MAX + MEM_PAGES_USUAL_BYTES);
    arena_init(&a, PACK_BYTES_MAX);
    struct head_view v = head_view(h);
    REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got));
    cr_expect_eq(got.count, count);
    head_view_release(&v);
    head_unref(h);
    arena_release(&a);
}

/* Entries of one append share pairs, or have equal ones at other places. */
Test(head, sets_of_one_append)
{
    enum { SETS = 7, COPIES = 2, ENTRIES = 500 };
    static const char *const values[SETS] = {"a", "b", "c", "d", "e", "f", "g"};
    struct random r = random_of(5);
    struct label pairs[COPIES][SETS];
    struct entry entries[ENTRIES];
    struct head *h = head_new(1);
    struct chunk_entries got;
    size_t added = 0;
    struct arena a;

    for (size_t i = 0; i < COPIES * SETS; i++)
        pairs[i / SETS][i % SETS] = (struct label){STR("k"), str_from(values[i % SETS])};
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct label *pair = &pairs[random_below(&r, COPIES)][random_below(&r, SETS)];
        entries[i] = (struct entry){(int64_t)i, STR("x"), {pair, random_below(&r, 2)}};
    }
    REQUIRE_OK(head_append(h, entries, ENTRIES, &added));
    cr_expect_eq(added, ENTRIES);
    arena_init(&a, ARENA_BYTES);
    struct head_view v = head_view(h);
    cr_expect_eq(v.set_count, SETS + 1, "%u", v.set_count);
    REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got));
    cr_assert_eq(got.count, ENTRIES);
    for (size_t i = 0; i < ENTRIES; i++)
        cr_expect(labels_eq(*got.items[i].metadata, entries[i].metadata), "entry %zu", i);
    head_view_release(&v);
    head_unref(h);
    arena_release(&a);
}

/* After an append that found no memory the next ones are as good as if it had not been. */
Test(head, nth_allocation_fails)
{
    enum { SETS = 12 };
    for (int64_t n = 1; n < 80; n++) {
        struct head *h = head_new(1);
        struct chunk_entries got;
        size_t entries = 0;
        struct arena a;
        arena_init(&a, MIB);
        mem_fail_after(n);
        for (size_t round = 0; round < 3; round++) {
            for (size_t set = 0; set < SETS; set++) {
                enum status st = append_with_id(h, 0, STR("x"), set);
                cr_assert(st == ST_OK || st == ST_NOMEM, "allocation %" PRId64, n);
                entries += st == ST_OK;
                cr_assert_eq(head_size(h).entries, entries, "allocation %" PRId64, n);
            }
        }
        mem_fail_after(0);
        struct head_view v = head_view(h);
        REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got));
        cr_expect_eq(got.count, SETS, "allocation %" PRId64 ": %zu", n, got.count);
        head_view_release(&v);
        head_unref(h);
        arena_release(&a);
    }
}

/* Nothing that grows with the entries may be left out of the count: the limits go by it. */
Test(head, memory_counts_the_table_of_sets)
{
    enum { SETS = 5000, SET_BYTES = 2 + 24 };
    struct head *h = head_new(1);

    for (size_t n = 0; n < SETS; n++)
        REQUIRE_OK(append_with_id(h, 0, STR("x"), n));
    /* Of each set: its stored form, and its place in the table. */
    size_t least = SETS * SET_BYTES + SETS * sizeof(struct map_slot);
    cr_expect_geq(head_size(h).memory_bytes, least, "%zu is less than %zu",
                  (size_t)head_size(h).memory_bytes, least);
    head_unref(h);
}

/* A store may have a hundred thousand streams of a line or two. */
Test(head, a_head_of_one_line_is_small)
{
    enum { LINE_BYTES = 100, MEMORY_MAX = 400 };
    char line[LINE_BYTES] = {0};
    struct head *h = head_new(1);

    REQUIRE_OK(append_with_id(h, 0, str_make(line, sizeof(line)), 1));
    cr_expect_leq(head_size(h).memory_bytes, MEMORY_MAX, "%zu", (size_t)head_size(h).memory_bytes);
    head_unref(h);
}

/* Beside its lines a head costs a third for room that is not used yet, and some bytes an entry. */
Test(head, spare_room_is_bounded)
{
    enum { ENTRIES = 5000, LINE_BYTES = 100, ENTRY_BYTES = LINE_BYTES + 24, FIXED_BYTES = 512 };
    char line[LINE_BYTES] = {0};
    struct head *h = head_new(1);

    for (size_t n = 1; n <= ENTRIES; n++) {
        REQUIRE_OK(append_with_id(h, (int64_t)n, str_make(line, sizeof(line)), 1));
        cr_assert_leq(head_size(h).memory_bytes, n * ENTRY_BYTES * 8 / 5 + FIXED_BYTES,
                      "%zu lines: %zu", n, (size_t)head_size(h).memory_bytes);
    }
    head_unref(h);
}

/* A client that sends one line at one time with ever other metadata costs no more than others. */
Test(head, one_line_with_many_sets, .timeout = 10)
{
    enum { ENTRIES = 200000 };
    struct head *h = head_new(1);
    struct chunk_entries got;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    for (size_t n = 0; n < ENTRIES; n++)
        REQUIRE_OK(append_with_id(h, 0, STR("tick"), n));
    struct head_view v = head_view(h);
    REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got));
    cr_expect_eq(got.count, ENTRIES);
    head_view_release(&v);
    head_unref(h);
    arena_release(&a);
}

/* ---- blocks ---- */

Test(head, blocks)
{
    static const size_t sizes[] = {1, 30, 100, 1000, 1 << 20};
    static struct model model;
    struct random r = random_begin();
    struct head *h = head_new(1);
    struct chunk_entries all;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    model.count = 0;
    while (model.count < 2000)
        model_add(&model, h, &r, 500);
    struct head_view v = head_view(h);
    REQUIRE_OK(head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &all));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct block_memory m = {.context = NULL};
        size_t first = 0, wrong = 0;
        while (first < all.count) {
            struct chunk_entries rest = {all.items + first, all.count - first};
            struct block b;
            REQUIRE_OK(head_block(&m, rest, sizes[i], &b));
            wrong += b.count == 0 || (b.count > 1 && b.lines.len > sizes[i]);
            for (uint32_t n = 0; n < b.count; n++)
                wrong += b.ts_ns[n] != rest.items[n].ts_ns ||
                         !str_eq(block_line(&b, n), rest.items[n].line) ||
                         !labels_eq(block_metadata(&b, n), *rest.items[n].metadata);
            wrong += b.count < rest.count && b.lines.len + rest.items[b.count].line.len <= sizes[i];
            first += b.count;
        }
        cr_expect_eq(wrong, 0, "blocks of %zu: %zu, seed %" PRIu64, sizes[i], wrong, r.seed);
        block_memory_release(&m);
    }
    head_view_release(&v);
    head_unref(h);
    arena_release(&a);
}

/* ---- one writer and readers ---- */

struct shared {
    pthread_mutex_t mutex; /* the tenant lock */
    struct head *head;
    struct flag stop;
    size_t views;
    size_t wrong;
};

static void look(struct shared *s)
{
    struct chunk_entries got;
    struct arena a;

    (void)pthread_mutex_lock(&s->mutex);
    struct head_view v = head_view(s->head);
    (void)pthread_mutex_unlock(&s->mutex);
    arena_init(&a, ARENA_BYTES);
    s->wrong += head_view_entries(&v, &a, INT64_MIN, INT64_MAX, &got) != ST_OK ||
                got.count != v.size.entries;
    for (size_t i = 0; i < got.count; i++)
        s->wrong += got.items[i].ts_ns != (int64_t)i || got.items[i].line.len != i % 50 ||
                    got.items[i].metadata->count != 1;
    head_view_release(&v);
    arena_release(&a);
    s->views++;
}

static void *read_on(void *context)
{
    struct shared *s = context;

    while (!flag_get(&s->stop))
        look(s);
    look(s);
    return NULL;
}

Test(head, views_while_appending)
{
    enum { ENTRIES = 30000 };
    static const char line[50] = "";
    struct shared s = {.head = head_new(1)};
    pthread_t thread;

    (void)pthread_mutex_init(&s.mutex, NULL);
    cr_assert_eq(pthread_create(&thread, NULL, read_on, &s), 0);
    for (size_t i = 0; i < ENTRIES; i++) {
        (void)pthread_mutex_lock(&s.mutex);
        enum status st = append_with_id(s.head, (int64_t)i, str_make(line, i % 50), i % 20);
        (void)pthread_mutex_unlock(&s.mutex);
        cr_assert_eq(st, ST_OK);
    }
    flag_set(&s.stop);
    (void)pthread_join(thread, NULL);
    cr_expect_eq(s.wrong, 0, "%zu wrong in %zu views", s.wrong, s.views);
    head_unref(s.head);
}

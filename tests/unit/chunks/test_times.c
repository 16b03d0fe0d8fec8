#include "chunks/times.h"

#include "base/mem.h"
#include "base/time.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { OUT_BYTES_MAX = 1024 * 1024, COUNT_MAX = 1000 };

#define START_NS INT64_C(1772366400000000000)

static void put(struct buf *out, const int64_t *ts_ns, size_t count)
{
    uint64_t steps[COUNT_MAX];

    for (size_t i = 1; i < count; i++)
        steps[i - 1] = (uint64_t)ts_ns[i] - (uint64_t)ts_ns[i - 1];
    times_put(out, steps, count - 1);
    cr_assert(!out->failed);
}

/* Read bytes that stand in memory of just their size, for the address sanitizer. */
static bool get(struct str bytes, int64_t min_ns, size_t count, int64_t *ret_ts_ns)
{
    char *copy = mem_bytes(bytes.len);

    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    bool good = times_get(str_make(copy, bytes.len), min_ns, count, ret_ts_ns);
    mem_free(copy);
    return good;
}

/* Write, read back, and return how many bytes it took. */
static size_t expect_round_trip(const char *name, const int64_t *ts_ns, size_t count)
{
    int64_t got[COUNT_MAX];
    struct buf out;

    buf_init(&out, OUT_BYTES_MAX);
    put(&out, ts_ns, count);
    cr_expect(get(buf_str(&out), ts_ns[0], count, got) &&
                  memcmp(got, ts_ns, count * sizeof(*got)) == 0,
              "%s of %zu", name, count);
    size_t bytes = out.len;
    buf_release(&out);
    return bytes;
}

/* Clocks: stamps are `unit_ns` apart times a random number, and are off by less than `noise_ns`. */
static const struct clock {
    const char *name;
    int64_t unit_ns;
    uint32_t units;
    uint32_t noise_ns;
    int64_t rounded_ns;
    size_t bits_max; /* an entry */
} clocks[] = {
    {"nanoseconds", 1, 1 << 20, 0, 1, 22},
    {"microseconds", US_NS, 1 << 10, 0, US_NS, 12},
    {"milliseconds", MS_NS, 1 << 10, 0, MS_NS, 12},
    {"seconds", SECOND_NS, 1 << 4, 0, SECOND_NS, 6},
    {"one a second", SECOND_NS, 1, 0, 1, 1},
    {"all at once", 0, 1, 0, 1, 1},
    {"a coarse clock", 4000193, 1 << 4, 0, 1, 6},
    {"a coarse clock, nearly", 4000193, 1 << 4, 1 << 5, 1, 6 + 6},
    {"a coarse clock, rounded", 5328001, 1 << 5, 0, US_NS, 7},
};

Test(times, clocks)
{
    struct random r = random_begin();
    int64_t ts_ns[COUNT_MAX];

    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        const struct clock *c = &clocks[i];
        int64_t now = START_NS;
        for (size_t n = 0; n < COUNT_MAX; n++) {
            now += c->unit_ns * (1 + (int64_t)random_below(&r, c->units));
            ts_ns[n] = now / c->rounded_ns * c->rounded_ns;
            ts_ns[n] += c->noise_ns == 0 ? 0 : (int64_t)random_below(&r, c->noise_ns);
        }
        size_t bytes = expect_round_trip(c->name, ts_ns, COUNT_MAX);
        cr_expect_leq(bytes * 8, COUNT_MAX * c->bits_max, "%s: %zu bytes, seed %" PRIu64, c->name,
                      bytes, r.seed);
    }
}

/* Any times at all, from the first there is to the last. */
Test(times, round_trip)
{
    struct random r = random_begin();
    int64_t ts_ns[COUNT_MAX];

    for (size_t round = 0; round < 2000; round++) {
        size_t count = 1 + random_below(&r, round % 10 == 0 ? COUNT_MAX : 300);
        unsigned shift = (unsigned)random_below(&r, 64);
        ts_ns[0] = (int64_t)random_u64(&r) >> random_below(&r, 63);
        for (size_t i = 1; i < count; i++) {
            uint64_t room = (uint64_t)INT64_MAX - (uint64_t)ts_ns[i - 1];
            uint64_t step = random_u64(&r) >> (random_below(&r, 20) == 0 ? 1 : shift);
            ts_ns[i] = (int64_t)((uint64_t)ts_ns[i - 1] + MIN_OF(step, room));
        }
        (void)expect_round_trip("any", ts_ns, count);
    }
    (void)expect_round_trip("all there is", (int64_t[]){INT64_MIN, INT64_MIN, INT64_MAX}, 3);
    (void)expect_round_trip("the first", (int64_t[]){INT64_MIN}, 1);
    (void)expect_round_trip("the last", (int64_t[]){INT64_MAX, INT64_MAX}, 2);
}

static bool ascend(const int64_t *ts_ns, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (ts_ns[i] < ts_ns[i - 1])
            return false;
    }
    return true;
}

/* What is damaged is not read, or is read as times that ascend all the same. */
Test(times, forged)
{
    struct random r = random_begin();
    int64_t ts_ns[COUNT_MAX], got[COUNT_MAX];

    for (size_t round = 0; round < 400; round++) {
        const struct clock *c = &clocks[round % COUNT_OF(clocks)];
        size_t count = 1 + random_below(&r, 300);
        struct buf out;
        buf_init(&out, OUT_BYTES_MAX);
        for (size_t i = 0; i < count; i++)
            ts_ns[i] = (i == 0 ? START_NS : ts_ns[i - 1]) +
                       c->unit_ns * (int64_t)random_below(&r, c->units + 1);
        put(&out, ts_ns, count);
        for (size_t len = 0; len < out.len; len++)
            cr_expect(!get(str_head(buf_str(&out), len), ts_ns[0], count, got), "cut at %zu", len);
        buf_put_u8(&out, 0);
        cr_expect(!get(buf_str(&out), ts_ns[0], count, got), "something behind it");
        out.len--;
        for (size_t i = 0; i < 100; i++) {
            out.ptr[random_below(&r, MIN_OF(out.len, (size_t)20))] = (char)random_u64(&r);
            bool good = get(buf_str(&out), ts_ns[0], count, got);
            cr_expect(!good || ascend(got, count), "seed %" PRIu64, r.seed);
        }
        buf_release(&out);
    }
}

/* Steps whose sum wraps around, once within a run and once from the last time there is. */
Test(times, descending)
{
    int64_t got[4];

    cr_expect(get(STR("\0\1\x41\1\0"), 0, 3, got), "two steps of one or two");
    cr_expect(!get(STR("\0\1\x40\1"), INT64_MAX, 2, got), "beyond the last");
    cr_expect(!get(STR("\0\1\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 0, 2, got),
              "back by one");
    cr_expect(!get(STR("\0\1\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"), 0, 3, got), "round");
    cr_expect(!get(STR("\2\1\0"), 0, 2, got), "no such form");
    cr_expect(!get(STR("\1\1\0\0\0\0"), 0, 2, got), "no tick");
}

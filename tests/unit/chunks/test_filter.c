#include "chunks/filter.h"

#include "base/mem.h"
#include "tests/support/expect.h"
#include "tests/support/loggen.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { LINE_BYTES_MAX = 300 };

static struct str make(const struct str *lines, size_t count, size_t bytes_max, struct buf *out)
{
    static struct filter_builder builder;

    filter_begin(&builder);
    for (size_t i = 0; i < count; i++)
        filter_add(&builder, lines[i]);
    buf_init(out, MIB);
    buf_put(out, STR("before"));
    size_t bytes = filter_put(&builder, bytes_max, out);
    cr_assert_eq(out->len, 6 + bytes);
    return str_cut(buf_str(out), 6);
}

/* ---- golden bits: what docs/format/chunk.md says ---- */

/* The place of a gram, told once more. */
static uint32_t place_of(const char *gram)
{
    uint64_t v = 0;

    for (size_t i = 4; i-- > 0;)
        v = v << 8 | (unsigned char)gram[i] | 0x20;
    return (uint32_t)(v * 0x9e3779b1 % (UINT64_C(1) << 32) / 131072);
}

Test(filter, golden)
{
    static const struct {
        const char *gram;
        uint32_t place; /* as the format has it, worked out elsewhere */
    } rows[] = {
        {"abcd", 12678}, {"ABCD", 12678}, {"erro", 2034}, {"1234", 10322}, {"\xff\x80 \t", 27192},
    };
    static const size_t sizes[] = {64, 72, 2048, 3272, 4096};

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        cr_expect_eq(place_of(rows[i].gram), rows[i].place, "%s: %u", rows[i].gram,
                     place_of(rows[i].gram));
    for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(sizes); i++) {
        struct str line = str_make(rows[i / COUNT_OF(sizes)].gram, FILTER_GRAM_BYTES);
        size_t size = sizes[i % COUNT_OF(sizes)], bit = place_of(line.ptr) % (size * 8);
        struct buf out;
        struct str filter = make(&line, 1, size + 7, &out); /* sizes are rounded down */
        cr_assert_eq(filter.len, size);
        for (size_t at = 0; at < size; at++)
            cr_expect_eq((unsigned char)filter.ptr[at], at == bit / 8 ? 1 << bit % 8 : 0,
                         "row %zu, byte %zu", i, at);
        buf_release(&out);
    }
}

/* ---- what is there is found ---- */

static struct str random_line(struct random *r, struct buf *b, struct loggen *g)
{
    size_t begin = b->len, len = random_below(r, LINE_BYTES_MAX);

    if (random_below(r, 2) == 0) {
        loggen_line(g, b, (unsigned)random_below(r, LOGGEN_KINDS), (int64_t)random_u64(r) / 2);
    } else if (len > 0) {
        random_bytes(r, buf_reserve(b, len), len);
        buf_advance(b, len);
    }
    return str_cut(buf_str(b), begin);
}

static void turn_case(struct random *r, char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool letter = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z');
        if (letter && random_below(r, 2) == 0)
            text[i] ^= 0x20;
    }
}

/* Every piece of every line, in any case. */
static void expect_all_found(struct random *r, struct str filter, struct str line)
{
    char text[4 * LINE_BYTES_MAX];

    cr_assert_lt(line.len, sizeof(text));
    for (size_t begin = 0; begin <= line.len; begin++) {
        for (size_t len = 0; begin + len <= line.len; len += len < 9 ? 1 : 1 + len / 2) {
            memcpy(text, line.ptr + begin, len);
            turn_case(r, text, len);
            cr_assert(filter_may_contain(filter, str_make(text, len)),
                      "%zu bytes at %zu of %.*s, seed %" PRIu64, len, begin, STR_ARG(line),
                      r->seed);
        }
    }
}

Test(filter, finds_every_piece_of_every_line)
{
    enum { ROUNDS = 100, LINES_MAX = 20 };
    struct random r = random_begin();
    struct loggen g;
    size_t made = 0;

    loggen_init(&g, r.seed);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct str lines[LINES_MAX];
        size_t count = 1 + random_below(&r, LINES_MAX);
        struct buf text, out;
        buf_init(&text, MIB);
        cr_assert_not_null(buf_reserve(&text, 64 * KIB)); /* so that lines stay where they are */
        for (size_t i = 0; i < count; i++)
            lines[i] = random_line(&r, &text, &g);
        struct str filter = make(lines, count, 64 + random_below(&r, 5000), &out);
        made += filter.len > 0;
        for (size_t i = 0; i < count; i++)
            expect_all_found(&r, filter, lines[i]);
        buf_release(&out);
        buf_release(&text);
    }
    cr_expect_gt(made, ROUNDS / 2);
}

/* ---- what is not there is mostly not found ---- */

Test(filter, refuses_what_is_not_there)
{
    static const struct str lines[] = {
        STR_INIT("level=error msg=\"cannot connect\""),
        STR_INIT("level=info msg=ready"),
        STR_INIT("abc"),
        STR_INIT(""),
    };
    static const struct {
        struct str text;
        bool found;
    } rows[] = {
        {STR_INIT(""), true},
        {STR_INIT("zzz"), true}, /* shorter than a gram */
        {STR_INIT("error"), true},
        {STR_INIT("ERROR MSG=\"Cannot"), true},
        {STR_INIT("zzzz"), false},
        {STR_INIT("errors"), false},
        {STR_INIT("msg=ready or"), false},
        {STR_INIT("connect\"level=info"), false}, /* grams do not cross lines */
        {STR_INIT("readyabc"), false},
        {STR_INIT("level=\0error"), false},
    };
    struct buf out;
    struct str filter = make(lines, COUNT_OF(lines), 2048, &out);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cr_expect_eq(filter_may_contain(filter, rows[i].text), rows[i].found, "%.*s",
                     STR_ARG(rows[i].text));
        cr_expect(filter_may_contain(STR_NULL, rows[i].text), "no filter");
    }
    buf_release(&out);
}

/* A block of each kind of line in the room it gets; how many texts that are nowhere get through. */
Test(filter, few_get_through)
{
    enum { TEXTS = 200, TEXT_BYTES = 16, FILTER_BYTES = 2600 };
    struct random r = random_of(1);
    struct loggen g;
    size_t through = 0;

    loggen_init(&g, 1);
    for (unsigned kind = 0; kind < LOGGEN_KINDS; kind++) {
        static struct filter_builder builder;
        struct buf text, out;
        buf_init(&text, MIB);
        buf_init(&out, MIB);
        filter_begin(&builder);
        for (size_t begin = 0; text.len < 256 * KIB; begin = text.len) {
            loggen_line(&g, &text, kind, INT64_C(1700000000000000000) + (int64_t)begin * 1000000);
            filter_add(&builder, str_cut(buf_str(&text), begin));
        }
        cr_assert_eq(filter_put(&builder, FILTER_BYTES, &out), FILTER_BYTES);
        for (size_t i = 0; i < TEXTS; i++) {
            char hex[TEXT_BYTES];
            for (size_t at = 0; at < TEXT_BYTES; at++)
                hex[at] = "0123456789abcdef"[random_below(&r, 16)];
            through += filter_may_contain(buf_str(&out), str_make(hex, TEXT_BYTES));
        }
        cr_expect(!filter_may_contain(buf_str(&out), STR("no-such-needle-at-all")), "%u", kind);
        buf_release(&out);
        buf_release(&text);
    }
    cr_expect_lt(through, TEXTS * LOGGEN_KINDS / 50, "%zu", through);
}

/* ---- when there is none ---- */

Test(filter, none)
{
    enum { RANDOM_BYTES = 16384 };
    static char noise[RANDOM_BYTES];
    struct random r = random_begin();
    struct str line = STR("a line of a block");
    struct buf out;

    cr_expect_eq(make(&line, 1, 0, &out).len, 0);
    buf_release(&out);
    cr_expect_eq(make(&line, 1, FILTER_BYTES_MIN - 1, &out).len, 0, "too small");
    buf_release(&out);
    cr_expect_eq(make(&line, 1, FILTER_BYTES_MIN, &out).len, FILTER_BYTES_MIN);
    buf_release(&out);
    cr_expect_eq(make(&line, 1, MIB, &out).len, FILTER_BYTES_MAX);
    buf_release(&out);
    random_bytes(&r, noise, sizeof(noise));
    line = str_make(noise, sizeof(noise));
    cr_expect_eq(make(&line, 1, FILTER_BYTES_MIN, &out).len, 0, "too full");
    buf_release(&out);
    cr_expect_eq(make(&line, 1, FILTER_BYTES_MAX, &out).len, FILTER_BYTES_MAX);
    buf_release(&out);
}

/* Lines that end where memory ends are not read past. */
Test(filter, reads_no_further_than_the_line)
{
    for (size_t len = 0; len < 20; len++) {
        char *copy = mem_bytes(len + (len == 0)); /* of just this size, for the address sanitizer */
        memset(copy, 'x', len);
        struct str line = str_make(copy, len);
        struct buf out;
        struct str filter = make(&line, 1, 64, &out);
        cr_expect(filter_may_contain(filter, line));
        buf_release(&out);
        mem_free(copy);
    }
}

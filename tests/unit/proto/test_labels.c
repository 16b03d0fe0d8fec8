#include "proto/labels.h"

#include "base/hash.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* ---- text to labels ---- */

static const struct parse_case {
    const char *name;
    struct str text;
    struct str want; /* printed again; null: refused */
    const char *want_text;
} parse_cases[] = {
    {"two", STR_INIT("{a=\"1\", b=\"2\"}"), STR_INIT("{a=\"1\", b=\"2\"}"), ""},
    {"sorted by name", STR_INIT("{b=\"2\",a=\"1\",_=\"3\"}"),
     STR_INIT("{_=\"3\", a=\"1\", b=\"2\"}"), ""},
    {"bytes, not letters, decide", STR_INIT("{b=\"1\",B=\"2\"}"), STR_INIT("{B=\"2\", b=\"1\"}"),
     ""},
    {"comma at the end", STR_INIT("{a=\"1\",}"), STR_INIT("{a=\"1\"}"), ""},
    {"blanks everywhere", STR_INIT(" \t\r\n{ a = \"1\" , b = \"2\" } \n"),
     STR_INIT("{a=\"1\", b=\"2\"}"), ""},
    {"other quotes", STR_INIT("{a='x',b=`y\\n`}"), STR_INIT("{a=\"x\", b=\"y\\\\n\"}"), ""},
    {"escapes", STR_INIT("{a=\"q\\\"\\n\\x41\\u00e9\"}"), STR_INIT("{a=\"q\\\"\\nA\xc3\xa9\"}"),
     ""},
    {"empty braces", STR_INIT("{}"), STR_INIT("{}"), ""},
    {"empty text", STR_INIT(""), STR_INIT("{}"), ""},
    {"null", {NULL, 0}, STR_INIT("{}"), ""},
    {"empty value", STR_INIT("{a=\"\",b=\"1\"}"), STR_INIT("{b=\"1\"}"), ""},
    {"duplicates stay, in order", STR_INIT("{b=\"0\",a=\"2\",a=\"1\"}"),
     STR_INIT("{a=\"2\", a=\"1\", b=\"0\"}"), ""},
    {"metric name", STR_INIT("foo{a=\"1\"}"), STR_INIT("{__name__=\"foo\", a=\"1\"}"), ""},
    {"metric name with colons", STR_INIT("job:x:rate5m"), STR_INIT("{__name__=\"job:x:rate5m\"}"),
     ""},
    {"quoted name", STR_INIT("{\"a.b\"=\"1\"}"), STR_INIT("{a.b=\"1\"}"), ""},
    {"digits and capitals", STR_INIT("{A_9=\"1\"}"), STR_INIT("{A_9=\"1\"}"), ""},
    {"any byte in a value", STR_INIT("{a=\"\xff\"}"), STR_INIT("{a=\"\\xff\"}"), ""},
    {"point in a name",
     STR_INIT("{foo.bar=\"x\"}"),
     {NULL, 0},
     "1:5: parse error: unexpected character inside braces: '.'"},
    {"no end",
     STR_INIT("{a=\"1\""),
     {NULL, 0},
     "1:7: parse error: unexpected end of input inside braces"},
    {"no end after a comma",
     STR_INIT("{a=\"1\","),
     {NULL, 0},
     "1:8: parse error: unexpected end of input inside braces"},
    {"brace alone",
     STR_INIT("{"),
     {NULL, 0},
     "1:2: parse error: unexpected end of input inside braces"},
    {"comma alone",
     STR_INIT("{,}"),
     {NULL, 0},
     "1:2: parse error: unexpected character inside braces: ','"},
    {"dash in a name",
     STR_INIT("{a-b=\"1\"}"),
     {NULL, 0},
     "1:3: parse error: unexpected character inside braces: '-'"},
    {"digit first",
     STR_INIT("{9a=\"1\"}"),
     {NULL, 0},
     "1:2: parse error: unexpected character inside braces: '9'"},
    {"another alphabet",
     STR_INIT("{n\xc3\xa9=\"1\"}"),
     {NULL, 0},
     "1:3: parse error: unexpected character inside braces: '\xc3\xa9'"},
    {"columns are characters",
     STR_INIT("{a=\"\xc3\xa9\xe4\xb8\x96\" b}"),
     {NULL, 0},
     "1:9: parse error: unexpected character inside braces: 'b'"},
    {"lines are counted",
     STR_INIT("{a=\"1\",\n\n  b}"),
     {NULL, 0},
     "3:4: parse error: unexpected character inside braces: '}'"},
    {"other operators",
     STR_INIT("{a=~\"1\"}"),
     {NULL, 0},
     "1:4: parse error: unexpected character inside braces: '~'"},
    {"value without quotes",
     STR_INIT("{a=1}"),
     {NULL, 0},
     "1:4: parse error: unexpected character inside braces: '1'"},
    {"no value",
     STR_INIT("{a}"),
     {NULL, 0},
     "1:3: parse error: unexpected character inside braces: '}'"},
    {"something behind",
     STR_INIT("{a=\"1\"} x"),
     {NULL, 0},
     "1:9: parse error: unexpected character: 'x'"},
    {"no braces", STR_INIT("\"a\""), {NULL, 0}, "1:1: parse error: unexpected character: '\"'"},
    {"zero byte",
     STR_INIT("{a=\"1\"\0}"),
     {NULL, 0},
     "1:7: parse error: unexpected character inside braces: ''"},
};

Test(labels, parse)
{
    for (size_t i = 0; i < COUNT_OF(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        struct labels l = {.count = 77};
        struct err err = {.text = ""};
        struct arena a;
        struct buf b;

        arena_init(&a, 64 * KIB);
        buf_init(&b, 4096);
        enum status want = c->want.ptr == NULL ? ST_INVALID : ST_OK;
        EXPECT_STATUS(c->name, labels_parse(&a, c->text, &l, &err), want);
        if (want == ST_OK)
            labels_put_text(&b, l);
        else
            cr_expect_eq(l.count, 77, "%s: output changed", c->name);
        EXPECT_STR(c->name, buf_str(&b), c->want);
        EXPECT_STR(c->name, str_from(err.text), str_from(c->want_text));
        buf_release(&b);
        arena_release(&a);
    }
}

/* Text with `count` labels whose names do not come in order; every third has an empty value. */
static void put_many(struct buf *b, size_t count)
{
    buf_put_char(b, '{');
    for (size_t i = 0; i < count; i++)
        buf_printf(b, "l%zu=\"%s\",", i * 7919 % count, i % 3 == 0 ? "" : "v");
    buf_put_char(b, '}');
}

Test(labels, parse_many)
{
    static const size_t counts[] = {31, 32, 33, 48, 49, 100, 4096};

    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct labels l = {.count = 0};
        struct arena a;
        struct buf b;
        size_t disorder = 0;
        arena_init(&a, 16 * MIB);
        buf_init(&b, 16 * MIB);
        put_many(&b, counts[i]);
        REQUIRE_OK(labels_parse(&a, buf_str(&b), &l, NULL));
        cr_expect_eq(l.count, counts[i] - (counts[i] + 2) / 3, "%zu: %zu", counts[i], l.count);
        for (size_t n = 1; n < l.count; n++)
            disorder += str_cmp(l.pairs[n - 1].name, l.pairs[n].name) >= 0;
        cr_expect_eq(disorder, 0, "%zu", counts[i]);
        buf_release(&b);
        arena_release(&a);
    }
}

Test(labels, parse_limits)
{
    struct labels l;
    struct err err;
    struct arena a;
    struct buf b;

    arena_init(&a, 16 * MIB);
    buf_init(&b, 16 * MIB);
    put_many(&b, 4097);
    EXPECT_STATUS("too many", labels_parse(&a, buf_str(&b), &l, &err), ST_INVALID);
    arena_release(&a);
    arena_init(&a, 1000);
    EXPECT_STATUS("arena", labels_parse(&a, buf_str(&b), &l, &err), ST_LIMIT);
    arena_release(&a);
    buf_release(&b);
}

Test(labels, parse_truncated_at_every_byte)
{
    struct str whole = STR("m{a=\"x\\\"\", bb='\\u00e9' ,c=`z`,}");
    struct labels l;
    struct arena a;

    arena_init(&a, 64 * KIB);
    REQUIRE_OK(labels_parse(&a, whole, &l, NULL));
    for (size_t cut = 2; cut < whole.len; cut++)
        EXPECT_STATUS("cut", labels_parse(&a, str_head(whole, cut), &l, NULL), ST_INVALID);
    arena_release(&a);
}

static const struct name_case {
    struct str name;
    bool want;
} name_cases[] = {
    {STR_INIT("a"), true},      {STR_INIT("_"), true},    {STR_INIT("A9_z"), true},
    {STR_INIT(""), false},      {{NULL, 0}, false},       {STR_INIT("9a"), false},
    {STR_INIT("a-b"), false},   {STR_INIT("a.b"), false}, {STR_INIT("a:b"), false},
    {STR_INIT("n\xc3"), false}, {STR_INIT("a\0"), false},
};

Test(labels, name_valid)
{
    for (size_t i = 0; i < COUNT_OF(name_cases); i++)
        cr_expect_eq(label_name_valid(name_cases[i].name), name_cases[i].want, "%.*s",
                     STR_ARG(name_cases[i].name));
}

/* ---- sets ---- */

#define PAIR(name, value)                \
    {                                    \
        STR_INIT(name), STR_INIT(value), \
    }

static const struct label example_pairs[] = {PAIR("app", "web"), PAIR("env", "a\0b"),
                                             PAIR("zone", "\xff")};
static const struct labels example = {example_pairs, COUNT_OF(example_pairs)};

Test(labels, look_up)
{
    EXPECT_STR("there", labels_get(example, STR("env")), STR("a\0b"));
    EXPECT_STR("not there", labels_get(example, STR("en")), STR(""));
    cr_expect(labels_has(example, STR("zone")));
    cr_expect_not(labels_has(example, STR("Zone")));
    cr_expect_not(labels_has((struct labels){NULL, 0}, STR("a")));
}

Test(labels, equality)
{
    struct label other[COUNT_OF(example_pairs)];

    memcpy(other, example_pairs, sizeof(other));
    cr_expect(labels_eq(example, (struct labels){other, COUNT_OF(other)}));
    cr_expect_not(labels_eq(example, (struct labels){other, COUNT_OF(other) - 1}));
    other[2].value = STR("\xfe");
    cr_expect_not(labels_eq(example, (struct labels){other, COUNT_OF(other)}));
    cr_expect(labels_eq((struct labels){NULL, 0}, (struct labels){other, 0}));
}

Test(labels, order)
{
    static const struct label pairs[] = {PAIR("a", "1"), PAIR("b", "1"), PAIR("a", "2"),
                                         PAIR("a", "10"), PAIR("b", "")};
    const struct labels ascending[] = {
        {NULL, 0},      {pairs, 1},     {pairs, 2},     {pairs + 3, 1},
        {pairs + 2, 1}, {pairs + 4, 1}, {pairs + 1, 1},
    };

    for (size_t i = 0; i < COUNT_OF(ascending); i++) {
        for (size_t j = 0; j < COUNT_OF(ascending); j++) {
            int order = labels_cmp(ascending[i], ascending[j]);
            cr_expect_eq((order > 0) - (order < 0), (i > j) - (i < j), "%zu and %zu", i, j);
        }
    }
}

Test(labels, hash_is_the_order_of_answers)
{
    static const struct label other[] = {PAIR("a", "bc"), PAIR("ab", "c")};

    const struct str text = STR("app\xffweb\xff"
                                "env\xff"
                                "a\0b\xff"
                                "zone\xff\xff"); /* and the end, 0xff */

    cr_expect_eq(labels_hash(example), hash_xxh64(&text, 1, '\xff'));
    cr_expect_eq(labels_hash((struct labels){NULL, 0}), hash_xxh64(NULL, 0, '\xff'));
    cr_expect_neq(labels_hash((struct labels){other, 1}),
                  labels_hash((struct labels){other + 1, 1}));
}

/* ---- stored form ---- */

Test(labels, encode)
{
    struct buf b;

    buf_init(&b, 1024);
    labels_encode(&b, example);
    EXPECT_STR("bytes", buf_str(&b),
               STR("\x03\x03"
                   "app\x03web\x03"
                   "env\x03"
                   "a\0b\x04zone\x01\xff"));
    buf_reset(&b);
    labels_encode(&b, (struct labels){NULL, 0});
    EXPECT_STR("none", buf_str(&b), STR("\0"));
    buf_release(&b);
}

/* A random canonical set in `a`. */
static struct labels random_set(struct random *r, struct arena *a)
{
    size_t count = random_below(r, 20);
    struct label *pairs = arena_new(a, struct label, count);
    char name[8] = "";

    for (size_t i = 0; i < count; i++) {
        name[0] = (char)('A' + (int)i);
        random_letters(r, name + 1, 5);
        pairs[i].name = arena_str(a, str_make(name, 1 + random_below(r, 6)));
        char *value = arena_bytes(a, 200);
        random_bytes(r, value, 200);
        pairs[i].value = str_make(value, 1 + random_below(r, 200));
    }
    return (struct labels){pairs, count};
}

Test(labels, encode_and_decode)
{
    struct random r = random_begin();
    unsigned wrong = 0;

    for (size_t i = 0; i < 2000; i++) {
        struct labels again = {.count = 0};
        struct arena a;
        struct buf b;
        arena_init(&a, MIB);
        buf_init(&b, MIB);
        struct labels l = random_set(&r, &a);
        labels_encode(&b, l);
        size_t len = b.len;
        buf_put(&b, STR("rest"));
        struct str in = buf_str(&b);
        wrong += labels_decode(&a, &in, &again, NULL) != ST_OK || !labels_eq(l, again);
        wrong += in.len != 4 || in.ptr != b.ptr + len;
        buf_release(&b);
        arena_release(&a);
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
}

static const struct bad_set_case {
    const char *name;
    struct str bytes;
} bad_set_cases[] = {
    {"nothing", STR_INIT("")},
    {"count without pairs", STR_INIT("\x01")},
    {"count that does not end", STR_INIT("\x80\x80")},
    {"count beyond the bytes", STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01")},
    {"name beyond the end", STR_INIT("\x01\x05"
                                     "ab\x01x")},
    {"no value", STR_INIT("\x01\x01"
                          "a")},
    {"not ascending", STR_INIT("\x02\x01"
                               "b\x01x\x01"
                               "a\x01x")},
    {"a name twice", STR_INIT("\x02\x01"
                              "a\x01x\x01"
                              "a\x01y")},
};

Test(labels, decode_damaged)
{
    for (size_t i = 0; i < COUNT_OF(bad_set_cases); i++) {
        struct str in = bad_set_cases[i].bytes;
        struct labels l = {.count = 77};
        struct err err = {.text = ""};
        struct arena a;

        arena_init(&a, MIB);
        EXPECT_STATUS(bad_set_cases[i].name, labels_decode(&a, &in, &l, &err), ST_CORRUPT);
        cr_expect(in.len == bad_set_cases[i].bytes.len && l.count == 77, "%s: outputs changed",
                  bad_set_cases[i].name);
        cr_expect_neq(err.text[0], '\0', "%s: no text", bad_set_cases[i].name);
        arena_release(&a);
    }
}

/* A stored set has no checksum of its own: a flip is found, or gives another set in order. */
static void expect_damage_is_found(struct arena *a, struct str bytes, const char *what)
{
    struct labels l = {.count = 0};
    struct str in = bytes;

    enum status st = labels_decode(a, &in, &l, NULL);
    if (st != ST_OK) {
        cr_expect_eq(st, ST_CORRUPT, "%s: %s", what, status_name(st));
        return;
    }
    for (size_t i = 0; i < l.count; i++) {
        cr_expect(i == 0 || str_cmp(l.pairs[i - 1].name, l.pairs[i].name) < 0, "%s", what);
        cr_expect(l.pairs[i].value.ptr + l.pairs[i].value.len <= bytes.ptr + bytes.len, "%s", what);
    }
}

Test(labels, decode_flipped_and_cut_at_every_byte)
{
    struct arena a;
    struct buf b;

    arena_init(&a, MIB);
    buf_init(&b, 1024);
    labels_encode(&b, example);
    for (size_t at = 0; at < b.len; at++) {
        char *copy = mem_bytes(b.len);
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(copy, b.ptr, b.len);
            copy[at] = (char)(copy[at] ^ (1 << bit));
            expect_damage_is_found(&a, str_make(copy, b.len), "flipped");
        }
        mem_free(copy);
        copy = mem_bytes(at); /* of just this size, for the address sanitizer */
        memcpy(copy, b.ptr, at);
        struct str in = str_make(copy, at);
        struct labels l;
        EXPECT_STATUS("cut", labels_decode(&a, &in, &l, NULL), ST_CORRUPT);
        mem_free(copy);
    }
    buf_release(&b);
    arena_release(&a);
}

#include "base/utf8.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

static const struct decode_case {
    const char *name;
    struct str s;
    uint32_t rune;
    size_t len;
} decode_cases[] = {
    {"zero byte", STR_INIT("\0"), 0, 1},
    {"last of ASCII", STR_INIT("\x7f"), 0x7f, 1},
    {"first of two bytes", STR_INIT("\xc2\x80"), 0x80, 2},
    {"last of two bytes", STR_INIT("\xdf\xbf"), 0x7ff, 2},
    {"first of three bytes", STR_INIT("\xe0\xa0\x80"), 0x800, 3},
    {"last before the surrogates", STR_INIT("\xed\x9f\xbf"), 0xd7ff, 3},
    {"first behind the surrogates", STR_INIT("\xee\x80\x80"), 0xe000, 3},
    {"U+FFFD itself", STR_INIT("\xef\xbf\xbd"), RUNE_ERROR, 3},
    {"first of four bytes", STR_INIT("\xf0\x90\x80\x80"), 0x10000, 4},
    {"last of all", STR_INIT("\xf4\x8f\xbf\xbf"), RUNE_MAX, 4},
    {"behind the last", STR_INIT("\xf4\x90\x80\x80"), RUNE_ERROR, 1},
    {"five bytes", STR_INIT("\xf8\x88\x80\x80\x80"), RUNE_ERROR, 1},
    {"a surrogate", STR_INIT("\xed\xa0\x80"), RUNE_ERROR, 1},
    {"the last surrogate", STR_INIT("\xed\xbf\xbf"), RUNE_ERROR, 1},
    {"overlong slash", STR_INIT("\xc0\xaf"), RUNE_ERROR, 1},
    {"overlong, two bytes", STR_INIT("\xc1\xbf"), RUNE_ERROR, 1},
    {"overlong, three bytes", STR_INIT("\xe0\x9f\xbf"), RUNE_ERROR, 1},
    {"overlong, four bytes", STR_INIT("\xf0\x8f\xbf\xbf"), RUNE_ERROR, 1},
    {"continuation alone", STR_INIT("\x80"), RUNE_ERROR, 1},
    {"cut after one", STR_INIT("\xc3"), RUNE_ERROR, 1},
    {"cut after two", STR_INIT("\xe2\x82"), RUNE_ERROR, 1},
    {"cut after three", STR_INIT("\xf0\x9f\x98"), RUNE_ERROR, 1},
    {"a letter too early", STR_INIT("\xe2\x82x"), RUNE_ERROR, 1},
    {"0xff", STR_INIT("\xff"), RUNE_ERROR, 1},
};

Test(utf8, decode)
{
    for (size_t i = 0; i < COUNT_OF(decode_cases); i++) {
        const struct decode_case *c = &decode_cases[i];
        size_t len = 0;

        uint32_t rune = utf8_decode(c->s, &len);
        cr_expect_eq(rune, c->rune, "%s: U+%04X", c->name, rune);
        cr_expect_eq(len, c->len, "%s: %zu bytes", c->name, len);
        bool valid = c->rune != RUNE_ERROR || c->len == 3;
        cr_expect_eq(utf8_valid(c->s), valid, "%s: valid", c->name);
    }
}

Test(utf8, encode_every_rune)
{
    unsigned wrong = 0;

    for (uint32_t rune = 0; rune <= RUNE_MAX; rune++) {
        bool surrogate = rune >= 0xd800 && rune <= 0xdfff;
        char bytes[UTF8_BYTES_MAX];
        size_t len = utf8_encode(rune, bytes), back_len = 0;
        uint32_t back = utf8_decode(str_make(bytes, len), &back_len);
        wrong += back != (surrogate ? (uint32_t)RUNE_ERROR : rune) || back_len != len;
    }
    cr_expect_eq(wrong, 0);
    char bytes[UTF8_BYTES_MAX];
    EXPECT_STR("no rune", str_make(bytes, utf8_encode(RUNE_MAX + 1, bytes)), STR("\xef\xbf\xbd"));
}

/* Is `s` valid, rune by rune? */
static bool valid_by_runes(struct str s)
{
    while (s.len > 0) {
        size_t len;
        if (utf8_decode(s, &len) == RUNE_ERROR && len == 1)
            return false;
        s = str_cut(s, len);
    }
    return true;
}

Test(utf8, valid_at_any_alignment)
{
    struct random r = random_begin();
    char text[64];
    unsigned wrong = 0;

    for (size_t i = 0; i < 50000; i++) {
        size_t len = random_below(&r, sizeof(text));
        random_letters(&r, text, len);
        if (len >= 4 && random_below(&r, 2) == 0)
            memcpy(text + random_below(&r, len - 3), "\xf0\x9f\x98\x80", 4);
        if (len > 0 && random_below(&r, 2) == 0)
            text[random_below(&r, len)] = (char)random_below(&r, 256);
        wrong += utf8_valid(str_make(text, len)) != valid_by_runes(str_make(text, len));
    }
    cr_expect_eq(wrong, 0, "seed %" PRIu64, r.seed);
    cr_expect(utf8_valid(STR_NULL));
}

static const struct text_case {
    const char *name;
    struct str s;
    struct str want;
} put_valid_cases[] = {
    {"valid", STR_INIT("h\xc3\xa9llo"), STR_INIT("h\xc3\xa9llo")},
    {"each bad byte by itself", STR_INIT("\xff\xfe"), STR_INIT("??")},
    {"cut sequence", STR_INIT("a\xe2\x82"), STR_INIT("a??")},
    {"in between", STR_INIT("abcdefgh\x80ijklmnop"), STR_INIT("abcdefgh?ijklmnop")},
    {"zero byte is valid", STR_INIT("a\0b"), STR_INIT("a\0b")},
    {"nothing", {NULL, 0}, STR_INIT("")},
};

static const struct text_case quoted_cases[] = {
    {"plain", STR_INIT("abc"), STR_INIT("\"abc\"")},
    {"nothing", {NULL, 0}, STR_INIT("\"\"")},
    {"quote and backslash", STR_INIT("a\"b\\"), STR_INIT("\"a\\\"b\\\\\"")},
    {"single quote stays", STR_INIT("'"), STR_INIT("\"'\"")},
    {"short escapes", STR_INIT("\a\b\f\n\r\t\v"), STR_INIT("\"\\a\\b\\f\\n\\r\\t\\v\"")},
    {"control characters", STR_INIT("\0\x01\x1f\x7f"), STR_INIT("\"\\x00\\x01\\x1f\\x7f\"")},
    {"other alphabets stay", STR_INIT("h\xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80"),
     STR_INIT("\"h\xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80\"")},
    {"bytes that are no UTF-8", STR_INIT("a\xff\xc3"), STR_INIT("\"a\\xff\\xc3\"")},
    {"U+FFFD itself stays", STR_INIT("\xef\xbf\xbd"), STR_INIT("\"\xef\xbf\xbd\"")},
    {"NEL", STR_INIT("\xc2\x85"), STR_INIT("\"\\u0085\"")},
    {"no-break space", STR_INIT("\xc2\xa0"), STR_INIT("\"\\u00a0\"")},
    {"soft hyphen", STR_INIT("\xc2\xad"), STR_INIT("\"\\u00ad\"")},
    {"zero width space", STR_INIT("\xe2\x80\x8b"), STR_INIT("\"\\u200b\"")},
    {"line separator", STR_INIT("\xe2\x80\xa8"), STR_INIT("\"\\u2028\"")},
    {"byte order mark", STR_INIT("\xef\xbb\xbf"), STR_INIT("\"\\ufeff\"")},
    {"private use", STR_INIT("\xee\x80\x80"), STR_INIT("\"\\ue000\"")},
    {"tag", STR_INIT("\xf3\xa0\x80\x81"), STR_INIT("\"\\U000e0001\"")},
    {"private plane", STR_INIT("\xf4\x8f\xbf\xbd"), STR_INIT("\"\\U0010fffd\"")},
    {"format characters of other alphabets", STR_INIT("\xe0\xa2\x90\xf0\x9d\x85\xb3"),
     STR_INIT("\"\\u0890\\U0001d173\"")},
    {"variation selectors are marks", STR_INIT("\xf3\xa0\x84\x80"),
     STR_INIT("\"\xf3\xa0\x84\x80\"")},
};

Test(utf8, put_valid)
{
    for (size_t i = 0; i < COUNT_OF(put_valid_cases); i++) {
        struct buf b;

        buf_init(&b, 256);
        utf8_put_valid(&b, put_valid_cases[i].s, STR("?"));
        EXPECT_STR(put_valid_cases[i].name, buf_str(&b), put_valid_cases[i].want);
        buf_release(&b);
    }
}

Test(utf8, put_quoted)
{
    for (size_t i = 0; i < COUNT_OF(quoted_cases); i++) {
        struct buf b;

        buf_init(&b, 256);
        utf8_put_quoted(&b, quoted_cases[i].s);
        EXPECT_STR(quoted_cases[i].name, buf_str(&b), quoted_cases[i].want);
        buf_release(&b);
    }
}

enum {
    PRINT = 1,
    SPACE = 2,
    LETTER = 4,
    DIGIT = 8,
};

/* General categories as Unicode has them; `is` says which of the four questions get a yes. */
static const struct rune_case {
    const char *name;
    uint32_t rune;
    unsigned is;
} rune_cases[] = {
    {"blank", ' ', PRINT | SPACE},
    {"tab", '\t', SPACE},
    {"vertical tab", '\v', SPACE},
    {"zero", 0, 0},
    {"delete", 0x7f, 0},
    {"a", 'a', PRINT | LETTER},
    {"Z", 'Z', PRINT | LETTER},
    {"at", '@', PRINT},
    {"bracket", '[', PRINT},
    {"underscore", '_', PRINT},
    {"seven", '7', PRINT | DIGIT},
    {"NEL", 0x85, SPACE},
    {"no-break space", 0xa0, SPACE},
    {"em space", 0x2003, SPACE},
    {"ideographic space", 0x3000, SPACE},
    {"zero width space", 0x200b, 0},
    {"e acute", 0xe9, PRINT | LETTER},
    {"feminine ordinal", 0xaa, PRINT | LETTER},
    {"Greek omega", 0x3c9, PRINT | LETTER},
    {"Chinese", 0x4e16, PRINT | LETTER},
    {"Deseret", 0x10400, PRINT | LETTER},
    {"Arabic three", 0x663, PRINT | DIGIT},
    {"Devanagari zero", 0x966, PRINT | DIGIT},
    {"full width nine", 0xff19, PRINT | DIGIT},
    {"superscript two", 0xb2, PRINT},
    {"one half", 0xbd, PRINT},
    {"euro", 0x20ac, PRINT},
    {"smile", 0x1f600, PRINT},
    {"combining acute", 0x301, PRINT},
    {"Devanagari sign i", 0x93f, PRINT},
    {"combining iota", 0x345, PRINT},
    {"Roman four", 0x2163, PRINT},
    {"circled A", 0x24b6, PRINT},
    {"Osmanya zero", 0x104a0, PRINT | DIGIT},
    {"mathematical bold nine", 0x1d7d7, PRINT | DIGIT},
    {"unassigned", 0x378, 0},
    {"surrogate", 0xd800, 0},
    {"no character", 0xffff, 0},
    {"beyond all", RUNE_MAX + 1, 0},
};

Test(utf8, classes)
{
    for (size_t i = 0; i < COUNT_OF(rune_cases); i++) {
        const struct rune_case *c = &rune_cases[i];
        unsigned is =
            (rune_is_print(c->rune) ? PRINT : 0U) | (rune_is_space(c->rune) ? SPACE : 0U) |
            (rune_is_letter(c->rune) ? LETTER : 0U) | (rune_is_digit(c->rune) ? DIGIT : 0U);

        cr_expect_eq(is, c->is, "%s U+%04X: %u, not %u", c->name, c->rune, is, c->is);
    }
}

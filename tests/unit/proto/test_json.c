#include "proto/json.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* ---- walking over whole documents ---- */

static const struct document_case {
    const char *name;
    struct str text;
    bool valid;
} document_cases[] = {
    {"object", STR_INIT("{\"a\":1,\"b\":[true,false,null,\"x\"]}"), true},
    {"array", STR_INIT("[1,2,3]"), true},
    {"blanks", STR_INIT(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n"), true},
    {"empty object", STR_INIT("{}"), true},
    {"empty array", STR_INIT("[ ]"), true},
    {"nested empties", STR_INIT("[{},[],{\"a\":{}}]"), true},
    {"string", STR_INIT("\"x\""), true},
    {"number", STR_INIT("-1.5e+3"), true},
    {"zero", STR_INIT("0"), true},
    {"minus zero", STR_INIT("-0"), true},
    {"many digits", STR_INIT("123456789012345678901234567890"), true},
    {"small exponent", STR_INIT("1E-7"), true},
    {"every escape", STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\""), true},
    {"a key twice", STR_INIT("{\"a\":1,\"a\":2}"), true},
    {"bytes that are no UTF-8", STR_INIT("\"\xff\""), true},
    {"nothing", STR_INIT(""), false},
    {"null view", {NULL, 0}, false},
    {"blanks only", STR_INIT(" \n"), false},
    {"word", STR_INIT("nope"), false},
    {"capitals", STR_INIT("True"), false},
    {"half a word", STR_INIT("tru"), false},
    {"a longer word", STR_INIT("nulls"), false},
    {"comma at the end of an array", STR_INIT("[1,]"), false},
    {"comma at the end of an object", STR_INIT("{\"a\":1,}"), false},
    {"comma at the start", STR_INIT("[,1]"), false},
    {"two commas", STR_INIT("[1,,2]"), false},
    {"no comma", STR_INIT("[1 2]"), false},
    {"no comma between members", STR_INIT("{\"a\":1 \"b\":2}"), false},
    {"no colon", STR_INIT("{\"a\" 1}"), false},
    {"no value", STR_INIT("{\"a\":}"), false},
    {"key without quotes", STR_INIT("{a:1}"), false},
    {"number for a key", STR_INIT("{1:1}"), false},
    {"wrong bracket", STR_INIT("[1}"), false},
    {"wrong brace", STR_INIT("{\"a\":1]"), false},
    {"no end of an array", STR_INIT("[1"), false},
    {"no end of an object", STR_INIT("{\"a\":1"), false},
    {"bracket too many", STR_INIT("[1]]"), false},
    {"two values", STR_INIT("1 2"), false},
    {"zero byte behind", STR_INIT("1\0"), false},
    {"comment", STR_INIT("[1] // x"), false},
    {"leading zero", STR_INIT("01"), false},
    {"plus", STR_INIT("+1"), false},
    {"minus alone", STR_INIT("-"), false},
    {"no whole part", STR_INIT(".5"), false},
    {"no fraction", STR_INIT("1."), false},
    {"no exponent", STR_INIT("1e"), false},
    {"signed exponent alone", STR_INIT("1e+"), false},
    {"hexadecimal", STR_INIT("0x10"), false},
    {"infinity", STR_INIT("Infinity"), false},
    {"not a number", STR_INIT("NaN"), false},
    {"string without an end", STR_INIT("\"abc"), false},
    {"escaped end", STR_INIT("\"abc\\\""), false},
    {"backslash at the end", STR_INIT("\"abc\\"), false},
    {"newline in a string", STR_INIT("\"a\nb\""), false},
    {"zero byte in a string", STR_INIT("\"a\0b\""), false},
    {"single quotes", STR_INIT("'a'"), false},
    {"byte order mark", STR_INIT("\xef\xbb\xbf{}"), false},
};

static enum status skip_document(struct str text, struct err *err)
{
    struct arena a;
    struct json j;

    arena_init(&a, MIB);
    json_init(&j, text, &a, err);
    json_skip(&j);
    json_finish(&j);
    arena_release(&a);
    return json_status(&j);
}

/* Read everything with the calls for its kind. */
static void read_value(struct json *j)
{
    struct str key;

    switch (json_peek(j)) {
    case JSON_OBJECT:
        json_enter_object(j);
        while (json_next_key(j, &key))
            read_value(j);
        break;
    case JSON_ARRAY:
        json_enter_array(j);
        while (json_next_item(j))
            read_value(j);
        break;
    case JSON_STRING:
        (void)json_read_string(j);
        break;
    default:
        (void)json_literal(j);
        break;
    }
}

static enum status read_document(struct str text, struct err *err)
{
    struct arena a;
    struct json j;

    arena_init(&a, MIB);
    json_init(&j, text, &a, err);
    read_value(&j);
    json_finish(&j);
    arena_release(&a);
    return json_status(&j);
}

Test(json, documents)
{
    for (size_t i = 0; i < COUNT_OF(document_cases); i++) {
        const struct document_case *c = &document_cases[i];
        enum status want = c->valid ? ST_OK : ST_INVALID;
        struct err err = {.text = ""};

        EXPECT_STATUS(c->name, skip_document(c->text, NULL), want);
        EXPECT_STATUS(c->name, read_document(c->text, &err), want);
        cr_expect_eq(err.text[0] == '\0', c->valid, "%s: %s", c->name, err.text);
        if (!c->valid)
            cr_expect(str_find(str_from(err.text), STR(" at offset ")) != STR_NPOS, "%s: %s",
                      c->name, err.text);
    }
}

/* Escapes are looked at when somebody wants the string, not when it is read over. */
Test(json, bad_escapes)
{
    static const struct str texts[] = {STR_INIT("\"\\q\""), STR_INIT("\"\\\n\""),
                                       STR_INIT("\"\\u00e\"")};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        EXPECT_STATUS("read", read_document(texts[i], NULL), ST_INVALID);
        EXPECT_STATUS("skip", skip_document(texts[i], NULL), ST_OK);
    }
}

Test(json, truncated_at_every_byte)
{
    static const struct str whole =
        STR_INIT("{\"streams\":[{\"stream\":{\"a\\u00e9\":\"b\",\"n\":-1.5e3,\"t\":true},"
                 "\"values\":[[\"1\",\"x\\n\",{\"k\":null}],[]]}]}");

    cr_expect_eq(read_document(whole, NULL), ST_OK);
    for (size_t cut = 0; cut < whole.len; cut++) {
        char *text = mem_bytes(cut); /* of just this size, for the address sanitizer */
        memcpy(text, whole.ptr, cut);
        EXPECT_STATUS("read", read_document(str_make(text, cut), NULL), ST_INVALID);
        EXPECT_STATUS("skip", skip_document(str_make(text, cut), NULL), ST_INVALID);
        mem_free(text);
    }
}

Test(json, garbage)
{
    static const char alphabet[] = "{}[],:\"\\u0e-.1tnfrals \n";
    struct random r = random_begin();
    unsigned unlike = 0;

    for (size_t i = 0; i < 100000; i++) {
        size_t len = random_below(&r, 30);
        char *text = mem_bytes(len);
        for (size_t at = 0; at < len; at++)
            text[at] = alphabet[random_below(&r, sizeof(alphabet) - 1)];
        bool read = read_document(str_make(text, len), NULL) == ST_OK;
        bool skipped = skip_document(str_make(text, len), NULL) == ST_OK;
        unlike += read && !skipped;
        mem_free(text);
    }
    cr_expect_eq(unlike, 0, "%u unlike, seed %" PRIu64, unlike, r.seed);
}

static enum status nested(size_t depth, bool skip)
{
    struct buf b;

    buf_init(&b, MIB);
    for (size_t i = 0; i < depth; i++)
        buf_put(&b, i % 2 == 0 ? STR("[") : STR("{\"a\":"));
    buf_put(&b, STR("1"));
    for (size_t i = depth; i-- > 0;)
        buf_put(&b, i % 2 == 0 ? STR("]") : STR("}"));
    enum status st = skip ? skip_document(buf_str(&b), NULL) : read_document(buf_str(&b), NULL);
    buf_release(&b);
    return st;
}

Test(json, depth)
{
    EXPECT_STATUS("deepest", nested(JSON_DEPTH_MAX, true), ST_OK);
    EXPECT_STATUS("deepest", nested(JSON_DEPTH_MAX, false), ST_OK);
    EXPECT_STATUS("deeper", nested(JSON_DEPTH_MAX + 1, true), ST_INVALID);
    EXPECT_STATUS("deeper", nested(JSON_DEPTH_MAX + 1, false), ST_INVALID);
    EXPECT_STATUS("very deep", nested(100000, true), ST_INVALID);
}

/* ---- single values ---- */

static const struct string_case {
    const char *name;
    struct str text;
    struct str want; /* null: refused */
} string_cases[] = {
    {"plain", STR_INIT("\"abc\""), STR_INIT("abc")},
    {"empty", STR_INIT("\"\""), STR_INIT("")},
    {"longer than a word", STR_INIT("\"abcdefghijklmnop\""), STR_INIT("abcdefghijklmnop")},
    {"escape at the eighth byte", STR_INIT("\"abcdefg\\nhijklmno\""),
     STR_INIT("abcdefg\nhijklmno")},
    {"short escapes", STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR_INIT("\"\\/\b\f\n\r\t")},
    {"zero", STR_INIT("\"\\u0000\""), STR_INIT("\0")},
    {"two bytes", STR_INIT("\"\\u00E9\\u00e9\""), STR_INIT("\xc3\xa9\xc3\xa9")},
    {"three bytes", STR_INIT("\"\\u4e16\""), STR_INIT("\xe4\xb8\x96")},
    {"a pair", STR_INIT("\"\\ud83d\\ude00\""), STR_INIT("\xf0\x9f\x98\x80")},
    {"largest pair", STR_INIT("\"\\udbff\\udfff\""), STR_INIT("\xf4\x8f\xbf\xbf")},
    {"high surrogate alone", STR_INIT("\"\\ud83dx\""), STR_INIT("\xef\xbf\xbdx")},
    {"low surrogate alone", STR_INIT("\"\\ude00\""), STR_INIT("\xef\xbf\xbd")},
    {"high and no low", STR_INIT("\"\\ud83d\\u0041\""),
     STR_INIT("\xef\xbf\xbd"
              "A")},
    {"two high", STR_INIT("\"\\ud83d\\ud83d\\ude00\""), STR_INIT("\xef\xbf\xbd\xf0\x9f\x98\x80")},
    {"high at the end", STR_INIT("\"\\ud83d\""), STR_INIT("\xef\xbf\xbd")},
    {"bytes beyond ASCII", STR_INIT("\"h\xc3\xa9\xff\""), STR_INIT("h\xc3\xa9\xff")},
    {"delete is no control character here", STR_INIT("\"\x7f\""), STR_INIT("\x7f")},
    {"half an escape behind a surrogate", STR_INIT("\"\\ud83d\\u00\""), {NULL, 0}},
    {"unknown escape", STR_INIT("\"\\x41\""), {NULL, 0}},
    {"capital U", STR_INIT("\"\\U0041\""), {NULL, 0}},
    {"no hexadecimal digit", STR_INIT("\"\\u00g0\""), {NULL, 0}},
    {"zero byte as an escape", STR_INIT("\"\\\0\""), {NULL, 0}},
    {"a number", STR_INIT("1"), {NULL, 0}},
    {"null", STR_INIT("null"), {NULL, 0}},
};

Test(json, string)
{
    for (size_t i = 0; i < COUNT_OF(string_cases); i++) {
        const struct string_case *c = &string_cases[i];
        struct arena a;
        struct json j;

        arena_init(&a, 64 * KIB);
        json_init(&j, c->text, &a, NULL);
        struct str got = json_read_string(&j);
        EXPECT_STATUS(c->name, json_status(&j), c->want.ptr == NULL ? ST_INVALID : ST_OK);
        EXPECT_STR(c->name, got, c->want);
        arena_release(&a);
    }
}

Test(json, string_borrows_what_has_no_escapes)
{
    struct str text = STR("\"abc\"");
    struct arena a;
    struct err err;
    struct json j;

    arena_init(&a, 0);
    json_init(&j, text, &a, NULL);
    cr_expect_eq(json_read_string(&j).ptr, text.ptr + 1);
    json_init(&j, STR("\"\\n\""), &a, &err);
    (void)json_read_string(&j);
    EXPECT_STATUS("the arena is full", json_status(&j), ST_LIMIT);
    arena_release(&a);
}

static const struct kind_case {
    struct str text;
    enum json_kind want;
} kind_cases[] = {
    {STR_INIT(" {"), JSON_OBJECT},  {STR_INIT("["), JSON_ARRAY},   {STR_INIT("\""), JSON_STRING},
    {STR_INIT("-1"), JSON_NUMBER},  {STR_INIT("7"), JSON_NUMBER},  {STR_INIT("true"), JSON_BOOL},
    {STR_INIT("false"), JSON_BOOL}, {STR_INIT("null"), JSON_NULL}, {STR_INIT(""), JSON_END},
    {STR_INIT(" \n"), JSON_END},    {STR_INIT("}"), JSON_END},     {STR_INIT("+1"), JSON_END},
};

Test(json, peek)
{
    for (size_t i = 0; i < COUNT_OF(kind_cases); i++) {
        struct json j;

        json_init(&j, kind_cases[i].text, NULL, NULL);
        cr_expect_eq(json_peek(&j), kind_cases[i].want, "%.*s", STR_ARG(kind_cases[i].text));
        EXPECT_STATUS("peeking is no error", json_status(&j), ST_OK);
    }
}

Test(json, literals_keep_their_text)
{
    struct json j;

    json_init(&j, STR("[ 1.50 ,true,false,null,-0,1e5]"), NULL, NULL);
    json_enter_array(&j);
    static const struct str want[] = {STR_INIT("1.50"), STR_INIT("true"), STR_INIT("false"),
                                      STR_INIT("null"), STR_INIT("-0"),   STR_INIT("1e5")};
    size_t count = 0;
    for (; json_next_item(&j) && count < COUNT_OF(want); count++)
        EXPECT_STR("literal", json_literal(&j), want[count]);
    cr_expect_eq(count, COUNT_OF(want));
    json_finish(&j);
    EXPECT_STATUS("all", json_status(&j), ST_OK);
}

/* Skipping looks at no escapes, so it needs no arena for them. */
Test(json, skipped_keys_and_strings_may_have_escapes)
{
    struct json j;

    json_init(&j, STR("{\"a\\n\": [{\"\\u0041\": \"\\t\"}]}"), NULL, NULL);
    json_skip(&j);
    json_finish(&j);
    EXPECT_STATUS("skip", json_status(&j), ST_OK);
}

Test(json, errors_stay)
{
    struct err err = {.text = ""};
    struct str key = STR("untouched");
    struct json j;

    json_init(&j, STR("{\"a\":1,\"b\":2}"), NULL, &err);
    json_enter_object(&j);
    cr_expect(json_next_key(&j, &key));
    json_fail(&j, "no such setting");
    cr_expect_str_eq(err.text, "JSON: no such setting at offset 5", "%s", err.text);
    json_fail(&j, "another");
    key = STR("untouched");
    cr_expect_not(json_next_key(&j, &key));
    cr_expect_not(json_next_item(&j));
    json_skip(&j);
    json_enter_array(&j);
    (void)json_literal(&j);
    (void)json_read_string(&j);
    json_finish(&j);
    cr_expect_eq(json_peek(&j), JSON_END);
    EXPECT_STATUS("the first counts", json_status(&j), ST_INVALID);
    cr_expect_str_eq(err.text, "JSON: no such setting at offset 5", "%s", err.text);
    EXPECT_STR("output", key, STR("untouched"));
}

/* ---- writing ---- */

static const struct put_case {
    const char *name;
    struct str s;
    struct str want;
    struct str want_html_safe;
} put_cases[] = {
    {"plain", STR_INIT("abc"), STR_INIT("\"abc\""), STR_INIT("\"abc\"")},
    {"nothing", {NULL, 0}, STR_INIT("\"\""), STR_INIT("\"\"")},
    {"quotes", STR_INIT("a\"b\\c"), STR_INIT("\"a\\\"b\\\\c\""), STR_INIT("\"a\\\"b\\\\c\"")},
    {"slash stays", STR_INIT("/"), STR_INIT("\"/\""), STR_INIT("\"/\"")},
    {"lines", STR_INIT("\n\r\t"), STR_INIT("\"\\n\\r\\t\""), STR_INIT("\"\\n\\r\\t\"")},
    {"control characters", STR_INIT("\0\x01\x1f"), STR_INIT("\"\\u0000\\u0001\\u001f\""),
     STR_INIT("\"\\u0000\\u0001\\u001f\"")},
    {"delete stays", STR_INIT("\x7f"), STR_INIT("\"\x7f\""), STR_INIT("\"\x7f\"")},
    {"markup", STR_INIT("<a>&"), STR_INIT("\"<a>&\""), STR_INIT("\"\\u003ca\\u003e\\u0026\"")},
    {"line separators", STR_INIT("\xe2\x80\xa8\xe2\x80\xa9"),
     STR_INIT("\"\xe2\x80\xa8\xe2\x80\xa9\""), STR_INIT("\"\\u2028\\u2029\"")},
    {"other alphabets", STR_INIT("h\xc3\xa9\xf0\x9f\x98\x80"),
     STR_INIT("\"h\xc3\xa9\xf0\x9f\x98\x80\""), STR_INIT("\"h\xc3\xa9\xf0\x9f\x98\x80\"")},
    {"no UTF-8",
     STR_INIT("a\xff\xfe"
              "b"),
     STR_INIT("\"a\\ufffd\\ufffdb\""), STR_INIT("\"a\\ufffd\\ufffdb\"")},
    {"cut sequence", STR_INIT("a\xe2\x82"), STR_INIT("\"a\\ufffd\\ufffd\""),
     STR_INIT("\"a\\ufffd\\ufffd\"")},
    {"U+FFFD itself", STR_INIT("\xef\xbf\xbd"), STR_INIT("\"\xef\xbf\xbd\""),
     STR_INIT("\"\xef\xbf\xbd\"")},
};

Test(json, put_string)
{
    for (size_t i = 0; i < COUNT_OF(put_cases); i++) {
        const struct put_case *c = &put_cases[i];
        struct buf b;

        buf_init(&b, 256);
        json_put_string(&b, c->s, false);
        EXPECT_STR(c->name, buf_str(&b), c->want);
        buf_reset(&b);
        json_put_string(&b, c->s, true);
        EXPECT_STR(c->name, buf_str(&b), c->want_html_safe);
        buf_release(&b);
    }
}

Test(json, put_and_read)
{
    struct random r = random_begin();
    unsigned wrong = 0;

    for (size_t i = 0; i < 20000; i++) {
        char bytes[40];
        size_t len = random_below(&r, sizeof(bytes));
        struct arena a;
        struct json j;
        struct buf b;
        for (size_t at = 0; at < len; at++)
            bytes[at] = (char)random_below(&r, 128);
        arena_init(&a, 64 * KIB);
        buf_init(&b, 4096);
        json_put_string(&b, str_make(bytes, len), i % 2 == 0);
        json_init(&j, buf_str(&b), &a, NULL);
        wrong += !str_eq(json_read_string(&j), str_make(bytes, len));
        json_finish(&j);
        wrong += json_status(&j) != ST_OK;
        buf_release(&b);
        arena_release(&a);
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
}

Test(json, put_labels)
{
    const struct label pairs[] = {{STR("a"), STR("1")}, {STR("b"), STR("x\"y\n")}};
    struct buf b;

    buf_init(&b, 256);
    json_put_labels(&b, (struct labels){pairs, COUNT_OF(pairs)});
    cr_expect(str_eq(buf_str(&b), STR("{\"a\":\"1\",\"b\":\"x\\\"y\\n\"}")), "%.*s",
              STR_ARG(buf_str(&b)));
    buf_reset(&b);
    json_put_labels(&b, (struct labels){NULL, 0});
    cr_expect(str_eq(buf_str(&b), STR("{}")));
    buf_release(&b);
}

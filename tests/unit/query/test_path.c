#include "query/path.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#include "base/buf.h"

#include "base/banned.h"

#define ARENA_BYTES MIB

static const struct path_case {
    const char *name;
    struct str text;
    const char *want; /* "name", ".name" and "[0]" in a row; or the error */
    bool is_bad;
} path_cases[] = {
    {"name", STR_INIT("a"), ".a", false},
    {"nested", STR_INIT("a.b[1].c"), ".a.b[1].c", false},
    {"any key", STR_INIT("[\"k y\"]"), ".k y", false},
    {"key behind a name", STR_INIT("user[\"name\"]"), ".user.name", false},
    {"index first", STR_INIT("[0][12]"), "[0][12]", false},
    {"blanks", STR_INIT(" a . b [ 1 ]\n"), ".a.b[1]", false},
    {"underscores and digits", STR_INIT("_a1._2"), "._a1._2", false},
    {"SM51", STR_INIT("a..b"),
     "cannot parse expression [a..b]: syntax error: unexpected DOT, expecting FIELD", true},
    {"SM52", STR_INIT("a["),
     "cannot parse expression [a[]: syntax error: unexpected $end, expecting STRING or INDEX",
     true},
    {"SM53", STR_INIT("a b"), "cannot parse expression [a b]: syntax error: unexpected FIELD",
     true},
    {"SM54", STR_INIT(""),
     "cannot parse expression []: syntax error: unexpected $end, expecting LSB or FIELD", true},
    {"point at the end", STR_INIT("b."),
     "cannot parse expression [b.]: syntax error: unexpected $end, expecting FIELD", true},
    {"point first", STR_INIT(".a"),
     "cannot parse expression [.a]: syntax error: unexpected DOT, expecting LSB or FIELD", true},
    {"open bracket", STR_INIT("[0"),
     "cannot parse expression [[0]: syntax error: unexpected $end, expecting RSB", true},
    {"string without brackets", STR_INIT("\"a\""),
     "cannot parse expression [\"a\"]: syntax error: unexpected STRING, expecting LSB or FIELD",
     true},
    {"closing bracket", STR_INIT("a]"),
     "cannot parse expression [a]]: syntax error: unexpected RSB", true},
    {"other sign", STR_INIT("a-b"), "cannot parse expression [a-b]: unexpected char -", true},
    {"other letter", STR_INIT("aé"), "cannot parse expression [aé]: unexpected char é", true},
    {"open key", STR_INIT("[\"a"),
     "cannot parse expression [[\"a]: syntax error: unexpected $end, expecting STRING or INDEX",
     true},
    {"large index", STR_INIT("[99999999999999999999]"),
     "cannot parse expression [[99999999999999999999]]: syntax error: unexpected $end, expecting "
     "STRING or INDEX",
     true},
};

static void put_path(struct buf *b, const struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        if (path->steps[i].is_index)
            buf_printf(b, "[%" PRId64 "]", path->steps[i].index);
        else
            buf_printf(b, ".%.*s", STR_ARG(path->steps[i].key));
    }
}

Test(path, compile)
{
    for (size_t i = 0; i < COUNT_OF(path_cases); i++) {
        const struct path_case *c = &path_cases[i];
        struct path path;
        struct err err = {.text = ""};
        struct arena a;
        struct buf b;

        arena_init(&a, ARENA_BYTES);
        buf_init(&b, ARENA_BYTES);
        enum status st = path_compile(&a, c->text, &path, &err);
        if (st == ST_OK)
            put_path(&b, &path);
        else
            buf_put(&b, str_from(err.text));

        cr_expect_eq(st, c->is_bad ? ST_INVALID : ST_OK, "%s: %s", c->name, status_name(st));
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
        arena_release(&a);
    }
}

static const struct key_case {
    const char *name;
    struct str text;
    const char *want; /* the key or the error */
    bool is_bad;
} key_cases[] = {
    {"name", STR_INIT("a_b1"), "a_b1", false},
    {"blanks", STR_INIT(" a\t"), "a", false},
    {"SM55", STR_INIT("a b"), "cannot parse expression [a b]: syntax error: unexpected KEY", true},
    {"SM56", STR_INIT("a-b"), "cannot parse expression [a-b]: unexpected char -", true},
    {"empty", STR_INIT(""),
     "cannot parse expression []: syntax error: unexpected $end, expecting KEY", true},
    {"digit first", STR_INIT("1a"),
     "cannot parse expression [1a]: syntax error: unexpected $end, expecting KEY", true},
};

Test(path, key)
{
    for (size_t i = 0; i < COUNT_OF(key_cases); i++) {
        const struct key_case *c = &key_cases[i];
        struct err err = {.text = ""};
        struct str key = STR_NULL;

        enum status st = path_compile_key(c->text, &key, &err);

        cr_expect_eq(st, c->is_bad ? ST_INVALID : ST_OK, "%s: %s", c->name, status_name(st));
        cr_expect(str_eq(c->is_bad ? str_from(err.text) : key, str_from(c->want)), "%s: %.*s %s",
                  c->name, STR_ARG(key), err.text);
    }
}

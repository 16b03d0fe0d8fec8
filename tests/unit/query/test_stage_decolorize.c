#include "query/stage.h"

#include "tests/support/expect.h"

static const struct decolorize_case {
    const char *name;
    struct str line;
    struct str want;
} cases[] = {
    {"ST22", STR_INIT("\x1b[1;31mred\x1b[0m ok"), STR_INIT("red ok")},
    {"nothing to do", STR_INIT("plain [0m"), STR_INIT("plain [0m")},
    {"empty", STR_INIT(""), STR_INIT("")},
    {"all of it", STR_INIT("\x1b[0m\x1b[1m"), STR_INIT("")},
    {"opener of one character",
     STR_INIT("a\xc2\x9b"
              "31mb"),
     STR_INIT("ab")},
    {"half an opener",
     STR_INIT("a\x9b"
              "31mb\xc2"),
     STR_INIT("a\x9b"
              "31mb\xc2")},
    {"cursor up", STR_INIT("\x1b[2Ax"), STR_INIT("x")},
    {"Q is not final", STR_INIT("\x1b[Qx"), STR_INIT("\x1b[Qx")},
    {"private mode", STR_INIT("\x1b[?25hx"), STR_INIT("x")},
    {"character set", STR_INIT("\x1b(Bx"), STR_INIT("x")},
    {"title", STR_INIT("\x1b]0;title\ax"), STR_INIT("x")},
    {"title of several", STR_INIT("\x1b]0;a;b1;;\ax"), STR_INIT("x")},
    {"nothing but the bell", STR_INIT("\x1b\ax"), STR_INIT("x")},
    {"title with a blank", STR_INIT("\x1b]0;my title\ax"), STR_INIT("y title\ax")},
    {"title without an end", STR_INIT("\x1b]0;title"), STR_INIT("itle")},
    {"semicolons are signs and parameters", STR_INIT("\x1b[;;1;;2mx"), STR_INIT("x")},
    {"a digit is final", STR_INIT("\x1b[12"), STR_INIT("")},
    {"before what is not", STR_INIT("\x1b[12S"), STR_INIT("S")},
    {"before a semicolon", STR_INIT("\x1b[1;S"), STR_INIT(";S")},
    {"before semicolons", STR_INIT("\x1b[1;23;;S"), STR_INIT(";;S")},
    {"fifth digit", STR_INIT("\x1b[12345m"), STR_INIT("m")},
    {"fifth digit later", STR_INIT("\x1b[1;12345m"), STR_INIT("m")},
    {"opener without more", STR_INIT("x\x1b["), STR_INIT("x\x1b[")},
    {"opener after opener", STR_INIT("\x1b[\x1b[0mx"), STR_INIT("\x1b[x")},
    {"zero byte", STR_INIT("\x1b[\0m\x1b[0mx"), STR_INIT("\x1b[\0mx")},
};

static void run(struct str line, struct arena *scratch, struct str *ret_line)
{
    struct stage_expr expr = {.kind = STAGE_DECOLORIZE};
    struct entry_state e = {.line = line, .scratch = scratch};
    struct stage stage;

    REQUIRE_OK(stage_decolorize_compile(NULL, &expr, &stage, NULL));
    cr_expect(stage.run(&stage, &e));
    *ret_line = e.line;
}

Test(stage_decolorize, cases)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena scratch;
        struct str line;

        arena_init(&scratch, MIB);
        run(cases[i].line, &scratch, &line);
        EXPECT_STR(cases[i].name, line, cases[i].want);
        arena_release(&scratch);
    }
}

/* Openers that lead nowhere must not be looked at again and again. */
Test(stage_decolorize, hostile)
{
    static const struct str pieces[] = {STR_INIT("\x1b"), STR_INIT("\x1b["), STR_INIT("\x1b[1;"),
                                        STR_INIT("\xc2\x9b;"), STR_INIT("\x1b[1m")};
    enum { TIMES = 200000 };

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct arena scratch;
        struct str line;
        struct buf text;

        arena_init(&scratch, 16 * MIB);
        buf_init(&text, 16 * MIB);
        for (size_t j = 0; j < TIMES; j++)
            buf_put(&text, pieces[i]);
        run(buf_str(&text), &scratch, &line);
        cr_expect_leq(line.len, text.len);
        buf_release(&text);
        arena_release(&scratch);
    }
}

Test(stage_decolorize, out_of_memory)
{
    struct arena scratch;
    struct str line;

    arena_init(&scratch, 0);
    run(STR("\x1b[0mx"), &scratch, &line);
    cr_expect(scratch.failed);
    arena_release(&scratch);
}

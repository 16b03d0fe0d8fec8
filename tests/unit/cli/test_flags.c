#include "cli/flags.h"

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "base/time.h"

struct options {
    bool quiet;
    struct str addr;
    struct texts names;
    uint64_t limit;
    uint64_t size;
    int64_t since_ns;
    struct flag_time from;
    unsigned output;
};

#define OPTION(name) offsetof(struct options, name)

static const struct flag_row rows[] = {
    {.name = "quiet", .letter = 'q', .kind = FLAG_SWITCH, .offset = OPTION(quiet), .text = "Hush."},
    {.name = "addr",
     .kind = FLAG_TEXT,
     .offset = OPTION(addr),
     .value = "URL",
     .text = "The server.",
     .variables = {"TEST_SKALD_ADDR", "TEST_LOKI_ADDR"}},
    {.name = "name",
     .kind = FLAG_TEXTS,
     .offset = OPTION(names),
     .value = "NAME",
     .text = "Names."},
    {.name = "limit", .kind = FLAG_COUNT, .offset = OPTION(limit), .value = "N", .text = "Lines."},
    {.name = "size", .kind = FLAG_BYTES, .offset = OPTION(size), .value = "BYTES", .text = "Size."},
    {.name = "since",
     .kind = FLAG_DURATION,
     .offset = OPTION(since_ns),
     .value = "DURATION",
     .text = "How far back."},
    {.name = "from", .kind = FLAG_TIME, .offset = OPTION(from), .value = "TIME", .text = "Begin."},
    {.name = "output",
     .letter = 'o',
     .kind = FLAG_WORD,
     .offset = OPTION(output),
     .value = "default|raw|jsonl",
     .text = "A text that is so long that it does not fit into what is left of one line of the "
             "help and so must be broken."},
};

enum { ARGS_MAX = 8 };

/* What a command line comes to, as one text, so that a case is one row. */
static void put_result(struct buf *b, const struct options *o, const struct texts *operands,
                       const struct flag_others *others)
{
    buf_printf(b, "q%d addr=%.*s limit=%llu size=%llu since=%lld", o->quiet, STR_ARG(o->addr),
               (unsigned long long)o->limit, (unsigned long long)o->size,
               (long long)(o->since_ns / SECOND_NS));
    if (o->from.given)
        buf_printf(b, " from=%lld", (long long)(o->from.ns / SECOND_NS));
    buf_printf(b, " o%u", o->output);
    for (size_t i = 0; i < o->names.count; i++)
        buf_printf(b, " name=%.*s", STR_ARG(o->names.items[i]));
    for (size_t i = 0; i < operands->count; i++)
        buf_printf(b, " [%.*s]", STR_ARG(operands->items[i]));
    for (int i = 0; i < others->count; i++)
        buf_printf(b, " <%s>", others->items[i]);
}

static const struct parse_case {
    const char *name;
    const char *args[ARGS_MAX];
    bool takes_others;
    enum flags_verdict verdict;
    const char *want; /* the result, or the text of the error */
} parse_cases[] = {
    {"nothing", {NULL}, false, FLAGS_RUN, "q0 addr= limit=30 size=0 since=0 o0"},
    {"a value behind a blank",
     {"--limit", "5"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=5 size=0 since=0 o0"},
    {"a value behind =", {"--limit=5"}, false, FLAGS_RUN, "q0 addr= limit=5 size=0 since=0 o0"},
    {"= in a value", {"--addr=a=b"}, false, FLAGS_RUN, "q0 addr=a=b limit=30 size=0 since=0 o0"},
    {"an empty value", {"--addr="}, false, FLAGS_RUN, "q0 addr= limit=30 size=0 since=0 o0"},
    {"a value like a flag",
     {"--addr", "--limit"},
     false,
     FLAGS_RUN,
     "q0 addr=--limit limit=30 size=0 since=0 o0"},
    {"a switch", {"--quiet"}, false, FLAGS_RUN, "q1 addr= limit=30 size=0 since=0 o0"},
    {"a switch that is off",
     {"--quiet", "--quiet=false"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=30 size=0 since=0 o0"},
    {"a switch takes no value behind a blank",
     {"--quiet", "x"},
     false,
     FLAGS_RUN,
     "q1 addr= limit=30 size=0 since=0 o0 [x]"},
    {"letters", {"-q", "-o", "raw"}, false, FLAGS_RUN, "q1 addr= limit=30 size=0 since=0 o1"},
    {"a letter and its value",
     {"-ojsonl"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=30 size=0 since=0 o2"},
    {"words in any case",
     {"--output=RAW"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=30 size=0 since=0 o1"},
    {"the last one counts",
     {"--limit=1", "--limit=2"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=2 size=0 since=0 o0"},
    {"texts gather",
     {"--name=a", "--name", "b"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=30 size=0 since=0 o0 name=a name=b"},
    {"sizes, durations and times",
     {"--size=2KiB", "--since", "1h30m", "--from=2026-03-01T12:00:00+01:00"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=30 size=2048 since=5400 from=1772362800 o0"},
    {"operands between flags",
     {"a", "--quiet", "b"},
     false,
     FLAGS_RUN,
     "q1 addr= limit=30 size=0 since=0 o0 [a] [b]"},
    {"-- ends flags",
     {"--", "--quiet", "-q"},
     false,
     FLAGS_RUN,
     "q0 addr= limit=30 size=0 since=0 o0 [--quiet] [-q]"},
    {"- is an operand", {"-"}, false, FLAGS_RUN, "q0 addr= limit=30 size=0 since=0 o0 [-]"},
    {"help", {"--quiet", "--help", "--nonsense"}, false, FLAGS_HELP, NULL},
    {"help by letter", {"-h"}, false, FLAGS_HELP, NULL},
    {"others with their values",
     {"--x.y", "1", "--quiet", "--z=2"},
     true,
     FLAGS_RUN,
     "q1 addr= limit=30 size=0 since=0 o0 <--x.y> <1> <--z=2>"},
    {"an other without a value", {"--x.y"}, true, FLAGS_WRONG, "--x.y wants a value"},
    {"an unknown flag", {"--nonsense=1"}, false, FLAGS_WRONG, "there is no flag --nonsense"},
    {"an unknown letter", {"-x"}, false, FLAGS_WRONG, "there is no flag -x"},
    {"an unknown letter among others", {"-x"}, true, FLAGS_WRONG, "there is no flag -x"},
    {"a value is missing", {"--limit"}, false, FLAGS_WRONG, "--limit wants a value"},
    {"no number", {"--limit=-1"}, false, FLAGS_WRONG, "--limit: \"-1\" is not a number"},
    {"no size",
     {"--size=big"},
     false,
     FLAGS_WRONG,
     "--size: \"big\" is not a size such as 4096 or 1MiB"},
    {"no word", {"-ox"}, false, FLAGS_WRONG, "-o: \"x\" is not one of default|raw|jsonl"},
    {"no switch", {"--quiet=1"}, false, FLAGS_WRONG, "--quiet: \"1\" is not true or false"},
    {"too many operands", {"a", "b", "c"}, false, FLAGS_WRONG, "\"c\" is one argument too many"},
};

static enum flags_verdict parse(const struct parse_case *c, struct buf *result, struct err *err)
{
    struct options o = {.limit = 30};
    const struct flag_group group = {rows, COUNT_OF(rows), &o};
    struct flag_others others = {NULL, 0};
    struct texts operands;
    const struct command_line line = {
        .command = "test",
        .operands = "WHAT",
        .text = "Tests.\n",
        .groups = &group,
        .group_count = 1,
        .operands_max = 2,
        .others = c->takes_others ? &others : NULL,
    };
    char *argv[ARGS_MAX];
    int argc = 0;

    for (; argc < ARGS_MAX && c->args[argc] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)c->args[argc];
    enum flags_verdict verdict = flags_parse(&line, argc, argv, &operands, err);
    if (verdict == FLAGS_RUN)
        put_result(result, &o, &operands, &others);
    return verdict;
}

Test(cli_flags, parse)
{
    for (size_t i = 0; i < COUNT_OF(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        struct err err = {.text = ""};
        struct buf b;

        buf_init(&b, 4096);
        enum flags_verdict verdict = parse(c, &b, &err);

        struct str got = verdict == FLAGS_RUN ? buf_str(&b) : str_from(err.text);
        cr_expect_eq(verdict, c->verdict, "%s: %d, %s", c->name, verdict, err.text);
        if (c->want != NULL)
            cr_expect(str_eq(got, str_from(c->want)), "%s: %.*s", c->name, STR_ARG(got));
        buf_release(&b);
    }
}

Test(cli_flags, environment)
{
    const struct parse_case plain = {.name = "plain"}, given = {.args = {"--addr=flag"}};
    struct err err;
    struct buf b;

    buf_init(&b, 4096);
    setenv("TEST_LOKI_ADDR", "loki", 1);
    cr_expect_eq(parse(&plain, &b, &err), FLAGS_RUN);
    cr_expect(str_find(buf_str(&b), STR("addr=loki ")) != STR_NPOS, "the second variable");

    setenv("TEST_SKALD_ADDR", "skald", 1);
    buf_reset(&b);
    cr_expect_eq(parse(&plain, &b, &err), FLAGS_RUN);
    cr_expect(str_find(buf_str(&b), STR("addr=skald ")) != STR_NPOS, "the first one wins");

    setenv("TEST_SKALD_ADDR", "", 1);
    buf_reset(&b);
    cr_expect_eq(parse(&plain, &b, &err), FLAGS_RUN);
    cr_expect(str_find(buf_str(&b), STR("addr=loki ")) != STR_NPOS, "empty is not set");

    buf_reset(&b);
    cr_expect_eq(parse(&given, &b, &err), FLAGS_RUN);
    cr_expect(str_find(buf_str(&b), STR("addr=flag ")) != STR_NPOS, "a flag wins");
    buf_release(&b);
}

Test(cli_flags, operand_missing)
{
    const struct command_line line = {
        .command = "test", .operands = "WHAT", .text = "", .operands_min = 1, .operands_max = 1};
    struct texts operands;
    struct err err;

    cr_expect_eq(flags_parse(&line, 0, NULL, &operands, &err), FLAGS_WRONG);
    cr_expect_str_eq(err.text, "WHAT is missing");
}

Test(cli_flags, too_many_texts)
{
    struct options o = {.limit = 0};
    const struct flag_group group = {rows, COUNT_OF(rows), &o};
    const struct command_line line = {
        .command = "test", .operands = "", .text = "", .groups = &group, .group_count = 1};
    static char arg[] = "--name=x";
    char *argv[TEXTS_MAX + 1];
    struct texts operands;
    struct err err;

    for (size_t i = 0; i < COUNT_OF(argv); i++)
        argv[i] = arg;
    cr_expect_eq(flags_parse(&line, TEXTS_MAX, argv, &operands, &err), FLAGS_RUN);
    cr_expect_eq(o.names.count, TEXTS_MAX);
    o.names.count = 0;
    cr_expect_eq(flags_parse(&line, TEXTS_MAX + 1, argv, &operands, &err), FLAGS_WRONG);
}

Test(cli_flags, help)
{
    struct options o = {.limit = 0};
    const struct flag_group group = {rows, COUNT_OF(rows), &o};
    const struct command_line line = {.command = "test",
                                      .operands = "[WHAT]",
                                      .text = "Tests.\n",
                                      .groups = &group,
                                      .group_count = 1};
    struct str rest, text;
    struct buf b;

    buf_init(&b, 65536);
    flags_put_help(&b, &line);
    rest = buf_str(&b);
    cr_expect(str_starts(rest, STR("Usage: skald test [FLAGS] [WHAT]\n\nTests.\n\nFlags:\n")));
    cr_expect(str_find(rest, STR("\n  -q, --quiet               Hush.\n")) != STR_NPOS);
    cr_expect(str_find(rest, STR("The server. Variable TEST_SKALD_ADDR or\n")) != STR_NPOS);
    while (str_split(&rest, '\n', &text))
        cr_expect_leq(text.len, 80, "%.*s", STR_ARG(text));
    buf_release(&b);
}

static const struct duration_case {
    const char *name;
    struct str in;
    enum status want;
    int64_t want_ns;
} duration_cases[] = {
    {"Prometheus", STR_INIT("1d12h"), ST_OK, 36 * HOUR_NS},
    {"a week", STR_INIT("1w"), ST_OK, 7 * DAY_NS},
    {"Go, with a fraction", STR_INIT("1.5h"), ST_OK, 90 * MINUTE_NS},
    {"Go, microseconds", STR_INIT("250us"), ST_OK, 250 * US_NS},
    {"zero", STR_INIT("0"), ST_OK, 0},
    {"no unit", STR_INIT("5"), ST_INVALID, -1},
    {"negative", STR_INIT("-1h"), ST_INVALID, -1},
    {"empty", STR_INIT(""), ST_INVALID, -1},
    {"words", STR_INIT("an hour"), ST_INVALID, -1},
};

Test(cli_flags, durations)
{
    for (size_t i = 0; i < COUNT_OF(duration_cases); i++) {
        const struct duration_case *c = &duration_cases[i];
        int64_t ns = -1;

        enum status st = flags_parse_duration(c->in, &ns, NULL);

        cr_expect_eq(st, c->want, "%s: %s", c->name, status_name(st));
        cr_expect_eq(ns, c->want_ns, "%s: %lld", c->name, (long long)ns);
    }
}

static const struct duration_case time_cases[] = {
    {"RFC 3339", STR_INIT("2026-03-01T12:00:00Z"), ST_OK, INT64_C(1772366400000000000)},
    {"with a fraction", STR_INIT("2026-03-01T12:00:00.5Z"), ST_OK, INT64_C(1772366400500000000)},
    {"seconds", STR_INIT("1772366400"), ST_OK, INT64_C(1772366400000000000)},
    {"seconds with a fraction", STR_INIT("1772366400.25"), ST_OK, INT64_C(1772366400250000000)},
    {"nanoseconds", STR_INIT("1772366400000000001"), ST_OK, INT64_C(1772366400000000001)},
    {"no time", STR_INIT("yesterday"), ST_INVALID, -1},
    {"no zone", STR_INIT("2026-03-01T12:00:00"), ST_INVALID, -1},
    {"empty", STR_INIT(""), ST_INVALID, -1},
};

Test(cli_flags, times)
{
    for (size_t i = 0; i < COUNT_OF(time_cases); i++) {
        const struct duration_case *c = &time_cases[i];
        int64_t ns = -1;

        enum status st = flags_parse_time(c->in, &ns, NULL);

        cr_expect_eq(st, c->want, "%s: %s", c->name, status_name(st));
        cr_expect_eq(ns, c->want_ns, "%s: %lld", c->name, (long long)ns);
    }
}

#include "proto/level.h"

#include "base/buf.h"
#include "proto/logfmt.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* The default of limits.log_level_fields. */
static const struct str names[] = {
    STR_INIT("level"),         STR_INIT("LEVEL"),         STR_INIT("Level"),
    STR_INIT("log.level"),     STR_INIT("severity"),      STR_INIT("SEVERITY"),
    STR_INIT("Severity"),      STR_INIT("SeverityText"),  STR_INIT("lvl"),
    STR_INIT("LVL"),           STR_INIT("Lvl"),           STR_INIT("severity_text"),
    STR_INIT("Severity_Text"), STR_INIT("SEVERITY_TEXT"),
};
static struct level_spec spec;

static void set_up(void)
{
    level_spec_init(&spec, names, COUNT_OF(names), 2);
}

TestSuite(level, .init = set_up);

static const struct word_case {
    struct str word;
    struct str want;
} word_cases[] = {
    {STR_INIT("trace"), STR_INIT("trace")},       {STR_INIT("TRC"), STR_INIT("trace")},
    {STR_INIT("Debug"), STR_INIT("debug")},       {STR_INIT("dbg"), STR_INIT("debug")},
    {STR_INIT("info"), STR_INIT("info")},         {STR_INIT("INF"), STR_INIT("info")},
    {STR_INIT("Information"), STR_INIT("info")},  {STR_INIT("warn"), STR_INIT("warn")},
    {STR_INIT("WRN"), STR_INIT("warn")},          {STR_INIT("warning"), STR_INIT("warn")},
    {STR_INIT("Error"), STR_INIT("error")},       {STR_INIT("ERR"), STR_INIT("error")},
    {STR_INIT("CRITICAL"), STR_INIT("critical")}, {STR_INIT("Fatal"), STR_INIT("fatal")},
    {STR_INIT("custom"), STR_INIT("custom")},     {STR_INIT("Custom"), STR_INIT("Custom")},
    {STR_INIT("errors"), STR_INIT("errors")},     {STR_INIT("notice"), STR_INIT("notice")},
    {STR_INIT(" info"), STR_INIT(" info")},       {STR_INIT(""), STR_INIT("")},
};

Test(level, normalize)
{
    for (size_t i = 0; i < COUNT_OF(word_cases); i++)
        EXPECT_STR("word", level_normalize(word_cases[i].word), word_cases[i].want);
}

/* ---- labels and metadata ---- */

enum { PAIRS_MAX = 3 };

static const struct labels_case {
    const char *name;
    struct label pairs[PAIRS_MAX]; /* up to one with a null name */
    struct str want;
} labels_cases[] = {
    {"none", {{{NULL, 0}, {NULL, 0}}}, STR_INIT("")},
    {"level", {{STR_INIT("level"), STR_INIT("WARNING")}}, STR_INIT("warn")},
    {"an unknown word stays", {{STR_INIT("level"), STR_INIT("custom")}}, STR_INIT("custom")},
    {"severity",
     {{STR_INIT("app"), STR_INIT("x")}, {STR_INIT("severity"), STR_INIT("err")}},
     STR_INIT("error")},
    {"the earlier name of the list",
     {{STR_INIT("lvl"), STR_INIT("info")}, {STR_INIT("severity"), STR_INIT("err")}},
     STR_INIT("error")},
    {"names have a case", {{STR_INIT("lEVEL"), STR_INIT("info")}}, STR_INIT("")},
    {"with a point", {{STR_INIT("log.level"), STR_INIT("dbg")}}, STR_INIT("debug")},
    {"another name", {{STR_INIT("loglevel"), STR_INIT("info")}}, STR_INIT("")},
};

static struct labels labels_of(const struct label pairs[PAIRS_MAX])
{
    size_t count = 0;

    while (count < PAIRS_MAX && pairs[count].name.ptr != NULL)
        count++;
    return (struct labels){pairs, count};
}

Test(level, of_labels)
{
    for (size_t i = 0; i < COUNT_OF(labels_cases); i++) {
        const struct labels_case *c = &labels_cases[i];

        EXPECT_STR(c->name, level_of_labels(&spec, labels_of(c->pairs)), c->want);
    }
}

static struct str level_of(struct labels metadata, struct str line)
{
    struct arena a;

    arena_init(&a, MIB);
    struct str level = level_of_entry(&spec, &a, metadata, line);
    struct str known = level_normalize(level); /* static, unlike what borrows the arena */
    arena_release(&a);
    return known;
}

static const struct metadata_case {
    const char *name;
    struct label pairs[PAIRS_MAX];
    struct str line;
    struct str want;
} metadata_cases[] = {
    {"metadata before the line",
     {{STR_INIT("level"), STR_INIT("err")}},
     STR_INIT("level=info"),
     STR_INIT("error")},
    {"metadata before the number",
     {{STR_INIT("level"), STR_INIT("err")}, {STR_INIT("severity_number"), STR_INIT("1")}},
     STR_INIT(""),
     STR_INIT("error")},
    {"an unknown word stays",
     {{STR_INIT("lvl"), STR_INIT("custom")}},
     STR_INIT("error"),
     STR_INIT("custom")},
    {"0", {{STR_INIT("severity_number"), STR_INIT("0")}}, STR_INIT("error"), STR_INIT("unknown")},
    {"1", {{STR_INIT("severity_number"), STR_INIT("1")}}, STR_INIT("error"), STR_INIT("trace")},
    {"4", {{STR_INIT("severity_number"), STR_INIT("4")}}, STR_INIT(""), STR_INIT("trace")},
    {"5", {{STR_INIT("severity_number"), STR_INIT("5")}}, STR_INIT(""), STR_INIT("debug")},
    {"8", {{STR_INIT("severity_number"), STR_INIT("8")}}, STR_INIT(""), STR_INIT("debug")},
    {"9", {{STR_INIT("severity_number"), STR_INIT("9")}}, STR_INIT(""), STR_INIT("info")},
    {"12", {{STR_INIT("severity_number"), STR_INIT("12")}}, STR_INIT(""), STR_INIT("info")},
    {"13", {{STR_INIT("severity_number"), STR_INIT("13")}}, STR_INIT(""), STR_INIT("warn")},
    {"16", {{STR_INIT("severity_number"), STR_INIT("16")}}, STR_INIT(""), STR_INIT("warn")},
    {"17", {{STR_INIT("severity_number"), STR_INIT("17")}}, STR_INIT(""), STR_INIT("error")},
    {"20", {{STR_INIT("severity_number"), STR_INIT("20")}}, STR_INIT(""), STR_INIT("error")},
    {"21", {{STR_INIT("severity_number"), STR_INIT("21")}}, STR_INIT(""), STR_INIT("fatal")},
    {"24", {{STR_INIT("severity_number"), STR_INIT("24")}}, STR_INIT(""), STR_INIT("fatal")},
    {"25", {{STR_INIT("severity_number"), STR_INIT("25")}}, STR_INIT(""), STR_INIT("unknown")},
    {"-1", {{STR_INIT("severity_number"), STR_INIT("-1")}}, STR_INIT(""), STR_INIT("unknown")},
    {"not a number",
     {{STR_INIT("severity_number"), STR_INIT("high")}},
     STR_INIT("error"),
     STR_INIT("info")},
    {"other metadata",
     {{STR_INIT("trace_id"), STR_INIT("error")}},
     STR_INIT("x"),
     STR_INIT("unknown")},
};

Test(level, of_metadata)
{
    for (size_t i = 0; i < COUNT_OF(metadata_cases); i++) {
        const struct metadata_case *c = &metadata_cases[i];
        struct arena a;

        arena_init(&a, MIB);
        EXPECT_STR(c->name, level_of_entry(&spec, &a, labels_of(c->pairs), c->line), c->want);
        arena_release(&a);
    }
}

/* ---- lines ---- */

static const struct line_case {
    struct str line;
    struct str want;
} line_cases[] = {
    /* JSON */
    {STR_INIT("{\"level\":\"error\"}"), STR_INIT("error")},
    {STR_INIT("  {\"msg\":\"x\",\"level\":\"WRN\"}\n"), STR_INIT("warn")},
    {STR_INIT("{\"severity\":\"warn\",\"level\":\"error\"}"), STR_INIT("warn")},
    {STR_INIT("{\"lEVEL\":\"wrn\"}"), STR_INIT("unknown")},
    {STR_INIT("{\"level\":3,\"lvl\":\"dbg\"}"), STR_INIT("debug")},
    {STR_INIT("{\"log\":{\"level\":\"trc\"}}"), STR_INIT("trace")},
    {STR_INIT("{\"a\":{\"b\":{\"level\":\"trc\"}}}"), STR_INIT("unknown")},
    {STR_INIT("{\"a\":{\"b\":{\"level\":\"trc\"}},\"lvl\":\"inf\"}"), STR_INIT("info")},
    {STR_INIT("{\"a\":{\"lvl\":\"trc\"},\"level\":\"inf\"}"), STR_INIT("trace")},
    {STR_INIT("{\"a\":[{\"level\":\"trc\"}],\"lvl\":\"inf\"}"), STR_INIT("info")},
    {STR_INIT("{\"level\":\"custom\",\"lvl\":\"inf\"}"), STR_INIT("unknown")},
    {STR_INIT("{\"level\":\"custom\",\"msg\":\"an error\"}"), STR_INIT("error")},
    {STR_INIT("{\"l\\u0065vel\":\"\\u0077rn\"}"), STR_INIT("warn")},
    {STR_INIT("{\"level\":\"wrn\",}"), STR_INIT("warn")},
    {STR_INIT("{\"msg\":\"level=wrn\"}"), STR_INIT("unknown")},
    {STR_INIT("{level=wrn}"), STR_INIT("unknown")},
    {STR_INIT("{\"level\":\"wrn\"} x"), STR_INIT("unknown")},
    {STR_INIT("{}"), STR_INIT("unknown")},
    {STR_INIT("{"), STR_INIT("unknown")},
    {STR_INIT("[{\"level\":\"wrn\"}]"), STR_INIT("unknown")},
    /* logfmt */
    {STR_INIT("ts=1 level=wrn msg=x"), STR_INIT("warn")},
    {STR_INIT("LeVeL=wrn"), STR_INIT("warn")},
    {STR_INIT("lvl=inf level=wrn"), STR_INIT("warn")},
    {STR_INIT("level=wrn lvl=inf"), STR_INIT("warn")},
    {STR_INIT("level=wrn LEVEL=inf"), STR_INIT("warn")},
    {STR_INIT("msg=\"level=inf\" level=wrn"), STR_INIT("warn")},
    {STR_INIT("level=\"wrn\""), STR_INIT("warn")},
    {STR_INIT("a=b=c level=wrn"), STR_INIT("unknown")},
    {STR_INIT("level=wrn a=b=c"), STR_INIT("warn")},
    {STR_INIT("level=custom lvl=inf"), STR_INIT("unknown")},
    {STR_INIT("level=custom msg=\"an error\""), STR_INIT("error")},
    {STR_INIT("loglevel=wrn"), STR_INIT("unknown")},
    {STR_INIT("level:wrn"), STR_INIT("unknown")},
    /* words */
    {STR_INIT("ERROR: x"), STR_INIT("error")},
    {STR_INIT("[info] x"), STR_INIT("info")},
    {STR_INIT("(Warning) x"), STR_INIT("warn")},
    {STR_INIT("a|debug|b"), STR_INIT("debug")},
    {STR_INIT("'trace'"), STR_INIT("trace")},
    {STR_INIT("x=fatal!"), STR_INIT("fatal")},
    {STR_INIT("\tcritical,"), STR_INIT("critical")},
    {STR_INIT("a\nerr\nb"), STR_INIT("error")},
    {STR_INIT("warn"), STR_INIT("warn")},
    {STR_INIT("x error"), STR_INIT("error")},
    {STR_INIT("an info, then an error"), STR_INIT("info")},
    {STR_INIT("infos, then an error"), STR_INIT("error")},
    {STR_INIT("{ error } x"), STR_INIT("error")},
    {STR_INIT("errors"), STR_INIT("unknown")},
    {STR_INIT("misc:error"), STR_INIT("unknown")},
    {STR_INIT("no.error"), STR_INIT("unknown")},
    {STR_INIT("error."), STR_INIT("unknown")},
    {STR_INIT("error-code"), STR_INIT("unknown")},
    {STR_INIT("terror"), STR_INIT("unknown")},
    {STR_INIT("]error"), STR_INIT("unknown")},
    {STR_INIT("wrn inf dbg"), STR_INIT("unknown")},
    {STR_INIT("nothing of note"), STR_INIT("unknown")},
    {STR_INIT(""), STR_INIT("unknown")},
    {{NULL, 0}, STR_INIT("unknown")},
    {STR_INIT("\0error"), STR_INIT("unknown")},
    {STR_INIT("err\0r"), STR_INIT("unknown")},
};

Test(level, of_line)
{
    for (size_t i = 0; i < COUNT_OF(line_cases); i++) {
        char *shown = expect_shown(line_cases[i].line);

        EXPECT_STR(shown, level_of((struct labels){NULL, 0}, line_cases[i].line),
                   line_cases[i].want);
        mem_free(shown);
    }
}

/* What may stand on either side of a word, for every byte. */
Test(level, edges)
{
    static const char before[] = " \t\n[({\"'=|", behind[] = " \t\n[](){}:,!\"'=|";

    for (unsigned c = 0; c < 256; c++) {
        char left[] = {'x', (char)c, 'e', 'r', 'r'}, right[] = {'e', 'r', 'r', (char)c, 'x'};
        bool is_before = c != 0 && strchr(before, (int)c) != NULL;
        bool is_behind = c != 0 && strchr(behind, (int)c) != NULL;
        struct labels none = {NULL, 0};

        EXPECT_STR("before", level_of(none, str_make(left, sizeof(left))),
                   is_before ? STR("error") : STR("unknown"));
        EXPECT_STR("behind", level_of(none, str_make(right, sizeof(right))),
                   is_behind ? STR("error") : STR("unknown"));
    }
}

Test(level, depth_is_a_setting)
{
    static const struct {
        int depth;
        struct str want;
    } cases[] = {{1, STR_INIT("unknown")}, {2, STR_INIT("unknown")}, {3, STR_INIT("warn")}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct level_spec deep;
        struct arena a;
        level_spec_init(&deep, names, COUNT_OF(names), cases[i].depth);
        arena_init(&a, MIB);
        EXPECT_STR("depth",
                   level_of_entry(&deep, &a, (struct labels){NULL, 0},
                                  STR("{\"a\":{\"b\":{\"level\":\"wrn\"}}}")),
                   cases[i].want);
        arena_release(&a);
    }
}

/* Wherever a word stands in a long line, the leftmost one that stands alone counts. */
Test(level, every_offset)
{
    static const struct str words[] = {STR_INIT("trace"),    STR_INIT("debug"),   STR_INIT("info"),
                                       STR_INIT("warn"),     STR_INIT("error"),   STR_INIT("fatal"),
                                       STR_INIT("critical"), STR_INIT("WARNING"), STR_INIT("Err")};
    enum { LINE_BYTES = 90 };
    struct labels none = {NULL, 0};

    for (size_t w = 0; w < COUNT_OF(words); w++) {
        for (size_t at = 0; at + words[w].len <= LINE_BYTES; at++) {
            char line[LINE_BYTES];
            memset(line, '.', sizeof(line));
            memcpy(line + at, words[w].ptr, words[w].len);
            if (at > 0)
                line[at - 1] = '[';
            if (at + words[w].len < LINE_BYTES)
                line[at + words[w].len] = ']';
            EXPECT_STR("a word", level_of(none, str_make(line, sizeof(line))),
                       level_normalize(words[w]));
            line[0] = at < 6 ? line[0] : 'i';
            memcpy(line, at < 6 ? line : "info ", at < 6 ? 0 : 5);
            EXPECT_STR("behind another", level_of(none, str_make(line, sizeof(line))),
                       at < 6 ? level_normalize(words[w]) : STR("info"));
        }
    }
}

/* ---- against the rules, word by word ---- */

/* The level of a text by the rule itself: a known word between edges, the leftmost one. */
static struct str text_level(struct str line)
{
    static const struct str words[] = {STR_INIT("trace"), STR_INIT("debug"),    STR_INIT("info"),
                                       STR_INIT("warn"),  STR_INIT("warning"),  STR_INIT("error"),
                                       STR_INIT("err"),   STR_INIT("critical"), STR_INIT("fatal")};

    for (size_t i = 0; i < line.len; i++) {
        if (i > 0 && memchr(" \t\n[({\"'=|", line.ptr[i - 1], 10) == NULL)
            continue;
        for (size_t w = 0; w < COUNT_OF(words); w++) {
            struct str rest = str_cut(line, i);
            if (!str_eq_nocase(str_head(rest, words[w].len), words[w]))
                continue;
            rest = str_cut(rest, words[w].len);
            if (rest.len == 0 || memchr(" \t\n[](){}:,!\"'=|", rest.ptr[0], 16) != NULL)
                return level_normalize(words[w]);
        }
    }
    return STR("unknown");
}

static struct str logfmt_level(struct str line)
{
    struct str found = STR_NULL;
    size_t best = COUNT_OF(names);
    struct logfmt_pair pair;
    struct logfmt l;

    logfmt_init(&l, line, true);
    while (logfmt_next(&l, &pair)) {
        for (size_t i = 0; i < best; i++) {
            if (str_eq_nocase(names[i], pair.key)) {
                best = i;
                found = pair.value;
            }
        }
    }
    return found;
}

/* Lines of pieces that make pairs, words and damage. */
Test(level, random_lines)
{
    static const struct str pieces[] = {
        STR_INIT(" "),        STR_INIT("="),       STR_INIT("\""),       STR_INIT("level"),
        STR_INIT("severity"), STR_INIT("Lvl="),    STR_INIT("LEVEL="),   STR_INIT("log.level="),
        STR_INIT("info"),     STR_INIT("ERROR"),   STR_INIT("wrn"),      STR_INIT("key=value "),
        STR_INIT("]"),        STR_INIT("["),       STR_INIT("xy"),       STR_INIT(" a b c d e "),
        STR_INIT("\\"),       STR_INIT(" level="), STR_INIT("\xc3\xa9"), STR_INIT(" err "),
    };
    enum { PIECES_MAX = 24 };
    struct random r = random_begin();
    struct buf line;

    buf_init(&line, MIB);
    for (size_t i = 0; i < 50000; i++) {
        buf_reset(&line);
        for (size_t left = random_below(&r, PIECES_MAX); left > 0; left--)
            buf_put(&line, pieces[random_below(&r, COUNT_OF(pieces))]);
        struct str text = buf_str(&line), want = level_normalize(logfmt_level(text));
        if (!str_eq(text_level(want), want)) /* no canonical word: the text decides */
            want = text_level(text);
        struct str got = level_of((struct labels){NULL, 0}, text);
        cr_assert(str_eq(got, want), "%.*s: %.*s, not %.*s, seed %" PRIu64, STR_ARG(text),
                  STR_ARG(got), STR_ARG(want), r.seed);
    }
    buf_release(&line);
}

/* A line may be anything: it has a level, and the scan stays inside. */
Test(level, garbage)
{
    static const char alphabet[] = "{}[]\":,= \\errolvinfwd0";
    struct random r = random_begin();
    unsigned wrong = 0;

    for (size_t i = 0; i < 50000; i++) {
        size_t len = random_below(&r, 40);
        char *line = mem_bytes(len); /* of just this size, for the address sanitizer */
        for (size_t at = 0; at < len; at++)
            line[at] = alphabet[random_below(&r, sizeof(alphabet) - 1)];
        wrong += level_of((struct labels){NULL, 0}, str_make(line, len)).len == 0;
        mem_free(line);
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
}

#include "query/patterns.h"

#include <inttypes.h>

#include <criterion/criterion.h>

#include "base/time.h"
#include "query/line_pattern.h"
#include "tests/support/array_source.h"
#include "tests/support/expect.h"

enum { LINES_MAX = 600, TEXT_BYTES = 1 << 20 };

#define ARENA_BYTES (64 * MIB)

static const struct label app[] = {{STR_INIT("app"), STR_INIT("a")}};
static const struct label info[] = {{STR_INIT("detected_level"), STR_INIT("info")}};
static const struct label warn[] = {{STR_INIT("detected_level"), STR_INIT("warn")}};

/* Lines one second apart, and the patterns of them. */
struct fixture {
    struct arena arena;
    struct query_context q;
    struct array_source source;
    struct array_entry entries[LINES_MAX];
    size_t count;
    struct patterns patterns;
};

static void add_line(struct fixture *f, struct str line, const struct label *level)
{
    cr_assert_lt(f->count, (size_t)LINES_MAX);
    f->entries[f->count] = (struct array_entry){
        {app, 1}, {(int64_t)f->count * SECOND_NS, line, {level, level == NULL ? 0 : 1}}};
    f->count++;
}

static struct fixture *set_up(void)
{
    struct fixture *f = mem_new(1, sizeof(*f));

    cr_assert_not_null(f);
    arena_init(&f->arena, ARENA_BYTES);
    f->q = (struct query_context){.arena = &f->arena, .deadline_ns = INT64_MAX};
    return f;
}

static enum status find(struct fixture *f, int64_t step_ns)
{
    const struct patterns_request request = {
        .source = &f->source.source,
        .q = &f->q,
        .end_ns = LINES_MAX * SECOND_NS,
        .step_ns = step_ns,
    };

    array_source_init(&f->source, f->entries, f->count);
    return patterns_find(&request, &f->patterns, NULL);
}

static void tear_down(struct fixture *f)
{
    arena_release(&f->arena);
    mem_free(f);
}

/* Every line is accepted by one of the patterns, read as a filter. */
static void expect_lines_match(const char *name, struct fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        bool found = f->entries[i].entry.line.len == 0;
        for (size_t j = 0; j < f->patterns.count && !found; j++) {
            struct line_pattern p;
            REQUIRE_OK(line_pattern_compile_filter(&f->arena, f->patterns.items[j].text, &p, NULL));
            found = line_pattern_matches(&p, f->entries[i].entry.line);
        }
        cr_expect(found, "%s: no pattern accepts line %zu", name, i);
    }
}

static const struct pattern_case {
    const char *name;
    const char *lines; /* each ends in a newline */
    const char *want;  /* a line for each pattern: how many, and the text */
} pattern_cases[] = {
    {"one line", "hello world\n", "1 hello world\n"},
    {"numbers vary", "GET /a took 15ms\nGET /a took 3ms\n", "2 GET /a took <_>\n"},
    {"words vary", "user ann logged in\nuser bob logged in\n", "2 user <_> logged in\n"},
    {"other lines", "user ann logged in\ncache of objects flushed\nuser bob logged in\n",
     "2 user <_> logged in\n1 cache of objects flushed\n"},
    {"other separators", "a=1 b=2\na=1, b=2\na=3 b=4\n", "2 a=<_> b=<_>\n1 a=1, b=2\n"},
    {"logfmt", "level=info msg=\"a b\" n=1\nlevel=info msg=\"c d\" n=2\n",
     "2 level=info msg=\"<_> <_>\" n=<_>\n"},
    {"json", "{\"ts\":1,\"msg\":\"x\"}\n{\"ts\":2,\"msg\":\"x\"}\n",
     "2 {\"ts\":<_>,\"msg\":\"x\"}\n"},
    {"blanks are kept", "  a  1\n  a  2\n", "2   a  <_>\n"},
    {"what looks like a capture varies", "open <file> now\n", "1 open <_> now\n"},
    {"bytes that are no text vary", "open \xff now\n", "1 open <_> now\n"},
    {"a long word varies", "id 12345678901234567890123456789012345678901234567890123456789012345\n",
     "1 id <_>\n"},
    {"empty lines have no shape", "\n\na\n", "1 a\n"},
    {"separators only", "[]\n[]\n", "2 []\n"},
    {"equal numbers of lines by text", "b x\na y z\n", "1 a y z\n1 b x\n"},
};

Test(patterns, lines)
{
    for (size_t i = 0; i < COUNT_OF(pattern_cases); i++) {
        const struct pattern_case *c = &pattern_cases[i];
        struct fixture *f = set_up();
        struct str rest = str_from(c->lines), line;
        struct buf text;

        while (rest.len > 0 && str_split(&rest, '\n', &line))
            add_line(f, line, NULL);
        EXPECT_STATUS(c->name, find(f, HOUR_NS), ST_OK);
        buf_init(&text, TEXT_BYTES);
        for (size_t j = 0; j < f->patterns.count; j++)
            buf_printf(&text, "%" PRIu64 " %.*s\n", f->patterns.items[j].total,
                       STR_ARG(f->patterns.items[j].text));
        EXPECT_STR(c->name, buf_str(&text), str_from(c->want));
        expect_lines_match(c->name, f);
        buf_release(&text);
        tear_down(f);
    }
}

Test(patterns, samples_by_step_and_level)
{
    struct fixture *f = set_up();

    for (int i = 0; i < 6; i++)
        add_line(f, STR("tick"), i == 4 ? warn : info);
    add_line(f, STR("tick"), NULL);
    REQUIRE_OK(find(f, 2 * SECOND_NS));
    cr_assert_eq(f->patterns.count, 3);
    EXPECT_STR("most lines first", f->patterns.items[0].level, STR("info"));
    EXPECT_STR("then by level", f->patterns.items[1].level, STR("unknown"));
    EXPECT_STR("then by level", f->patterns.items[2].level, STR("warn"));
    cr_assert_eq(f->patterns.items[0].count, 3);
    for (size_t i = 0; i < 3; i++) {
        static const uint64_t want[] = {2, 2, 1};
        cr_expect_eq(f->patterns.items[0].samples[i].ts_ns, (int64_t)i * 2 * SECOND_NS);
        cr_expect_eq(f->patterns.items[0].samples[i].count, want[i]);
    }
    tear_down(f);
}

/* A line of `count` words, each of one letter. */
static struct str long_line(struct fixture *f, size_t count, char letter)
{
    char *line = arena_bytes(&f->arena, 2 * count);

    for (size_t i = 0; i < count; i++) {
        line[2 * i] = letter;
        line[2 * i + 1] = ' ';
    }
    return str_make(line, 2 * count);
}

Test(patterns, long_lines_are_cut)
{
    struct fixture *f = set_up();

    add_line(f, long_line(f, PATTERN_WORDS_MAX, 'a'), NULL);
    add_line(f, long_line(f, PATTERN_WORDS_MAX + 1, 'a'), NULL);
    add_line(f, long_line(f, 3 * PATTERN_WORDS_MAX, 'a'), NULL);
    add_line(f, long_line(f, 2 * PATTERN_WORDS_MAX, 'b'), NULL);
    add_line(
        f, str_make("                                                                      x", 71),
        NULL);
    REQUIRE_OK(find(f, HOUR_NS));
    for (size_t i = 0; i < f->patterns.count; i++)
        cr_expect_lt(f->patterns.items[i].text.len, 4 * (size_t)PATTERN_WORDS_MAX);
    expect_lines_match("long", f);
    tear_down(f);
}

/* However different the lines of a shape are, their clusters are few, and no line is lost. */
Test(patterns, clusters_are_bounded)
{
    struct fixture *f = set_up();
    uint64_t total = 0;

    for (size_t i = 0; i < LINES_MAX; i++) {
        char word[] = {(char)('a' + i % 26), (char)('a' + i / 26), '\0'};
        add_line(f, arena_printf(&f->arena, "%s%s %s%s %s", word, word, word, "x", word), NULL);
    }
    REQUIRE_OK(find(f, HOUR_NS));
    for (size_t i = 0; i < f->patterns.count; i++)
        total += f->patterns.items[i].total;
    cr_expect_eq(total, (uint64_t)LINES_MAX);
    cr_expect_leq(f->patterns.count, (size_t)PATTERN_CLUSTERS_MAX);
    expect_lines_match("different", f);
    tear_down(f);
}

Test(patterns, answers_are_bounded)
{
    struct fixture *f = set_up();

    for (size_t i = 0; i < LINES_MAX; i++) /* each has separators of its own */
        add_line(f,
                 arena_printf(&f->arena, "%.*s|%.*s", (int)(i % 30),
                              "==============================", (int)(i / 30),
                              "=============================="),
                 NULL);
    REQUIRE_OK(find(f, HOUR_NS));
    cr_expect_eq(f->patterns.count, (size_t)PATTERNS_MAX);
    tear_down(f);
}

Test(patterns, ends_at_its_deadline)
{
    struct fixture *f = set_up();

    add_line(f, STR("a"), NULL);
    f->q.deadline_ns = time_mono_ns() - 1;
    EXPECT_STATUS("late", find(f, HOUR_NS), ST_TIMEOUT);
    tear_down(f);
}

Test(patterns, damage_is_left_out_and_counted)
{
    struct fixture *f = set_up();

    add_line(f, STR("a"), NULL);
    array_source_init(&f->source, f->entries, f->count);
    f->source.damaged_block = 1;
    const struct patterns_request request = {
        .source = &f->source.source, .q = &f->q, .end_ns = SECOND_NS, .step_ns = SECOND_NS};
    REQUIRE_OK(patterns_find(&request, &f->patterns, NULL));
    cr_expect_eq(f->patterns.count, 0);
    cr_expect_eq(f->q.stats.corrupt_blocks, 1);
    tear_down(f);
}

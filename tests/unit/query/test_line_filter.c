#include "query/line_filter.h"

#include <criterion/criterion.h>

#include "base/regex.h"
#include "query/canon.h"
#include "query/ipset.h"
#include "query/line_pattern.h"
#include "query/pipeline.h"
#include "tests/support/expect.h"
#include "tests/support/lines.h"
#include "tests/support/loggen.h"

#include "base/banned.h"

#define ARENA_BYTES (64 * MIB)

enum { FILTERS_MAX = 4, ALTERNATIVES_MAX = 3, ROUNDS = 400 };

/* Lines and filters are made of these, so that much is found and much is nearly found. */
static const char *const pieces[] = {
    "error", "Error", "ERR",  "err",  "or",   "x",        "10.0.0.1",     " ",
    "=",     "level", "\xff", "\xc3", "\xa4", "\xc3\xa4", "\xef\xbf\xbd", "\xe2\x84\xaa",
    "k",     "a",     "5.",   "time",
};

/* None that means something else to the reference. */
static const char *const expressions[] = {
    "err.*level",
    "(?i)error",
    "(?i)level=x",
    "error|level",
    "err[o0]r",
    "^error",
    "level$",
    "\\berr\\b",
    "\\d+\\.\\d+",
    "[^e]rror",
    "^$",
    "time|(err|lev)el?",
    "a{2,3}",
    "(?i)(k|x)or",
    "^.{3}$",
    "x.x",
    "\xef\xbf\xbd[^k]",
    "(?i)k",
    "(?i)(e|E)R.?r ",
    "level=(x|a)+ err",
    "(?i)Tim",
    "(?i)\xc5\xbf"
    "k",
    "(?i)k k",
    "(?i)\xc3\x84",
    "\xc3\xa4",
    "[5k]\\.? *time",
    "(?i)ERROR|(?i)x=",
};

static const char *const addresses[] = {"10.0.0.1", "10.0.0.0/24", "5.10.0.0-5.255.0.1"};

static struct str random_pieces(struct loggen *g, struct arena *a, uint32_t count, const char *tail)
{
    struct buf text;

    buf_init(&text, MIB);
    for (uint32_t i = 0; i < count; i++) {
        buf_put(&text, str_from(pieces[loggen_below(g, COUNT_OF(pieces))]));
        buf_put(&text, str_from(tail));
    }
    struct str copy = arena_str(a, buf_str(&text));
    buf_release(&text);
    return copy;
}

static struct line_alternative random_alternative(struct loggen *g, struct arena *a,
                                                  enum line_op op)
{
    bool plain = op == LINE_CONTAINS || op == LINE_NOT_CONTAINS;

    if (plain && loggen_below(g, 5) == 0)
        return (struct line_alternative){str_from(addresses[loggen_below(g, COUNT_OF(addresses))]),
                                         true};
    if (op == LINE_RE || op == LINE_NOT_RE)
        return (struct line_alternative){
            str_from(expressions[loggen_below(g, COUNT_OF(expressions))]), false};
    return (struct line_alternative){
        random_pieces(g, a, 1 + loggen_below(g, 3), plain ? "" : "<_>"), false};
}

static struct stage_expr random_filter(struct loggen *g, struct arena *a)
{
    struct line_alternative *alternatives = arena_new(a, struct line_alternative, ALTERNATIVES_MAX);
    struct stage_expr s = {.kind = STAGE_LINE_FILTER};
    struct line_filter_expr *f = &s.line_filter;

    cr_assert_not_null(alternatives);
    f->op = (enum line_op)loggen_below(g, LINE_NOT_PATTERN + 1);
    f->count = 1 + (loggen_below(g, 3) == 0 ? loggen_below(g, ALTERNATIVES_MAX) : 0);
    for (size_t i = 0; i < f->count; i++)
        alternatives[i] = random_alternative(g, a, f->op);
    f->alternatives = alternatives;
    return s;
}

static void random_lines(struct loggen *g, struct arena *a, struct lines *l)
{
    static const uint32_t counts[] = {1, 3, 63, 64, 65, 200, 700, 4096, 4500};
    uint32_t count = counts[loggen_below(g, COUNT_OF(counts) - (loggen_below(g, 8) == 0 ? 0 : 2))];
    uint32_t longest = 1 + loggen_below(g, 30);

    lines_init(l);
    for (uint32_t i = 0; i < count; i++) {
        buf_put(&l->text, random_pieces(g, a, loggen_below(g, longest), ""));
        lines_end(l);
    }
}

/* ---- what is expected ---- */

static bool holds(struct arena *a, enum line_op op, struct line_alternative alternative,
                  struct str line)
{
    struct line_pattern pattern;
    struct ipset ips;

    if (alternative.is_ip) {
        REQUIRE_OK(ipset_compile(alternative.text, &ips, NULL));
        return ipset_search(&ips, line);
    }
    if (op == LINE_PATTERN || op == LINE_NOT_PATTERN) {
        REQUIRE_OK(line_pattern_compile_filter(a, alternative.text, &pattern, NULL));
        return line_pattern_matches(&pattern, line);
    }
    return str_find(line, alternative.text) != STR_NPOS;
}

/* Clear the bits of the lines that the filter, understood in the simplest way, does not keep. */
static void expect_filter(struct arena *a, const struct line_filter_expr *f, const struct block *b,
                          bool *kept)
{
    bool is_re = f->op == LINE_RE || f->op == LINE_NOT_RE;
    bool negated = f->op == LINE_NOT_CONTAINS || f->op == LINE_NOT_RE || f->op == LINE_NOT_PATTERN;
    const struct regex *re[ALTERNATIVES_MAX];

    for (size_t i = 0; i < f->count && is_re; i++)
        REQUIRE_OK(regex_compile_in(a, f->alternatives[i].text, &re[i], NULL));
    for (uint32_t line = 0; line < b->count; line++) {
        bool any = false;
        for (size_t i = 0; i < f->count && !any; i++)
            any = is_re ? regex_search(re[i], block_line(b, line))
                        : holds(a, f->op, f->alternatives[i], block_line(b, line));
        kept[line] = kept[line] && any != negated;
    }
}

static bool each_keeps(const struct pipeline *p, struct str line)
{
    bool keeps = true;

    for (size_t i = 0; i < p->line_filter_count && keeps; i++)
        keeps = line_filter_keeps(&p->line_filters[i], line);
    return keeps;
}

static void check(struct arena *a, struct stage_expr *stages, size_t count, const struct block *b)
{
    struct log_expr log = {.stages = stages, .stage_count = count};
    static uint64_t bits[LINES_MAX / 64 + 1];
    static bool kept[LINES_MAX];
    struct pipeline p;

    REQUIRE_OK(pipeline_build(a, &log, NULL, &p, NULL));
    memset(kept, true, sizeof(kept));
    memset(bits, 0xa5, sizeof(bits));
    for (size_t i = 0; i < count; i++)
        expect_filter(a, &stages[i].line_filter, b, kept);
    pipeline_keep_lines(&p, b, bits);
    for (uint32_t i = 0; i < b->count; i++) {
        bool bit = (bits[i / 64] >> i % 64 & 1) != 0;
        if (bit == kept[i] && each_keeps(&p, block_line(b, i)) == kept[i])
            continue;
        struct buf text;
        buf_init(&text, MIB);
        for (size_t k = 0; k < count; k++)
            canon_put_stage(&text, &stages[k]);
        cr_assert_fail("line %u of %u, %d: '%.*s'; %zu filters, first %.*s", i, b->count, bit,
                       STR_ARG(block_line(b, i)), count, STR_ARG(buf_str(&text)));
    }
    if (b->count % 64 != 0)
        cr_assert_eq(bits[b->count / 64] >> b->count % 64, 0);
}

Test(line_filter, a_block_as_line_by_line)
{
    struct loggen g;

    loggen_init(&g, 5);
    for (int round = 0; round < ROUNDS; round++) {
        struct stage_expr stages[FILTERS_MAX];
        size_t count = loggen_below(&g, FILTERS_MAX) + 1;
        struct lines l;
        struct arena a;
        arena_init(&a, ARENA_BYTES);
        random_lines(&g, &a, &l);
        for (size_t i = 0; i < count; i++)
            stages[i] = random_filter(&g, &a);
        struct block b = lines_block(&l);
        check(&a, stages, count, &b);
        buf_release(&l.text);
        arena_release(&a);
    }
}

Test(line_filter, borders_of_lines_are_no_hits)
{
    static const char *const lines[] = {"xer", "ror", "", "error", "e", "", "rrorerro", "r error"};
    struct line_alternative needle = {STR_INIT("error"), false};
    struct stage_expr s = {.kind = STAGE_LINE_FILTER, .line_filter = {LINE_CONTAINS, &needle, 1}};
    struct lines l;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    lines_init(&l);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        buf_put(&l.text, str_from(lines[i]));
        lines_end(&l);
    }
    struct block b = lines_block(&l);
    check(&a, &s, 1, &b);
    s.line_filter.op = LINE_NOT_CONTAINS;
    check(&a, &s, 1, &b);
    buf_release(&l.text);
    arena_release(&a);
}

Test(line_filter, no_filters_keep_everything)
{
    struct lines l;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    lines_init(&l);
    for (int i = 0; i < 130; i++)
        lines_end(&l);
    struct block b = lines_block(&l);
    b.lines = STR_NULL;
    check(&a, NULL, 0, &b);
    buf_release(&l.text);
    arena_release(&a);
}

/* What it needs is found by compiling the expression once more. */
Test(line_filter, needs_count_against_the_arena)
{
    struct line_alternative alternative = {STR_INIT("(conn|disk) [0-9]+ (reset|refused|full)"),
                                           false};
    struct line_filter_expr expr = {LINE_RE, &alternative, 1};
    const struct regex *re = NULL;
    struct line_filter filter;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    REQUIRE_OK(regex_compile_in(&a, alternative.text, &re, NULL));
    size_t alone = a.charged_bytes, needs = regex_needs_bytes(re);
    cr_expect_gt(needs, regex_work_bytes(re));
    arena_release(&a);

    arena_init(&a, ARENA_BYTES);
    REQUIRE_OK(line_filter_compile(&a, &expr, &filter, NULL));
    cr_expect_eq(a.charged_bytes, alone + needs);
    arena_release(&a);

    arena_init(&a, alone + needs); /* nothing is left for the rest */
    EXPECT_STATUS("too little", line_filter_compile(&a, &expr, &filter, NULL), ST_LIMIT);
    arena_release(&a);
}

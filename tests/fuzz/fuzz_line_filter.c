/*
 * Line filters over a block and line by line: two lines of input are a filter each, its operator
 * and its text, and what is behind them are the lines of the block, with zeros between.
 */
#include "base/regex.h"
#include "query/label_regex.h"
#include "query/line_pattern.h"
#include "query/pipeline.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/lines.h"

#include "base/banned.h"

enum { FILTERS = 2, PATTERN_BYTES_MAX = 200 };

/* Expressions that are taken for something simpler do not mean what they say. */
static bool means_what_it_says(struct str expression)
{
    const struct str flag = STR("(?i)");
    bool is_text = str_starts(expression, flag);

    for (size_t i = flag.len; i < expression.len && is_text; i++)
        is_text = memchr("(|.", expression.ptr[i], 3) == NULL;
    return is_text || !label_regex_is_simple(expression);
}

/* False: the filter is looked at in another way, of which nothing is known here. */
static bool understand(struct arena *a, const struct line_filter_expr *f, struct str line,
                       bool *ret_keeps)
{
    struct str text = f->alternatives[0].text;
    struct line_pattern pattern;
    const struct regex *re;

    switch (f->op) {
    case LINE_CONTAINS:
    case LINE_NOT_CONTAINS:
        *ret_keeps = (str_find(line, text) != STR_NPOS) == (f->op == LINE_CONTAINS);
        return !f->alternatives[0].is_ip;
    case LINE_RE:
    case LINE_NOT_RE:
        if (!means_what_it_says(text) || regex_compile_in(a, text, &re, NULL) != ST_OK)
            return false;
        *ret_keeps = regex_search(re, line) == (f->op == LINE_RE);
        return true;
    case LINE_PATTERN:
    case LINE_NOT_PATTERN:
        if (line_pattern_compile_filter(a, text, &pattern, NULL) != ST_OK)
            return false;
        *ret_keeps = line_pattern_matches(&pattern, line) == (f->op == LINE_PATTERN);
        return true;
    }
    return false;
}

static bool all_keep(const struct pipeline *p, struct str line)
{
    for (size_t i = 0; i < p->line_filter_count; i++) {
        if (!line_filter_keeps(&p->line_filters[i], line))
            return false;
    }
    return true;
}

static void check(struct arena *a, const struct log_expr *log, const struct block *b)
{
    static uint64_t bits[LINES_MAX / 64 + 1];
    struct pipeline p;

    if (pipeline_build(a, log, NULL, &p, NULL) != ST_OK)
        return;
    pipeline_keep_lines(&p, b, bits);
    for (uint32_t i = 0; i < b->count; i++) {
        bool bit = (bits[i / 64] >> i % 64 & 1) != 0, expected = true, known = true, keeps;
        for (size_t k = 0; k < log->stage_count && known; k++) {
            known = understand(a, &log->stages[k].line_filter, block_line(b, i), &keeps);
            expected = expected && keeps;
        }
        ASSERT(bit == all_keep(&p, block_line(b, i)));
        ASSERT(!known || bit == expected);
    }
}

static struct str cut(struct str *in, char separator)
{
    size_t end = MIN_OF(str_find_char(*in, separator), in->len);
    struct str piece = str_head(*in, end);

    *in = str_cut(*in, MIN_OF(end + 1, in->len));
    return piece;
}

void fuzz_input(struct str in)
{
    struct line_alternative alternatives[FILTERS];
    struct stage_expr stages[FILTERS];
    struct log_expr log = {.stages = stages};
    struct lines l;
    struct arena a;

    for (; log.stage_count < FILTERS; log.stage_count++) {
        struct str text = cut(&in, '\n');
        if (text.len < 2 || text.len > PATTERN_BYTES_MAX)
            break;
        unsigned op = (unsigned char)text.ptr[0] % (LINE_NOT_PATTERN + 2U);
        struct line_alternative *alternative = &alternatives[log.stage_count];
        *alternative = (struct line_alternative){str_cut(text, 1), op > LINE_NOT_PATTERN};
        stages[log.stage_count] = (struct stage_expr){.kind = STAGE_LINE_FILTER};
        stages[log.stage_count].line_filter = (struct line_filter_expr){
            op > LINE_NOT_PATTERN ? LINE_CONTAINS : (enum line_op)op, alternative, 1};
    }
    lines_init(&l);
    while (in.len > 0 && l.count < LINES_MAX) {
        buf_put(&l.text, cut(&in, '\0'));
        lines_end(&l);
    }
    arena_init(&a, 16 * FUZZ_MEMORY_BYTES);
    struct block b = lines_block(&l);
    if (b.count > 0)
        check(&a, &log, &b);
    arena_release(&a);
    buf_release(&l.text);
}

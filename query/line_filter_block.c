/*
 * The lines of a block stand one behind another, so a text is looked for in all of them at once and
 * the places where it is are mapped to lines. A place across the border of two lines counts for
 * nothing. Behind each place the search goes on with the next line: there is no more to know of
 * this one, or too little of it left.
 *
 * Lines are dealt with in windows, a bit for each line. Every step narrows a set of lines down:
 * those that all filters before kept, those among them that no test before has accepted, those
 * that have what the test needs. When few are left, they are looked at one by one.
 */
#include "query/line_filter_internal.h"

#include "base/banned.h"

enum {
    WORD_BITS = 64,
    WINDOW_WORDS = 64,
    WINDOW_LINES = WINDOW_WORDS * WORD_BITS,
    SPARSE_FACTOR = 4, /* looking at a line alone costs so much more than among all */
};

/* Lines `first` to `end` - 1 of a block. */
struct window {
    const struct block *block;
    uint32_t first;
    uint32_t end;
    size_t words;
};

static bool is_sparse(const struct window *w, const uint64_t *lines)
{
    uint32_t count = 0;

    for (size_t i = 0; i < w->words; i++)
        count += (uint32_t)__builtin_popcountll(lines[i]);
    return count < (w->end - w->first) / SPARSE_FACTOR;
}

/* Set the bits of the lines that have the needle. */
static void mark_lines(const struct window *w, const struct needle *n, uint64_t *lines)
{
    const struct block *b = w->block;
    uint32_t line = w->first;
    size_t at = line == 0 ? 0 : b->line_ends[line - 1];
    struct str text = str_head(b->lines, b->line_ends[w->end - 1]);

    for (size_t hit; (hit = needle_find(n, str_cut(text, at))) != STR_NPOS;) {
        at += hit;
        while (b->line_ends[line] <= at)
            line++;
        if (b->line_ends[line] - at >= n->text.len)
            lines[(line - w->first) / WORD_BITS] |= UINT64_C(1) << (line - w->first) % WORD_BITS;
        at = b->line_ends[line];
    }
}

/* What is asked of a line that is looked at alone. */
typedef bool line_question(const void *subject, struct str line);

static bool ask_need(const void *need, struct str line)
{
    return line_need_is_met(need, line);
}

static bool ask_test(const void *test, struct str line)
{
    return line_test_verify(test, line);
}

static bool ask_filter(const void *filter, struct str line)
{
    return line_filter_keeps(filter, line);
}

/* Take out of `lines` those of which the answer is no. */
static void sift(const struct window *w, line_question *ask, const void *subject, uint64_t *lines)
{
    for (size_t i = 0; i < w->words; i++) {
        for (uint64_t left = lines[i]; left != 0; left &= left - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(left);
            uint32_t line = w->first + (uint32_t)i * WORD_BITS + bit;
            if (!ask(subject, block_line(w->block, line)))
                lines[i] &= ~(UINT64_C(1) << bit);
        }
    }
}

/* Leave in `lines` those that meet the need. */
static void apply_need(const struct window *w, const struct line_need *need, uint64_t *lines)
{
    uint64_t found[WINDOW_WORDS] = {0};

    if (is_sparse(w, lines)) {
        sift(w, ask_need, need, lines);
        return;
    }
    for (size_t i = 0; i < need->count; i++)
        mark_lines(w, &need->needles[i], found);
    for (size_t i = 0; i < w->words; i++)
        lines[i] &= found[i];
}

/* Leave in `lines` those for which the test holds. */
static void apply_test(const struct window *w, const struct line_test *t, uint64_t *lines)
{
    for (size_t i = 0; i < t->needs.count; i++)
        apply_need(w, &t->needs.all[i], lines);
    if (t->kind != TEST_CONTAINS)
        sift(w, ask_test, t, lines);
}

/* Leave in `lines` those that the filter keeps. */
static void apply_filter(const struct window *w, const struct line_filter *f, uint64_t *lines)
{
    uint64_t undecided[WINDOW_WORDS], accepted[WINDOW_WORDS] = {0};

    if (f->count == 0 || is_sparse(w, lines)) {
        sift(w, ask_filter, f, lines);
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        for (size_t k = 0; k < w->words; k++)
            undecided[k] = lines[k] & ~accepted[k];
        apply_test(w, &f->tests[i], undecided);
        for (size_t k = 0; k < w->words; k++)
            accepted[k] |= undecided[k];
    }
    for (size_t i = 0; i < w->words; i++)
        lines[i] &= f->negated ? ~accepted[i] : accepted[i];
}

void line_filter_keep_lines(const struct line_filter *f, const struct block *b, uint64_t *bits)
{
    for (uint32_t first = 0; first < b->count; first += WINDOW_LINES) {
        struct window w = {b, first, first + MIN_OF(b->count - first, (uint32_t)WINDOW_LINES), 0};
        w.words = (w.end - w.first + WORD_BITS - 1) / WORD_BITS;
        apply_filter(&w, f, bits + first / WORD_BITS);
    }
}

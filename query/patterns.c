/*
 * In the manner of Drain (P. He and others, 2017), with one level of its tree. A line is words with
 * separators between them: blanks, brackets, quotes and a few signs. Lines of one level with the
 * same separators in the same order have one shape. Within a shape lines gather in clusters by the
 * words they share: a line joins the cluster that has most words in common with it if that is at
 * least half of them, and where they differ the cluster has a variable from then on. Words with
 * digits in them count as common: they are what varies most.
 *
 * I1  A variable stands for one word or, at the end of a line that was cut, for all the rest.
 * I2  No word has a separator in it, and two words have one between them unless the second is such
 *     a rest. So a search for the literal behind a variable finds the place where the word ended,
 *     and `|>` accepts the line.
 */
#include "query/patterns.h"

#include <stdlib.h>

#include "base/num.h"
#include "base/utf8.h"
#include "query/cells.h"

#include "base/banned.h"

/* Word i stands behind separator i; there is one separator more than words. */
struct tokens {
    struct str separators[PATTERN_WORDS_MAX + 2];
    struct str words[PATTERN_WORDS_MAX + 1];
    bool numeric[PATTERN_WORDS_MAX + 1]; /* the word has digits near its begin */
    size_t count;                        /* of words */
};

struct cluster {
    struct cluster *next; /* of the shape, in order of their first lines */
    struct str *words;    /* `ptr` NULL: a variable */
    bool *numeric;        /* all words that stood there had digits in them */
};

struct shape {
    struct shape *next; /* in order of their first lines */
    struct str level;
    struct str *separators;
    size_t word_count;
    struct cluster *first;
    struct cluster **last; /* where the next one is linked */
    size_t cluster_count;
};

struct miner {
    const struct patterns_request *request;
    struct selection *selection;
    struct reader *reader;
    struct arena *arena;
    struct map shapes; /* level and separators -> struct shape */
    struct shape *first;
    struct shape **last;
    struct cells cells; /* lines by cluster and step */
    struct buf key;
    struct tokens tokens; /* of the line that is looked at */
    uint64_t lines;
};

/* ---- a line to words ---- */

static bool is_separator(char c)
{
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case '=':
    case ',':
    case ':':
    case ';':
    case '|':
    case '"':
    case '\'':
    case '(':
    case ')':
    case '[':
    case ']':
    case '{':
    case '}':
        return true;
    default:
        return false;
    }
}

static struct str cut_run(struct str *rest, bool separators)
{
    size_t len = 0;

    while (len < rest->len && is_separator(rest->ptr[len]) == separators)
        len++;
    struct str run = str_head(*rest, len);
    *rest = str_cut(*rest, len);
    return run;
}

static bool has_digit(struct str word)
{
    for (size_t i = 0; i < MIN_OF(word.len, (size_t)PATTERN_WORD_BYTES_MAX); i++) {
        if (word.ptr[i] >= '0' && word.ptr[i] <= '9')
            return true;
    }
    return false;
}

static void add_word(struct tokens *t, struct str word)
{
    t->numeric[t->count] = has_digit(word);
    t->words[t->count++] = word;
}

static void tokenize(struct tokens *t, struct str line)
{
    struct str rest = line;

    t->count = 0;
    for (;;) {
        struct str before = rest, separator = cut_run(&rest, true);
        if (t->count == PATTERN_WORDS_MAX || separator.len > PATTERN_WORD_BYTES_MAX) {
            rest = before;
            break;
        }
        t->separators[t->count] = separator;
        if (rest.len == 0)
            return;
        add_word(t, cut_run(&rest, false));
    }
    t->separators[t->count] = STR(""); /* the line is cut: the rest is one more word */
    if (rest.len == 0)
        return;
    add_word(t, rest);
    t->separators[t->count] = STR("");
}

/* Cannot stand in a pattern: too long, or it could be taken for a capture. */
static bool always_varies(struct str word)
{
    return word.len > PATTERN_WORD_BYTES_MAX || str_find_char(word, '<') != STR_NPOS ||
           !utf8_valid(word);
}

/* ---- shapes and clusters ---- */

static enum status add_shape(struct miner *m, struct str level, struct shape **ret_shape,
                             struct err *err)
{
    const struct tokens *t = &m->tokens;
    struct shape *s = arena_new(m->arena, struct shape, 1);
    struct str *separators = arena_new(m->arena, struct str, t->count + 1);
    struct str key = arena_str(m->arena, buf_str(&m->key));
    struct str level_copy = arena_str(m->arena, level);

    if (s == NULL || separators == NULL || key.ptr == NULL || level_copy.ptr == NULL)
        return arena_status(m->arena, err);
    for (size_t i = 0; i <= t->count; i++) {
        separators[i] = arena_str(m->arena, t->separators[i]);
        if (separators[i].ptr == NULL)
            return arena_status(m->arena, err);
    }
    *s = (struct shape){.level = level_copy, .separators = separators, .word_count = t->count};
    s->last = &s->first;
    if (map_set(&m->shapes, key, s) != ST_OK)
        return err_set(err, ST_NOMEM, "no memory for patterns");
    *m->last = s;
    m->last = &s->next;
    *ret_shape = s;
    return ST_OK;
}

/* The shape of the line; NULL when there are too many. */
static enum status find_shape(struct miner *m, struct str level, struct shape **ret_shape,
                              struct err *err)
{
    buf_reset(&m->key);
    buf_put_str(&m->key, level);
    for (size_t i = 0; i <= m->tokens.count; i++)
        buf_put_str(&m->key, m->tokens.separators[i]);
    if (m->key.failed)
        return buf_status(&m->key, err);
    *ret_shape = map_get(&m->shapes, buf_str(&m->key));
    if (*ret_shape != NULL || m->shapes.count == PATTERN_SHAPES_MAX)
        return ST_OK;
    return add_shape(m, level, ret_shape, err);
}

static size_t common_words(const struct cluster *c, const struct tokens *t)
{
    size_t common = 0;

    for (size_t i = 0; i < t->count; i++) {
        bool is_variable = c->words[i].ptr == NULL;
        bool equal = !is_variable && str_eq(c->words[i], t->words[i]);
        common += equal || (c->numeric[i] && t->numeric[i]) ? 1 : 0;
    }
    return common;
}

static enum status add_cluster(struct miner *m, struct shape *s, struct cluster **ret_cluster,
                               struct err *err)
{
    const struct tokens *t = &m->tokens;
    struct cluster *c = arena_new(m->arena, struct cluster, 1);
    struct str *words = arena_new(m->arena, struct str, t->count + 1);
    bool *numeric = arena_new(m->arena, bool, t->count + 1);

    if (c == NULL || words == NULL || numeric == NULL)
        return arena_status(m->arena, err);
    for (size_t i = 0; i < t->count; i++) {
        numeric[i] = t->numeric[i];
        if (always_varies(t->words[i]))
            continue;
        words[i] = arena_str(m->arena, t->words[i]);
        if (words[i].ptr == NULL)
            return arena_status(m->arena, err);
    }
    *c = (struct cluster){.words = words, .numeric = numeric};
    *s->last = c;
    s->last = &c->next;
    s->cluster_count++;
    *ret_cluster = c;
    return ST_OK;
}

static void join(struct cluster *c, const struct tokens *t)
{
    for (size_t i = 0; i < t->count; i++) {
        c->numeric[i] = c->numeric[i] && t->numeric[i];
        if (c->words[i].ptr != NULL && !str_eq(c->words[i], t->words[i]))
            c->words[i] = STR_NULL;
    }
}

static enum status find_cluster(struct miner *m, struct shape *s, struct cluster **ret_cluster,
                                struct err *err)
{
    const struct tokens *t = &m->tokens;
    struct cluster *best = NULL;
    size_t best_common = 0;

    for (struct cluster *c = s->first; c != NULL && best_common < t->count; c = c->next) {
        size_t common = common_words(c, t);
        if (best == NULL || common > best_common) {
            best = c;
            best_common = common;
        }
    }
    bool near = best != NULL && 2 * best_common >= t->count;
    if (!near && s->cluster_count < PATTERN_CLUSTERS_MAX)
        return add_cluster(m, s, ret_cluster, err);
    join(best, t);
    *ret_cluster = best;
    return ST_OK;
}

static enum status add_line(struct miner *m, int64_t ts_ns, struct str line, struct str level,
                            struct err *err)
{
    static const struct source_totals one = {.entries = 1};
    int64_t bucket_ns = i64_floor_to(ts_ns, m->request->step_ns);
    struct shape *shape = NULL;
    struct cluster *cluster = NULL;

    if (line.len == 0)
        return ST_OK;
    tokenize(&m->tokens, line);
    enum status st = find_shape(m, level.len > 0 ? level : STR("unknown"), &shape, err);
    if (st != ST_OK || shape == NULL)
        return st;
    st = find_cluster(m, shape, &cluster, err);
    return st == ST_OK ? cells_add(&m->cells, cluster, bucket_ns, &one, err) : st;
}

/* ---- reading ---- */

static enum status read_block(struct miner *m, const struct block *b, struct err *err)
{
    const struct patterns_request *r = m->request;
    enum { CHECK_EVERY_LINES = 4096 };
    enum status st = ST_OK;

    for (uint32_t i = b->count; i-- > 0 && st == ST_OK && m->lines < PATTERN_LINES_MAX;) {
        if (b->ts_ns[i] < r->start_ns || b->ts_ns[i] >= r->end_ns)
            continue;
        if (++m->lines % CHECK_EVERY_LINES == 0)
            st = query_check(r->q, err);
        if (st == ST_OK)
            st = add_line(m, b->ts_ns[i], block_line(b, i),
                          labels_get(block_metadata(b, i), STR("detected_level")), err);
    }
    return st;
}

static bool overlaps(const struct patterns_request *r, int64_t min_ns, int64_t max_ns)
{
    return max_ns >= r->start_ns && min_ns < r->end_ns;
}

static enum status read_run(struct miner *m, struct source_run *run, struct err *err)
{
    const struct source_block *blocks;
    uint32_t count;

    enum status st = m->reader->open_run(m->reader, run, &blocks, &count, err);
    if (st != ST_OK)
        return query_forgive_damage(m->request->q, st);
    for (uint32_t i = count; i-- > 0 && st == ST_OK && m->lines < PATTERN_LINES_MAX;) {
        struct block block = {0};
        if (!overlaps(m->request, blocks[i].min_ns, blocks[i].max_ns))
            continue;
        st = m->reader->load(m->reader, i, SOURCE_ALL, &block, err);
        st = st == ST_OK ? read_block(m, &block, err) : query_forgive_damage(m->request->q, st);
        if (st == ST_OK)
            st = query_check(m->request->q, err);
    }
    return st;
}

/* The newest first; what lies in memory comes in no order. */
static int compare_runs(const void *a, const void *b)
{
    const struct source_run *x = a, *y = b;

    if (x->max_ns != y->max_ns)
        return x->max_ns < y->max_ns ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

static enum status read_all(struct miner *m, struct err *err)
{
    const struct patterns_request *r = m->request;
    const struct source_request wanted = {
        .tenant = r->tenant,
        .matchers = r->matchers,
        .start_ns = r->start_ns,
        .end_ns = r->end_ns - 1,
        .backward = true,
    };

    enum status st = r->source->select(r->source, r->q, &wanted, &m->selection, err);
    if (st != ST_OK)
        return st;
    st = m->selection->reader(m->selection, r->q, &m->reader, err);
    while (st == ST_OK) {
        struct source_run *runs;
        size_t count;
        int64_t bound_ns;
        st = m->selection->next_runs(m->selection, &runs, &count, &bound_ns, err);
        if (st == ST_OK && count > 0)
            qsort(runs, count, sizeof(*runs), compare_runs);
        for (size_t i = 0; st == ST_OK && i < count; i++) {
            if (overlaps(r, runs[i].min_ns, runs[i].max_ns))
                st = read_run(m, &runs[i], err);
        }
    }
    if (m->reader != NULL)
        m->reader->release(m->reader);
    m->selection->end(m->selection);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- the answer ---- */

static void put_pattern(struct buf *b, const struct shape *s, const struct cluster *c)
{
    buf_put(b, s->separators[0]);
    for (size_t i = 0; i < s->word_count; i++) {
        bool is_rest = i > 0 && s->separators[i].len == 0;
        if (c->words[i].ptr != NULL)
            buf_put(b, c->words[i]);
        else if (!is_rest || c->words[i - 1].ptr != NULL) /* no two variables in a row */
            buf_put(b, STR("<_>"));
        buf_put(b, s->separators[i + 1]);
    }
}

/* Clusters of one level that have come to the same text are one pattern. */
struct texts {
    struct map map;     /* level and text -> struct pattern */
    struct cells cells; /* lines by pattern and step */
    struct buf text;
    struct buf key;
};

static enum status find_pattern(struct miner *m, struct texts *t, const struct shape *s,
                                struct pattern **ret_pattern, struct err *err)
{
    buf_reset(&t->key);
    buf_put_str(&t->key, s->level);
    buf_put_str(&t->key, buf_str(&t->text));
    if (t->key.failed || t->text.failed)
        return buf_status(t->key.failed ? &t->key : &t->text, err);
    *ret_pattern = map_get(&t->map, buf_str(&t->key));
    if (*ret_pattern != NULL)
        return ST_OK;
    struct pattern *p = arena_new(m->arena, struct pattern, 1);
    struct str text = arena_str(m->arena, buf_str(&t->text));
    struct str key = arena_str(m->arena, buf_str(&t->key));
    if (p == NULL || text.ptr == NULL || key.ptr == NULL)
        return arena_status(m->arena, err);
    *p = (struct pattern){.text = text, .level = s->level};
    if (map_set(&t->map, key, p) != ST_OK)
        return err_set(err, ST_NOMEM, "no memory for patterns");
    *ret_pattern = p;
    return ST_OK;
}

static enum status add_to_pattern(struct miner *m, struct texts *t, const struct shape *s,
                                  const struct cluster *c, struct err *err)
{
    struct pattern *p = NULL;
    size_t count;

    buf_reset(&t->text);
    put_pattern(&t->text, s, c);
    enum status st = find_pattern(m, t, s, &p, err);
    struct cell **cells = cells_of(&m->cells, c, &count);
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        p->total += cells[i]->totals.entries;
        st = cells_add(&t->cells, p, cells[i]->key.bucket_ns, &cells[i]->totals, err);
    }
    return st;
}

static int compare_patterns(const void *a, const void *b)
{
    const struct pattern *x = a, *y = b;

    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    int order = str_cmp(x->text, y->text);
    return order != 0 ? order : str_cmp(x->level, y->level);
}

static enum status take_samples(struct texts *t, struct arena *a, struct pattern *to,
                                const struct pattern *from)
{
    struct cell **cells = cells_of(&t->cells, from, &to->count);

    to->samples = arena_new(a, struct pattern_sample, to->count);
    if (to->samples == NULL)
        return ST_LIMIT;
    for (size_t i = 0; i < to->count; i++)
        to->samples[i] = (struct pattern_sample){cells[i]->key.bucket_ns, cells[i]->totals.entries};
    return ST_OK;
}

static enum status take_patterns(struct miner *m, struct texts *t, struct patterns *ret_patterns,
                                 struct err *err)
{
    struct patterns found = {.items = arena_new(m->arena, struct pattern, t->map.count + 1)};
    size_t cursor = 0;

    if (found.items == NULL)
        return arena_status(m->arena, err);
    for (const struct pattern *p = map_next(&t->map, &cursor); p != NULL;
         p = map_next(&t->map, &cursor)) {
        struct pattern *to = &found.items[found.count++];
        *to = *p;
        if (take_samples(t, m->arena, to, p) != ST_OK)
            return arena_status(m->arena, err);
    }
    qsort(found.items, found.count, sizeof(*found.items), compare_patterns);
    found.count = MIN_OF(found.count, (size_t)PATTERNS_MAX);
    *ret_patterns = found;
    return ST_OK;
}

static enum status make_patterns(struct miner *m, struct patterns *ret_patterns, struct err *err)
{
    struct texts t = {.map = {0}};

    cells_init(&t.cells, m->arena);
    buf_init(&t.text, m->arena->max_bytes);
    buf_init(&t.key, m->arena->max_bytes);
    enum status st = cells_sort(&m->cells, err);
    for (const struct shape *s = m->first; s != NULL && st == ST_OK; s = s->next) {
        for (const struct cluster *c = s->first; c != NULL && st == ST_OK; c = c->next)
            st = add_to_pattern(m, &t, s, c, err);
    }
    if (st == ST_OK)
        st = cells_sort(&t.cells, err);
    if (st == ST_OK)
        st = take_patterns(m, &t, ret_patterns, err);
    map_release(&t.map);
    cells_release(&t.cells);
    buf_release(&t.text);
    buf_release(&t.key);
    return st;
}

enum status patterns_find(const struct patterns_request *request, struct patterns *ret_patterns,
                          struct err *err)
{
    struct miner *m = arena_new(request->q->arena, struct miner, 1);
    enum status st = ST_OK;

    ASSERT(request->step_ns > 0);
    if (m == NULL)
        return arena_status(request->q->arena, err);
    m->request = request;
    m->arena = request->q->arena;
    m->last = &m->first;
    cells_init(&m->cells, m->arena);
    buf_init(&m->key, m->arena->max_bytes);
    if (request->start_ns < request->end_ns)
        st = read_all(m, err);
    if (st == ST_OK)
        st = make_patterns(m, ret_patterns, err);
    map_release(&m->shapes);
    cells_release(&m->cells);
    buf_release(&m->key);
    return st;
}

#include "server/store/hide.h"

#include "base/mem.h"
#include "base/regex.h"
#include "base/time.h"
#include "query/parser.h"
#include "server/store/retention.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

/* ---- sets ---- */

static enum status compile_rule(struct arena *a, const struct hide_spec *spec,
                                struct hide_rule *rule, struct err *err)
{
    const struct expr *e = NULL;
    struct pipeline *pipeline = NULL;

    enum status st = logql_parse(a, spec->query, &e, err);
    if (st != ST_OK)
        return st;
    if (e->kind != EXPR_LOG)
        return err_set(err, ST_INVALID, "only log selector is supported");
    if (e->log.stage_count > 0) {
        pipeline = arena_new(a, struct pipeline, 1);
        if (pipeline == NULL)
            return arena_status(a, err);
        st = pipeline_build(a, &e->log, NULL, pipeline, err);
    }
    *rule = (struct hide_rule){
        .start_ns = spec->start_ns,
        .end_ns = spec->end_ns,
        .chunk_max = spec->chunk_max,
        .matchers = {e->log.matchers, e->log.matcher_count},
        .pipeline = pipeline,
    };
    return st;
}

enum status hide_set_new(const struct hide_spec *specs, size_t count, size_t bytes_max,
                         struct hide_set **ret_set, struct err *err)
{
    struct hide_set *set = mem_new(1, sizeof(*set));
    enum status st = ST_OK;

    if (set == NULL)
        return err_set(err, ST_NOMEM, "no memory for delete requests");
    refs_init(&set->refs);
    arena_init(&set->arena, bytes_max);
    set->rules = arena_new(&set->arena, struct hide_rule, count);
    set->count = count;
    if (set->rules == NULL)
        st = arena_status(&set->arena, err);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = compile_rule(&set->arena, &specs[i], &set->rules[i], err);
    if (st != ST_OK) {
        hide_set_drop(set);
        return st;
    }
    *ret_set = set;
    return ST_OK;
}

void hide_set_drop(struct hide_set *set)
{
    if (set == NULL || !refs_drop(&set->refs))
        return;
    arena_release(&set->arena);
    mem_free(set);
}

/* ---- the sets of a store ---- */

/* What hides from a tenant; it stays in the table when that is nothing any more. */
struct hide_published {
    struct hide_set *set;
    struct str tenant; /* right behind it */
};

void hide_table_init(struct hide_table *t)
{
    *t = (struct hide_table){0};
    lock_init(&t->lock, LOCK_RANK_HIDE);
}

void hide_table_release(struct hide_table *t)
{
    struct hide_published *p;
    size_t cursor = 0;

    while ((p = map_next(&t->sets, &cursor)) != NULL) {
        hide_set_drop(p->set);
        mem_free(p);
    }
    map_release(&t->sets);
    lock_release(&t->lock);
}

static struct hide_published *add_tenant(struct hide_table *t, struct str tenant)
{
    struct hide_published *p = mem_new(1, sizeof(*p) + tenant.len);
    char *name = (char *)(p + 1);

    if (p == NULL)
        return NULL;
    memcpy(name, tenant.ptr, tenant.len);
    p->tenant = str_make(name, tenant.len);
    if (map_set(&t->sets, p->tenant, p) != ST_OK) {
        mem_free(p);
        return NULL;
    }
    return p;
}

enum status hide_reserve(struct hide_table *t, struct str tenant)
{
    lock_take(&t->lock);
    const struct hide_published *p = map_get(&t->sets, tenant);
    if (p == NULL)
        p = add_tenant(t, tenant);
    lock_give(&t->lock);
    return p == NULL ? ST_NOMEM : ST_OK;
}

void hide_publish(struct hide_table *t, struct str tenant, struct hide_set *set)
{
    lock_take(&t->lock);
    struct hide_published *p = map_get(&t->sets, tenant);
    ASSERT(p != NULL);
    struct hide_set *before = p->set;
    p->set = set;
    flag_set(&t->any);
    lock_give(&t->lock);
    hide_set_drop(before);
}

static void take_set(struct hide_table *t, struct str tenant, struct hiding *h)
{
    if (!flag_get(&t->any))
        return;
    lock_take(&t->lock);
    const struct hide_published *p = map_get(&t->sets, tenant);
    if (p != NULL && p->set != NULL) {
        h->set = p->set;
        refs_take(&h->set->refs);
    }
    lock_give(&t->lock);
}

struct hiding hide_take(struct store *s, struct str tenant)
{
    struct hiding h = {.now_ns = time_now_ns(), .floor_ns = INT64_MIN};
    const struct limits *limits = store_limits(s, tenant);

    take_set(&s->hidden, tenant, &h);
    if (!retention_is_off(limits)) {
        h.limits = limits;
        h.floor_ns = retention_least_floor_ns(limits, h.now_ns);
    }
    return h;
}

void hide_give(struct hiding *h)
{
    hide_set_drop(h->set);
    h->set = NULL;
}

bool hide_is_current(struct store *s, struct str tenant, const struct hiding *h)
{
    struct hiding now = hide_take(s, tenant);
    bool same = now.set == h->set;

    hide_give(&now);
    return same;
}

/* ---- asking ---- */

enum status hide_stream(struct arena *a, const struct hiding *h, struct labels labels,
                        struct hide_stream *ret_stream, struct err *err)
{
    struct hide_stream s = {.labels = labels, .floor_ns = INT64_MIN};
    uint64_t failures = regex_search_failures();
    size_t capacity = 0;

    if (h->limits != NULL)
        s.floor_ns = retention_floor_ns(h->limits, labels, h->now_ns);
    for (size_t i = 0; h->set != NULL && i < h->set->count; i++) {
        if (!matcher_list_accepts(h->set->rules[i].matchers, labels))
            continue;
        s.rules = arena_reserve(a, s.rules, s.count, &capacity, sizeof(const struct hide_rule *));
        if (s.rules == NULL)
            return arena_status(a, err);
        s.rules[s.count++] = &h->set->rules[i];
    }
    /* A rule with !~ would hide, and let merges remove, what it does not concern. */
    if (regex_search_failures() != failures)
        return err_set(err, ST_NOMEM, "no memory to match delete requests");
    *ret_stream = s;
    return ST_OK;
}

static bool rule_concerns(const struct hide_rule *rule, uint64_t last_id, int64_t min_ns,
                          int64_t max_ns)
{
    return last_id <= rule->chunk_max && rule->start_ns <= max_ns && rule->end_ns >= min_ns;
}

bool hide_concerns(const struct hide_stream *h, uint64_t last_id, int64_t min_ns, int64_t max_ns)
{
    if (min_ns < h->floor_ns)
        return true;
    for (size_t i = 0; i < h->count; i++) {
        if (rule_concerns(h->rules[i], last_id, min_ns, max_ns))
            return true;
    }
    return false;
}

bool hide_is_all(const struct hide_stream *h, uint64_t last_id, int64_t min_ns, int64_t max_ns)
{
    if (max_ns < h->floor_ns)
        return true;
    min_ns = MAX_OF(min_ns, h->floor_ns);
    for (size_t i = 0; i < h->count; i++) {
        const struct hide_rule *rule = h->rules[i];
        if (rule->pipeline == NULL && last_id <= rule->chunk_max && rule->start_ns <= min_ns &&
            rule->end_ns >= max_ns)
            return true;
    }
    return false;
}

/* ---- blocks ---- */

void hider_init(struct hider *x, struct arena *parent, const struct query_context *q)
{
    *x = (struct hider){.q = q};
    arena_init_child(&x->block, parent);
    arena_init_child(&x->scratch, parent);
}

void hider_release(struct hider *x)
{
    block_memory_release(&x->memory);
    arena_release(&x->scratch);
    arena_release(&x->block);
}

static bool bit_get(const uint64_t *bits, uint32_t i)
{
    return (bits[i / 64] >> i % 64 & 1) != 0;
}

static void bit_set(uint64_t *bits, uint32_t i)
{
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

/* The first entry that is not before `ts_ns`. */
static uint32_t first_from(const struct block *b, int64_t ts_ns)
{
    uint32_t low = 0, high = b->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (b->ts_ns[middle] < ts_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The entries of [begin, end) that the query of a rule keeps. */
struct hide_span {
    const struct hide_rule *rule;
    uint32_t begin;
    uint32_t end;
};

static enum status hide_kept(struct hider *x, const struct hide_span *span, struct labels labels,
                             const struct block *b, uint64_t *hidden)
{
    const struct pipeline *p = span->rule->pipeline;
    uint64_t *kept = arena_new(&x->block, uint64_t, pipeline_words(b->count));
    struct entry_state e = {.scratch = &x->scratch, .q = x->q};

    if (kept == NULL)
        return ST_LIMIT;
    if (!pipeline_keep_lines(p, b, kept))
        return ST_OK;
    label_builder_init(&e.labels, &x->scratch, &p->hints);
    for (uint32_t i = span->begin; i < span->end; i++) {
        if (!bit_get(kept, i) || bit_get(hidden, i))
            continue;
        arena_reset(&x->scratch);
        e.ts_ns = b->ts_ns[i];
        e.line = block_line(b, i);
        label_builder_begin(&e.labels, labels, block_metadata(b, i));
        bool keeps = p->stage_count == 0 || pipeline_run(p, &e);
        if (x->scratch.failed)
            return ST_LIMIT;
        enum status st =
            x->q == NULL ? ST_OK : pipeline_check(p, x->q, i, block_line(b, i).len, NULL);
        if (st != ST_OK)
            return st;
        if (keeps)
            bit_set(hidden, i);
    }
    return ST_OK;
}

static enum status hide_by_rule(struct hider *x, const struct hide_rule *rule, struct labels labels,
                                const struct block *b, uint64_t *hidden)
{
    struct hide_span span = {rule, first_from(b, rule->start_ns), b->count};

    if (rule->end_ns < INT64_MAX)
        span.end = first_from(b, rule->end_ns + 1);
    if (span.begin >= span.end)
        return ST_OK;
    if (rule->pipeline != NULL)
        return hide_kept(x, &span, labels, b, hidden);
    for (uint32_t i = span.begin; i < span.end; i++)
        bit_set(hidden, i);
    return ST_OK;
}

/* Sizes of what is left. */
static void count_left(const struct block *b, const uint64_t *hidden, uint32_t *ret_entries,
                       size_t *ret_bytes)
{
    uint32_t entries = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        if (bit_get(hidden, i))
            continue;
        entries++;
        bytes += block_line(b, i).len;
    }
    *ret_entries = entries;
    *ret_bytes = bytes;
}

/* Copy what is not hidden; the memory has room for it. */
static void copy_left(struct block_memory *m, const uint64_t *hidden, struct block *b)
{
    uint32_t count = 0, end = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        if (bit_get(hidden, i))
            continue;
        struct str line = block_line(b, i);
        if (line.len > 0)
            memcpy(m->lines + end, line.ptr, line.len);
        end += (uint32_t)line.len;
        m->ts_ns[count] = b->ts_ns[i];
        m->line_ends[count] = end;
        m->sets[count++] = b->sets[i];
    }
    b->count = count;
    b->ts_ns = m->ts_ns;
    b->line_ends = m->line_ends;
    b->sets = m->sets;
    b->lines = str_make(m->lines, end);
}

static enum status hide_error(const struct hider *x, enum status st, struct err *err)
{
    if (x->block.failed)
        return arena_status(&x->block, err);
    if (x->scratch.failed)
        return arena_status(&x->scratch, err);
    if (x->q != NULL && (st == ST_CANCELLED || st == ST_TIMEOUT))
        return query_check(x->q, err);
    return err_set(err, st, "cannot leave out deleted lines: %s", status_text(st));
}

enum status hide_block(struct hider *x, const struct hide_stream *h, uint64_t last_id,
                       struct block *b, struct err *err)
{
    uint64_t failures = regex_search_failures();
    enum status st = ST_OK;
    uint32_t left;
    size_t bytes;

    if (b->count == 0)
        return ST_OK;
    ASSERT(b->ts_ns != NULL && b->line_ends != NULL && b->sets != NULL);
    arena_reset(&x->block);
    uint64_t *hidden = arena_new(&x->block, uint64_t, pipeline_words(b->count));
    if (hidden == NULL)
        return arena_status(&x->block, err);
    for (uint32_t i = 0; i < b->count && b->ts_ns[i] < h->floor_ns; i++)
        bit_set(hidden, i);
    for (size_t i = 0; i < h->count && st == ST_OK; i++) {
        if (last_id <= h->rules[i]->chunk_max)
            st = hide_by_rule(x, h->rules[i], h->labels, b, hidden);
    }
    if (st == ST_OK && regex_search_failures() != failures)
        st = ST_NOMEM;
    if (st != ST_OK)
        return hide_error(x, st, err);
    count_left(b, hidden, &left, &bytes);
    if (left == b->count)
        return ST_OK;
    st = block_memory_reserve(&x->memory, left, bytes);
    if (st != ST_OK)
        return hide_error(x, st, err);
    copy_left(&x->memory, hidden, b);
    return ST_OK;
}

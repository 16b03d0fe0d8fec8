#include "tests/support/array_source.h"

#include <stdlib.h>

#include "base/defs.h"
#include "tests/support/any_case.h"

enum { RUN_ENTRIES_MAX = 4096 };

struct array_run {
    struct source_stream stream;
    const struct entry **entries;
    size_t count;
};

struct array_selection {
    struct selection selection; /* first */
    struct array_source *source;
    struct query_context *q;
    struct source_request request;
    struct source_run *runs;
    size_t run_count;
    bool given;
};

struct array_reader {
    struct reader reader; /* first */
    struct array_source *source;
    struct query_context *q;
    const struct array_run *open;
    struct source_block *blocks;
};

static struct array_reader *cast_reader(struct reader *r)
{
    return (struct array_reader *)(void *)r;
}

static struct array_selection *cast(struct selection *s)
{
    return (struct array_selection *)(void *)s;
}

static bool matches(struct labels l, struct matcher_list matchers)
{
    for (size_t i = 0; i < matchers.count; i++) {
        if (!matcher_accepts(&matchers.items[i], labels_get(l, matchers.items[i].name)))
            return false;
    }
    return true;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;

    if ((*x)->ts_ns != (*y)->ts_ns)
        return (*x)->ts_ns < (*y)->ts_ns ? -1 : 1;
    return *x < *y ? -1 : 1; /* the order of the array */
}

/* Put an entry into the last run of its stream, or into a new one. */
static void add_to_run(struct array_selection *s, const struct array_entry *e)
{
    struct array_run *run = NULL;

    for (size_t i = s->run_count; i-- > 0 && run == NULL;) {
        struct array_run *candidate = s->runs[i].handle;
        if (labels_eq(candidate->stream.labels, e->stream) &&
            candidate->count < s->source->run_entries)
            run = candidate;
    }
    if (run == NULL) {
        run = arena_new(s->q->arena, struct array_run, 1);
        ASSERT(run != NULL);
        run->entries = arena_new(s->q->arena, const struct entry *,
                                 MIN_OF(s->source->run_entries, s->source->count));
        ASSERT(run->entries != NULL);
        run->stream = (struct source_stream){e->stream, labels_hash(e->stream)};
        s->runs[s->run_count] =
            (struct source_run){.order = s->run_count, .stream = &run->stream, .handle = run};
        s->run_count++;
    }
    run->entries[run->count++] = &e->entry;
}

static enum status next_runs(struct selection *selection, struct source_run **ret_runs,
                             size_t *ret_count, int64_t *ret_bound_ns, struct err *err)
{
    struct array_selection *s = cast(selection);

    (void)err;
    if (s->given)
        return ST_NOT_FOUND;
    s->given = true;
    *ret_runs = s->runs;
    *ret_count = s->run_count;
    *ret_bound_ns = s->request.backward ? INT64_MIN : INT64_MAX;
    return ST_OK;
}

/* Every run of this source has its stream from the beginning. */
static enum status identify(struct selection *selection, struct source_run *run, struct err *err)
{
    (void)selection, (void)err;
    ASSERT(run->stream != NULL);
    return ST_OK;
}

static uint64_t metadata_bytes(struct labels l)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < l.count; i++)
        bytes += l.pairs[i].name.len + l.pairs[i].value.len;
    return bytes;
}

static struct source_totals totals(struct selection *selection, const struct source_run *run)
{
    const struct array_run *r = run->handle;
    struct source_totals t = {0};

    for (size_t i = 0; i < r->count && !cast(selection)->source->no_totals; i++) {
        t.entries++;
        t.line_bytes += r->entries[i]->line.len;
        t.metadata_bytes += metadata_bytes(r->entries[i]->metadata);
    }
    return t;
}

static enum status open_run(struct reader *reader, struct source_run *run,
                            const struct source_block **ret_blocks, uint32_t *ret_count,
                            struct err *err)
{
    struct array_reader *s = cast_reader(reader);
    size_t per_block = s->source->block_entries;

    (void)err;
    s->open = run->handle;
    uint32_t count = (uint32_t)((s->open->count + per_block - 1) / per_block);
    s->blocks = arena_new(s->q->arena, struct source_block, count);
    for (size_t i = 0; i < s->open->count; i++) {
        struct source_block *b = &s->blocks[i / per_block];
        if (b->entries++ == 0)
            b->min_ns = s->open->entries[i]->ts_ns;
        b->max_ns = s->open->entries[i]->ts_ns;
    }
    *ret_blocks = s->blocks;
    *ret_count = count;
    return ST_OK;
}

static bool may_contain(struct reader *reader, uint32_t block, struct str text)
{
    struct array_reader *s = cast_reader(reader);
    const struct entry *const *entries = s->open->entries + block * s->source->block_entries;
    bool found = !s->source->has_filters;

    for (uint32_t i = 0; i < s->blocks[block].entries && !found; i++) {
        struct str line = entries[i]->line;
        found = any_case_contains(&line, text);
    }
    return found;
}

static enum status load(struct reader *reader, uint32_t block, unsigned columns,
                        struct block *ret_block, struct err *err)
{
    struct array_reader *s = cast_reader(reader);
    struct arena *a = s->q->arena;
    uint32_t count = s->blocks[block].entries;
    const struct entry *const *entries = s->open->entries + block * s->source->block_entries;
    int64_t *ts = arena_new(a, int64_t, count);
    uint32_t *ends = arena_new(a, uint32_t, count), *sets = arena_new(a, uint32_t, count), end = 0;
    struct labels *metadata = arena_new(a, struct labels, count);
    size_t bytes = 0;

    (void)columns;
    if (__atomic_add_fetch(&s->source->blocks_loaded, 1, __ATOMIC_RELAXED) ==
        s->source->damaged_block)
        return err_set(err, ST_CORRUPT, "a damaged block");
    for (uint32_t i = 0; i < count; i++)
        bytes += entries[i]->line.len;
    char *lines = arena_bytes(a, bytes + 1);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(lines + end, entries[i]->line.ptr, entries[i]->line.len);
        end += (uint32_t)entries[i]->line.len;
        ts[i] = entries[i]->ts_ns;
        ends[i] = end;
        sets[i] = i;
        metadata[i] = entries[i]->metadata;
    }
    *ret_block = (struct block){count, ts, ends, str_make(lines, bytes), sets, metadata, count};
    return ST_OK;
}

static void release(struct reader *reader)
{
    (void)reader; /* everything is in the arena */
}

static enum status begin_reader(struct selection *selection, struct query_context *q,
                                struct reader **ret_reader, struct err *err)
{
    struct array_reader *r = arena_new(q->arena, struct array_reader, 1);

    if (r == NULL)
        return arena_status(q->arena, err);
    *r = (struct array_reader){
        .reader = {open_run, may_contain, load, release},
        .source = cast(selection)->source,
        .q = q,
    };
    *ret_reader = &r->reader;
    return ST_OK;
}

static enum status has_later(struct selection *selection, const struct source_run *run,
                             int64_t ts_ns, bool *ret_later, struct err *err)
{
    const struct array_source *source = cast(selection)->source;

    (void)err;
    *ret_later = false;
    for (size_t i = 0; i < source->count; i++) {
        if (labels_eq(source->entries[i].stream, run->stream->labels) &&
            source->entries[i].entry.ts_ns > ts_ns)
            *ret_later = true;
    }
    return ST_OK;
}

static void end_selection(struct selection *selection)
{
    (void)selection; /* everything is in the arena */
}

static enum status select_entries(struct source *source, struct query_context *q,
                                  const struct source_request *request,
                                  struct selection **ret_selection, struct err *err)
{
    struct array_source *array = (struct array_source *)(void *)source;
    struct array_selection *s = arena_new(q->arena, struct array_selection, 1);

    (void)err;
    *s = (struct array_selection){
        .selection = {next_runs, identify, totals, has_later, begin_reader, end_selection},
        .source = array,
        .q = q,
        .request = *request,
        .runs = arena_new(q->arena, struct source_run, array->count),
    };
    for (size_t i = 0; i < array->count; i++) {
        if (matches(array->entries[i].stream, request->matchers))
            add_to_run(s, &array->entries[i]);
    }
    for (size_t i = 0; i < s->run_count; i++) {
        struct array_run *run = s->runs[i].handle;
        qsort(run->entries, run->count, sizeof(struct entry *), compare_entries);
        s->runs[i].min_ns = run->entries[0]->ts_ns;
        s->runs[i].max_ns = run->entries[run->count - 1]->ts_ns;
    }
    *ret_selection = &s->selection;
    return ST_OK;
}

void array_source_init(struct array_source *s, const struct array_entry *entries, size_t count)
{
    *s = (struct array_source){
        .source = {select_entries},
        .entries = entries,
        .count = count,
        .run_entries = RUN_ENTRIES_MAX,
        .block_entries = RUN_ENTRIES_MAX,
    };
}

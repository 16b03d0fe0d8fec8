/*
 * The store as a source for the engine (query/source.h).
 *
 * Order matters (I4): what delete requests hide is taken first, then the heads in memory are looked
 * at, then the read of the index begins. No head that is still there belongs to a chunk that a
 * request concerns (deletes.h). A head that is flushed in between is met twice, as a head and as a
 * chunk, and told apart by its chunk_id; it is never missed. Merges stay away meanwhile (merge.h),
 * so that the chunk of such a head holds nothing else.
 *
 * Chunks are found a day at a time, newest day first when the query goes backward: a query that has
 * enough never looks at older days.
 */
#include "server/store/select.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/regex.h"
#include "base/time.h"
#include "server/store/memory.h"
#include "server/store/select_internal.h"

#include "base/banned.h"

enum { KEY_BYTES_MAX = 1 << 30 };

static struct store_selection *cast(struct selection *s)
{
    return (struct store_selection *)(void *)s;
}

/* ---- heads ---- */

static bool overlaps(const struct source_request *r, int64_t min_ns, int64_t max_ns)
{
    return max_ns >= r->start_ns && min_ns <= r->end_ns;
}

static enum status take_head(struct store_selection *s, struct head *head,
                             struct selected_stream *stream)
{
    struct selected_head *selected = arena_new(s->q->arena, struct selected_head, 1);

    if (selected == NULL)
        return ST_LIMIT;
    *selected = (struct selected_head){s->heads, head_view(head), stream};
    s->heads = selected;
    s->head_count++;
    return ST_OK;
}

static bool head_overlaps(const struct store_selection *s, const struct head *head)
{
    struct head_size size = head_size(head);

    return size.entries > 0 && overlaps(&s->request, size.min_ns, size.max_ns);
}

/* The stream as the engine knows it; its labels are copied, for it may go when the lock is given.
 */
static struct selected_stream *copy_stream(struct arena *a, const struct stream *from)
{
    struct selected_stream *to = arena_new(a, struct selected_stream, 1);
    struct str key = arena_str(a, from->key);

    if (to == NULL || key.ptr == NULL || labels_decode(a, &key, &to->stream.labels, NULL) != ST_OK)
        return NULL;
    to->stream.hash = labels_hash(to->stream.labels);
    return to;
}

static enum status take_heads_of(void *context, const struct stream *stream)
{
    struct store_selection *s = context;
    struct selected_stream *copy = NULL;
    const struct sealed *sealed = stream->sealed_first;
    enum status st = ST_OK;

    for (; st == ST_OK; sealed = sealed->next) {
        struct head *head = sealed == NULL ? stream->head : sealed->head; /* the open one last */
        if (head != NULL && head_overlaps(s, head)) {
            copy = copy == NULL ? copy_stream(s->q->arena, stream) : copy;
            st = copy == NULL ? ST_LIMIT : take_head(s, head, copy);
        }
        if (sealed == NULL)
            break;
    }
    return st;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Where the id of a head stands in `head_ids`; NULL: nowhere. */
static const uint64_t *find_id(const struct store_selection *s, uint64_t chunk_id)
{
    if (s->head_count == 0)
        return NULL;
    return bsearch(&chunk_id, s->head_ids, s->head_count, sizeof(*s->head_ids), compare_ids);
}

/* Note the ids of the heads, each once; how many they are. */
static size_t note_ids(struct store_selection *s)
{
    size_t count = 0, kept = 0;

    for (const struct selected_head *h = s->heads; h != NULL; h = h->next)
        s->head_ids[count++] = head_chunk_id(h->view.head);
    if (count > 0)
        qsort(s->head_ids, count, sizeof(*s->head_ids), compare_ids);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || s->head_ids[i] != s->head_ids[i - 1])
            s->head_ids[kept++] = s->head_ids[i];
    }
    return kept;
}

/* The walk meets a stream twice when another leaves meanwhile: the newer view of a head stays. */
static enum status drop_doubles(struct store_selection *s)
{
    bool *met = arena_new(s->q->arena, bool, s->head_count);

    if (met == NULL)
        return ST_LIMIT;
    memset(met, 0, s->head_count * sizeof(*met));
    for (struct selected_head **at = &s->heads; *at != NULL;) {
        struct selected_head *h = *at;
        size_t i = (size_t)(find_id(s, head_chunk_id(h->view.head)) - s->head_ids);
        if (met[i]) {
            *at = h->next;
            head_view_release(&h->view);
        } else {
            at = &h->next;
        }
        met[i] = true;
    }
    return ST_OK;
}

static enum status take_heads(struct store_selection *s, struct err *err)
{
    const struct memory_walk walk = {
        .store = s->store,
        .q = s->q,
        .tenant = s->request.tenant,
        .matchers = s->request.matchers,
        .visit = take_heads_of,
        .context = s,
    };

    enum status st = memory_walk(&walk, err);
    if (st != ST_OK)
        return st;
    s->head_ids = arena_new(s->q->arena, uint64_t, s->head_count);
    if (s->head_ids == NULL)
        return ST_LIMIT;
    size_t count = note_ids(s);
    bool is_double = count < s->head_count;
    s->head_count = count;
    return is_double ? drop_doubles(s) : ST_OK;
}

/* ---- runs ---- */

static enum status head_runs(struct store_selection *s, struct source_run **ret_runs,
                             size_t *ret_count)
{
    struct source_run *runs = arena_new(s->q->arena, struct source_run, s->head_count);
    struct run_handle *handles = arena_new(s->q->arena, struct run_handle, s->head_count);
    size_t count = 0;

    if (runs == NULL || handles == NULL)
        return ST_LIMIT;
    for (const struct selected_head *h = s->heads; h != NULL; h = h->next, count++) {
        handles[count].head = h;
        runs[count] = (struct source_run){
            .stream = hide_any(&s->hiding) ? NULL : &h->stream->stream, /* identify() looks */
            .min_ns = h->view.size.min_ns,
            .max_ns = h->view.size.max_ns,
            .order = head_chunk_id(h->view.head),
            .handle = &handles[count],
        };
    }
    *ret_runs = runs;
    *ret_count = count;
    return ST_OK;
}

static enum status chunk_runs(struct store_selection *s, struct chunk_ref_list refs,
                              struct source_run **ret_runs, size_t *ret_count)
{
    struct source_run *runs = arena_new(s->q->arena, struct source_run, refs.count);
    struct run_handle *handles = arena_new(s->q->arena, struct run_handle, refs.count);
    size_t count = 0;

    if (runs == NULL || handles == NULL)
        return ST_LIMIT;
    for (size_t i = 0; i < refs.count; i++) {
        const struct chunk_ref *ref = &refs.refs[i];
        if (find_id(s, ref->chunk_id) != NULL)
            continue;
        handles[count].ref = *ref;
        runs[count] = (struct source_run){
            .min_ns = ref->min_ns,
            .max_ns = ref->max_ns,
            .order = ref->chunk_id,
            .handle = &handles[count],
        };
        count++;
    }
    s->q->stats.chunk_refs += count;
    *ret_runs = runs;
    *ret_count = count;
    return ST_OK;
}

/* Clients know the texts of a query that is over. */
static enum status say_why(const struct query_context *q, enum status st, struct err *err)
{
    return st == ST_TIMEOUT || st == ST_CANCELLED ? query_check(q, err) : st;
}

/* The next day with chunks, within the range. */
static enum status find_day(struct store_selection *s, int32_t *ret_day)
{
    const struct source_request *r = &s->request;
    int32_t day;

    enum status st = index_nearest_day(s->read, r->tenant, s->next_day, r->backward, &day);
    if (st != ST_OK)
        return st;
    if (r->backward ? day < time_day(r->start_ns) : day > time_day(r->end_ns))
        return ST_NOT_FOUND;
    *ret_day = day;
    return ST_OK;
}

static enum status next_runs(struct selection *selection, struct source_run **ret_runs,
                             size_t *ret_count, int64_t *ret_bound_ns, struct err *err)
{
    struct store_selection *s = cast(selection);
    const struct source_request *r = &s->request;
    struct chunk_ref_list refs = {0};
    int64_t begin_ns = time_mono_ns();
    int32_t day;

    if (!s->heads_given) {
        s->heads_given = true;
        *ret_bound_ns = r->backward ? r->end_ns : r->start_ns;
        return head_runs(s, ret_runs, ret_count) == ST_OK ? ST_OK : arena_status(s->q->arena, err);
    }
    if (s->streams.count == 0)
        return ST_NOT_FOUND;
    enum status st = find_day(s, &day);
    if (st == ST_NOT_FOUND)
        return st;
    if (st == ST_CORRUPT) { /* nobody knows what the other days are */
        st = query_forgive_damage(s->q, st);
        return st == ST_OK ? ST_NOT_FOUND : st;
    }
    if (st != ST_OK)
        return err_set(err, st, "index: cannot find the next day");
    struct chunk_range range = {r->tenant, day, r->start_ns, r->end_ns};
    st = index_chunks(s->read, &range, s->streams, &refs, err);
    if (st == ST_CORRUPT)
        st = query_forgive_damage(s->q, st);
    if (st == ST_OK && chunk_runs(s, refs, ret_runs, ret_count) != ST_OK)
        st = arena_status(s->q->arena, err);
    s->next_day = r->backward ? day - 1 : day + 1;
    *ret_bound_ns = r->backward ? time_day_start_ns(day) - 1 : time_day_start_ns(day + 1);
    s->q->stats.index_ns += time_mono_ns() - begin_ns;
    return say_why(s->q, st, err);
}

/* ---- the stream of a run ---- */

/* Find what is hidden of a stream; most of the time nothing is, of any. */
static bool find_hidden(struct store_selection *s, struct selected_stream *stream)
{
    if (stream->is_looked_up || !hide_any(&s->hiding))
        return true;
    struct hide_stream *hide = arena_new(s->q->arena, struct hide_stream, 1);
    if (hide == NULL ||
        hide_stream(s->q->arena, &s->hiding, stream->stream.labels, hide, NULL) != ST_OK)
        return false;
    stream->hide = hide_none(hide) ? NULL : hide;
    stream->is_looked_up = true;
    return true;
}

/* The stream of a chunk, looked up once. */
static const struct source_stream *chunk_stream(struct store_selection *s, uint64_t stream_id)
{
    struct selected_stream *stream =
        map_get(&s->stream_cache, str_make((const char *)&stream_id, sizeof(stream_id)));

    if (stream != NULL)
        return &stream->stream;
    stream = arena_new(s->q->arena, struct selected_stream, 1);
    struct str key = arena_str(s->q->arena, str_make((const char *)&stream_id, sizeof(stream_id)));
    if (stream == NULL || key.ptr == NULL ||
        index_stream(s->read, stream_id, &stream->stream.labels, NULL) != ST_OK ||
        !find_hidden(s, stream) || map_set(&s->stream_cache, key, stream) != ST_OK)
        return NULL;
    stream->stream.hash = labels_hash(stream->stream.labels);
    s->stream_count++;
    return &stream->stream;
}

static enum status identify(struct selection *selection, struct source_run *run, struct err *err)
{
    struct store_selection *s = cast(selection);
    const struct run_handle *handle = run->handle;
    enum status st = ST_OK;

    if (run->stream != NULL)
        return ST_OK;
    lock_take(&s->lock);
    if (handle->head == NULL)
        run->stream = chunk_stream(s, handle->ref.stream_id);
    else if (find_hidden(s, handle->head->stream))
        run->stream = &handle->head->stream->stream;
    if (run->stream == NULL)
        st = s->q->arena->failed
                 ? arena_status(s->q->arena, err)
                 : err_set(err, ST_CORRUPT, "index: the stream of a chunk is not there");
    lock_give(&s->lock);
    return st;
}

/*
 * The index knows it of a chunk; a head, which is in memory, is opened. So is a chunk of which
 * something may be hidden (its first id is not above its last one, which stands in its head).
 */
static struct source_totals totals(struct selection *selection, const struct source_run *run)
{
    const struct run_handle *handle = run->handle;
    const struct chunk_ref *ref = &handle->ref;

    (void)selection;
    const struct hide_stream *hide = hidden_of(run->stream);

    if (handle->head != NULL ||
        (hide != NULL && hide_concerns(hide, ref->chunk_id, ref->min_ns, ref->max_ns)))
        return (struct source_totals){0};
    return (struct source_totals){ref->entries, ref->line_bytes, ref->metadata_bytes};
}

/* ---- has_later ---- */

/* Has the stream a head in memory with an entry after `ts_ns`? */
static enum status has_later_in_memory(struct store_selection *s, struct labels labels,
                                       int64_t ts_ns, bool *ret_later)
{
    struct tenant *t = store_tenant(s->store, s->request.tenant, false);

    buf_reset(&s->key);
    labels_encode(&s->key, labels);
    if (s->key.failed)
        return ST_NOMEM;
    if (t == NULL)
        return ST_OK;
    lock_take(&t->lock);
    const struct stream *stream = streams_get(&t->streams, buf_str(&s->key));
    if (stream != NULL && stream->head != NULL)
        *ret_later = head_size(stream->head).max_ns > ts_ns;
    for (const struct sealed *sealed = stream == NULL ? NULL : stream->sealed_first;
         sealed != NULL && !*ret_later; sealed = sealed->next)
        *ret_later = head_size(sealed->head).max_ns > ts_ns;
    lock_give(&t->lock);
    return ST_OK;
}

/* Has any of these chunks, all with an entry after `ts_ns`, one that is not hidden? */
static enum status has_later_in_chunks(struct store_selection *s,
                                       const struct source_stream *stream,
                                       struct chunk_ref_list refs, int64_t ts_ns, bool *ret_later,
                                       struct err *err)
{
    const struct hide_stream *hide = hidden_of(stream);
    enum status st = ST_OK;

    for (size_t i = 0; i < refs.count && st == ST_OK && !*ret_later; i++) {
        const struct chunk_ref *ref = &refs.refs[i];
        if (hide == NULL || !hide_concerns(hide, ref->chunk_id, ts_ns + 1, ref->max_ns))
            *ret_later = true;
        else
            st = probe_later(s, stream, ref, ts_ns, ret_later, err);
    }
    return st;
}

static enum status has_later_in_index(struct store_selection *s, struct index_read *read,
                                      const struct source_stream *stream, int64_t ts_ns,
                                      bool *ret_later, struct err *err)
{
    uint64_t stream_id, flushed_seq;
    int32_t day = time_day(ts_ns);

    enum status st =
        index_find_stream(read, s->request.tenant, stream->labels, &stream_id, &flushed_seq);
    while (st == ST_OK && !*ret_later) {
        st = index_nearest_day(read, s->request.tenant, day, false, &day);
        if (st != ST_OK)
            break;
        struct chunk_range range = {s->request.tenant, day, ts_ns + 1, INT64_MAX};
        struct postings one = {&stream_id, 1};
        struct chunk_ref_list refs;
        st = index_chunks(read, &range, one, &refs, err);
        if (st == ST_OK)
            st = has_later_in_chunks(s, stream, refs, ts_ns, ret_later, err);
        day++;
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* A head that has left memory since the selection began is not in its read of the index. */
static enum status has_later(struct selection *selection, const struct source_run *run,
                             int64_t ts_ns, bool *ret_later, struct err *err)
{
    struct store_selection *s = cast(selection);
    struct index_read *now = NULL;

    *ret_later = false;
    lock_take(&s->lock);
    enum status st = has_later_in_memory(s, run->stream->labels, ts_ns, ret_later);
    if (st == ST_OK && !*ret_later)
        st = index_read_begin(s->store->index, s->q->arena, &now, err);
    if (st == ST_OK && !*ret_later)
        st = has_later_in_index(s, now, run->stream, ts_ns, ret_later, err);
    index_read_end(now);
    lock_give(&s->lock);
    return st == ST_OK ? ST_OK : err_set(err, st, "cannot look for later entries");
}

/* ---- begin and end ---- */

static void end(struct selection *selection)
{
    struct store_selection *s = cast(selection);

    for (struct selected_head *h = s->heads; h != NULL; h = h->next)
        head_view_release(&h->view);
    probe_end(s);
    index_read_end(s->read);
    map_release(&s->stream_cache);
    buf_release(&s->key);
    lock_release(&s->lock);
    hide_give(&s->hiding);
    s->q->stats.streams += s->stream_count;
    counter_add(&s->store->corrupt_blocks, s->q->stats.corrupt_blocks - s->corrupt_before);
}

static enum status begin(struct store_selection *s, struct err *err)
{
    const struct source_request *r = &s->request;
    uint64_t failures = regex_search_failures();

    s->hiding = hide_take(s->store, r->tenant);
    s->request.start_ns = MAX_OF(r->start_ns, s->hiding.floor_ns);
    enum status st = take_heads(s, err);
    if (st == ST_LIMIT)
        return arena_status(s->q->arena, err);
    if (st != ST_OK)
        return st;
    int64_t begin_ns = time_mono_ns();
    st = index_read_begin(s->store->index, s->q->arena, &s->read, err);
    if (st == ST_OK) {
        store_watch_read(s->read, s->q);
        st = index_match(s->read, r->tenant, r->matchers, &s->streams, err);
    }
    if (st == ST_CORRUPT) /* the answer is not whole, and says so */
        st = query_forgive_damage(s->q, st);
    s->q->stats.corrupt_blocks +=
        store_damage(s->store, r->tenant, time_day(r->start_ns), time_day(r->end_ns));
    s->q->stats.index_ns += time_mono_ns() - begin_ns;
    s->next_day = time_day(r->backward ? r->end_ns : r->start_ns);
    if (st == ST_OK && regex_search_failures() != failures)
        st = err_set(err, ST_NOMEM, "no memory to match streams");
    return st;
}

static enum status select_entries(struct source *source, struct query_context *q,
                                  const struct source_request *request,
                                  struct selection **ret_selection, struct err *err)
{
    struct store_selection *s = arena_new(q->arena, struct store_selection, 1);

    if (s == NULL)
        return arena_status(q->arena, err);
    *s = (struct store_selection){
        .selection = {next_runs, identify, totals, has_later, store_reader_begin, end},
        .store = (struct store *)(void *)source,
        .q = q,
        .request = *request,
        .corrupt_before = q->stats.corrupt_blocks,
    };
    buf_init(&s->key, KEY_BYTES_MAX);
    lock_init(&s->lock, LOCK_RANK_QUERY);
    unsigned hold = merge_hold(s->store);
    enum status st = begin(s, err);
    merge_let_go(s->store, hold);
    if (st != ST_OK) {
        end(&s->selection);
        return say_why(q, st, err);
    }
    *ret_selection = &s->selection;
    return ST_OK;
}

void source_init(struct source *source)
{
    source->select = select_entries;
}

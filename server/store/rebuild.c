#include "server/store/rebuild_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/time.h"
#include "index/index.h"
#include "server/store/delete_list.h"
#include "server/store/deletes.h"

#include "base/banned.h"

enum {
    BATCH_CHUNKS = 20000,  /* that are committed together */
    NUMBERS_GAP = 1 << 22, /* what cannot be read, or is restored later, may have had higher ones */
    ASIDE_MAX = 1000,      /* old indexes that are kept */
};

/* ---- reading segments ---- */

void rebuild_stream_key(struct buf *b, struct str tenant, struct labels labels)
{
    buf_reset(b);
    buf_put_str(b, tenant);
    labels_encode(b, labels);
}

enum status rebuild_open(const struct finding *f, const struct found_segment *segment,
                         struct segment_walk *w, struct err *err)
{
    char name[SEGMENT_FILE_NAME_BYTES], path[REBUILD_PATH_BYTES + SEGMENT_FILE_NAME_BYTES + 1];

    segment_file_name(segment->name, name);
    (void)snprintf(path, sizeof(path), "%s/%s", f->segments_dir, name);
    return segment_walk_open(w, path, err);
}

static struct found_chunk *add_item(struct finding *f)
{
    f->items = arena_reserve(&f->arena, f->items, f->count, &f->capacity, sizeof(*f->items));
    if (f->items == NULL)
        return NULL;
    f->items[f->count] = (struct found_chunk){.segment = f->segment_count};
    return &f->items[f->count++];
}

static struct found_stream *find_stream(struct finding *f, const struct chunk_head *h)
{
    struct found_stream *stream = NULL;
    struct buf key;

    buf_init(&key, REBUILD_LABELS_BYTES_MAX);
    rebuild_stream_key(&key, h->tenant, h->labels);
    if (!key.failed)
        stream = map_get(&f->streams, buf_str(&key));
    if (!key.failed && stream == NULL) {
        struct str copy = arena_str(&f->arena, buf_str(&key)), rest = copy;
        stream = arena_new(&f->arena, struct found_stream, 1);
        if (stream != NULL && copy.ptr != NULL && get_str(&rest, &stream->tenant)) {
            stream->labels = rest;
            stream->number = f->stream_count++;
            stream->unstored_seq = UINT64_MAX;
            stream->first_day = INT32_MAX;
            stream->last_day = INT32_MIN;
        }
        if (f->arena.failed || map_set(&f->streams, copy, stream) != ST_OK)
            stream = NULL;
    }
    buf_release(&key);
    return stream;
}

static enum status add_damage(struct finding *f, const struct chunk_place *place, struct str tenant,
                              int32_t day, const char *text)
{
    struct found_chunk *c = add_item(f);

    if (c == NULL)
        return ST_LIMIT;
    c->offset = place->offset;
    c->damage_bytes = place->bytes;
    c->tenant = arena_str(&f->arena, tenant);
    c->day = day;
    c->damage = arena_str(&f->arena, str_from(text));
    return f->arena.failed ? ST_LIMIT : ST_OK;
}

/* A chunk that is whole, or cut off by the end of the file. */
static enum status add_chunk(struct finding *f, struct found_segment *s,
                             const struct chunk_place *place, bool is_cut)
{
    const struct chunk_head *h = &place->head;
    int32_t day = time_day(h->summary.min_ns);

    if (s->tenant.len == 0)
        s->tenant = arena_str(&f->arena, h->tenant);
    if (day != s->name.day)
        return add_damage(f, place, h->tenant, day,
                          "a chunk of another day than the name of its file says");
    if (!str_eq(s->tenant, h->tenant))
        return add_damage(f, place, h->tenant, day,
                          "a chunk of another tenant than the other ones of its file");
    struct found_stream *stream = find_stream(f, h);
    struct found_chunk *c = add_item(f);
    if (stream == NULL || c == NULL)
        return ST_LIMIT;
    c->stream = stream;
    c->offset = place->offset;
    c->chunk_id = h->chunk_id;
    c->id_span = h->id_span;
    c->seq_max = h->seq_max;
    c->summary = h->summary;
    c->day = day;
    c->is_cut = is_cut;
    return ST_OK;
}

static enum status add_unreadable(struct finding *f, struct found_segment *s,
                                  struct segment_walk *w, struct chunk_place *place,
                                  const char *text)
{
    bool at_end = place->offset + place->bytes == s->file_bytes;

    if (at_end) {
        w->end = UINT64_MAX; /* is it a chunk, the rest of which is missing? */
        enum status st = segment_walk_head(w, place->offset, &place->head, NULL);
        w->end = s->file_bytes;
        if (st == ST_OK)
            return add_chunk(f, s, place, true);
        if (status_is_memory(st))
            return st;
        bool blank = false;
        if (segment_walk_blank(w, place, &blank, NULL) == ST_OK && blank)
            return ST_OK;
    }
    return add_damage(f, place, s->tenant, s->name.day, text);
}

static void tell_progress(const struct finding *f, uint64_t bytes)
{
    if (f->rebuild->progress != NULL)
        f->rebuild->progress(f->rebuild->context, bytes, f->total_bytes);
}

static enum status read_chunks(struct finding *f, struct found_segment *s, struct segment_walk *w,
                               struct err *err)
{
    struct chunk_place place;
    enum status st = ST_OK;
    struct err why;

    for (;;) {
        enum status found = segment_walk_next(w, &place, &why);
        if (found == ST_NOT_FOUND)
            return ST_OK;
        if (found == ST_IO) { /* a bad place of the disk: what is behind it may be there, too */
            place = (struct chunk_place){.offset = w->offset, .bytes = w->end - w->offset};
            w->offset = w->end;
            st = add_damage(f, &place, s->tenant, s->name.day, why.text);
        } else if (found == ST_OK)
            st = add_chunk(f, s, &place, false);
        else if (found == ST_CORRUPT)
            st = add_unreadable(f, s, w, &place, why.text);
        else
            return err_set(err, found, "%s", why.text);
        if (st != ST_OK)
            return f->arena.failed ? arena_status(&f->arena, err)
                                   : err_set(err, ST_NOMEM, "no memory for what was found");
        tell_progress(f, place.bytes);
    }
}

static enum status read_segment(struct finding *f, struct found_segment *s, struct err *err)
{
    struct segment_header header;
    struct segment_walk w;
    char name[SEGMENT_FILE_NAME_BYTES];

    s->begin = (uint32_t)f->count;
    enum status st = rebuild_open(f, s, &w, err);
    if (st != ST_OK)
        return st;
    s->file_bytes = w.file_bytes;
    st = segment_walk_header(&w, &header, err);
    if (st == ST_OK)
        s->tenant = arena_str(&f->arena, header.tenant);
    if (st == ST_OK || st == ST_CORRUPT || st == ST_IO)
        st = read_chunks(f, s, &w, err);
    segment_walk_close(&w);
    s->end = (uint32_t)f->count;
    segment_file_name(s->name, name);
    return st == ST_OK ? ST_OK : err_prefix(err, st, "%s", name);
}

static uint64_t segment_bytes(const struct finding *f, const struct found_segment *s)
{
    struct segment_walk w;

    if (rebuild_open(f, s, &w, NULL) != ST_OK)
        return 0;
    uint64_t bytes = w.file_bytes;
    segment_walk_close(&w);
    return bytes;
}

static enum status read_segments(struct finding *f, struct err *err)
{
    struct segment_name *names = NULL;
    size_t count = 0;

    enum status st = segments_list(f->segments_dir, &names, &count, err);
    if (st == ST_NOT_FOUND)
        return ST_OK; /* nothing was ever flushed */
    if (st != ST_OK)
        return st;
    f->segments = arena_new(&f->arena, struct found_segment, count);
    for (size_t i = 0; i < count && f->segments != NULL; i++) {
        f->segments[i].name = names[i];
        f->total_bytes += f->rebuild->progress == NULL ? 0 : segment_bytes(f, &f->segments[i]);
    }
    mem_free(names);
    if (f->segments == NULL)
        return arena_status(&f->arena, err);
    while (f->segment_count < count && st == ST_OK) {
        st = read_segment(f, &f->segments[f->segment_count], err);
        f->segment_count++;
    }
    return st;
}

/* The highest chunk_id that a delete request names: all up to it was flushed for the request. */
static enum status read_deletes(struct finding *f, struct err *err)
{
    char path[REBUILD_PATH_BYTES + 16];
    struct delete_list list = {0};
    struct err damage; /* deletes_reset() sees to it */
    struct arena a;
    struct buf bytes;

    (void)snprintf(path, sizeof(path), "%s/deletes", f->rebuild->dir);
    arena_init(&a, DELETE_LIST_BYTES_MAX);
    buf_init(&bytes, DELETE_LIST_BYTES_MAX);
    enum status st = io_file_read(path, &bytes, err);
    if (st == ST_OK)
        st = delete_list_decode(&a, buf_str(&bytes), &list, &damage, err);
    for (size_t i = 0; i < list.count; i++)
        f->chunk_max = MAX_OF(f->chunk_max, list.items[i].chunk_max);
    buf_release(&bytes);
    arena_release(&a);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- writing the index ---- */

static bool counts(const struct found_chunk *c)
{
    return found_is_chunk(c) && (c->state == FOUND_SURE || c->state == FOUND_KEPT);
}

static struct chunk_ref ref_of(const struct finding *f, const struct found_chunk *c)
{
    return (struct chunk_ref){
        .chunk_id = c->chunk_id,
        .segment_id = f->segments[c->segment].name.id,
        .day = c->day,
        .head_bytes = c->summary.head_bytes,
        .chunk_bytes = c->summary.chunk_bytes,
        .entries = c->summary.entries,
        .offset = c->offset,
        .min_ns = c->summary.min_ns,
        .max_ns = c->summary.max_ns,
        .line_bytes = c->summary.line_bytes,
        .metadata_bytes = c->summary.metadata_bytes,
    };
}

static enum status put_chunk(struct finding *f, struct index_batch *b, const struct found_chunk *c,
                             struct err *err)
{
    const struct found_stream *stream = c->stream;
    struct chunk_ref ref = ref_of(f, c);
    struct str rest = stream->labels;
    struct stream_flush flush = {.tenant = stream->tenant,
                                 .seq = stream->sure_seq,
                                 .first_day = stream->first_day,
                                 .last_day = stream->last_day};

    enum status st = labels_decode(&f->arena, &rest, &flush.labels, err);
    if (st == ST_OK)
        st = index_batch_stream(b, stream->tenant, flush.labels, &flush.stream_id, err);
    if (st == ST_OK)
        st = index_batch_flushed(b, &flush, err);
    ref.stream_id = flush.stream_id;
    return st == ST_OK ? index_batch_chunk(b, stream->tenant, &ref, err) : st;
}

static enum status put_chunks(struct finding *f, struct index *ix, struct err *err)
{
    struct index_batch *b = NULL;
    enum status st = ST_OK;
    size_t in_batch = 0;

    for (size_t i = 0; i < f->count && st == ST_OK; i++) {
        if (!counts(&f->items[i]))
            continue;
        if (b == NULL)
            st = index_batch_begin(ix, &b, err);
        if (st == ST_OK)
            st = put_chunk(f, b, &f->items[i], err);
        if (st == ST_OK && ++in_batch == BATCH_CHUNKS) {
            st = index_batch_commit(b, err);
            b = NULL;
            in_batch = 0;
        }
    }
    if (st == ST_OK && b != NULL)
        return index_batch_commit(b, err);
    index_batch_abort(b);
    return st;
}

static enum status put_damage(struct finding *f, struct index_batch *b, const struct found_chunk *c,
                              struct err *err)
{
    const struct found_segment *s = &f->segments[c->segment];
    struct segment_damage damage = {
        .segment_id = s->name.id,
        .offset = c->offset,
        .bytes = c->damage_bytes,
        .day = c->day,
        .tenant = c->tenant.len > 0 ? c->tenant : s->tenant,
    };
    char name[SEGMENT_FILE_NAME_BYTES];

    f->result.damages++;
    segment_file_name(s->name, name);
    if (f->rebuild->damage != NULL)
        f->rebuild->damage(
            f->rebuild->context,
            &(struct rebuild_damage){name, c->offset, c->damage_bytes, c->damage.ptr});
    return damage.tenant.len == 0 ? ST_OK : index_batch_damage(b, &damage, err);
}

/*
 * A segment, as far as it is to be kept: to its last chunk that was committed, and what is damaged
 * behind that, unless a chunk that was not committed stands between.
 */
static enum status put_segment(struct finding *f, struct index_batch *b,
                               const struct found_segment *s, struct err *err)
{
    struct segment_ref ref = {.id = s->name.id, .day = s->name.day, .tenant = s->tenant};
    bool in_log = false;
    enum status st = ST_OK;

    for (uint32_t i = s->begin; i < s->end && st == ST_OK; i++) {
        const struct found_chunk *c = &f->items[i];
        in_log = in_log || (found_is_chunk(c) && c->state == FOUND_IN_LOG);
        if (in_log)
            continue;
        ref.committed_bytes =
            c->offset + (found_is_chunk(c) ? c->summary.chunk_bytes : c->damage_bytes);
        if (!found_is_chunk(c))
            st = put_damage(f, b, c, err);
    }
    if (st != ST_OK || s->tenant.len == 0)
        return st;
    f->result.segments++;
    return index_batch_segment(b, &ref, err);
}

static enum status put_segments(struct finding *f, struct index *ix, struct err *err)
{
    struct index_counters counters = {.next_segment = 1, .next_chunk = f->chunk_max + 1};
    struct index_batch *b = NULL;

    enum status st = index_batch_begin(ix, &b, err);
    for (uint32_t i = 0; i < f->segment_count && st == ST_OK; i++) {
        counters.next_segment = MAX_OF(counters.next_segment, f->segments[i].name.id + 1);
        st = put_segment(f, b, &f->segments[i], err);
    }
    for (size_t i = 0; i < f->count; i++) {
        const struct found_chunk *c = &f->items[i];
        counters.next_chunk = MAX_OF(counters.next_chunk, c->chunk_id + c->id_span + 1);
        counters.seq = MAX_OF(counters.seq, c->seq_max);
    }
    if (st != ST_OK) {
        index_batch_abort(b);
        return st;
    }
    counters.next_segment += f->segment_count > 0 ? NUMBERS_GAP : 0;
    counters.next_chunk += f->count > 0 ? NUMBERS_GAP : 0;
    counters.seq += f->count > 0 ? NUMBERS_GAP : 0;
    index_batch_counters(b, counters);
    return index_batch_commit(b, err);
}

static void count_chunks(struct finding *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct found_chunk *c = &f->items[i];
        if (!found_is_chunk(c))
            continue;
        f->result.chunks += counts(c) ? 1 : 0;
        f->result.merged += c->state == FOUND_ELSEWHERE ? 1 : 0;
        f->result.uncommitted += c->state == FOUND_IN_LOG ? 1 : 0;
        if (!counts(c))
            continue;
        c->stream->first_day = MIN_OF(c->stream->first_day, c->day);
        c->stream->last_day = MAX_OF(c->stream->last_day, c->day);
    }
}

static enum status write_index(struct finding *f, const char *path, struct err *err)
{
    struct index *ix = NULL;

    enum status st = index_open(path, f->rebuild->index_max_bytes, &ix, err);
    if (st == ST_OK)
        st = put_chunks(f, ix, err);
    if (st == ST_OK)
        st = put_segments(f, ix, err);
    index_close(ix);
    return st;
}

/* ---- its place ---- */

enum status rebuild_clear(const char *dir, struct err *err)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[REBUILD_PATH_BYTES];
    int fd = -1;

    (void)snprintf(path, sizeof(path), "%s/index.new", dir);
    enum status st = io_open_dir(path, &fd, err);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < COUNT_OF(files) && st == ST_OK; i++) {
        if (io_unlinkat(fd, files[i]) < 0 && errno != ENOENT)
            st = err_errno(err, "remove %s/%s", path, files[i]);
    }
    (void)close(fd);
    if (st == ST_OK && io_rmdir(path) < 0)
        st = err_errno(err, "remove %s", path);
    return st;
}

/* Move the old index out of the way, under the first name that is free. */
static enum status put_aside(const char *dir, int dir_fd, struct err *err)
{
    char name[32];

    for (int i = 1; i <= ASIDE_MAX; i++) {
        (void)snprintf(name, sizeof(name), "index.damaged-%d", i);
        int fd = io_openat(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
        if (fd >= 0) {
            (void)close(fd);
            continue;
        }
        if (io_renameat(dir_fd, "index", name) == 0 || errno == ENOENT)
            return ST_OK;
        return err_errno(err, "rename %s/index to %s", dir, name);
    }
    return err_set(err, ST_FULL, "%s holds too many old indexes: remove index.damaged-*", dir);
}

static enum status swap(const char *dir, struct err *err)
{
    int fd = -1, new_fd = -1;
    char path[REBUILD_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/index.new", dir);
    enum status st = io_open_dir(path, &new_fd, err);
    if (st == ST_OK && io_fsync(new_fd) < 0)
        st = err_errno(err, "sync %s", path);
    if (st == ST_OK)
        st = io_open_dir(dir, &fd, err);
    if (st == ST_OK)
        st = put_aside(dir, fd, err);
    if (st == ST_OK && io_renameat(fd, "index.new", "index") < 0)
        st = err_errno(err, "rename %s to index", path);
    if (st == ST_OK && io_fsync(fd) < 0)
        st = err_errno(err, "sync %s", dir);
    if (fd >= 0)
        (void)close(fd);
    if (new_fd >= 0)
        (void)close(new_fd);
    return st;
}

static enum status rebuild(struct finding *f, struct err *err)
{
    char path[REBUILD_PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/index.new", f->rebuild->dir);
    enum status st = rebuild_first_seq(f->wal_dir, &f->first_seq, err);
    if (st == ST_OK)
        st = read_deletes(f, err);
    if (st == ST_OK)
        st = read_segments(f, err);
    if (st == ST_OK)
        st = rebuild_choose(f, err);
    if (st != ST_OK)
        return st;
    count_chunks(f);
    st = rebuild_clear(f->rebuild->dir, err);
    if (st == ST_OK)
        st = write_index(f, path, err);
    if (st == ST_OK) /* before the swap: what was processed may be there again */
        st = deletes_reset(f->rebuild->dir, err);
    return st == ST_OK ? swap(f->rebuild->dir, err) : st;
}

enum status rebuild_index(const struct rebuild *r, struct rebuild_result *ret_result,
                          struct err *err)
{
    struct finding f = {.rebuild = r};

    int len = snprintf(f.segments_dir, sizeof(f.segments_dir), "%s/segments", r->dir);
    if (len < 0 || (size_t)len >= sizeof(f.segments_dir))
        return err_set(err, ST_INVALID, "the name of the data directory is too long");
    (void)snprintf(f.wal_dir, sizeof(f.wal_dir), "%s/wal", r->dir);
    arena_init(&f.arena, REBUILD_ARENA_BYTES_MAX);
    enum status st = rebuild(&f, err);
    if (f.arena.failed)
        st = arena_status(&f.arena, err);
    if (st == ST_OK)
        *ret_result = f.result;
    map_release(&f.streams);
    arena_release(&f.arena);
    return st;
}

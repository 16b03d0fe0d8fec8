/*
 * Has the log everything that a chunk holds? The entries of the chunks in question become a table
 * of hashes, then the log is read once and every entry of it looked up. Of entries that cannot be
 * read, because the power went while they were written, only the number is known.
 */
#include "server/store/rebuild_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "chunks/wal_reader.h"
#include "server/store/wal_push.h"

#include "base/banned.h"

struct seen_entry {
    uint64_t hash; /* 0: a free place */
    struct found_chunk *chunk;
    bool seen;
};

struct comparison {
    struct finding *finding;
    struct seen_entry *table; /* open addressing */
    size_t slots;
    struct buf text; /* of an entry, to be hashed */
    struct buf key;
};

/* ---- the table ---- */

static uint64_t hash_entry(struct comparison *c, const struct found_stream *stream,
                           const struct entry *e)
{
    buf_reset(&c->text);
    buf_put_u32(&c->text, stream->number);
    buf_put_u64(&c->text, (uint64_t)e->ts_ns);
    labels_encode(&c->text, e->metadata);
    buf_put(&c->text, e->line);
    uint64_t hash = hash_text(buf_str(&c->text));
    return hash == 0 ? 1 : hash;
}

static void add_entry(struct comparison *c, struct found_chunk *chunk, const struct entry *e)
{
    uint64_t hash = hash_entry(c, chunk->stream, e);
    size_t at = hash & (c->slots - 1);

    while (c->table[at].hash != 0)
        at = (at + 1) & (c->slots - 1);
    c->table[at] = (struct seen_entry){hash, chunk, false};
    chunk->unseen++;
}

/* The log has an entry that is in no block that can be read. */
static void see_hidden(const struct found_stream *stream, uint64_t seq, int64_t ts_ns)
{
    for (struct found_chunk *torn = stream->torn; torn != NULL; torn = torn->next_torn) {
        if (torn->hidden == 0 || seq > torn->seq_max || ts_ns < torn->summary.min_ns ||
            ts_ns > torn->summary.max_ns)
            continue;
        torn->hidden--;
        return;
    }
}

/* The log has this entry: every chunk that has it too has one less to wait for. */
static void see_entry(struct comparison *c, struct found_stream *stream, uint64_t seq,
                      const struct entry *e)
{
    uint64_t hash = hash_entry(c, stream, e);
    bool stored = false, known = false;

    for (size_t at = hash & (c->slots - 1); c->table[at].hash != 0;
         at = (at + 1) & (c->slots - 1)) {
        struct seen_entry *s = &c->table[at];
        stored = stored || s->hash == hash;
        if (s->hash != hash || s->seen)
            continue;
        s->seen = true;
        s->chunk->unseen--;
        known = true;
    }
    if (!stored && seq > stream->sure_seq)
        stream->unstored_seq = MIN_OF(stream->unstored_seq, seq);
    if (!known && seq > stream->sure_seq)
        see_hidden(stream, seq, e->ts_ns);
}

/* ---- chunks ---- */

static enum status add_chunk(struct comparison *c, struct segment_walk *w,
                             struct found_chunk *chunk)
{
    struct chunk_place place = {.offset = chunk->offset};
    struct block b;

    if (chunk->is_cut)
        w->end = chunk->offset + chunk->summary.chunk_bytes;
    chunk->hidden = chunk->summary.entries;
    enum status st = segment_walk_head(w, chunk->offset, &place.head, NULL);
    uint32_t blocks = st == ST_OK ? place.head.block_count : 0;
    for (uint32_t i = 0; i < blocks && !status_is_memory(st); i++) {
        st = segment_walk_block(w, &place, i, &b, NULL);
        if (st != ST_OK)
            continue;
        chunk->hidden -= b.count;
        for (uint32_t j = 0; j < b.count; j++)
            add_entry(c, chunk,
                      &(struct entry){b.ts_ns[j], block_line(&b, j), block_metadata(&b, j)});
    }
    if (chunk->hidden > 0) {
        chunk->next_torn = chunk->stream->torn;
        chunk->stream->torn = chunk;
    }
    w->end = w->file_bytes;
    return status_is_memory(st) || c->text.failed ? ST_NOMEM : ST_OK;
}

static enum status add_segment(struct comparison *c, const struct found_segment *segment)
{
    struct finding *f = c->finding;
    enum status st = ST_OK;
    struct segment_walk w;
    bool is_open = false;

    for (uint32_t i = segment->begin; i < segment->end && st == ST_OK; i++) {
        if (f->items[i].state != FOUND_DOUBTFUL)
            continue;
        if (!is_open)
            st = rebuild_open(f, segment, &w, NULL);
        is_open = is_open || st == ST_OK;
        if (st == ST_OK)
            st = add_chunk(c, &w, &f->items[i]);
    }
    if (is_open)
        segment_walk_close(&w);
    return st;
}

/* ---- the log ---- */

static enum status see_record(struct comparison *c, struct arena *a,
                              const struct wal_record *record)
{
    struct push_request request;
    struct str tenant;

    enum status st = wal_push_decode(a, record, &tenant, &request, NULL);
    for (size_t i = 0; st == ST_OK && i < request.stream_count; i++) {
        const struct push_stream *from = &request.streams[i];
        rebuild_stream_key(&c->key, tenant, from->labels);
        struct found_stream *stream =
            c->key.failed ? NULL : map_get(&c->finding->streams, buf_str(&c->key));
        for (size_t j = 0; stream != NULL && j < from->entry_count; j++)
            see_entry(c, stream, record->seq, &from->entries[j]);
    }
    if (c->key.failed || c->text.failed)
        return ST_NOMEM;
    return st == ST_CORRUPT ? ST_OK : st; /* the replay will not have it either */
}

/* ST_UNSUPPORTED, or a status of memory or the disk; a damaged header is none. */
static enum status open_file(const char *wal_dir, uint64_t number, struct wal_reader **ret_reader,
                             struct err *err)
{
    char name[WAL_NAME_BYTES], path[REBUILD_PATH_BYTES + WAL_NAME_BYTES + 1];
    struct wal_reader *w = NULL;

    wal_file_name(number, name);
    (void)snprintf(path, sizeof(path), "%s/%s", wal_dir, name);
    enum status st = wal_reader_open(path, &w, err);
    if (st == ST_OK && wal_reader_header(w, &number, err) == ST_UNSUPPORTED)
        st = ST_UNSUPPORTED;
    if (st == ST_OK)
        *ret_reader = w;
    else
        wal_reader_close(w);
    return st;
}

/* Visit every record of every file of the log; a status of `visit` ends it. */
static enum status each_record(const char *wal_dir,
                               enum status (*visit)(void *context, const struct wal_record *record),
                               void *context, struct err *err)
{
    uint64_t *numbers = NULL;
    size_t count = 0;

    enum status st = wal_numbers(wal_dir, &numbers, &count, err);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        struct wal_reader *w = NULL;
        struct wal_piece piece;
        st = open_file(wal_dir, numbers[i], &w, err);
        while (st == ST_OK || st == ST_CORRUPT) {
            st = wal_reader_next(w, &piece, err);
            if (st == ST_OK)
                st = visit(context, &piece.record);
        }
        wal_reader_close(w);
        st = st == ST_NOT_FOUND ? ST_OK : st;
    }
    mem_free(numbers);
    return st;
}

static enum status take_seq(void *context, const struct wal_record *record)
{
    uint64_t *seq = context;

    *seq = record->seq;
    return ST_EMPTY; /* enough */
}

/* NULL: there is none. */
static enum status open_oldest(const char *wal_dir, struct wal_reader **ret_reader, struct err *err)
{
    uint64_t *numbers = NULL;
    size_t count = 0;

    *ret_reader = NULL;
    enum status st = wal_numbers(wal_dir, &numbers, &count, err);
    if (st == ST_OK && count > 0)
        st = open_file(wal_dir, numbers[0], ret_reader, err);
    mem_free(numbers);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status rebuild_first_seq(const char *wal_dir, uint64_t *ret_seq, struct err *err)
{
    struct wal_reader *oldest = NULL; /* it may have no record that can be read */
    uint64_t seq = UINT64_MAX;

    enum status st = open_oldest(wal_dir, &oldest, err);
    if (st == ST_OK)
        st = each_record(wal_dir, take_seq, &seq, err);
    if (oldest != NULL && seq != UINT64_MAX)
        seq = wal_reader_first_seq(oldest, seq);
    wal_reader_close(oldest);
    *ret_seq = seq;
    return st == ST_EMPTY ? ST_OK : st;
}

struct seeing {
    struct comparison *comparison;
    struct arena arena;
};

static enum status see(void *context, const struct wal_record *record)
{
    struct seeing *s = context;

    enum status st = see_record(s->comparison, &s->arena, record);
    arena_release(&s->arena);
    return st;
}

enum status rebuild_compare_log(struct finding *f, struct err *err)
{
    struct comparison c = {.finding = f, .slots = 64};
    struct seeing s = {.comparison = &c};
    uint64_t entries = 0;
    enum status st = ST_OK;

    for (size_t i = 0; i < f->count; i++)
        entries += f->items[i].state == FOUND_DOUBTFUL ? f->items[i].summary.entries : 0;
    while (c.slots < entries * 2)
        c.slots *= 2;
    c.table = mem_new(c.slots, sizeof(*c.table));
    if (c.table == NULL)
        return err_set(err, ST_NOMEM, "no memory to compare %" PRIu64 " entries with the log",
                       entries);
    buf_init(&c.text, REBUILD_LABELS_BYTES_MAX);
    buf_init(&c.key, REBUILD_LABELS_BYTES_MAX);
    arena_init(&s.arena, WAL_PUSH_ARENA_BYTES_MAX);
    for (uint32_t i = 0; i < f->segment_count && st == ST_OK; i++)
        st = add_segment(&c, &f->segments[i]);
    if (st == ST_OK)
        st = each_record(f->wal_dir, see, &s, NULL);
    arena_release(&s.arena);
    buf_release(&c.key);
    buf_release(&c.text);
    mem_free(c.table);
    return st == ST_OK
               ? ST_OK
               : err_set(err, st, "cannot compare chunks with the log: %s", status_text(st));
}

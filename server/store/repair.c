/*
 * Opening the index at a start: one that cannot be trusted is made again from the segments.
 *
 *   damaged, or of version 1  index_check() finds it before LMDB opens the file
 *   lost                      there are segments, and the index knows none
 *   an older copy             it does not know a segment, or a chunk behind what it calls
 * committed, whose entries are not in the log either: no crash leaves that
 *
 * The last two would otherwise cost what the index does not know: it would be cut off.
 */
#include "server/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "chunks/segment_walk.h"
#include "server/store/rebuild.h"

#include "base/banned.h"

enum { READ_ARENA_BYTES_MAX = 1 << 26 };

/* ---- making it again ---- */

static void log_damage(void *context, const struct rebuild_damage *damage)
{
    (void)context;
    LOG(LOG_ERROR, "a segment is damaged, entries are missing from answers",
        LOG_TEXT("file", damage->file), LOG_INT("offset", damage->offset),
        LOG_INT("bytes", damage->bytes), LOG_TEXT("what", damage->text));
}

static enum status make_again(struct store *s, const char *why, struct err *err)
{
    struct rebuild_result result;
    struct rebuild rebuild = {
        .dir = s->dir, .index_max_bytes = store_settings(s)->index_max_bytes, .damage = log_damage};

    LOG(LOG_WARN, "the index cannot be used, it is made again from the segments",
        LOG_TEXT("why", why));
    enum status st = rebuild_index(&rebuild, &result, err);
    if (st != ST_OK)
        return err_prefix(err, st, "cannot make the index again");
    s->index_rebuilt = true;
    LOG(LOG_WARN, "the index was made again; the old one is kept as index.damaged-*",
        LOG_INT("segments", result.segments), LOG_INT("chunks", result.chunks),
        LOG_INT("merged_left_out", result.merged),
        LOG_INT("uncommitted_left_out", result.uncommitted), LOG_INT("damages", result.damages));
    return ST_OK;
}

/* ---- is it an older copy? ---- */

struct known_segment {
    uint64_t id;
    uint64_t committed_bytes;
    enum segment_state state;
};

struct comparing {
    struct store *store;
    struct index_read *read;
    struct arena arena;
    struct known_segment *known; /* by id */
    size_t count;
    size_t capacity;
    uint64_t first_seq;         /* of the log */
    struct segment_name *files; /* that are there, by id */
    size_t file_count;
    uint64_t index_seq; /* the last record that the index knows of */
    char reason[SEGMENT_FILE_NAME_BYTES + 64];
};

static enum status list_known(struct comparing *c)
{
    struct segment_ref ref;
    uint64_t cursor = 0;
    enum status st;

    while ((st = index_next_segment(c->read, &cursor, &ref)) == ST_OK) {
        c->known = arena_reserve(&c->arena, c->known, c->count, &c->capacity, sizeof(*c->known));
        if (c->known == NULL)
            return ST_LIMIT;
        c->known[c->count++] = (struct known_segment){ref.id, ref.committed_bytes, ref.state};
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static int compare_known(const void *a, const void *b)
{
    const struct known_segment *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static bool has_file(const struct comparing *c, uint64_t segment)
{
    const struct segment_name key = {.id = segment};

    return bsearch(&key, c->files, c->file_count, sizeof(key), segment_name_compare) != NULL;
}

/*
 * Was a merge making this chunk when the process died? Then the index knows of all that is in it,
 * and what it was to be made of is still in the segments, but for what was dropped meanwhile: that
 * goes from them when the index knows the result.
 */
static bool is_unfinished_merge(struct comparing *c, const struct chunk_head *h)
{
    struct chunk_range range = {h->tenant, time_day(h->summary.min_ns), INT64_MIN, INT64_MAX};
    struct chunk_ref_list list = {0};
    uint64_t id, flushed_seq;

    if (index_find_stream(c->read, h->tenant, h->labels, &id, &flushed_seq) != ST_OK ||
        flushed_seq < h->seq_max ||
        index_chunks(c->read, &range, (struct postings){&id, 1}, &list, NULL) != ST_OK)
        return false;
    for (size_t i = 0; i < list.count; i++) {
        const struct chunk_ref *ref = &list.refs[i];
        if (ref->chunk_id >= h->chunk_id && ref->chunk_id <= h->chunk_id + h->id_span &&
            !has_file(c, ref->segment_id))
            return false;
    }
    return true;
}

/*
 * Is there a chunk from `offset` on that no crash explains: one that the index does not know, and
 * of which records are not in the log any more? When files of the log go the index knows of all
 * that was in them. Of a file that is not known any chunk will do.
 */
static enum status find_lost_chunk(struct comparing *c, struct segment_walk *w, uint64_t offset,
                                   bool is_known, bool *ret_lost)
{
    struct chunk_place place;
    enum status st = ST_OK;

    w->offset = MAX_OF(w->offset, offset);
    while (!*ret_lost && (st == ST_OK || st == ST_CORRUPT)) {
        st = segment_walk_next(w, &place, NULL);
        *ret_lost = st == ST_OK &&
                    (!is_known || (c->first_seq > MIN_OF(place.head.seq_max, c->index_seq + 1) &&
                                   !is_unfinished_merge(c, &place.head)));
    }
    return status_is_memory(st) ? st : ST_OK; /* of what cannot be read nothing counts */
}

enum status store_walk_segment(const struct store *s, struct segment_name name,
                               struct segment_walk *w, struct err *err)
{
    char file[SEGMENT_FILE_NAME_BYTES], path[STORE_PATH_BYTES + SEGMENT_FILE_NAME_BYTES + 16];

    segment_file_name(name, file);
    (void)snprintf(path, sizeof(path), "%s/%s", s->segments_dir, file);
    return segment_walk_open(w, path, err);
}

/* `*ret_lost`, with the reason: the file has what the index must know and does not. */
static enum status find_unexpected(struct comparing *c, struct segment_name name, bool *ret_lost)
{
    struct known_segment key = {.id = name.id};
    const struct known_segment *known =
        c->count == 0 ? NULL : bsearch(&key, c->known, c->count, sizeof(*c->known), compare_known);
    char file[SEGMENT_FILE_NAME_BYTES];
    struct segment_header header;
    struct segment_walk w;

    if (known != NULL && known->state == SEGMENT_DEAD)
        return ST_OK;
    enum status st = store_walk_segment(c->store, name, &w, NULL);
    if (st != ST_OK)
        return st == ST_NOMEM ? st : ST_OK;
    if (known == NULL || w.file_bytes > known->committed_bytes) {
        st = segment_walk_header(&w, &header, NULL);
        if (st == ST_OK || st == ST_CORRUPT || st == ST_IO)
            st = find_lost_chunk(c, &w, known == NULL ? 0 : known->committed_bytes, known != NULL,
                                 ret_lost);
    }
    segment_walk_close(&w);
    segment_file_name(name, file);
    if (*ret_lost)
        (void)snprintf(c->reason, sizeof(c->reason), "it does not know all of %s", file);
    return st == ST_UNSUPPORTED ? ST_OK : st;
}

/* `*ret_stale`, with the reason: segments hold more than the index and the log know. */
static enum status compare_segments(struct comparing *c, bool *ret_stale, struct err *err)
{
    struct store *s = c->store;

    enum status st = rebuild_first_seq(s->wal_dir, &c->first_seq, err);
    if (st == ST_OK)
        st = segments_list(s->segments_dir, &c->files, &c->file_count, err);
    if (st == ST_OK && list_known(c) != ST_OK)
        st = err_set(err, ST_CORRUPT, "index: cannot list the segments");
    for (size_t i = 0; i < c->file_count && st == ST_OK && !*ret_stale; i++)
        st = find_unexpected(c, c->files[i], ret_stale);
    mem_free(c->files);
    return st == ST_OK ? ST_OK : err_prefix(err, st, "cannot compare the index with segments");
}

static enum status check_age(struct store *s, bool *ret_stale, char *reason, size_t reason_bytes,
                             struct err *err)
{
    struct comparing c = {.store = s};
    struct index_counters counters = {0};

    arena_init(&c.arena, READ_ARENA_BYTES_MAX);
    enum status st = index_counters(s->index, &counters, err);
    c.index_seq = counters.seq;
    if (st == ST_OK)
        st = index_read_begin(s->index, &c.arena, &c.read, err);
    if (st == ST_OK)
        st = compare_segments(&c, ret_stale, err);
    index_read_end(c.read);
    arena_release(&c.arena);
    (void)snprintf(reason, reason_bytes, "%s", c.reason);
    return st;
}

/* ---- opening ---- */

/* What `skald rebuild-index` has left, say, when it was ended half way. */
static void clear_rebuild(const struct store *s)
{
    struct err err;

    if (rebuild_clear(s->dir, &err) != ST_OK)
        LOG(LOG_WARN, "cannot remove an index that is not whole", LOG_ERR(&err));
}

enum status store_open_index(struct store *s, struct err *err)
{
    uint64_t max_bytes = store_settings(s)->index_max_bytes;
    char path[STORE_PATH_BYTES + 16], reason[SEGMENT_FILE_NAME_BYTES + 64];
    struct err why = {.text = ""};
    bool stale = false;

    (void)snprintf(path, sizeof(path), "%s/index", s->dir);
    enum status st = index_open(path, max_bytes, &s->index, &why);
    if (st == ST_CORRUPT || (st == ST_UNSUPPORTED && index_check(path, NULL) == ST_UNSUPPORTED)) {
        st = make_again(s, why.text, err);
        return st == ST_OK ? index_open(path, max_bytes, &s->index, err) : st;
    }
    if (st != ST_OK)
        return err_set(err, st, "%s", why.text);
    st = check_age(s, &stale, reason, sizeof(reason), err);
    if (st == ST_OK && !stale)
        clear_rebuild(s);
    if (st != ST_OK || !stale)
        return st;
    index_close(s->index);
    s->index = NULL;
    st = make_again(s, reason, err);
    return st == ST_OK ? index_open(path, max_bytes, &s->index, err) : st;
}

/* ---- segments in the wrong place ---- */

bool store_segment_is_itself(const struct store *s, struct segment_name name, uint64_t *ret_bytes)
{
    struct segment_header header;
    struct segment_walk w;

    *ret_bytes = 0;
    if (store_walk_segment(s, name, &w, NULL) != ST_OK)
        return true; /* there is nothing that could be another one */
    *ret_bytes = w.file_bytes;
    bool other = segment_walk_header(&w, &header, NULL) == ST_OK &&
                 (header.name.id != name.id || header.name.day != name.day);
    segment_walk_close(&w);
    return !other;
}

/* ---- damage that is known ---- */

enum status store_load_damage(struct store *s, struct err *err)
{
    struct index_read *r = NULL;
    struct arena none = {0};
    struct segment_damage damage;
    struct damage_cursor cursor = {0};

    enum status st = index_read_begin(s->index, &none, &r, err);
    while (st == ST_OK && (st = index_next_damage(r, &cursor, &damage)) == ST_OK) {
        struct segment_damage *wider =
            mem_grow(s->damages, s->damage_count + 1, sizeof(*s->damages));
        if (wider == NULL) {
            st = ST_NOMEM;
            break;
        }
        s->damages = wider;
        damage.tenant = mem_str(damage.tenant);
        if (damage.tenant.ptr == NULL)
            st = ST_NOMEM;
        else
            s->damages[s->damage_count++] = damage;
    }
    index_read_end(r);
    return st == ST_NOT_FOUND ? ST_OK : err_set(err, st, "cannot load the list of damage");
}

void store_free_damage(struct store *s)
{
    for (size_t i = 0; i < s->damage_count; i++)
        mem_free((void *)(uintptr_t)s->damages[i].tenant.ptr);
    mem_free(s->damages);
    s->damages = NULL;
    s->damage_count = 0;
}

uint64_t store_segment_damage(const struct store *s, struct str tenant, int32_t first_day,
                              int32_t last_day)
{
    uint64_t count = 0;

    for (size_t i = 0; i < s->damage_count; i++) {
        const struct segment_damage *d = &s->damages[i];
        count += d->day >= first_day && d->day <= last_day && str_eq(d->tenant, tenant) ? 1 : 0;
    }
    return count;
}

uint64_t store_damage(const struct store *s, struct str tenant, int32_t first_day, int32_t last_day)
{
    return s->damaged_files + store_segment_damage(s, tenant, first_day, last_day);
}

uint64_t store_damage_bytes(const struct store *s, uint64_t segment_id)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->damage_count; i++)
        bytes += s->damages[i].segment_id == segment_id ? s->damages[i].bytes : 0;
    return bytes;
}

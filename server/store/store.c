#include "server/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "server/store/select.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

/* ---- opening and closing ---- */

/* Hold the directory, so that no second process can open it. */
static enum status hold_dir(struct store *s, struct err *err)
{
    enum { PID_TEXT_BYTES = 32 };
    char path[STORE_PATH_BYTES + 16], pid[PID_TEXT_BYTES] = "";

    (void)snprintf(path, sizeof(path), "%s/lock", s->dir);
    s->lock_fd = io_openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0640);
    if (s->lock_fd < 0)
        return err_errno(err, "open %s", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, "lock %s", path);
        ssize_t got = io_pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[got < 0 ? 0 : got] = '\0';
        return err_set(err, ST_BUSY, "%s is in use by another skald (process %.*s)", s->dir,
                       STR_ARG(str_trim(str_from(pid))));
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (io_ftruncate(s->lock_fd, 0) < 0 ||
        io_write_all(s->lock_fd, str_make(pid, (size_t)len), 0, NULL) != ST_OK)
        LOG(LOG_WARN, "cannot write the process id", LOG_TEXT("file", path));
    return ST_OK;
}

static enum status copy_dir(struct store *s, struct err *err)
{
    struct str dir = store_settings(s)->data_dir;
    enum { ROOM_FOR_NAMES = 64 };

    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/')
        dir.len--;
    if (dir.len == 0 || dir.len >= sizeof(s->dir) - ROOM_FOR_NAMES)
        return err_set(err, ST_INVALID, "storage.data_dir has %zu bytes", dir.len);
    memcpy(s->dir, dir.ptr, dir.len);
    s->dir[dir.len] = '\0';
    return ST_OK;
}

/* "DIR/name" for a part of the store. It lives as long as the store. */
static enum status part_path(struct store *s, const char *name, char **ret_path, struct err *err)
{
    size_t bytes = strlen(s->dir) + strlen(name) + 2;
    char *path = mem_bytes(bytes);

    if (path == NULL)
        return err_set(err, ST_NOMEM, "no memory for a path");
    (void)snprintf(path, bytes, "%s/%s", s->dir, name);
    *ret_path = path;
    return ST_OK;
}

static enum status open_parts(struct store *s, struct err *err)
{
    const struct settings *settings = store_settings(s);
    uint64_t next_seq;

    enum status st = part_path(s, "segments", &s->segments_dir, err);
    if (st == ST_OK)
        st = segments_open(s->segments_dir, (size_t)settings->max_open_segments, &s->segments, err);
    if (st == ST_OK)
        st = part_path(s, "wal", &s->wal_dir, err);
    if (st == ST_OK)
        st = io_mkdir(s->wal_dir, err);
    if (st == ST_OK)
        st = store_open_index(s, err);
    if (st == ST_OK)
        st = store_load_damage(s, err);
    if (st == ST_OK)
        st = store_recover(s, &next_seq, err);
    if (st != ST_OK)
        return st;

    struct wal_options wal = {
        .dir = s->wal_dir,
        .file_bytes = settings->file_size,
        .queue_bytes = settings->queue_max,
        .settled = s->options.settled,
        .context = s->options.context,
    };
    return wal_open(&wal, next_seq, &s->wal, err);
}

enum status store_open(const struct store_options *options, struct store **ret_store,
                       struct err *err)
{
    struct store *s = mem_new(1, sizeof(*s));

    if (s == NULL)
        return err_set(err, ST_NOMEM, "no memory for the store");
    s->options = *options;
    s->config = options->config;
    s->lock_fd = -1;
    lock_init(&s->lock, LOCK_RANK_STORE);
    lock_init(&s->flusher.lock, LOCK_RANK_FLUSHER);
    lock_cond_init(&s->flusher.wake);
    lock_cond_init(&s->flusher.done);
    lock_cond_init(&s->merger.wake);
    lock_cond_init(&s->merger.answered);
    deletes_init(s);
    space_init(s);
    source_init(&s->source);

    enum status st = copy_dir(s, err);
    if (st == ST_OK)
        st = io_mkdir(s->dir, err);
    if (st == ST_OK)
        st = hold_dir(s, err);
    if (st == ST_OK)
        st = open_parts(s, err);
    if (st == ST_OK)
        st = flusher_start(s, err);
    if (st == ST_OK)
        st = merge_start(s, err);
    if (st != ST_OK) {
        store_close(s, 0);
        return st;
    }
    *ret_store = s;
    return ST_OK;
}

static void free_tenants(struct store *s)
{
    size_t cursor = 0;

    for (struct tenant *t = map_next(&s->tenants, &cursor); t != NULL;
         t = map_next(&s->tenants, &cursor))
        tenant_free(t);
    map_release(&s->tenants);
}

void store_abandon(struct store *s)
{
    flag_set(&s->flusher.abandon);
}

void store_close(struct store *s, int64_t flush_ns)
{
    int64_t until_ns = time_mono_ns() + flush_ns;
    struct err err;

    if (s == NULL)
        return;
    merge_stop(s);
    if (flush_ns > 0 && s->flusher.started) {
        enum status st = flusher_force(s, until_ns - time_mono_ns(), &err);
        if (st != ST_OK)
            LOG(LOG_WARN, "not everything is flushed, the log will be replayed at the next start",
                LOG_ERR(&err));
    }
    store_abandon(s);
    merge_join(s); /* not before: it may wait for a flush that takes longer than there is time */
    flusher_stop(s);
    wal_close(s->wal);
    free_tenants(s);
    segments_close(s->segments);
    index_close(s->index);
    store_free_damage(s);
    deletes_release(s);
    merge_release(s);
    mem_free(s->segments_dir);
    mem_free(s->wal_dir);
    lock_cond_release(&s->merger.answered);
    lock_cond_release(&s->merger.wake);
    lock_cond_release(&s->flusher.done);
    lock_cond_release(&s->flusher.wake);
    lock_release(&s->flusher.lock);
    lock_release(&s->lock);
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    mem_free(s);
}

void store_set_config(struct store *s, const struct config *config)
{
    lock_take(&s->lock);
    s->config = config;
    lock_give(&s->lock);
    flag_set(&s->space.limits_changed);
    flusher_look(s);
}

/* ---- tenants and streams ---- */

/* The lock is held. NULL: no memory for it. */
static struct tenant *make_tenant(struct store *s, struct str name)
{
    struct tenant *t = tenant_new(name, s->newest_tenant);

    if (t != NULL && map_set(&s->tenants, t->name, t) != ST_OK) {
        tenant_free(t);
        t = NULL;
    }
    if (t != NULL)
        s->newest_tenant = t;
    return t;
}

struct tenant *store_tenant(struct store *s, struct str name, bool create)
{
    lock_take(&s->lock);
    struct tenant *t = map_get(&s->tenants, name);
    if (t == NULL && create)
        t = make_tenant(s, name);
    lock_give(&s->lock);
    return t;
}

enum status store_admit_tenant(struct store *s, struct str name, struct tenant **ret_tenant,
                               struct err *err)
{
    uint64_t max = store_settings(s)->max_tenants;

    lock_take(&s->lock);
    struct tenant *t = map_get(&s->tenants, name);
    size_t count = s->tenants.count;
    bool full = t == NULL && count >= max;
    if (t == NULL && !full)
        t = make_tenant(s, name);
    lock_give(&s->lock);
    if (full)
        return err_set(err, ST_LIMIT,
                       "there are %zu tenants, as many as ingester.max_tenants allows, and "
                       "'%.*s' is none of them",
                       count, STR_ARG(name));
    if (t == NULL)
        return err_set(err, ST_NOMEM, "no memory for a tenant");
    *ret_tenant = t;
    return ST_OK;
}

const struct limits *store_limits(struct store *s, struct str tenant)
{
    lock_take(&s->lock);
    const struct limits *limits = config_limits(s->config, tenant);
    lock_give(&s->lock);
    return limits;
}

/*
 * A stream of a few lines costs more on disk than in memory, so each head has some memory beside
 * the target: of a hundred thousand streams none would gather more than a line or two otherwise.
 * Labels of the usual length have a third of it. It ends where acknowledgements are held back
 * before pushes are refused.
 */
uint64_t store_memory_target(struct store *s)
{
    enum { HEAD_BYTES_FREE = 1536 };
    const struct settings *settings = store_settings(s);
    uint64_t target = settings->memory_target + counter_get(&s->heads) * HEAD_BYTES_FREE;

    return MIN_OF(target, settings->memory_max / 4 * 3);
}

void store_each_tenant(struct store *s, void (*visit)(void *context, struct tenant *t),
                       void *context)
{
    lock_take(&s->lock);
    struct tenant *t = s->newest_tenant;
    lock_give(&s->lock);
    for (; t != NULL; t = t->older)
        visit(context, t);
}

enum status store_stream(struct store *s, struct tenant *t, struct str key, uint64_t streams_max,
                         struct stream **ret_stream)
{
    uint64_t before = t->streams.bytes;

    lock_assert_held(&t->lock);
    struct stream *stream = streams_get(&t->streams, key);
    if (stream == NULL) {
        if (streams_max > 0 && t->streams.numbers.count >= streams_max)
            return ST_LIMIT;
        if (streams_add(&t->streams, key, &stream) != ST_OK)
            return ST_NOMEM;
        counter_add(&s->stream_bytes, t->streams.bytes - before);
        counter_add(&t->counters.streams, 1);
        counter_add(&t->counters.streams_created, 1);
    }
    *ret_stream = stream;
    return ST_OK;
}

void store_drop_stream(struct store *s, struct tenant *t, struct stream *stream)
{
    uint64_t before = t->streams.bytes;

    lock_assert_held(&t->lock);
    ASSERT(!stream_has_entries(stream));
    streams_remove(&t->streams, stream);
    counter_sub(&s->stream_bytes, before - t->streams.bytes);
    counter_sub(&t->counters.streams, 1);
    counter_add(&t->counters.streams_removed, 1);
}

/* ---- reads of the index ---- */

static enum status query_is_over(void *context)
{
    return query_check(context, NULL);
}

void store_watch_read(struct index_read *r, struct query_context *q)
{
    index_read_watch(r, query_is_over, q);
}

/* ---- state ---- */

struct source *store_source(struct store *s)
{
    return &s->source;
}

struct store_state store_state(struct store *s)
{
    struct wal_state wal = wal_state(s->wal);
    struct store_state state = {
        .head_bytes = counter_get(&s->head_bytes),
        .stream_bytes = counter_get(&s->stream_bytes),
        .heads = counter_get(&s->heads),
        .wal_bytes = wal.bytes,
        .wal_files = wal.files,
        .wal_failed = wal.failed,
        .flush_failing = flag_get(&s->flush_failing),
        .chunks_created = counter_get(&s->chunks_created),
        .chunks_flushed = counter_get(&s->chunks_flushed),
        .flushes_failed = counter_get(&s->flushes_failed),
        .corrupt_blocks = counter_get(&s->corrupt_blocks),
        .merges = counter_get(&s->merger.merges),
        .chunks_merged = counter_get(&s->merger.chunks_merged),
        .merge_bytes_in = counter_get(&s->merger.bytes_in),
        .merge_bytes_out = counter_get(&s->merger.bytes_out),
        .merges_failed = counter_get(&s->merger.failures),
        .chunks_unmergeable = counter_get(&s->merger.chunks_blocked),
        .segments_removed = counter_get(&s->merger.segments_removed),
        .segments_dead = counter_get(&s->merger.segments_dead),
        .merge_days_pending = merge_days_pending(s),
        .data_bytes = counter_get(&s->space.data_bytes),
        .streams_forgotten = counter_get(&s->space.forgotten),
        .days_expired = counter_get(&s->space.days_expired),
        .days_dropped = counter_get(&s->space.days_dropped),
        .bytes_dropped = counter_get(&s->space.bytes_dropped),
        .full = flag_get(&s->space.full) || wal_is_full(s->wal),
        .replayed_records = s->replayed_records,
        .damaged_files = s->damaged_files,
        .index_rebuilt = s->index_rebuilt,
        .index_damaged_records = index_damaged_records(s->index),
        .damaged_places = s->damage_count,
        .mended_heads = counter_get(&s->mended_heads),
    };

    for (size_t i = 0; i < SEAL_REASON_COUNT; i++)
        state.sealed[i] = counter_get(&s->sealed[i]);
    deletes_count_due(s, &state.deletes_pending, &state.delete_oldest_ns);
    return state;
}

enum status store_flush(struct store *s, struct err *err)
{
    return flusher_force(s, 10 * MINUTE_NS, err);
}

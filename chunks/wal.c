/*
 * Group commit: while the thread writes and syncs one batch, the next one gathers in the queue. So
 * the more clients wait, the more share a sync; no timer is needed.
 *
 *     wal_append -> queue -> [thread: rotate if full, pwritev the batch, fdatasync] -> settled()
 *
 * A batch is all or nothing: if a write fails, the file is cut back to where the batch began.
 *
 * What is synced leaves the page cache: only a restart reads it. So the next batch gets the pages
 * that the last one had, which are warm, and the log does not push out what queries read.
 */
#include "chunks/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/entropy.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

#include "base/banned.h"

enum { BATCH_PARTS_MAX = 512 }; /* iovecs of one write, two for each record */

/* A record on its way: header and payload as they will stand in the file. */
struct wal_waiting {
    struct wal_waiting *next;
    struct str payload;
    struct wal_record_header form;
    char header[WAL_RECORD_HEADER_BYTES]; /* the form as bytes */
};

struct wal_file {
    struct wal_file *next; /* newer */
    uint64_t number;
    uint64_t seq_max; /* 0: no record */
    uint64_t bytes;
    bool stays; /* it could not be removed */
};

struct wal {
    struct wal_options options;
    int dir_fd;
    pthread_t thread;

    struct lock lock; /* for all below */
    struct lock_cond wake;
    struct lock_cond turned;
    struct wal_waiting *first; /* the queue */
    struct wal_waiting *last;
    uint64_t queued_bytes;
    uint64_t written_bytes; /* of the batch that is being written */
    uint64_t next_seq;
    uint64_t dropped_seq;   /* the files of all records up to it were removed, */
    uint64_t dropped;       /* the last of these files, */
    uint64_t gone;          /* and the last one whose removal is on the disk */
    uint64_t name_failures; /* syncs of the directory that failed, */
    uint64_t removed_again; /* and those behind which files were removed once more */
    struct wal_file *oldest;
    struct wal_file *newest; /* the one being written */
    bool closing;
    bool failed;
    struct flag full;
    bool turn; /* somebody wants a new file to be begun */
    enum status turn_status;
    struct err turn_err;

    /* The thread's own. */
    int fd;               /* of the newest, -1: it is not for writing */
    uint32_t salt;        /* of the newest */
    uint64_t written_seq; /* the last record that did not fail */
    bool write_failed;    /* into the newest, and not for want of room: another one may do */
};

/* ---- files ---- */

/* Sync the directory: files that were removed before are gone then. */
static enum status sync_names(struct wal *w, struct err *err)
{
    lock_take(&w->lock);
    uint64_t dropped = w->dropped;
    lock_give(&w->lock);
    bool failed = io_fsync(w->dir_fd) < 0;
    enum status st = failed ? err_errno(err, "sync %s", w->options.dir) : ST_OK;
    lock_take(&w->lock);
    w->name_failures += failed ? 1 : 0;
    if (w->name_failures == w->removed_again)
        w->gone = MAX_OF(w->gone, dropped);
    lock_give(&w->lock);
    return st;
}

/* A file without records. */
static enum status file_create(struct wal *w, uint64_t number, uint64_t first_seq, int *ret_fd,
                               uint32_t *ret_salt, struct err *err)
{
    char name[WAL_NAME_BYTES];
    struct buf header;
    uint32_t salt;

    enum status st = entropy_get(&salt, sizeof(salt), err);
    if (st != ST_OK)
        return st;
    wal_file_name(number, name);
    /* One that an attempt left whose sync failed, and which could not be removed then. */
    if (io_unlinkat(w->dir_fd, name) < 0 && errno != ENOENT)
        return err_errno(err, "remove %s/%s", w->options.dir, name);
    int fd = io_openat(w->dir_fd, name, O_RDWR | O_CREAT | O_EXCL, 0640);
    if (fd < 0)
        return err_errno(err, "create %s/%s", w->options.dir, name);

    buf_init(&header, WAL_FILE_HEADER_BYTES * 2);
    wal_put_file_header(&header, &(struct wal_file_header){
                                     .number = number,
                                     .salt = salt,
                                     .has_first_seq = true,
                                     .first_seq = (uint32_t)first_seq,
                                 });
    st = buf_status(&header, err);
    if (st == ST_OK)
        st = io_write_all(fd, buf_str(&header), 0, err);
    buf_release(&header);
    if (st == ST_OK && io_fsync(fd) < 0)
        st = err_errno(err, "sync %s/%s", w->options.dir, name);
    if (st == ST_OK)
        st = sync_names(w, err);
    if (st != ST_OK) {
        (void)close(fd);
        (void)io_unlinkat(w->dir_fd, name);
        return st;
    }
    *ret_fd = fd;
    *ret_salt = salt;
    return ST_OK;
}

/* ---- the thread ---- */

/* Go on in a new file. The old one is whole and synced. */
static enum status rotate(struct wal *w, struct err *err)
{
    struct wal_file *file = mem_new(1, sizeof(*file));
    uint32_t salt;
    int fd = -1;

    if (file == NULL)
        return err_set(err, ST_NOMEM, "no memory for a log file");
    file->number = w->newest == NULL ? 1 : w->newest->number + 1;
    file->bytes = WAL_FILE_HEADER_BYTES;
    enum status st = file_create(w, file->number, w->written_seq + 1, &fd, &salt, err);
    if (st != ST_OK) {
        mem_free(file);
        return st;
    }
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = fd;
    w->salt = salt;
    w->write_failed = false;
    lock_take(&w->lock);
    if (w->newest == NULL)
        w->oldest = file;
    else
        w->newest->next = file;
    w->newest = file;
    lock_give(&w->lock);
    return ST_OK;
}

/* Write `count` parts at `offset`, all of them. */
static enum status write_parts(struct wal *w, struct iovec *parts, int count, uint64_t offset,
                               struct err *err)
{
    while (count > 0) {
        ssize_t put = io_pwritev(w->fd, parts, count, offset);
        if (put < 0)
            return err_errno(err, "write to the log");
        offset += (uint64_t)put;
        size_t left = (size_t)put;
        while (count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return ST_OK;
}

/* Write the records of a batch behind one another; `*offset` moves along. */
static enum status write_batch(struct wal *w, struct wal_waiting *batch, uint64_t *offset,
                               struct err *err)
{
    struct iovec parts[BATCH_PARTS_MAX];

    while (batch != NULL) {
        int count = 0;
        uint64_t bytes = 0;
        for (; batch != NULL && count + 2 <= BATCH_PARTS_MAX; batch = batch->next) {
            batch->form.salt = w->salt;
            wal_put_record_header(batch->header, &batch->form);
            parts[count++] = (struct iovec){batch->header, sizeof(batch->header)};
            parts[count++] =
                (struct iovec){(void *)(uintptr_t)batch->payload.ptr, batch->payload.len};
            bytes += sizeof(batch->header) + batch->payload.len;
        }
        enum status st = write_parts(w, parts, count, *offset, err);
        if (st != ST_OK)
            return st;
        *offset += bytes;
    }
    return ST_OK;
}

/* Nothing may be trusted any more: see wal.h. */
static void fail_for_good(struct wal *w, const char *what)
{
    lock_take(&w->lock);
    w->failed = true;
    lock_give(&w->lock);
    LOG(LOG_ERROR, "the write-ahead log has failed, pushes are refused until a restart",
        LOG_TEXT("during", what), LOG_TEXT("err", strerror(errno)));
}

/* Does the newest file get no more records? One without any is never followed by another. */
static bool is_done(const struct wal *w)
{
    return w->newest->seq_max != 0 &&
           (w->newest->bytes >= w->options.file_bytes || w->write_failed);
}

static enum status write_and_sync(struct wal *w, struct wal_waiting *batch, uint64_t *ret_end)
{
    struct err err;
    enum status st = ST_OK;

    if (w->failed)
        return ST_IO;
    if (w->fd < 0 || is_done(w))
        st = rotate(w, &err);
    if (w->fd < 0) {
        LOG(LOG_ERROR, "cannot make a file of the write-ahead log", LOG_ERR(&err));
        return st;
    }
    uint64_t begin = w->newest->bytes, end = begin;
    if (st == ST_OK)
        st = write_batch(w, batch, &end, &err);
    if (st != ST_OK) {
        LOG(LOG_ERROR, "cannot write to the write-ahead log", LOG_ERR(&err));
        w->write_failed = st != ST_FULL;
        if (io_ftruncate(w->fd, begin) < 0 || io_fdatasync(w->fd) < 0)
            fail_for_good(w, "truncate");
        return st;
    }
    if (io_fdatasync(w->fd) < 0) {
        fail_for_good(w, "sync");
        return ST_IO;
    }
    io_forget(w->fd, begin, end);
    *ret_end = end;
    return ST_OK;
}

static void free_batch(struct wal_waiting *batch)
{
    while (batch != NULL) {
        struct wal_waiting *next = batch->next;
        mem_free((void *)(uintptr_t)batch->payload.ptr);
        mem_free(batch);
        batch = next;
    }
}

/* Begin a new file unless this one is empty: all that was queued before it was asked for is
 * written.
 */
static void turn_over(struct wal *w)
{
    enum status st = w->failed ? ST_IO : ST_OK;
    struct err err;

    err_set(&err, ST_IO, "the log has failed");
    if (st == ST_OK && (w->fd < 0 || w->newest->seq_max != 0))
        st = rotate(w, &err);
    lock_take(&w->lock);
    w->turn = false;
    w->turn_status = st;
    w->turn_err = err;
    lock_cond_broadcast(&w->turned);
    lock_give(&w->lock);
}

/* Take the whole queue; NULL when there is nothing left to write. */
static struct wal_waiting *take_batch(struct wal *w, uint64_t *ret_seq, bool *ret_turn)
{
    lock_take(&w->lock);
    while (w->first == NULL && !w->closing && !w->turn)
        lock_cond_wait(&w->wake, &w->lock);
    *ret_turn = w->turn;
    struct wal_waiting *batch = w->first;
    *ret_seq = w->last == NULL ? 0 : w->last->form.seq;
    w->first = NULL;
    w->last = NULL;
    w->written_bytes = w->queued_bytes;
    w->queued_bytes = 0;
    lock_give(&w->lock);
    return batch;
}

static void *run(void *context)
{
    struct wal *w = context;
    bool turn;

    for (;;) {
        uint64_t seq, end = 0;
        struct wal_waiting *batch = take_batch(w, &seq, &turn);
        if (batch == NULL && !turn)
            return NULL;
        enum status st = batch == NULL ? ST_OK : write_and_sync(w, batch, &end);
        lock_take(&w->lock);
        if (batch != NULL && st == ST_OK) {
            w->newest->bytes = end;
            w->newest->seq_max = seq;
            w->written_seq = seq;
        }
        w->written_bytes = 0;
        lock_give(&w->lock);
        if (st == ST_FULL)
            flag_set(&w->full);
        free_batch(batch);
        if (batch != NULL)
            w->options.settled(w->options.context, seq, st);
        if (turn)
            turn_over(w);
    }
}

/* ---- the callers ---- */

/* Note the files that are there, oldest first; all their records are below `next_seq`. */
static enum status adopt_files(struct wal *w, struct err *err)
{
    struct wal_names names;

    enum status st = wal_list(w->options.dir, &names, err);
    for (size_t i = 0; i < names.count && st == ST_OK; i++) {
        struct wal_file *file = mem_new(1, sizeof(*file));
        if (file == NULL) {
            st = err_set(err, ST_NOMEM, "no memory for the list of log files");
            break;
        }
        file->number = names.numbers[i];
        file->seq_max = w->next_seq - 1;
        file->bytes = names.bytes[i];
        if (w->newest == NULL)
            w->oldest = file;
        else
            w->newest->next = file;
        w->newest = file;
    }
    if (names.count == 0)
        w->dropped_seq = w->next_seq - 1;
    else
        w->dropped = names.numbers[0] - 1;
    w->gone = w->dropped;
    wal_names_release(&names);
    return st;
}

enum status wal_open(const struct wal_options *options, uint64_t next_seq, struct wal **ret_wal,
                     struct err *err)
{
    struct wal *w = mem_new(1, sizeof(*w));

    if (w == NULL)
        return err_set(err, ST_NOMEM, "no memory for the log");
    w->options = *options;
    w->next_seq = next_seq;
    w->written_seq = next_seq - 1;
    w->fd = -1;
    w->dir_fd = -1;
    lock_init(&w->lock, LOCK_RANK_WAL);
    lock_cond_init(&w->wake);
    lock_cond_init(&w->turned);

    enum status st = io_open_dir(options->dir, &w->dir_fd, err);
    if (st == ST_OK)
        st = adopt_files(w, err);
    if (st == ST_OK) {
        st = rotate(w, err);
        if (st == ST_FULL) {
            flag_set(&w->full);
            st = ST_OK;
        }
    }
    if (st == ST_OK && pthread_create(&w->thread, NULL, run, w) != 0)
        st = err_set(err, ST_NOMEM, "cannot start the thread of the log");
    if (st != ST_OK) {
        w->closing = true;
        w->thread = pthread_self(); /* there is none to wait for */
        wal_close(w);
        return st;
    }
    *ret_wal = w;
    return ST_OK;
}

void wal_close(struct wal *w)
{
    if (w == NULL)
        return;
    lock_take(&w->lock);
    w->closing = true;
    lock_cond_signal(&w->wake);
    lock_give(&w->lock);
    if (!pthread_equal(w->thread, pthread_self()))
        (void)pthread_join(w->thread, NULL);

    while (w->oldest != NULL) {
        struct wal_file *next = w->oldest->next;
        mem_free(w->oldest);
        w->oldest = next;
    }
    if (w->fd >= 0)
        (void)close(w->fd);
    if (w->dir_fd >= 0)
        (void)close(w->dir_fd);
    lock_cond_release(&w->turned);
    lock_cond_release(&w->wake);
    lock_release(&w->lock);
    mem_free(w);
}

enum status wal_append(struct wal *w, enum wal_kind kind, struct str payload, uint64_t *ret_seq)
{
    uint32_t payload_crc = crc32c(0, payload);
    struct wal_waiting *waiting = mem_new(1, sizeof(*waiting));
    enum status st = ST_OK;

    ASSERT(payload.len > 0);
    if (waiting == NULL)
        return ST_NOMEM;
    if (payload.len > WAL_PAYLOAD_BYTES_MAX) {
        mem_free(waiting);
        return ST_TOO_LARGE;
    }
    lock_take(&w->lock);
    ASSERT(!w->closing);
    if (w->failed)
        st = ST_IO;
    else if (w->queued_bytes > 0 && w->queued_bytes + payload.len > w->options.queue_bytes)
        st = ST_BUSY;
    if (st == ST_OK) {
        waiting->payload = payload;
        waiting->form = (struct wal_record_header){
            .payload_bytes = (uint32_t)payload.len,
            .payload_crc = payload_crc,
            .seq = w->next_seq++,
            .kind = (uint32_t)kind,
        };
        if (w->last == NULL)
            w->first = waiting;
        else
            w->last->next = waiting;
        w->last = waiting;
        w->queued_bytes += payload.len;
        *ret_seq = waiting->form.seq;
        lock_cond_signal(&w->wake);
    }
    lock_give(&w->lock);
    if (st != ST_OK)
        mem_free(waiting);
    return st;
}

/* The oldest file, if it can go; only its caller takes files away. */
static struct wal_file *find_droppable(struct wal *w, uint64_t seq)
{
    lock_take(&w->lock);
    struct wal_file *file = w->oldest;
    bool droppable = file != w->newest && file->seq_max < seq;
    lock_give(&w->lock);
    return droppable ? file : NULL;
}

void wal_drop(struct wal *w, uint64_t seq)
{
    struct wal_file *file;
    char name[WAL_NAME_BYTES];

    while ((file = find_droppable(w, seq)) != NULL) {
        wal_file_name(file->number, name);
        if (io_unlinkat(w->dir_fd, name) < 0 && errno != ENOENT) {
            if (!file->stays)
                LOG(LOG_WARN, "cannot remove a log file, trying again", LOG_TEXT("file", name),
                    LOG_TEXT("err", strerror(errno)));
            file->stays = true;
            return;
        }
        lock_take(&w->lock);
        w->oldest = file->next;
        w->dropped_seq = file->seq_max;
        w->dropped = file->number;
        lock_give(&w->lock);
        mem_free(file);
    }
}

/*
 * After a failed sync the next one may say that all is well, and the names of removed files are on
 * the disk all the same. So they are made and removed once more, before a sync that counts.
 */
static enum status remove_again(struct wal *w, uint64_t number, uint64_t next_seq, struct err *err)
{
    char name[WAL_NAME_BYTES];
    uint32_t salt;
    int fd = -1;

    enum status st = file_create(w, number, next_seq, &fd, &salt, err);
    if (st != ST_OK)
        return st;
    (void)close(fd);
    wal_file_name(number, name);
    return io_unlinkat(w->dir_fd, name) < 0 ? err_errno(err, "remove %s/%s", w->options.dir, name)
                                            : ST_OK;
}

enum status wal_gone_seq(struct wal *w, uint64_t *ret_seq, struct err *err)
{
    enum status st = ST_OK;

    lock_take(&w->lock);
    uint64_t seq = w->dropped_seq, dropped = w->dropped, failures = w->name_failures;
    uint64_t doubtful = failures == w->removed_again ? dropped : w->gone;
    lock_give(&w->lock);
    while (doubtful < dropped && st == ST_OK)
        st = remove_again(w, ++doubtful, seq + 1, err);
    if (st == ST_OK)
        st = sync_names(w, err);
    if (st != ST_OK)
        return st;
    lock_take(&w->lock);
    w->removed_again = MAX_OF(w->removed_again, failures);
    bool failed = w->name_failures != failures; /* that of another thread, which took the error */
    lock_give(&w->lock);
    if (failed)
        return err_set(err, ST_IO, "a sync of %s has failed", w->options.dir);
    *ret_seq = seq;
    return ST_OK;
}

enum status wal_turn(struct wal *w, struct err *err)
{
    lock_take(&w->lock);
    ASSERT(!w->closing);
    w->turn = true;
    lock_cond_signal(&w->wake);
    while (w->turn)
        lock_cond_wait(&w->turned, &w->lock);
    enum status st = w->turn_status;
    if (st != ST_OK && err != NULL)
        *err = w->turn_err;
    lock_give(&w->lock);
    return st;
}

uint64_t wal_seq_beyond(struct wal *w, uint64_t bytes)
{
    uint64_t seq = 0, total = 0;

    lock_take(&w->lock);
    for (const struct wal_file *f = w->oldest; f != NULL; f = f->next)
        total += f->bytes;
    for (const struct wal_file *f = w->oldest; f != w->newest && total > bytes; f = f->next) {
        total -= f->bytes;
        seq = f->seq_max;
    }
    lock_give(&w->lock);
    return seq;
}

uint64_t wal_next_seq(struct wal *w)
{
    lock_take(&w->lock);
    uint64_t seq = w->next_seq;
    lock_give(&w->lock);
    return seq;
}

struct wal_state wal_state(struct wal *w)
{
    struct wal_state state = {0};

    lock_take(&w->lock);
    for (const struct wal_file *f = w->oldest; f != NULL; f = f->next) {
        state.bytes += f->bytes;
        state.files++;
    }
    if (w->oldest != w->newest)
        state.oldest_seq_max = w->oldest->seq_max;
    state.waiting_bytes = w->queued_bytes + w->written_bytes;
    state.failed = w->failed;
    lock_give(&w->lock);
    return state;
}

bool wal_is_full(struct wal *w)
{
    return flag_get(&w->full);
}

void wal_note_room(struct wal *w)
{
    flag_clear(&w->full);
}

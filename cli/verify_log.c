/*
 * The write-ahead log. A torn end of the newest file is no problem but the trace of a crash: it was
 * never acknowledged, and the next start cuts it off. All other damage is one.
 */
#include "base/mem.h"
#include "chunks/wal_reader.h"
#include "cli/verify.h"
#include "server/store/wal_push.h"

#include "base/banned.h"

enum { PATH_BYTES_MAX = 8192 };

struct log_check {
    struct verify *v;
    const char *path;
    uint64_t number;
    bool newest;
    struct wal_reader *w;
};

static void check_payload(const struct log_check *c, const struct wal_piece *piece)
{
    struct verify_where where = {c->path, (int64_t)piece->offset, NULL};
    struct push_request request;
    struct arena arena;
    struct str tenant;
    struct err err;

    arena_init(&arena, WAL_PUSH_ARENA_BYTES_MAX);
    if (wal_push_decode(&arena, &piece->record, &tenant, &request, &err) != ST_OK)
        verify_problem(c->v, where, "%s", err.text);
    arena_release(&arena);
}

static void report_damage(const struct log_check *c, const struct wal_piece *piece,
                          const struct err *err)
{
    struct verify_where where = {c->path, (int64_t)piece->offset, NULL};
    bool at_end = piece->offset + piece->bytes == wal_reader_bytes(c->w);

    if (c->newest && at_end && !c->v->live)
        verify_note(c->v, where, "a torn end of %llu bytes, which the next start cuts off",
                    (unsigned long long)piece->bytes);
    else if (!c->newest || !at_end)
        verify_problem(c->v, where, "%s", err->text);
}

static void check_header(const struct log_check *c)
{
    struct verify_where where = {c->path, 0, NULL};
    uint64_t number;
    struct err err;

    enum status st = wal_reader_header(c->w, &number, &err);
    if (st == ST_OK && number != c->number)
        verify_problem(c->v, where, "the header has the number %llu", (unsigned long long)number);
    else if (st != ST_OK && !(c->newest && wal_reader_bytes(c->w) < WAL_FILE_HEADER_BYTES))
        verify_problem(c->v, where, "%s", err.text);
}

static void check_log(struct log_check *c)
{
    enum status st = ST_OK;
    struct wal_piece piece;
    struct err err;

    if (wal_reader_open(c->path, &c->w, &err) != ST_OK) {
        if (!c->v->live) /* a server removes files that it does not need any more */
            verify_problem(c->v, (struct verify_where){c->path, -1, NULL}, "%s", err.text);
        return;
    }
    c->v->logs++;
    check_header(c);
    while (st == ST_OK || st == ST_CORRUPT) {
        st = wal_reader_next(c->w, &piece, &err);
        if (st == ST_OK)
            check_payload(c, &piece);
        else if (st == ST_CORRUPT)
            report_damage(c, &piece, &err);
        else if (st != ST_NOT_FOUND)
            verify_problem(c->v, (struct verify_where){c->path, -1, NULL}, "%s", err.text);
        if (st == ST_OK || st == ST_CORRUPT)
            progress_add(&c->v->progress, piece.bytes);
    }
    wal_reader_close(c->w);
}

/* A server may remove a file while the directory is listed: then it is listed again. */
static enum status list_logs(const struct verify *v, const char *dir, uint64_t **ret_numbers,
                             size_t *ret_count, struct err *err)
{
    enum { TRIES = 10 };
    enum status st = ST_NOT_FOUND;

    for (int i = 0; i < (v->live ? TRIES : 1) && st == ST_NOT_FOUND; i++)
        st = wal_numbers(dir, ret_numbers, ret_count, err);
    return st;
}

enum status verify_logs(struct verify *v, struct err *err)
{
    uint64_t *numbers = NULL;
    char name[WAL_NAME_BYTES];
    size_t count = 0;
    struct buf path;
    struct err why;

    buf_init(&path, PATH_BYTES_MAX);
    verify_put_path(&path, v, "wal", "");
    enum status st = buf_status(&path, err);
    if (st == ST_OK && list_logs(v, path.ptr, &numbers, &count, &why) != ST_OK)
        verify_problem(v, (struct verify_where){path.ptr, -1, NULL}, "%s", why.text);
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        buf_reset(&path);
        wal_file_name(numbers[i], name);
        verify_put_path(&path, v, "wal", name);
        st = buf_status(&path, err);
        if (st == ST_OK)
            check_log(&(struct log_check){
                .v = v, .path = path.ptr, .number = numbers[i], .newest = i + 1 == count});
    }
    mem_free(numbers);
    buf_release(&path);
    return st;
}

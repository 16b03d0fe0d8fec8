/*
 * skald dump: what a segment, a list of chunks or a log file holds, for people. Damage is reported
 * where it is, and reading goes on behind it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/time.h"
#include "base/utf8.h"
#include "chunks/segment_walk.h"
#include "chunks/wal_reader.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "server/store/wal_push.h"

#include "base/banned.h"

static const char text[] =
    "Prints what FILE holds: a segment (.seg), chunks without a header of a segment, or\n"
    "a file of the write-ahead log (.wal). Ends with 1 if something in it is damaged.\n";

enum { MAGIC_BYTES = 8 };

#define LINE_BYTES_MAX GIB

struct dump {
    const char *path;
    bool entries;
    bool damaged;
    bool terminal;
    struct buf line; /* that is made up */
};

static const struct flag_row flags[] = {
    {.name = "entries",
     .kind = FLAG_SWITCH,
     .offset = offsetof(struct dump, entries),
     .text = "Print every entry too."},
};

/* ---- lines ---- */

/* Print the line that was made up, and begin the next one. */
static enum status end_line(struct dump *d, struct err *err)
{
    struct buf shown;

    buf_init(&shown, LINE_BYTES_MAX * 4);
    if (d->terminal) {
        put_visible(&shown, buf_str(&d->line));
        buf_reset(&d->line);
        buf_put(&d->line, buf_str(&shown));
        d->line.failed |= shown.failed;
    }
    buf_put_char(&d->line, '\n');
    enum status st = buf_status(&d->line, err);
    if (st == ST_OK)
        st = print_out(buf_str(&d->line), err);
    buf_release(&shown);
    buf_reset(&d->line);
    return st;
}

static enum status print_damage(struct dump *d, uint64_t offset, uint64_t bytes,
                                const struct err *why, struct err *err)
{
    d->damaged = true;
    buf_printf(&d->line, "offset %" PRIu64 ": DAMAGED", offset);
    if (bytes > 0)
        buf_printf(&d->line, ", %" PRIu64 " bytes", bytes);
    buf_printf(&d->line, ": %s", why->text);
    return end_line(d, err);
}

static enum status print_entry(struct dump *d, int64_t ts_ns, struct labels metadata,
                               struct str line, struct err *err)
{
    buf_put(&d->line, STR("    "));
    time_put(&d->line, ts_ns, TIME_NANOS);
    buf_put_char(&d->line, ' ');
    labels_put_text(&d->line, metadata);
    buf_put_char(&d->line, ' ');
    utf8_put_quoted(&d->line, line);
    return end_line(d, err);
}

/* ---- chunks ---- */

static void put_chunk(struct buf *b, const struct chunk_place *place)
{
    const struct chunk_head *h = &place->head;
    const struct chunk_summary *s = &h->summary;

    buf_printf(b, "offset %" PRIu64 ": chunk %" PRIu64, place->offset, h->chunk_id);
    if (h->id_span > 0)
        buf_printf(b, " to %" PRIu64, h->chunk_id + h->id_span);
    buf_printf(b, ", %u bytes, %u entries in %u blocks, filters of %u bytes, ", s->chunk_bytes,
               s->entries, h->block_count, chunk_filters_bytes(h));
    time_put(b, s->min_ns, TIME_NANOS);
    buf_put(b, STR(" to "));
    time_put(b, s->max_ns, TIME_NANOS);
    buf_printf(b, ", %s %.1f:1, up to record %" PRIu64 ", tenant ", codec_name(h->codec),
               (double)(s->line_bytes + s->metadata_bytes) / (double)s->chunk_bytes, h->seq_max);
    utf8_put_quoted(b, h->tenant);
    buf_put_char(b, ' ');
    labels_put_text(b, h->labels);
}

static enum status print_block(struct dump *d, struct segment_walk *w,
                               const struct chunk_place *place, uint32_t index, struct err *err)
{
    struct block block;
    struct err why;
    enum status st = segment_walk_block(w, place, index, &block, &why);

    if (st != ST_OK)
        return print_damage(d, place->offset, 0, &why, err);
    for (uint32_t i = 0; i < block.count && st == ST_OK; i++)
        st = print_entry(d, block.ts_ns[i], block_metadata(&block, i), block_line(&block, i), err);
    return st;
}

static enum status print_chunk(struct dump *d, struct segment_walk *w,
                               const struct chunk_place *place, struct err *err)
{
    put_chunk(&d->line, place);
    enum status st = end_line(d, err);
    for (uint32_t i = 0; i < place->head.block_count && d->entries && st == ST_OK; i++)
        st = print_block(d, w, place, i, err);
    return st;
}

static enum status print_header(struct dump *d, struct segment_walk *w, struct err *err)
{
    struct segment_header h;
    struct err why;

    enum status st = segment_walk_header(w, &h, &why);
    if (st == ST_UNSUPPORTED)
        return err_set(err, st, "%s", why.text);
    if (st != ST_OK)
        return print_damage(d, 0, 0, &why, err);
    buf_printf(&d->line, "segment %016" PRIx64 ", day ", h.name.id);
    time_put(&d->line, time_day_start_ns(h.name.day), TIME_SECONDS);
    if (!d->line.failed)
        d->line.len -= sizeof("T00:00:00Z") - 1;
    buf_put(&d->line, STR(", tenant "));
    utf8_put_quoted(&d->line, h.tenant);
    buf_printf(&d->line, ", header of %u bytes, %" PRIu64 " bytes in all", h.header_bytes,
               w->file_bytes);
    return end_line(d, err);
}

static enum status print_chunks(struct dump *d, struct segment_walk *w, struct err *err)
{
    struct chunk_place place;
    struct err why;

    for (;;) {
        enum status st = segment_walk_next(w, &place, &why);
        if (st == ST_NOT_FOUND)
            return ST_OK;
        if (st == ST_OK)
            st = print_chunk(d, w, &place, err);
        else if (st == ST_CORRUPT)
            st = print_damage(d, place.offset, place.bytes, &why, err);
        else
            st = err_set(err, st, "%s", why.text);
        if (st != ST_OK)
            return st;
    }
}

static enum status dump_segment(struct dump *d, bool has_header, struct err *err)
{
    struct segment_walk w;

    enum status st = segment_walk_open(&w, d->path, err);
    if (st != ST_OK)
        return st;
    if (has_header)
        st = print_header(d, &w, err);
    if (st == ST_OK)
        st = print_chunks(d, &w, err);
    segment_walk_close(&w);
    return st;
}

/* ---- the log ---- */

static enum status print_stream(struct dump *d, const struct push_stream *stream, struct err *err)
{
    buf_put(&d->line, STR("  "));
    labels_put_text(&d->line, stream->labels);
    enum status st = end_line(d, err);
    for (size_t i = 0; i < stream->entry_count && st == ST_OK; i++) {
        const struct entry *e = &stream->entries[i];
        st = print_entry(d, e->ts_ns, e->metadata, e->line, err);
    }
    return st;
}

static enum status print_push(struct dump *d, const struct wal_piece *piece,
                              const struct push_request *request, struct str tenant,
                              struct err *err)
{
    uint64_t entries = 0;

    for (size_t i = 0; i < request->stream_count; i++)
        entries += request->streams[i].entry_count;
    buf_printf(&d->line, "offset %" PRIu64 ": record %" PRIu64 ", %" PRIu64 " bytes, tenant ",
               piece->offset, piece->record.seq, piece->bytes);
    utf8_put_quoted(&d->line, tenant);
    buf_printf(&d->line, ", %zu streams, %" PRIu64 " entries", request->stream_count, entries);
    enum status st = end_line(d, err);
    for (size_t i = 0; i < request->stream_count && d->entries && st == ST_OK; i++)
        st = print_stream(d, &request->streams[i], err);
    return st;
}

static enum status print_record(struct dump *d, const struct wal_piece *piece, struct err *err)
{
    struct push_request request;
    struct arena arena;
    struct str tenant;
    struct err why;

    arena_init(&arena, WAL_PUSH_ARENA_BYTES_MAX);
    enum status st = wal_push_decode(&arena, &piece->record, &tenant, &request, &why) == ST_OK
                         ? print_push(d, piece, &request, tenant, err)
                         : print_damage(d, piece->offset, piece->bytes, &why, err);
    arena_release(&arena);
    return st;
}

static enum status print_records(struct dump *d, struct wal_reader *w, struct err *err)
{
    struct wal_piece piece;
    struct err why;

    for (;;) {
        enum status st = wal_reader_next(w, &piece, &why);
        if (st == ST_NOT_FOUND)
            return ST_OK;
        if (st == ST_OK)
            st = print_record(d, &piece, err);
        else if (st == ST_CORRUPT)
            st = print_damage(d, piece.offset, piece.bytes, &why, err);
        else
            st = err_set(err, st, "%s", why.text);
        if (st != ST_OK)
            return st;
    }
}

static enum status dump_log(struct dump *d, struct err *err)
{
    struct wal_reader *w = NULL;
    uint64_t number;
    struct err why;

    enum status st = wal_reader_open(d->path, &w, err);
    if (st != ST_OK)
        return st;
    st = wal_reader_header(w, &number, &why);
    if (st == ST_UNSUPPORTED) {
        st = err_set(err, st, "%s", why.text);
    } else if (st != ST_OK) {
        st = print_damage(d, 0, 0, &why, err);
    } else {
        buf_printf(&d->line, "log file %016" PRIx64 ", %" PRIu64 " bytes", number,
                   wal_reader_bytes(w));
        st = end_line(d, err);
    }
    if (st == ST_OK)
        st = print_records(d, w, err);
    wal_reader_close(w);
    return st;
}

/* ---- the command ---- */

/* Find out by the magic number, or else by the name, what the file is. */
static enum status dump_file(struct dump *d, struct err *err)
{
    struct str path = str_from(d->path);
    char bytes[MAGIC_BYTES];

    int fd = io_openat(AT_FDCWD, d->path, O_RDONLY, 0);
    if (fd < 0)
        return err_errno(err, "open %s", d->path);
    ssize_t got = io_pread(fd, bytes, sizeof(bytes), 0);
    enum status st = got < 0 ? err_errno(err, "read %s", d->path) : ST_OK;
    (void)close(fd);
    if (st != ST_OK)
        return st;
    struct str magic = str_make(bytes, (size_t)got);
    if (str_starts(magic, STR("SKWAL")) || str_ends(path, STR(".wal")))
        return dump_log(d, err);
    if (str_starts(magic, STR("SKSEG")) || str_ends(path, STR(".seg")))
        return dump_segment(d, true, err);
    if (str_starts(magic, STR("SKCH")))
        return dump_segment(d, false, err);
    return err_set(err, ST_INVALID, "%s is neither a segment nor chunks nor a log file", d->path);
}

int cmd_dump(int argc, char **argv)
{
    struct dump d = {.entries = false};
    const struct flag_group group = {flags, COUNT_OF(flags), &d};
    const struct command_line line = {
        .command = "dump",
        .operands = "FILE",
        .text = text,
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 1,
    };
    struct texts operands;
    struct err err;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    d.path = operands.items[0].ptr;
    d.terminal = print_is_terminal(stdout);
    buf_init(&d.line, LINE_BYTES_MAX);
    enum status st = dump_file(&d, &err);
    enum status finished = print_finish(st == ST_OK ? &err : NULL);
    buf_release(&d.line);
    if (st != ST_OK || finished != ST_OK)
        return print_error("dump", &err);
    return d.damaged ? EXIT_FAILED : EXIT_GOOD;
}

/*
 * Every byte of the segments, up to their committed length: what lies behind it is the trace of a
 * crash, or is being written now.
 */
#include "base/time.h"
#include "chunks/filter.h"
#include "chunks/segment_walk.h"
#include "cli/verify.h"

#include "base/banned.h"

enum { PATH_BYTES_MAX = 8192 };

struct file_check {
    struct verify *v;
    struct verify_segment *segment;
    const char *path;
    struct segment_walk walk;
    bool has_header;
    struct segment_header header;
    struct chunk_place place; /* the chunk that is looked at */
};

static void report(struct file_check *c, uint64_t offset, const struct labels *labels,
                   const char *what)
{
    c->segment->damaged = true;
    verify_problem(c->v, (struct verify_where){c->path, (int64_t)offset, labels}, "%s", what);
}

/* ---- one chunk ---- */

static void check_belonging(struct file_check *c)
{
    const struct chunk_head *h = &c->place.head;

    if (!c->has_header)
        return;
    if (!str_eq(h->tenant, c->header.tenant))
        report(c, c->place.offset, &h->labels, "a chunk of another tenant");
    if (time_day(h->summary.min_ns) != c->header.name.day ||
        time_day(h->summary.max_ns) != c->header.name.day)
        report(c, c->place.offset, &h->labels, "a chunk of another day");
}

static uint64_t bytes_of_set(struct labels set)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < set.count; i++)
        bytes += set.pairs[i].name.len + set.pairs[i].value.len;
    return bytes;
}

/* Does the filter of a block let every line of it through? */
static void check_filter(struct file_check *c, uint32_t index, const struct block *block)
{
    const struct chunk_head *h = &c->place.head;
    bool denies = false;

    if (h->blocks[index].filter.stored_bytes == 0)
        return;
    struct str filter = chunk_block_filter(h, index, buf_str(&c->walk.filters));
    for (uint32_t i = 0; i < block->count && !denies; i++)
        denies = !filter_may_contain(filter, block_line(block, i));
    if (filter.len == 0)
        report(c, c->place.offset, &h->labels, "the filter of a block is damaged");
    else if (denies)
        report(c, c->place.offset, &h->labels, "the filter of a block denies a line of it");
}

/* Check the columns of a block; `*metadata_bytes` grows by what its entries have. */
static void check_block(struct file_check *c, uint32_t index, uint64_t *metadata_bytes)
{
    const struct chunk_head *h = &c->place.head;
    struct block block;
    struct err err;

    c->v->blocks++;
    c->v->entries += h->blocks[index].entries;
    if (segment_walk_block(&c->walk, &c->place, index, &block, &err) != ST_OK) {
        report(c, c->place.offset, &h->labels, err.text);
        *metadata_bytes = UINT64_MAX; /* nobody knows any more */
        return;
    }
    for (uint32_t i = 0; i < block.count && *metadata_bytes != UINT64_MAX; i++)
        *metadata_bytes += bytes_of_set(block_metadata(&block, i));
    check_filter(c, index, &block);
}

static void check_chunk(struct file_check *c)
{
    const struct chunk_head *h = &c->place.head;
    uint64_t metadata_bytes = 0;
    struct err err;

    if (h->mended)
        report(c, c->place.offset, &h->labels,
               "a byte of the head is wrong; readers see what it was");
    c->v->chunks++;
    c->segment->chunks++;
    c->segment->chunk_bytes += c->place.bytes;
    check_belonging(c);
    if (segment_walk_filters(&c->walk, &c->place, &err) != ST_OK) {
        report(c, c->place.offset, &h->labels, err.text);
        return;
    }
    for (uint32_t i = 0; i < h->block_count; i++)
        check_block(c, i, &metadata_bytes);
    if (metadata_bytes != UINT64_MAX && metadata_bytes != h->summary.metadata_bytes)
        report(c, c->place.offset, &h->labels, "the sum of the metadata is wrong");
    if (segment_walk_padding(&c->walk, &c->place, &err) != ST_OK)
        report(c, c->place.offset, &h->labels, err.text);
}

/* ---- one file ---- */

static bool is_hole(const struct file_check *c, uint64_t offset)
{
    for (size_t i = 0; i < c->v->hole_count; i++) {
        const struct verify_hole *hole = &c->v->holes[i];
        if (hole->segment_id == c->segment->name.id && hole->offset == offset)
            return true;
    }
    return false;
}

static void check_header(struct file_check *c)
{
    struct err err;

    c->has_header = segment_walk_header(&c->walk, &c->header, &err) == ST_OK;
    if (!c->has_header) {
        report(c, 0, NULL, err.text);
        return;
    }
    progress_add(&c->v->progress, c->header.header_bytes);
    if (c->header.name.id != c->segment->name.id || c->header.name.day != c->segment->name.day)
        report(c, 0, NULL, "the header is that of another segment");
    if (c->segment->in_index && !str_eq(c->header.tenant, c->segment->tenant))
        report(c, 0, NULL, "the segment is of another tenant than in the index");
}

static void check_chunks(struct file_check *c)
{
    enum status st = ST_OK;
    struct err err;

    while (st == ST_OK || st == ST_CORRUPT) {
        st = segment_walk_next(&c->walk, &c->place, &err);
        if (st == ST_OK)
            check_chunk(c);
        else if (st == ST_CORRUPT && !is_hole(c, c->place.offset))
            report(c, c->place.offset, NULL, err.text);
        else if (st != ST_CORRUPT && st != ST_NOT_FOUND)
            report(c, c->walk.offset, NULL, err.text);
        if (st == ST_OK || st == ST_CORRUPT)
            progress_add(&c->v->progress, c->place.bytes);
    }
}

/* What can only be said of the whole file. Damage of a part explains it, so that is enough. */
static void check_whole(struct file_check *c)
{
    const struct verify_segment *s = c->segment;
    struct verify_where where = {c->path, -1, NULL};

    /* Chunks that were merged into others stay until the whole file goes. */
    if (!s->in_index || s->damaged || (s->chunks >= s->refs && s->chunk_bytes >= s->ref_bytes))
        return;
    verify_problem(c->v, where, "%llu chunks of %llu bytes, but %llu of %llu in the index",
                   (unsigned long long)s->chunks, (unsigned long long)s->chunk_bytes,
                   (unsigned long long)s->refs, (unsigned long long)s->ref_bytes);
}

static void check_file(struct file_check *c)
{
    struct verify_segment *s = c->segment;
    struct err err;

    if (s->dead)
        return;
    enum status st = segment_walk_open(&c->walk, c->path, &err);
    if (st == ST_NOT_FOUND && (s->committed_bytes == 0 || c->v->live))
        return; /* a crash came before the file was made; or a merge has emptied it meanwhile */
    if (st != ST_OK) {
        verify_problem(c->v, (struct verify_where){c->path, -1, NULL}, "%s",
                       st == ST_NOT_FOUND ? "the file is missing" : err.text);
        return;
    }
    c->v->files++;
    if (s->in_index && c->walk.file_bytes < s->committed_bytes) {
        s->damaged = true;
        verify_problem(c->v, (struct verify_where){c->path, (int64_t)c->walk.file_bytes, NULL},
                       "%llu committed bytes are missing",
                       (unsigned long long)(s->committed_bytes - c->walk.file_bytes));
    }
    if (s->in_index)
        c->walk.end = MIN_OF(c->walk.end, s->committed_bytes);
    else if (c->v->has_index)
        report(c, 0, NULL, "the index does not know this segment");
    if (c->walk.end > 0) {
        check_header(c);
        check_chunks(c);
        check_whole(c);
    }
    segment_walk_close(&c->walk);
}

enum status verify_segments(struct verify *v, struct err *err)
{
    char name[SEGMENT_FILE_NAME_BYTES];
    enum status st = ST_OK;
    struct buf path;

    buf_init(&path, PATH_BYTES_MAX);
    for (size_t i = 0; i < v->segment_count && st == ST_OK; i++) {
        buf_reset(&path);
        segment_file_name(v->segments[i].name, name);
        verify_put_path(&path, v, "segments", name);
        st = buf_status(&path, err);
        if (st == ST_OK)
            check_file(&(struct file_check){.v = v, .segment = &v->segments[i], .path = path.ptr});
    }
    buf_release(&path);
    return st;
}

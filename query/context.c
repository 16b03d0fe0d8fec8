#include "query/context.h"

#include "base/time.h"

#include "base/banned.h"

enum status query_check(const struct query_context *q, struct err *err)
{
    if (q->cancelled != NULL && flag_get(q->cancelled))
        return err_set(err, ST_CANCELLED, "the request was cancelled by the client");
    if (time_mono_ns() > q->deadline_ns)
        return err_set(
            err, ST_TIMEOUT,
            "request timed out, decrease the duration of the request or add more label "
            "matchers (prefer exact match over regex match) to reduce the amount of data "
            "processed");
    return ST_OK;
}

struct query_context query_context_fork(struct query_context *q, struct arena *arena)
{
    arena_init_child(arena, q->arena);
    return (struct query_context){
        /* the stats of `q` may be written to meanwhile */
        .arena = arena,
        .memory_max = q->memory_max,
        .deadline_ns = q->deadline_ns,
        .cancelled = q->cancelled,
    };
}

void query_context_join(struct query_context *q, struct query_context *part)
{
    struct query_stats *to = &q->stats;
    const struct query_stats *from = &part->stats;

    to->streams += from->streams;
    to->head_chunks += from->head_chunks;
    to->chunk_refs += from->chunk_refs;
    to->chunks_opened += from->chunks_opened;
    to->compressed_bytes += from->compressed_bytes;
    to->decompressed_bytes += from->decompressed_bytes;
    to->decompressed_lines += from->decompressed_lines;
    to->decompressed_metadata_bytes += from->decompressed_metadata_bytes;
    to->head_bytes += from->head_bytes;
    to->head_lines += from->head_lines;
    to->head_metadata_bytes += from->head_metadata_bytes;
    to->duplicates += from->duplicates;
    to->post_filter_lines += from->post_filter_lines;
    to->entries_returned += from->entries_returned;
    to->corrupt_blocks += from->corrupt_blocks;
    to->series_limit = MAX_OF(to->series_limit, from->series_limit);
    to->index_ns += from->index_ns;
    to->read_ns += from->read_ns;
    arena_release(part->arena);
}

enum status query_forgive_damage(struct query_context *q, enum status st)
{
    if (st != ST_CORRUPT && st != ST_IO && st != ST_NOT_FOUND)
        return st;
    q->stats.corrupt_blocks++;
    return ST_OK;
}

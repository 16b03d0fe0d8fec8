#include "query/kept_lines.h"

#include "base/banned.h"

enum status kept_lines_load(struct kept_lines *k, const struct kept_request *r,
                            struct block *ret_block, struct err *err)
{
    bool filters = r->pipeline->line_filter_count > 0;
    unsigned first = filters ? SOURCE_LENGTHS | SOURCE_LINES : r->columns;
    struct block block = {0};

    *ret_block = block;
    enum status st = r->reader->load(r->reader, r->block, first, &block, err);
    if (st != ST_OK)
        return query_forgive_damage(r->q, st);
    arena_reset(&k->arena);
    k->bits = arena_new(&k->arena, uint64_t, pipeline_words(block.count));
    if (k->bits == NULL)
        return arena_status(&k->arena, err);
    if (!pipeline_keep_lines(r->pipeline, &block, k->bits))
        return ST_OK;
    if (block.ts_ns == NULL)
        st = r->reader->load(r->reader, r->block, r->columns & ~first, &block, err);
    if (st != ST_OK)
        return query_forgive_damage(r->q, st);
    *ret_block = block;
    return ST_OK;
}

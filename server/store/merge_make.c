#include "server/store/merge_make.h"

#include "base/mem.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    BATCH_BYTES = 1 << 20,   /* of packed chunks that are committed together, about */
    BATCH_CHUNKS_MAX = 1024, /* likewise */
    REFS_BYTES_MAX = 1 << 28,
};

enum status merge_maker_init(struct merge_maker *m, struct store *s, struct str tenant,
                             struct err *err)
{
    *m = (struct merge_maker){.store = s, .tenant = tenant};
    buf_init(&m->batch.bytes, CHUNK_BYTES_MAX + BATCH_BYTES);
    enum status st = merge_packer_init(&m->packer, s->segments, err);
    if (st == ST_OK && codec_by_name(store_settings(s)->chunk_encoding, &m->flush_codec) != ST_OK)
        st = err_set(err, ST_INVALID, "ingester.chunk_encoding is not a codec");
    m->chunks = mem_new(BATCH_CHUNKS_MAX, sizeof(*m->chunks));
    if (st == ST_OK && m->chunks == NULL)
        st = err_set(err, ST_NOMEM, "no memory for a batch of merged chunks");
    m->batch.chunks = m->chunks;
    return st;
}

void merge_maker_release(struct merge_maker *m)
{
    merge_packer_release(&m->packer);
    mem_free(m->chunks);
    buf_release(&m->batch.bytes);
}

/* Does the index name the chunk, there? */
static enum status is_there(const struct merge_maker *m, const struct chunk_ref *ref,
                            bool *ret_there)
{
    const struct chunk_range range = {m->tenant, ref->day, ref->min_ns, ref->max_ns};
    uint64_t stream_id = ref->stream_id;
    struct postings stream = {&stream_id, 1};
    struct chunk_ref_list list = {0};
    struct index_read *r = NULL;
    struct arena a;

    arena_init(&a, REFS_BYTES_MAX);
    enum status st = index_read_begin(m->store->index, &a, &r, NULL);
    if (st == ST_OK)
        st = index_chunks(r, &range, stream, &list, NULL);
    for (size_t i = 0; i < list.count && st == ST_OK; i++)
        *ret_there |=
            list.refs[i].segment_id == ref->segment_id && list.refs[i].offset == ref->offset;
    index_read_end(r);
    arena_release(&a);
    return st;
}

enum status merge_maker_judge(const struct merge_maker *m, const struct chunk_ref *ref,
                              enum status st, struct err *err)
{
    bool there = false;

    if (st != ST_NOT_FOUND)
        return st;
    if (is_there(m, ref, &there) == ST_OK && !there)
        return err_set(err, ST_BUSY, "the day was dropped meanwhile");
    return ST_NOT_FOUND;
}

enum status merge_maker_submit(struct merge_maker *m, struct err *err)
{
    struct merge_request request = {.batch = &m->batch};

    if (m->batch.count == 0)
        return ST_OK;
    enum status st = space_for_copies(m->store, m->batch.bytes.len, err);
    if (st == ST_OK)
        st = merge_submit(m->store, &request, err);
    if (st == ST_OK && !m->removes) {
        counter_add(&m->store->merger.merges, m->batch.count);
        counter_add(&m->store->merger.chunks_merged, m->sources);
        counter_add(&m->store->merger.bytes_in, m->bytes_in);
        counter_add(&m->store->merger.bytes_out, m->batch.bytes.len);
    }
    buf_reset(&m->batch.bytes);
    m->batch.count = 0;
    m->sources = m->bytes_in = 0;
    return st;
}

enum status merge_maker_add(struct merge_maker *m, const struct merged_chunk *chunk,
                            struct err *err)
{
    ASSERT(m->batch.count < BATCH_CHUNKS_MAX);
    m->chunks[m->batch.count] = *chunk;
    m->chunks[m->batch.count++].tenant = m->tenant;
    m->sources += chunk->from_count;
    for (size_t i = 0; i < chunk->from_count; i++)
        m->bytes_in += chunk->from[i].chunk_bytes;
    if (m->batch.bytes.len >= BATCH_BYTES || m->batch.count == BATCH_CHUNKS_MAX)
        return merge_maker_submit(m, err);
    return ST_OK;
}

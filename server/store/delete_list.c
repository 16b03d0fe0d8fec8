#include "server/store/delete_list.h"

#include <inttypes.h>

#include "base/crc.h"
#include "server/store/tenant.h"

#include "base/banned.h"

enum {
    HEADER_BYTES = 32,
    HEADER_CRC_AT = 20,
    RECORD_HEAD_BYTES = 8,   /* checksum and length */
    RECORD_FIXED_BYTES = 48, /* of the rest, in front of the texts */
    STATE_RECEIVED = 0,
    STATE_PROCESSED = 1,
};

static const struct str magic = STR_INIT("SKDEL\r\n\x1a");

/* ---- writing ---- */

static void put_header(const struct delete_list *list, struct buf *out)
{
    size_t begin = out->len;

    buf_put(out, magic);
    buf_put_u16(out, DELETE_LIST_VERSION);
    buf_put_u16(out, HEADER_BYTES);
    buf_put_u32(out, 0); /* compatible */
    buf_put_u32(out, 0); /* incompatible */
    buf_put_u32(out, 0); /* the checksum */
    buf_put_u32(out, (uint32_t)list->count);
    buf_put_u32(out, 0); /* reserved */
    if (!out->failed)
        buf_set_u32(out, begin + HEADER_CRC_AT, crc32c(0, str_cut(buf_str(out), begin)));
}

static void put_request(const struct delete_request *r, struct buf *out)
{
    size_t begin = out->len;

    buf_put_u32(out, 0); /* the checksum */
    buf_put_u32(out, (uint32_t)(RECORD_FIXED_BYTES + r->tenant.len + r->query.len));
    buf_put_u32(out, r->id);
    buf_put_u32(out, r->processed ? STATE_PROCESSED : STATE_RECEIVED);
    buf_put_u64(out, (uint64_t)r->start_ns);
    buf_put_u64(out, (uint64_t)r->end_ns);
    buf_put_u64(out, (uint64_t)r->created_ns);
    buf_put_u64(out, r->chunk_max);
    buf_put_u32(out, (uint32_t)r->tenant.len);
    buf_put_u32(out, (uint32_t)r->query.len);
    buf_put(out, r->tenant);
    buf_put(out, r->query);
    if (!out->failed)
        buf_set_u32(out, begin, crc32c(0, str_cut(buf_str(out), begin + 4)));
}

void delete_list_encode(const struct delete_list *list, struct buf *out)
{
    put_header(list, out);
    for (size_t i = 0; i < list->count; i++)
        put_request(&list->items[i], out);
}

/* ---- reading ---- */

static enum status get_header(struct str *in, uint32_t *ret_count, struct err *err)
{
    struct str header = str_head(*in, HEADER_BYTES), got_magic;
    uint32_t compatible, incompatible, crc, reserved;
    uint16_t version, bytes;

    if (!get_bytes(in, magic.len, &got_magic) || !str_eq(got_magic, magic))
        return err_set(err, ST_CORRUPT, "byte 0: it does not begin as a list of delete requests");
    if (!get_u16(in, &version) || !get_u16(in, &bytes) || !get_u32(in, &compatible) ||
        !get_u32(in, &incompatible) || !get_u32(in, &crc) || !get_u32(in, ret_count) ||
        !get_u32(in, &reserved))
        return err_set(err, ST_CORRUPT, "byte %zu: the file ends within its header", header.len);
    if (version != DELETE_LIST_VERSION || incompatible != 0)
        return err_set(err, ST_UNSUPPORTED, "version %u with features %" PRIx32 " is not known",
                       version, incompatible);
    uint32_t want = crc32c(0, str_head(header, HEADER_CRC_AT));
    want = crc32c(want, str_make("\0\0\0\0", 4));
    want = crc32c(want, str_cut(header, HEADER_CRC_AT + 4));
    if (crc != want || bytes != HEADER_BYTES)
        return err_set(err, ST_CORRUPT, "byte 0: the header is damaged");
    if (*ret_count > DELETE_LIST_MAX)
        return err_set(err, ST_CORRUPT, "byte 24: %" PRIu32 " requests are too many", *ret_count);
    return ST_OK;
}

/* The rest of a record whose checksum is right. */
static bool get_fields(struct str in, struct delete_request *r)
{
    uint32_t state, tenant_bytes, query_bytes;
    uint64_t start_ns, end_ns, created_ns;

    if (!get_u32(&in, &r->id) || !get_u32(&in, &state) || !get_u64(&in, &start_ns) ||
        !get_u64(&in, &end_ns) || !get_u64(&in, &created_ns) || !get_u64(&in, &r->chunk_max) ||
        !get_u32(&in, &tenant_bytes) || !get_u32(&in, &query_bytes) ||
        !get_bytes(&in, tenant_bytes, &r->tenant) || !get_bytes(&in, query_bytes, &r->query))
        return false;
    r->processed = state == STATE_PROCESSED;
    r->start_ns = (int64_t)start_ns;
    r->end_ns = (int64_t)end_ns;
    r->created_ns = (int64_t)created_ns;
    return in.len == 0 && state <= STATE_PROCESSED && r->start_ns <= r->end_ns &&
           r->chunk_max < UINT64_MAX && tenant_check_name(r->tenant, NULL) == ST_OK &&
           query_bytes > 0 && query_bytes <= DELETE_QUERY_BYTES_MAX;
}

static enum status get_request(struct str *in, size_t offset, struct delete_request *r,
                               struct err *err)
{
    struct str rest = *in, record;
    uint32_t crc, bytes;

    if (!get_u32(&rest, &crc) || !get_u32(&rest, &bytes) || !get_bytes(&rest, bytes, &record))
        return err_set(err, ST_CORRUPT, "byte %zu: the file ends within a request", offset);
    if (crc32c(0, str_head(str_cut(*in, 4), (size_t)bytes + 4)) != crc)
        return err_set(err, ST_CORRUPT, "byte %zu: the checksum of a request is wrong", offset);
    if (!get_fields(record, r))
        return err_set(err, ST_CORRUPT, "byte %zu: a request that makes no sense", offset);
    *in = rest;
    return ST_OK;
}

enum status delete_list_decode(struct arena *a, struct str bytes, struct delete_list *ret_list,
                               struct err *err)
{
    struct delete_list list = {0};
    struct str in = bytes;
    uint32_t count;

    enum status st = get_header(&in, &count, err);
    if (st != ST_OK)
        return st;
    list.items = arena_new(a, struct delete_request, count);
    if (list.items == NULL)
        return arena_status(a, err);
    for (; list.count < count && st == ST_OK; list.count++)
        st = get_request(&in, bytes.len - in.len, &list.items[list.count], err);
    if (st == ST_OK && in.len > 0)
        st = err_set(err, ST_CORRUPT, "byte %zu: there is more behind the last request",
                     bytes.len - in.len);
    if (st == ST_OK)
        *ret_list = list;
    return st;
}

size_t delete_list_find(const struct delete_list *list, struct str tenant, uint32_t id)
{
    size_t i = 0;

    while (i < list->count && (list->items[i].id != id || !str_eq(list->items[i].tenant, tenant)))
        i++;
    return i;
}

/*
 * Both copies are the same bytes, so they have the same length: when the first is damaged the
 * second is looked for in the middle of the file, and when the first is sound the second is
 * compared with it.
 */
#include "server/store/delete_list.h"

#include <inttypes.h>

#include "base/crc.h"
#include "server/store/tenant.h"

#include "base/banned.h"

enum {
    HEADER_BYTES = 32,
    HEADER_CRC_AT = 20,
    COUNT_AT = 24,
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

static void put_copy(const struct delete_list *list, struct buf *out)
{
    put_header(list, out);
    for (size_t i = 0; i < list->count; i++)
        put_request(&list->items[i], out);
}

void delete_list_encode(const struct delete_list *list, struct buf *out)
{
    put_copy(list, out);
    put_copy(list, out);
}

/* ---- reading ---- */

struct decoded {
    struct delete_list list;
    size_t end; /* of the copy, in the file */
};

/* `offset`: where it is in the file, for what is said of it. */
static enum status get_header(struct str *in, size_t offset, uint32_t *ret_count, struct err *err)
{
    struct str header = str_head(*in, HEADER_BYTES), got_magic;
    uint32_t compatible, incompatible, crc, reserved;
    uint16_t version, bytes;

    if (!get_bytes(in, magic.len, &got_magic) || !str_eq(got_magic, magic))
        return err_set(err, ST_CORRUPT, "byte %zu: it does not begin as a list of delete requests",
                       offset);
    if (!get_u16(in, &version) || !get_u16(in, &bytes) || !get_u32(in, &compatible) ||
        !get_u32(in, &incompatible) || !get_u32(in, &crc) || !get_u32(in, ret_count) ||
        !get_u32(in, &reserved))
        return err_set(err, ST_CORRUPT, "byte %zu: the file ends within its header",
                       offset + header.len);
    if (version != DELETE_LIST_VERSION || incompatible != 0)
        return err_set(err, ST_UNSUPPORTED, "version %u with features %" PRIx32 " is not known",
                       version, incompatible);
    uint32_t want = crc32c(0, str_head(header, HEADER_CRC_AT));
    want = crc32c(want, str_make("\0\0\0\0", 4));
    want = crc32c(want, str_cut(header, HEADER_CRC_AT + 4));
    if (crc != want || bytes != HEADER_BYTES)
        return err_set(err, ST_CORRUPT, "byte %zu: the header is damaged", offset);
    if (*ret_count > DELETE_LIST_MAX)
        return err_set(err, ST_CORRUPT, "byte %zu: %" PRIu32 " requests are too many",
                       offset + COUNT_AT, *ret_count);
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

/* Read the copy that begins at `offset`. */
static enum status get_copy(struct arena *a, struct str bytes, size_t offset,
                            struct decoded *ret_copy, struct err *err)
{
    struct str in = str_cut(bytes, offset);
    struct delete_list list = {0};
    uint32_t count;

    enum status st = get_header(&in, offset, &count, err);
    if (st != ST_OK)
        return st;
    list.items = arena_new(a, struct delete_request, count);
    if (list.items == NULL)
        return arena_status(a, err);
    for (; list.count < count && st == ST_OK; list.count++)
        st = get_request(&in, bytes.len - in.len, &list.items[list.count], err);
    if (st == ST_OK)
        *ret_copy = (struct decoded){list, bytes.len - in.len};
    return st;
}

/* The first copy is sound and ends at `end`: what is behind it should be the same. */
static void check_second(struct str bytes, size_t end, struct err *ret_damage)
{
    const char *what = "it is not as the first one";
    struct str second = str_cut(bytes, end);
    size_t same = 0;

    while (same < end && same < second.len && bytes.ptr[same] == second.ptr[same])
        same++;
    if (same == end && same == second.len)
        return;
    if (same == second.len)
        what = "the file ends within it";
    else if (same == end)
        what = "there is more behind it";
    err_set(ret_damage, ST_CORRUPT, "the second copy is damaged: byte %zu: %s", end + same, what);
}

static enum status get_second(struct arena *a, struct str bytes, struct delete_list *ret_list,
                              struct err *err)
{
    struct decoded copy;

    enum status st = get_copy(a, bytes, bytes.len / 2, &copy, err);
    if (st == ST_OK && copy.end != bytes.len)
        st = err_set(err, ST_CORRUPT, "byte %zu: there is more behind the last request", copy.end);
    if (st == ST_OK)
        *ret_list = copy.list;
    return st;
}

static bool is_damage(enum status st)
{
    return st == ST_CORRUPT || st == ST_UNSUPPORTED;
}

enum status delete_list_decode(struct arena *a, struct str bytes, struct delete_list *ret_list,
                               struct err *ret_damage, struct err *err)
{
    struct err first_err, second_err;
    struct decoded first;

    ret_damage->status = ST_OK;
    enum status st = get_copy(a, bytes, 0, &first, &first_err);
    if (st == ST_OK) {
        check_second(bytes, first.end, ret_damage);
        *ret_list = first.list;
        return ST_OK;
    }
    if (!is_damage(st))
        return err_set(err, st, "%s", first_err.text);
    enum status second_st = get_second(a, bytes, ret_list, &second_err);
    if (is_damage(second_st))
        return err_set(err, st, "%s; and the second copy: %s", first_err.text, second_err.text);
    if (second_st != ST_OK)
        return err_set(err, second_st, "%s", second_err.text);
    err_set(ret_damage, st, "the first copy is damaged: %s", first_err.text);
    return ST_OK;
}

size_t delete_list_find(const struct delete_list *list, struct str tenant, uint32_t id)
{
    size_t i = 0;

    while (i < list->count && (list->items[i].id != id || !str_eq(list->items[i].tenant, tenant)))
        i++;
    return i;
}

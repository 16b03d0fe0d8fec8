/*
 * A CRC is linear: the checksum that is found and the one that is written differ by that of the
 * error alone. A wrong byte makes a difference of one of 255 values, which every byte behind it
 * turns into another one, as if it were zero. That step can be undone: so the difference is taken
 * back from the last byte to the first, and where it is one of the 255, that byte may be wrong.
 */
#include "chunks/chunk_mend.h"

#include <endian.h>
#include <string.h>

#include "base/crc.h"
#include "chunks/chunk.h"

#include "base/banned.h"

enum {
    HEAD_BYTES_OFFSET = 12,
    CRC_OFFSET = 16,
    TABLE_SIZE = 256,
    MEND_BYTES_MAX = 1 << 20, /* in longer heads more than one change may be right */
};

#define POLYNOMIAL UINT32_C(0x82f63b78)

static uint32_t field_at(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

/* The checksum that the head has, its own field counted as zero. */
static uint32_t found_crc(struct str head)
{
    static const char zeros[sizeof(uint32_t)];

    uint32_t crc = crc32c(0, str_head(head, CRC_OFFSET));
    crc = crc32c(crc, str_make(zeros, sizeof(zeros)));
    return crc32c(crc, str_cut(head, CRC_OFFSET + sizeof(zeros)));
}

/* `table[v]` is the difference that a last byte makes, `by_top` finds it by its highest byte. */
static void make_tables(uint32_t table[TABLE_SIZE], uint8_t by_top[TABLE_SIZE])
{
    for (uint32_t v = 0; v < TABLE_SIZE; v++) {
        uint32_t crc = v;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        table[v] = crc;
        by_top[crc >> 24] = (uint8_t)v;
    }
}

/* Is the checksum itself wrong, in one byte? */
static bool in_field(uint32_t difference, size_t *ret_at, uint8_t *ret_change)
{
    for (size_t i = 0; i < sizeof(difference); i++) {
        if ((difference & ~(UINT32_C(0xff) << 8 * i)) != 0)
            continue;
        *ret_at = CRC_OFFSET + i;
        *ret_change = (uint8_t)(difference >> 8 * i);
        return true;
    }
    return false;
}

bool chunk_mend_byte(char *head, size_t len)
{
    uint32_t table[TABLE_SIZE];
    uint8_t by_top[TABLE_SIZE], change = 0;
    size_t at = 0;

    if (len < CHUNK_FIXED_BYTES || len > MEND_BYTES_MAX)
        return false;
    uint32_t difference = found_crc(str_make(head, len)) ^ field_at(head + CRC_OFFSET);
    if (difference == 0)
        return false;
    make_tables(table, by_top);
    unsigned found = in_field(difference, &at, &change);
    for (size_t i = len; i-- > 0;) {
        uint8_t v = by_top[difference >> 24];
        bool is_field = i >= CRC_OFFSET && i < CRC_OFFSET + sizeof(uint32_t);
        if (difference == table[v] && !is_field) {
            at = i;
            change = v;
            found++;
        }
        difference = (difference ^ table[v]) << 8 | v;
    }
    if (found == 1)
        head[at] = (char)((uint8_t)head[at] ^ change);
    return found == 1;
}

/* With this length in its place, is the checksum of so long a head right? */
static bool length_is_right(struct str bytes, uint32_t length)
{
    char fixed[CHUNK_FIXED_BYTES];
    uint32_t field = htole32(length);

    if (length < CHUNK_FIXED_BYTES || length > bytes.len)
        return false;
    memcpy(fixed, bytes.ptr, sizeof(fixed));
    memcpy(fixed + HEAD_BYTES_OFFSET, &field, sizeof(field));
    memset(fixed + CRC_OFFSET, 0, sizeof(uint32_t));
    uint32_t crc = crc32c(0, str_make(fixed, sizeof(fixed)));
    crc = crc32c(crc, str_make(bytes.ptr + sizeof(fixed), length - sizeof(fixed)));
    return crc == field_at(bytes.ptr + CRC_OFFSET);
}

uint32_t chunk_mend_length(struct str bytes)
{
    if (bytes.len < CHUNK_FIXED_BYTES)
        return 0;
    uint32_t said = field_at(bytes.ptr + HEAD_BYTES_OFFSET);
    for (unsigned shift = 0; shift < 32; shift += 8) {
        for (uint32_t change = 1; change < TABLE_SIZE; change++) {
            if (length_is_right(bytes, said ^ change << shift))
                return said ^ change << shift;
        }
    }
    return said >= CHUNK_FIXED_BYTES && said <= bytes.len ? said : 0;
}

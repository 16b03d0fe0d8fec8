#include "base/crc.h"

#include <endian.h>
#include <pthread.h>
#include <stdbool.h>

#if defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

#include "base/banned.h"

#define CRC_POLYNOMIAL UINT32_C(0x82f63b78)

enum { SLICES = 8 };

static uint32_t tables[SLICES][256];

static void tables_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC_POLYNOMIAL : 0);
        tables[0][i] = crc;
    }
    for (size_t slice = 1; slice < SLICES; slice++) {
        for (size_t i = 0; i < 256; i++) {
            uint32_t before = tables[slice - 1][i];
            tables[slice][i] = (before >> 8) ^ tables[0][before & 0xff];
        }
    }
}

uint32_t crc32c_tables(uint32_t crc, struct str s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, tables_fill);
    crc = ~crc;
    for (uint64_t word; s.len >= sizeof(word); s = str_cut(s, sizeof(word))) {
        memcpy(&word, s.ptr, sizeof(word));
        word = le64toh(word) ^ crc;
        crc = 0;
        for (size_t i = 0; i < SLICES; i++)
            crc ^= tables[SLICES - 1 - i][(word >> (8 * i)) & 0xff];
    }
    for (; s.len > 0; s = str_cut(s, 1))
        crc = (crc >> 8) ^ tables[0][(crc ^ (unsigned char)s.ptr[0]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

static bool have_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(uint32_t crc, struct str s)
{
    uint64_t sum = ~crc;

    for (uint64_t word; s.len >= sizeof(word); s = str_cut(s, sizeof(word))) {
        memcpy(&word, s.ptr, sizeof(word));
        sum = __builtin_ia32_crc32di(sum, word);
    }
    for (; s.len > 0; s = str_cut(s, 1))
        sum = __builtin_ia32_crc32qi((uint32_t)sum, (unsigned char)s.ptr[0]);
    return ~(uint32_t)sum;
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)

static bool have_instruction(void)
{
    return true;
}

static uint32_t crc32c_instruction(uint32_t crc, struct str s)
{
    crc = ~crc;
    for (uint64_t word; s.len >= sizeof(word); s = str_cut(s, sizeof(word))) {
        memcpy(&word, s.ptr, sizeof(word));
        crc = __crc32cd(crc, word);
    }
    for (; s.len > 0; s = str_cut(s, 1))
        crc = __crc32cb(crc, (unsigned char)s.ptr[0]);
    return ~crc;
}

#else

static bool have_instruction(void)
{
    return false;
}

static uint32_t crc32c_instruction(uint32_t crc, struct str s)
{
    return crc32c_tables(crc, s);
}

#endif

uint32_t crc32c(uint32_t crc, struct str s)
{
    return have_instruction() ? crc32c_instruction(crc, s) : crc32c_tables(crc, s);
}

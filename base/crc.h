/*
 * crc.h - checksums of stored bytes.
 *
 * CRC-32C (Castagnoli, polynomial 0x1edc6f41 reflected; RFC 3720 appendix B.4) by the instruction
 * of the processor where there is one, else by tables (slicing by 8, M. Kounavis and F. Berry,
 * 2005).
 */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stdint.h>

#include "base/str.h"

/* The checksum of `s` appended to what `crc` is the checksum of; 0 to begin. */
uint32_t crc32c(uint32_t crc, struct str s);

/* The same without the instruction of the processor: for tests, and for machines without it. */
uint32_t crc32c_tables(uint32_t crc, struct str s);

#endif

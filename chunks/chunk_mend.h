/*
 * chunk_mend.h - heads of chunks in which one byte is wrong.
 *
 * A checksum does not only tell that a byte is wrong: of all changes of one byte hardly ever more
 * than one makes it right. So a head, which stands for all blocks of its chunk, survives a wrong
 * byte. What was mended is checked again like any other head.
 */
#ifndef CHUNKS_CHUNK_MEND_H
#define CHUNKS_CHUNK_MEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Change the one byte of the head whose change makes its checksum right. False: there is none. */
bool chunk_mend_byte(char *head, size_t len);

/*
 * The length of the head at the beginning of `bytes`, of which one byte may be wrong: what it says,
 * or what it says with one byte of that changed. 0: no length is right.
 */
uint32_t chunk_mend_length(struct str bytes);

#endif

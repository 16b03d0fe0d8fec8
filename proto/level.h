/*
 * level.h - the level of an entry, found when it arrives and stored as metadata `detected_level`.
 *
 * The first of these that says something decides: a label of the stream with one of the configured
 * names, structured metadata with one of them, OTLP's severity_number, a field of the line (JSON or
 * logfmt), a word of the line, and at last "unknown".
 */
#ifndef PROTO_LEVEL_H
#define PROTO_LEVEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "proto/labels.h"

enum { LEVEL_LETTERS = 32 }; /* what is left of a byte without the bits that tell its case */

struct level_spec {
    const struct str *names; /* of labels and fields that hold a level, the first is tried first */
    size_t count;
    int json_depth_max; /* how many levels of objects are looked into */
    /* What all names have in common, so that most fields need no look at each of them. */
    uint32_t lengths[LEVEL_LETTERS]; /* by first letter: bit n, one is n bytes long */
    uint32_t last_letters;           /* bit n: one ends with letter n */
};

/* Set all of it; `names` are borrowed. */
void level_spec_init(struct level_spec *spec, const struct str *names, size_t count,
                     int json_depth_max);

/* The canonical word ("warn" for "WARNING"), or `word` itself when it is none. */
struct str level_normalize(struct str word);

/*
 * What the labels of the stream alone say, canonical; empty when they say nothing. Depends on
 * nothing else, so it is asked for once per stream.
 */
struct str level_of_labels(const struct level_spec *spec, struct labels stream);

/*
 * The same for an entry whose stream says nothing. `a` is for strings with escapes. The result is
 * static or borrowed from the entry.
 */
struct str level_of_entry(const struct level_spec *spec, struct arena *a, struct labels metadata,
                          struct str line);

#endif

/*
 * template_date.h - times to and from text, with layouts that show a reference time:
 * `Mon Jan 2 15:04:05 MST 2006`.
 */
#ifndef QUERY_TEMPLATE_DATE_H
#define QUERY_TEMPLATE_DATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "query/template_value.h"
#include "query/template_zone.h"

/* The zero time of Go: 0001-01-01 UTC. */
#define TEMPLATE_TIME_ZERO_SECONDS INT64_C(-62135596800)

/* In a zone; NULL: the arena is full. */
const struct template_time *template_time_make(struct arena *a, int64_t seconds, int32_t ns,
                                               const struct template_zone *z);

void template_date_put(struct buf *b, struct str layout, const struct template_time *t);

/* `2023-11-14 22:13:20.123456789 +0000 UTC` */
void template_time_put(struct buf *b, const struct template_time *t);

/*
 * Read `text`; where it names no zone, it is of zone `z`. What it does not match gives the zero
 * time. NULL: the arena is full.
 */
const struct template_time *template_date_parse(struct arena *a, struct str layout, struct str text,
                                                const struct template_zone *z);

#endif

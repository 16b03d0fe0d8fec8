/*
 * template_layout.h - the pieces of a layout of times.
 */
#ifndef QUERY_TEMPLATE_LAYOUT_H
#define QUERY_TEMPLATE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum layout_kind {
    LAYOUT_END, /* nothing follows the text before it */
    LAYOUT_LONG_MONTH,
    LAYOUT_MONTH,
    LAYOUT_NUM_MONTH,
    LAYOUT_ZERO_MONTH,
    LAYOUT_LONG_WEEKDAY,
    LAYOUT_WEEKDAY,
    LAYOUT_DAY,
    LAYOUT_UNDER_DAY,
    LAYOUT_ZERO_DAY,
    LAYOUT_UNDER_YEAR_DAY,
    LAYOUT_ZERO_YEAR_DAY,
    LAYOUT_HOUR,
    LAYOUT_HOUR12,
    LAYOUT_ZERO_HOUR12,
    LAYOUT_MINUTE,
    LAYOUT_ZERO_MINUTE,
    LAYOUT_SECOND,
    LAYOUT_ZERO_SECOND,
    LAYOUT_LONG_YEAR,
    LAYOUT_YEAR,
    LAYOUT_PM,
    LAYOUT_LOWER_PM,
    LAYOUT_ZONE_NAME,
    LAYOUT_Z_SECONDS,       /* Z070000 */
    LAYOUT_Z_COLON_SECONDS, /* Z07:00:00 */
    LAYOUT_Z,               /* Z0700 */
    LAYOUT_Z_COLON,         /* Z07:00 */
    LAYOUT_Z_SHORT,         /* Z07 */
    LAYOUT_OFFSET_SECONDS,
    LAYOUT_OFFSET_COLON_SECONDS,
    LAYOUT_OFFSET,
    LAYOUT_OFFSET_COLON,
    LAYOUT_OFFSET_SHORT,
    LAYOUT_FRACTION,         /* .000 */
    LAYOUT_FRACTION_TRIMMED, /* .999 */
};

struct layout_piece {
    struct str before; /* plain text */
    enum layout_kind kind;
    size_t digits;  /* of a fraction */
    char separator; /* of a fraction: point or comma */
};

/* Cut the next piece off. */
struct layout_piece layout_next(struct str *layout);

#endif

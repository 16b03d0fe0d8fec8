/*
 * template_zone.h - time zones: of UTC, of the server, and by their names in the database of IANA.
 *
 * A named zone is read from the system's files each time it is opened, as `TZ` is a matter of the
 * whole process. Times behind the last change a file knows are given the rules of its last years.
 */
#ifndef QUERY_TEMPLATE_ZONE_H
#define QUERY_TEMPLATE_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum zone_kind {
    ZONE_UTC,
    ZONE_LOCAL, /* of the server */
    ZONE_FILE,
};

struct template_zone {
    enum zone_kind kind;
    struct buf bytes; /* of the file */
    struct str times; /* 8 bytes each */
    struct str types; /* one byte a time */
    struct str infos; /* 6 bytes each */
    struct str names;
};

/*
 * By name: "", "UTC", "Local" or as in "Europe/Berlin". False: there is no such zone, and it is
 * UTC. To be closed in any case.
 */
bool template_zone_open(struct template_zone *z, struct str name);
void template_zone_close(struct template_zone *z);

enum { ZONE_NAME_BYTES = 16 };

struct zone_offset {
    int32_t seconds;            /* east of UTC */
    char name[ZONE_NAME_BYTES]; /* "CET"; cut if it is longer */
};

/* What is added to UTC at an instant (seconds since the epoch). */
struct zone_offset template_zone_at(const struct template_zone *z, int64_t seconds);

/* The same for a time as the clocks of the zone show it. */
struct zone_offset template_zone_at_clock(const struct template_zone *z, int64_t clock_seconds);

#endif

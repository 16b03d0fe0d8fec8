/*
 * A file (RFC 8536) has a header and a body with times of 32 bits, then, from version 2 on, another
 * header and body with times of 64 bits: only those are read. Numbers are big endian. A body is
 *
 *     times (8 bytes each), type of each (1 byte), types (offset, is DST, name: 4 + 1 + 1 bytes),
 *     names, leap seconds (12 bytes each), two kinds of flags (1 byte each)
 */
#include "query/template_zone.h"

#include <stdio.h>
#include <time.h>

#include "base/io.h"

#include "base/banned.h"

enum {
    FILE_BYTES_MAX = 256 * 1024,
    NAME_BYTES_MAX = 64,
    HEADER_BYTES = 44,
    COUNTS_OFFSET = 20, /* of six numbers in the header */
    COUNT_BYTES = 4,
    TIME_BYTES = 8,
    INFO_BYTES = 6,
    LEAP_BYTES = 12,
};

/* After so many seconds the calendar, days of the week included, comes round. */
#define CYCLE_SECONDS (INT64_C(146097) * 86400)

static const char folder[] = "/usr/share/zoneinfo/";

struct zone_counts {
    size_t utc_flags;
    size_t wall_flags;
    size_t leaps;
    size_t times;
    size_t types;
    size_t name_bytes;
};

static uint64_t big_endian(const char *p, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

/* The header at the front of `*in`, cut off. */
static bool take_header(struct str *in, struct zone_counts *ret)
{
    size_t counts[6];

    if (in->len < HEADER_BYTES || !str_starts(*in, STR("TZif")) || in->ptr[4] < '2')
        return false;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        counts[i] = big_endian(in->ptr + COUNTS_OFFSET + i * COUNT_BYTES, COUNT_BYTES);
        if (counts[i] > FILE_BYTES_MAX)
            return false;
    }
    *ret = (struct zone_counts){counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
    *in = str_cut(*in, HEADER_BYTES);
    return true;
}

static size_t body_bytes(const struct zone_counts *c, size_t time_bytes)
{
    return c->times * (time_bytes + 1) + c->types * INFO_BYTES + c->name_bytes +
           c->leaps * (time_bytes + 4) + c->wall_flags + c->utc_flags;
}

static bool types_are_good(const struct template_zone *z)
{
    size_t count = z->infos.len / INFO_BYTES;

    for (size_t i = 0; i < z->types.len; i++) {
        if ((unsigned char)z->types.ptr[i] >= count)
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        if ((unsigned char)z->infos.ptr[i * INFO_BYTES + 5] >= z->names.len)
            return false;
    }
    return count > 0;
}

static bool read_zone(struct template_zone *z)
{
    struct str in = buf_str(&z->bytes);
    struct zone_counts c;

    if (!take_header(&in, &c) || in.len < body_bytes(&c, 4))
        return false;
    in = str_cut(in, body_bytes(&c, 4));
    if (!take_header(&in, &c) || in.len < body_bytes(&c, TIME_BYTES))
        return false;
    return get_bytes(&in, c.times * TIME_BYTES, &z->times) && get_bytes(&in, c.times, &z->types) &&
           get_bytes(&in, c.types * INFO_BYTES, &z->infos) &&
           get_bytes(&in, c.name_bytes, &z->names) && types_are_good(z);
}

/* A name may not leave the folder. */
static bool is_zone_name(struct str name)
{
    if (name.len == 0 || name.len > NAME_BYTES_MAX || name.ptr[0] == '/' ||
        str_find(name, STR("..")) != STR_NPOS)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr("/_+-", c) == NULL))
            return false;
    }
    return true;
}

bool template_zone_open(struct template_zone *z, struct str name)
{
    char path[sizeof(folder) + NAME_BYTES_MAX];

    *z = (struct template_zone){.kind = ZONE_UTC};
    buf_init(&z->bytes, FILE_BYTES_MAX);
    if (name.len == 0 || str_eq(name, STR("UTC")))
        return true;
    if (str_eq(name, STR("Local"))) {
        z->kind = ZONE_LOCAL;
        return true;
    }
    if (!is_zone_name(name))
        return false;
    (void)snprintf(path, sizeof(path), "%s%.*s", folder, STR_ARG(name));
    if (io_file_read(path, &z->bytes, NULL) != ST_OK || !read_zone(z))
        return false;
    z->kind = ZONE_FILE;
    return true;
}

void template_zone_close(struct template_zone *z)
{
    buf_release(&z->bytes);
}

static void set_name(struct zone_offset *o, struct str name)
{
    name = str_head(name, ZONE_NAME_BYTES - 1);
    if (name.len > 0)
        memcpy(o->name, name.ptr, name.len);
    o->name[name.len] = '\0';
}

static struct zone_offset info_at(const struct template_zone *z, size_t type)
{
    const char *info = z->infos.ptr + type * INFO_BYTES;
    struct zone_offset o = {.seconds = (int32_t)big_endian(info, 4)};
    struct str name = str_cut(z->names, (unsigned char)info[5]);

    set_name(&o, str_head(name, MIN_OF(str_find_char(name, '\0'), name.len)));
    return o;
}

static int64_t change_at(const struct template_zone *z, size_t i)
{
    return (int64_t)big_endian(z->times.ptr + i * TIME_BYTES, TIME_BYTES);
}

/* Before the first change there is the first standard time. */
static struct zone_offset first_info(const struct template_zone *z)
{
    for (size_t i = 0; i < z->infos.len / INFO_BYTES; i++) {
        if (z->infos.ptr[i * INFO_BYTES + 4] == 0)
            return info_at(z, i);
    }
    return info_at(z, 0);
}

/* In a zone with summer time, take a year before the end of the table instead. */
static int64_t within_table(const struct template_zone *z, int64_t seconds)
{
    enum { YEARS_28_DAYS = 10227 }; /* a cycle, where each fourth year is a leap year */
    const int64_t cycle = INT64_C(86400) * YEARS_28_DAYS, year = INT64_C(366) * 86400;
    size_t count = z->types.len;

    if (count < 3 || seconds < change_at(z, count - 1))
        return seconds;
    int64_t last = change_at(z, count - 1);
    if (last - change_at(z, count - 3) > year + year / 8 || last < 0)
        return seconds; /* it changes no more */
    seconds -= (seconds - last) / CYCLE_SECONDS * CYCLE_SECONDS;
    return seconds - ((seconds - last) / cycle + 1) * cycle;
}

struct zone_offset template_zone_at(const struct template_zone *z, int64_t seconds)
{
    struct zone_offset o = {.name = "UTC"};
    time_t t = (time_t)seconds;
    struct tm tm;

    switch (z->kind) {
    case ZONE_UTC:
        return o;
    case ZONE_LOCAL:
        if (localtime_r(&t, &tm) == NULL)
            return o;
        o.seconds = (int32_t)tm.tm_gmtoff;
        set_name(&o, str_from(tm.tm_zone));
        return o;
    case ZONE_FILE:
        break;
    }
    seconds = within_table(z, seconds);
    size_t low = 0, high = z->types.len; /* the changes before `low` have happened */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (change_at(z, middle) <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? first_info(z) : info_at(z, (unsigned char)z->types.ptr[low - 1]);
}

struct zone_offset template_zone_at_clock(const struct template_zone *z, int64_t clock_seconds)
{
    struct zone_offset o = template_zone_at(z, clock_seconds);

    return template_zone_at(z, clock_seconds - o.seconds);
}

#include "base/time.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/num.h"
#include "base/utf8.h"

#include "base/banned.h"

static _Atomic int64_t fake_now_ns;

void time_fake_set(int64_t now_ns)
{
    atomic_store(&fake_now_ns, now_ns);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    (void)clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

int64_t time_now_ns(void)
{
    int64_t fake = atomic_load_explicit(&fake_now_ns, memory_order_relaxed);

    return fake != 0 ? fake : clock_ns(CLOCK_REALTIME);
}

int64_t time_mono_ns(void)
{
    int64_t fake = atomic_load_explicit(&fake_now_ns, memory_order_relaxed);

    return fake != 0 ? fake : clock_ns(CLOCK_MONOTONIC);
}

int64_t time_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int32_t time_day(int64_t ts_ns)
{
    int64_t day = ts_ns / DAY_NS;

    return (int32_t)(ts_ns % DAY_NS < 0 ? day - 1 : day);
}

int64_t time_day_start_ns(int32_t day)
{
    int64_t start;

    if (!i64_mul(day, DAY_NS, &start))
        return day < 0 ? INT64_MIN : INT64_MAX;
    return start;
}

void time_put(struct buf *b, int64_t ts_ns, enum time_format format)
{
    int64_t fraction_ns = ts_ns % SECOND_NS;
    time_t seconds = (time_t)(ts_ns / SECOND_NS);
    struct tm tm;
    char digits[16];

    if (fraction_ns < 0) {
        fraction_ns += SECOND_NS;
        seconds--;
    }
    (void)gmtime_r(&seconds, &tm);
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (format == TIME_MILLIS) {
        buf_printf(b, ".%03d", (int)(fraction_ns / MS_NS));
    } else if (format == TIME_NANOS && fraction_ns != 0) {
        int len = snprintf(digits, sizeof(digits), "%09d", (int)fraction_ns);
        while (digits[len - 1] == '0')
            len--;
        buf_put_char(b, '.');
        buf_put(b, str_make(digits, (size_t)len));
    }
    buf_put_char(b, 'Z');
}

/* Cut exactly `count` digits off `*in`. */
static bool scan_fixed(struct str *in, size_t count, int *ret)
{
    int v = 0;

    if (in->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (in->ptr[i] < '0' || in->ptr[i] > '9')
            return false;
        v = v * 10 + (in->ptr[i] - '0');
    }
    *in = str_cut(*in, count);
    *ret = v;
    return true;
}

static bool scan_char(struct str *in, char c)
{
    if (in->len == 0 || in->ptr[0] != c)
        return false;
    *in = str_cut(*in, 1);
    return true;
}

/* ".123" with any number of digits, the ones behind the ninth count for nothing. */
static bool scan_fraction(struct str *in, int64_t *ret_ns)
{
    int64_t unit_ns = SECOND_NS / 10;
    size_t digits = 0;

    *ret_ns = 0;
    if (!scan_char(in, '.') && !scan_char(in, ','))
        return true;
    for (; in->len > 0 && in->ptr[0] >= '0' && in->ptr[0] <= '9'; *in = str_cut(*in, 1)) {
        *ret_ns += (in->ptr[0] - '0') * unit_ns;
        unit_ns /= 10;
        digits++;
    }
    return digits > 0;
}

static bool scan_zone(struct str *in, int64_t *ret_offset_s)
{
    int hours, minutes;

    *ret_offset_s = 0;
    if (scan_char(in, 'Z'))
        return true;
    bool west = in->len > 0 && in->ptr[0] == '-';
    if (!scan_char(in, '+') && !scan_char(in, '-'))
        return false;
    if (!scan_fixed(in, 2, &hours) || !scan_char(in, ':') || !scan_fixed(in, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_offset_s = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

enum status time_parse(struct str s, int64_t *ret_ns)
{
    int year, month, day, hour, minute, second;
    int64_t fraction_ns, offset_s, ns;

    if (!scan_fixed(&s, 4, &year) || !scan_char(&s, '-') || !scan_fixed(&s, 2, &month) ||
        !scan_char(&s, '-') || !scan_fixed(&s, 2, &day) || !scan_char(&s, 'T') ||
        !scan_fixed(&s, 2, &hour) || !scan_char(&s, ':') || !scan_fixed(&s, 2, &minute) ||
        !scan_char(&s, ':') || !scan_fixed(&s, 2, &second) || !scan_fraction(&s, &fraction_ns) ||
        !scan_zone(&s, &offset_s) || s.len > 0)
        return ST_INVALID;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return ST_INVALID;

    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    int64_t seconds = (int64_t)timegm(&tm) - offset_s;
    if (!i64_mul(seconds, SECOND_NS, &ns) || !i64_add(ns, fraction_ns, &ns))
        return ST_LIMIT;
    *ret_ns = ns;
    return ST_OK;
}

/* "1.5" for 1500 of 1000: whole units and the fraction without trailing zeros. */
static void put_units(struct buf *b, uint64_t ns, uint64_t unit_ns, const char *name)
{
    uint64_t fraction = ns % unit_ns;

    buf_put_i64(b, (int64_t)(ns / unit_ns));
    if (fraction != 0) {
        buf_put_char(b, '.');
        for (uint64_t place = unit_ns / 10; fraction != 0; place /= 10) {
            buf_put_char(b, (char)('0' + fraction / place));
            fraction %= place;
        }
    }
    buf_put(b, str_from(name));
}

void duration_put_go(struct buf *b, int64_t ns)
{
    uint64_t rest = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

    if (ns < 0)
        buf_put_char(b, '-');
    if (rest == 0) {
        buf_put(b, STR("0s"));
    } else if (rest < (uint64_t)US_NS) {
        put_units(b, rest, 1, "ns");
    } else if (rest < (uint64_t)MS_NS) {
        put_units(b, rest, (uint64_t)US_NS, "µs");
    } else if (rest < (uint64_t)SECOND_NS) {
        put_units(b, rest, (uint64_t)MS_NS, "ms");
    } else {
        if (rest >= (uint64_t)HOUR_NS)
            put_units(b, rest - rest % (uint64_t)HOUR_NS, (uint64_t)HOUR_NS, "h");
        if (rest >= (uint64_t)MINUTE_NS)
            put_units(b, rest % (uint64_t)HOUR_NS - rest % (uint64_t)MINUTE_NS, (uint64_t)MINUTE_NS,
                      "m");
        put_units(b, rest % (uint64_t)MINUTE_NS, (uint64_t)SECOND_NS, "s");
    }
}

void duration_put_prometheus(struct buf *b, int64_t ns)
{
    static const struct {
        const char *name;
        int64_t ms;
        bool exact; /* only if nothing else remains: years and weeks are not mixed with days */
    } units[] = {{"y", INT64_C(31536000000), true},
                 {"w", INT64_C(604800000), true},
                 {"d", 86400000, false},
                 {"h", 3600000, false},
                 {"m", 60000, false},
                 {"s", 1000, false},
                 {"ms", 1, false}};
    int64_t ms = ns / MS_NS;

    if (ms == 0) {
        buf_put(b, STR("0s"));
        return;
    }
    if (ms < 0) {
        buf_put_char(b, '-');
        ms = -ms;
    }
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (ms < units[i].ms || (units[i].exact && ms % units[i].ms != 0))
            continue;
        buf_put_i64(b, ms / units[i].ms);
        buf_put(b, str_from(units[i].name));
        ms %= units[i].ms;
    }
}

/* Cut a run of decimal digits off `*in`; false when none is there, or too many. */
static bool scan_count(struct str *in, uint64_t *ret_count)
{
    size_t digits = 0;

    while (digits < in->len && in->ptr[digits] >= '0' && in->ptr[digits] <= '9')
        digits++;
    if (num_parse_u64(str_head(*in, digits), ret_count) != ST_OK)
        return false;
    *in = str_cut(*in, digits);
    return true;
}

/* What stands before the next digit: a unit, perhaps an unknown one. */
static struct str scan_word(struct str *in, bool stop_at_dot)
{
    size_t len = 0;

    while (len < in->len && !(in->ptr[len] >= '0' && in->ptr[len] <= '9') &&
           !(stop_at_dot && in->ptr[len] == '.'))
        len++;
    struct str word = str_head(*in, len);
    *in = str_cut(*in, len);
    return word;
}

static enum status not_prometheus(struct str s, struct err *err)
{
    struct buf text;

    buf_init(&text, ERR_TEXT_BYTES);
    utf8_put_quoted(&text, s);
    err_set(err, ST_INVALID, "not a valid duration string: %.*s", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return ST_INVALID;
}

static enum status unknown_unit(struct str unit, struct str s, struct err *err)
{
    struct buf text;

    buf_init(&text, ERR_TEXT_BYTES);
    utf8_put_quoted(&text, unit);
    buf_put(&text, STR(" in duration "));
    utf8_put_quoted(&text, s);
    err_set(err, ST_INVALID, "unknown unit %.*s", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return ST_INVALID;
}

enum status duration_parse_prometheus(struct str s, int64_t *ret_ns, struct err *err)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"y", 365 * DAY_NS}, {"w", 7 * DAY_NS}, {"d", DAY_NS}, {"h", HOUR_NS},
                 {"m", MINUTE_NS},    {"s", SECOND_NS},  {"ms", MS_NS}};
    struct str rest = s;
    size_t unit_after = 0; /* units before this one may not follow any more */
    int64_t sum_ns = 0;

    if (s.len == 0)
        return err_set(err, ST_INVALID, "empty duration string");
    if (str_eq(s, STR("0"))) {
        *ret_ns = 0;
        return ST_OK;
    }
    while (rest.len > 0) {
        uint64_t count;
        int64_t part_ns;
        if (!scan_count(&rest, &count) || rest.len == 0)
            return not_prometheus(s, err);
        struct str word = scan_word(&rest, false);
        size_t unit = 0;
        while (unit < COUNT_OF(units) && !str_eq(word, str_from(units[unit].name)))
            unit++;
        if (unit == COUNT_OF(units))
            return unknown_unit(word, s, err);
        if (unit < unit_after)
            return not_prometheus(s, err);
        unit_after = unit + 1;
        if (count > INT64_MAX || !i64_mul((int64_t)count, units[unit].ns, &part_ns) ||
            !i64_add(sum_ns, part_ns, &sum_ns))
            return err_set(err, ST_LIMIT, "duration out of range");
    }
    *ret_ns = sum_ns;
    return ST_OK;
}

static const struct go_unit {
    const char *name;
    int64_t ns;
} go_units[] = {{"ns", 1},     {"us", US_NS},    {"\xc2\xb5s", US_NS}, {"\xce\xbcs", US_NS},
                {"ms", MS_NS}, {"s", SECOND_NS}, {"m", MINUTE_NS},     {"h", HOUR_NS}};

/* A number as it stands in a duration: whole + fraction / scale. */
struct decimal {
    uint64_t whole;
    uint64_t fraction;
    double scale;
    bool out_of_range;
};

/* Cut "12", "1.5" or ".5" off `*in`. Digits of a fraction that do not fit count for nothing. */
static bool scan_decimal(struct str *in, struct decimal *ret_d)
{
    struct decimal d = {.scale = 1};
    size_t digits = 0;

    for (; in->len > 0 && in->ptr[0] >= '0' && in->ptr[0] <= '9'; *in = str_cut(*in, 1)) {
        if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
            __builtin_add_overflow(d.whole, (uint64_t)(in->ptr[0] - '0'), &d.whole) ||
            d.whole > UINT64_C(1) << 63)
            d.out_of_range = true;
        digits++;
    }
    if (scan_char(in, '.')) {
        for (; in->len > 0 && in->ptr[0] >= '0' && in->ptr[0] <= '9'; *in = str_cut(*in, 1)) {
            if (d.fraction <= INT64_MAX / 10) {
                d.fraction = d.fraction * 10 + (uint64_t)(in->ptr[0] - '0');
                d.scale *= 10;
            }
            digits++;
        }
    }
    *ret_d = d;
    return digits > 0;
}

/* The unit is divided first: that is exact up to nine digits, and what Go does. */
static uint64_t fraction_ns(const struct decimal *d, int64_t unit_ns)
{
    return (uint64_t)((double)d->fraction * ((double)unit_ns / d->scale));
}

/* In double quotes as Go's time package writes them: whatever is not ASCII byte by byte. */
static void put_time_quoted(struct buf *b, struct str s)
{
    buf_put_char(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c >= 0x80) {
            buf_printf(b, "\\x%02x", c);
            continue;
        }
        if (c == '"' || c == '\\')
            buf_put_char(b, '\\');
        buf_put_char(b, (char)c);
    }
    buf_put_char(b, '"');
}

/* "time: WHAT duration S", with the unit in between if there is one. */
static enum status not_go(const char *what, struct str unit, struct str s, struct err *err)
{
    struct buf text;

    buf_init(&text, ERR_TEXT_BYTES);
    buf_put(&text, str_from(what));
    if (unit.len > 0) {
        put_time_quoted(&text, unit);
        buf_put(&text, STR(" in"));
    }
    buf_put(&text, STR(" duration "));
    put_time_quoted(&text, s);
    err_set(err, ST_INVALID, "time: %.*s", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return ST_INVALID;
}

static const struct go_unit *find_go_unit(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(go_units); i++) {
        if (str_eq(name, str_from(go_units[i].name)))
            return &go_units[i];
    }
    return NULL;
}

enum status duration_parse_go(struct str s, int64_t *ret_ns, struct err *err)
{
    struct str rest = s;
    uint64_t sum_ns = 0;
    bool negative = s.len > 0 && s.ptr[0] == '-';

    if (rest.len > 0 && (rest.ptr[0] == '-' || rest.ptr[0] == '+'))
        rest = str_cut(rest, 1);
    if (str_eq(rest, STR("0"))) {
        *ret_ns = 0;
        return ST_OK;
    }
    if (rest.len == 0)
        return not_go("invalid", STR_NULL, s, err);
    while (rest.len > 0) {
        struct decimal d;
        uint64_t part_ns;

        if (!scan_decimal(&rest, &d) || d.out_of_range)
            return not_go("invalid", STR_NULL, s, err);
        struct str word = scan_word(&rest, true);
        const struct go_unit *unit = find_go_unit(word);
        if (word.len == 0)
            return not_go("missing unit in", STR_NULL, s, err);
        if (unit == NULL)
            return not_go("unknown unit ", word, s, err);
        if (__builtin_mul_overflow(d.whole, (uint64_t)unit->ns, &part_ns) ||
            __builtin_add_overflow(sum_ns, part_ns, &sum_ns) ||
            __builtin_add_overflow(sum_ns, fraction_ns(&d, unit->ns), &sum_ns) ||
            sum_ns > (uint64_t)INT64_MAX + (negative ? 1 : 0))
            return not_go("invalid", STR_NULL, s, err);
    }
    *ret_ns = negative ? (int64_t)-sum_ns : (int64_t)sum_ns;
    return ST_OK;
}

#include "query/template_date.h"

#include <stdio.h>
#include <time.h>

#include "query/template_layout.h"

#include "base/banned.h"

enum {
    NS_DIGITS = 9,
    SECONDS_A_DAY = 86400,
    YEAR_PIVOT = 69, /* two digits from here on are of the 20th century */
};

static const struct str months[] = {
    STR_INIT("January"),   STR_INIT("February"), STR_INIT("March"),    STR_INIT("April"),
    STR_INIT("May"),       STR_INIT("June"),     STR_INIT("July"),     STR_INIT("August"),
    STR_INIT("September"), STR_INIT("October"),  STR_INIT("November"), STR_INIT("December"),
};

static const struct str weekdays[] = {
    STR_INIT("Sunday"),   STR_INIT("Monday"), STR_INIT("Tuesday"),  STR_INIT("Wednesday"),
    STR_INIT("Thursday"), STR_INIT("Friday"), STR_INIT("Saturday"),
};

enum { SHORT_NAME_BYTES = 3 }; /* of both */

const struct template_time *template_time_make(struct arena *a, int64_t seconds, int32_t ns,
                                               const struct template_zone *z)
{
    struct template_time *t = arena_new(a, struct template_time, 1);
    struct zone_offset o = template_zone_at(z, seconds);

    if (t == NULL)
        return NULL;
    *t = (struct template_time){seconds, ns, o.seconds, arena_str(a, str_from(o.name))};
    return t->zone.ptr == NULL ? NULL : t;
}

/* ---- writing ---- */

static void put_offset(struct buf *b, enum layout_kind kind, int32_t offset_s)
{
    bool zulu = kind >= LAYOUT_Z_SECONDS && kind <= LAYOUT_Z_SHORT;
    bool colon = kind == LAYOUT_Z_COLON || kind == LAYOUT_Z_COLON_SECONDS ||
                 kind == LAYOUT_OFFSET_COLON || kind == LAYOUT_OFFSET_COLON_SECONDS;
    bool seconds = kind == LAYOUT_Z_SECONDS || kind == LAYOUT_Z_COLON_SECONDS ||
                   kind == LAYOUT_OFFSET_SECONDS || kind == LAYOUT_OFFSET_COLON_SECONDS;
    int minutes = offset_s / 60, absolute = offset_s < 0 ? -offset_s : offset_s;

    if (zulu && offset_s == 0) {
        buf_put_char(b, 'Z');
        return;
    }
    buf_printf(b, "%c%02d", minutes < 0 ? '-' : '+', absolute / 3600);
    if (kind == LAYOUT_Z_SHORT || kind == LAYOUT_OFFSET_SHORT)
        return;
    buf_printf(b, "%s%02d", colon ? ":" : "", absolute / 60 % 60);
    if (seconds)
        buf_printf(b, "%s%02d", colon ? ":" : "", absolute % 60);
}

static void put_fraction(struct buf *b, const struct layout_piece *piece, int32_t ns)
{
    char digits[NS_DIGITS + 2];
    size_t len = MIN_OF(piece->digits, (size_t)NS_DIGITS);

    (void)snprintf(digits, sizeof(digits), "%09d", (int)(ns % 1000000000));
    if (piece->kind == LAYOUT_FRACTION_TRIMMED) {
        while (len > 0 && digits[len - 1] == '0')
            len--;
        if (len == 0)
            return;
    }
    buf_put_char(b, piece->separator);
    buf_put(b, str_make(digits, len));
}

static void put_zone_name(struct buf *b, const struct template_time *t)
{
    if (t->zone.len > 0)
        buf_put(b, t->zone);
    else
        put_offset(b, LAYOUT_OFFSET, t->offset_s);
}

static void put_date_piece(struct buf *b, enum layout_kind kind, const struct tm *tm)
{
    struct str month = months[tm->tm_mon], weekday = weekdays[tm->tm_wday];

    switch (kind) {
    case LAYOUT_LONG_YEAR:
        buf_printf(b, "%04ld", tm->tm_year + 1900L);
        return;
    case LAYOUT_YEAR:
        buf_printf(b, "%02ld", (tm->tm_year + 1900L) % 100);
        return;
    case LAYOUT_LONG_MONTH:
        buf_put(b, month);
        return;
    case LAYOUT_MONTH:
        buf_put(b, str_head(month, SHORT_NAME_BYTES));
        return;
    case LAYOUT_NUM_MONTH:
        buf_printf(b, "%d", tm->tm_mon + 1);
        return;
    case LAYOUT_ZERO_MONTH:
        buf_printf(b, "%02d", tm->tm_mon + 1);
        return;
    case LAYOUT_LONG_WEEKDAY:
        buf_put(b, weekday);
        return;
    case LAYOUT_WEEKDAY:
        buf_put(b, str_head(weekday, SHORT_NAME_BYTES));
        return;
    case LAYOUT_DAY:
        buf_printf(b, "%d", tm->tm_mday);
        return;
    case LAYOUT_UNDER_DAY:
        buf_printf(b, "%2d", tm->tm_mday);
        return;
    case LAYOUT_ZERO_DAY:
        buf_printf(b, "%02d", tm->tm_mday);
        return;
    case LAYOUT_UNDER_YEAR_DAY:
        buf_printf(b, "%3d", tm->tm_yday + 1);
        return;
    case LAYOUT_ZERO_YEAR_DAY:
        buf_printf(b, "%03d", tm->tm_yday + 1);
        return;
    default:
        ASSERT(false);
    }
}

static void put_clock_piece(struct buf *b, enum layout_kind kind, const struct tm *tm)
{
    int hour12 = tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12;
    bool afternoon = tm->tm_hour >= 12;

    switch (kind) {
    case LAYOUT_HOUR:
        buf_printf(b, "%02d", tm->tm_hour);
        return;
    case LAYOUT_HOUR12:
        buf_printf(b, "%d", hour12);
        return;
    case LAYOUT_ZERO_HOUR12:
        buf_printf(b, "%02d", hour12);
        return;
    case LAYOUT_MINUTE:
        buf_printf(b, "%d", tm->tm_min);
        return;
    case LAYOUT_ZERO_MINUTE:
        buf_printf(b, "%02d", tm->tm_min);
        return;
    case LAYOUT_SECOND:
        buf_printf(b, "%d", tm->tm_sec);
        return;
    case LAYOUT_ZERO_SECOND:
        buf_printf(b, "%02d", tm->tm_sec);
        return;
    case LAYOUT_PM:
        buf_put(b, afternoon ? STR("PM") : STR("AM"));
        return;
    case LAYOUT_LOWER_PM:
        buf_put(b, afternoon ? STR("pm") : STR("am"));
        return;
    default:
        put_date_piece(b, kind, tm);
    }
}

static void put_piece(struct buf *b, const struct layout_piece *piece, const struct tm *tm,
                      const struct template_time *t)
{
    if (piece->kind == LAYOUT_FRACTION || piece->kind == LAYOUT_FRACTION_TRIMMED)
        put_fraction(b, piece, t->ns);
    else if (piece->kind >= LAYOUT_Z_SECONDS && piece->kind <= LAYOUT_OFFSET_SHORT)
        put_offset(b, piece->kind, t->offset_s);
    else if (piece->kind == LAYOUT_ZONE_NAME)
        put_zone_name(b, t);
    else
        put_clock_piece(b, piece->kind, tm);
}

void template_date_put(struct buf *b, struct str layout, const struct template_time *t)
{
    time_t clock = (time_t)(t->seconds + t->offset_s);
    struct tm tm = {.tm_mday = 1};

    (void)gmtime_r(&clock, &tm); /* fails for years that no int holds, and they have no text */
    for (;;) {
        struct layout_piece piece = layout_next(&layout);
        buf_put(b, piece.before);
        if (piece.kind == LAYOUT_END || b->failed)
            return;
        put_piece(b, &piece, &tm, t);
    }
}

void template_time_put(struct buf *b, const struct template_time *t)
{
    template_date_put(b, STR("2006-01-02 15:04:05.999999999 -0700 MST"), t);
}

/* ---- reading ---- */

struct date_parser {
    struct str in;
    int64_t year;
    int month, day, year_day; /* 0: not given */
    int hour, minute, second;
    int32_t ns;
    bool pm, am;
    bool has_offset;
    int32_t offset_s;
    struct str zone; /* its name; empty: not given */
};

static bool at_digit(struct str s, size_t at)
{
    return at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9';
}

static bool take_digits(struct str *in, size_t count, int *ret)
{
    int v = 0;

    for (size_t i = 0; i < count; i++) {
        if (!at_digit(*in, i))
            return false;
        v = v * 10 + (in->ptr[i] - '0');
    }
    *in = str_cut(*in, count);
    *ret = v;
    return true;
}

/* One or two digits; if `fixed`, two. */
static bool take_pair(struct str *in, bool fixed, int *ret)
{
    return take_digits(in, fixed || at_digit(*in, 1) ? 2 : 1, ret);
}

static bool take_text(struct str *in, struct str text)
{
    if (!str_starts(*in, text))
        return false;
    *in = str_cut(*in, text.len);
    return true;
}

/* One of the names, in any case; its number from one. */
static bool take_name(struct str *in, const struct str *names, size_t count, bool is_short,
                      int *ret)
{
    for (size_t i = 0; i < count; i++) {
        struct str name = is_short ? str_head(names[i], SHORT_NAME_BYTES) : names[i];
        if (!str_eq_nocase(str_head(*in, name.len), name))
            continue;
        *in = str_cut(*in, name.len);
        *ret = (int)i + 1;
        return true;
    }
    return false;
}

/* Plain text of the layout; a run of blanks stands for any number of them. */
static bool skip_text(struct str *in, struct str text)
{
    while (text.len > 0) {
        if (text.ptr[0] != ' ') {
            if (!take_text(in, str_head(text, 1)))
                return false;
            text = str_cut(text, 1);
            continue;
        }
        if (in->len > 0 && in->ptr[0] != ' ')
            return false;
        while (text.len > 0 && text.ptr[0] == ' ')
            text = str_cut(text, 1);
        while (in->len > 0 && in->ptr[0] == ' ')
            *in = str_cut(*in, 1);
    }
    return true;
}

/* `count` digits behind a point or a comma; those behind the ninth count for nothing. */
static bool take_fraction(struct str *in, size_t count, int32_t *ret_ns)
{
    int32_t ns = 0;

    if (in->len == 0 || (in->ptr[0] != '.' && in->ptr[0] != ','))
        return false;
    for (size_t i = 1; i <= MAX_OF(count, (size_t)NS_DIGITS); i++) {
        if (i <= count && !at_digit(*in, i))
            return false;
        if (i <= NS_DIGITS)
            ns = ns * 10 + (i <= count ? in->ptr[i] - '0' : 0);
    }
    *in = str_cut(*in, count + 1);
    *ret_ns = ns;
    return true;
}

static size_t fraction_digits(struct str in)
{
    size_t count = 0;

    while (at_digit(in, count + 1))
        count++;
    return count;
}

/* `+01:00`; Z alone where the layout has it. */
static bool take_offset(struct date_parser *p, enum layout_kind kind)
{
    bool zulu = kind >= LAYOUT_Z_SECONDS && kind <= LAYOUT_Z_SHORT;
    enum layout_kind form = zulu ? kind - LAYOUT_Z_SECONDS + LAYOUT_OFFSET_SECONDS : kind;
    bool colon = form == LAYOUT_OFFSET_COLON || form == LAYOUT_OFFSET_COLON_SECONDS;
    bool seconds = form == LAYOUT_OFFSET_SECONDS || form == LAYOUT_OFFSET_COLON_SECONDS;
    struct str separator = colon ? STR(":") : STR("");
    int h, m = 0, s = 0;

    p->has_offset = true;
    if (zulu && take_text(&p->in, STR("Z"))) {
        p->offset_s = 0;
        p->zone = STR("UTC");
        return true;
    }
    bool west = str_starts(p->in, STR("-"));
    if (!west && !str_starts(p->in, STR("+")))
        return false;
    p->in = str_cut(p->in, 1);
    if (!take_digits(&p->in, 2, &h) || h > 24)
        return false;
    if (form != LAYOUT_OFFSET_SHORT &&
        (!take_text(&p->in, separator) || !take_digits(&p->in, 2, &m) || m > 59))
        return false;
    if (seconds && (!take_text(&p->in, separator) || !take_digits(&p->in, 2, &s) || s > 59))
        return false;
    p->offset_s = (west ? -1 : 1) * ((h * 60 + m) * 60 + s);
    return true;
}

/* Three capital letters, four or five that end in T, or a few special ones. */
static bool take_zone_name(struct date_parser *p)
{
    size_t len = 0;

    if (str_starts(p->in, STR("UTC"))) {
        p->has_offset = true;
        p->offset_s = 0;
        p->zone = STR("UTC");
        p->in = str_cut(p->in, 3);
        return true;
    }
    while (len < p->in.len && p->in.ptr[len] >= 'A' && p->in.ptr[len] <= 'Z')
        len++;
    if (str_starts(p->in, STR("ChST")) || str_starts(p->in, STR("MeST")))
        len = 4;
    bool good = len == 3 || ((len == 4 || len == 5) && p->in.ptr[len - 1] == 'T') ||
                (len == 4 && str_starts(p->in, STR("WITA")));
    p->zone = str_head(p->in, len);
    p->in = str_cut(p->in, good ? len : 0);
    return good;
}

static bool take_half(struct date_parser *p, bool lower)
{
    p->pm = take_text(&p->in, lower ? STR("pm") : STR("PM"));
    p->am = !p->pm && take_text(&p->in, lower ? STR("am") : STR("AM"));
    return p->pm || p->am;
}

static bool take_year(struct date_parser *p, bool is_long)
{
    int v;

    if (!take_digits(&p->in, is_long ? 4 : 2, &v))
        return false;
    p->year = is_long ? v : v >= YEAR_PIVOT ? 1900 + v : 2000 + v;
    return true;
}

static bool take_month(struct date_parser *p, bool fixed)
{
    return take_pair(&p->in, fixed, &p->month) && p->month >= 1 && p->month <= 12;
}

/* A day of the month, or of the year with three digits; blanks may stand for the first ones. */
static bool take_day(struct date_parser *p, enum layout_kind kind)
{
    bool of_year = kind == LAYOUT_UNDER_YEAR_DAY || kind == LAYOUT_ZERO_YEAR_DAY;
    bool under = kind == LAYOUT_UNDER_YEAR_DAY || kind == LAYOUT_UNDER_DAY;
    size_t digits = of_year ? 3 : 2;

    for (size_t i = 1; under && i < (of_year ? 3 : 2) && str_starts(p->in, STR(" ")); i++) {
        p->in = str_cut(p->in, 1);
        digits--;
    }
    if (of_year)
        return take_digits(&p->in, digits, &p->year_day) && p->year_day >= 1;
    return take_pair(&p->in, kind == LAYOUT_ZERO_DAY, &p->day) && p->day >= 1;
}

/* A fraction may follow the seconds without being in the layout. */
static bool take_second(struct date_parser *p, bool fixed, struct str layout)
{
    if (!take_pair(&p->in, fixed, &p->second) || p->second > 59)
        return false;
    size_t digits = fraction_digits(p->in);
    enum layout_kind next = layout_next(&layout).kind;
    if (digits == 0 || next == LAYOUT_FRACTION || next == LAYOUT_FRACTION_TRIMMED ||
        (p->in.ptr[0] != '.' && p->in.ptr[0] != ','))
        return true;
    return take_fraction(&p->in, digits, &p->ns);
}

static bool take_piece(struct date_parser *p, const struct layout_piece *piece, struct str layout)
{
    int ignored;

    switch (piece->kind) {
    case LAYOUT_END:
        return true;
    case LAYOUT_YEAR:
    case LAYOUT_LONG_YEAR:
        return take_year(p, piece->kind == LAYOUT_LONG_YEAR);
    case LAYOUT_MONTH:
    case LAYOUT_LONG_MONTH:
        return take_name(&p->in, months, COUNT_OF(months), piece->kind == LAYOUT_MONTH, &p->month);
    case LAYOUT_NUM_MONTH:
    case LAYOUT_ZERO_MONTH:
        return take_month(p, piece->kind == LAYOUT_ZERO_MONTH);
    case LAYOUT_WEEKDAY:
    case LAYOUT_LONG_WEEKDAY:
        return take_name(&p->in, weekdays, COUNT_OF(weekdays), piece->kind == LAYOUT_WEEKDAY,
                         &ignored);
    case LAYOUT_DAY:
    case LAYOUT_UNDER_DAY:
    case LAYOUT_ZERO_DAY:
    case LAYOUT_UNDER_YEAR_DAY:
    case LAYOUT_ZERO_YEAR_DAY:
        return take_day(p, piece->kind);
    case LAYOUT_HOUR:
        return take_pair(&p->in, false, &p->hour) && p->hour <= 23;
    case LAYOUT_HOUR12:
    case LAYOUT_ZERO_HOUR12:
        return take_pair(&p->in, piece->kind == LAYOUT_ZERO_HOUR12, &p->hour) && p->hour <= 12;
    case LAYOUT_MINUTE:
    case LAYOUT_ZERO_MINUTE:
        return take_pair(&p->in, piece->kind == LAYOUT_ZERO_MINUTE, &p->minute) && p->minute <= 59;
    case LAYOUT_SECOND:
    case LAYOUT_ZERO_SECOND:
        return take_second(p, piece->kind == LAYOUT_ZERO_SECOND, layout);
    case LAYOUT_PM:
    case LAYOUT_LOWER_PM:
        return take_half(p, piece->kind == LAYOUT_LOWER_PM);
    case LAYOUT_ZONE_NAME:
        return take_zone_name(p);
    case LAYOUT_FRACTION:
        return take_fraction(&p->in, piece->digits, &p->ns);
    case LAYOUT_FRACTION_TRIMMED:
        return fraction_digits(p->in) == 0 || (p->in.ptr[0] != '.' && p->in.ptr[0] != ',') ||
               take_fraction(&p->in, fraction_digits(p->in), &p->ns);
    default:
        return take_offset(p, piece->kind);
    }
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of(int month, int64_t year)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* The day of the year must be of the year, and agree with month and day. */
static bool use_year_day(struct date_parser *p)
{
    int day = p->year_day, month = 1;

    if (day == 0)
        return true;
    for (; month <= 12 && day > days_of(month, p->year); month++)
        day -= days_of(month, p->year);
    if (month > 12 || (p->month != 0 && p->month != month) || (p->day != 0 && p->day != day))
        return false;
    p->month = month;
    p->day = day;
    return true;
}

/* What the fields say, as the clock shows it. */
static bool clock_seconds(struct date_parser *p, int64_t *ret)
{
    if (p->pm && p->hour < 12)
        p->hour += 12;
    else if (p->am && p->hour == 12)
        p->hour = 0;
    if (!use_year_day(p))
        return false;
    p->month = MAX_OF(p->month, 1);
    p->day = MAX_OF(p->day, 1);
    if (p->day > days_of(p->month, p->year))
        return false;
    struct tm tm = {.tm_year = (int)p->year - 1900,
                    .tm_mon = p->month - 1,
                    .tm_mday = p->day,
                    .tm_hour = p->hour,
                    .tm_min = p->minute,
                    .tm_sec = p->second};
    *ret = (int64_t)timegm(&tm);
    return true;
}

/* With an offset or the name of a zone in the text. */
static const struct template_time *make_with_zone(struct arena *a, const struct date_parser *p,
                                                  int64_t clock, const struct template_zone *z)
{
    struct template_time *t = arena_new(a, struct template_time, 1);
    struct zone_offset o = template_zone_at(z, clock - p->offset_s);

    if (t == NULL)
        return NULL;
    bool is_here = o.seconds == p->offset_s &&
                   (p->zone.len == 0 || !p->has_offset || str_eq(p->zone, str_from(o.name)));
    struct str name = p->has_offset && is_here ? str_from(o.name) : p->zone;
    *t = (struct template_time){clock - p->offset_s, p->ns, p->offset_s, arena_str(a, name)};
    return t->zone.ptr == NULL ? NULL : t;
}

static const struct template_time *make_time(struct arena *a, const struct date_parser *p,
                                             int64_t clock, const struct template_zone *z)
{
    struct zone_offset o = template_zone_at_clock(z, clock);

    if (p->has_offset || (p->zone.len > 0 && !str_eq(p->zone, str_from(o.name))))
        return make_with_zone(a, p, clock, z);
    return template_time_make(a, clock - o.seconds, p->ns, z);
}

const struct template_time *template_date_parse(struct arena *a, struct str layout, struct str text,
                                                const struct template_zone *z)
{
    static const struct template_zone utc = {.kind = ZONE_UTC};
    struct date_parser p = {.in = text};
    bool more = true, good = true;
    int64_t clock;

    while (more && good) {
        struct layout_piece piece = layout_next(&layout);
        more = piece.kind != LAYOUT_END;
        good = skip_text(&p.in, piece.before) && take_piece(&p, &piece, layout);
    }
    if (!good || p.in.len > 0 || !clock_seconds(&p, &clock))
        return template_time_make(a, TEMPLATE_TIME_ZERO_SECONDS, 0, &utc);
    return make_time(a, &p, clock, z);
}

#include "server/http/params.h"

#include <math.h>

#include "base/num.h"
#include "base/time.h"
#include "base/utf8.h"

#include "base/banned.h"

enum {
    PARAMS_MAX = 10000,
    SECONDS_DIGITS_MAX = 10, /* a longer integer is nanoseconds */
    POINTS_MAX = 11000,
    POINTS_WANTED = 250, /* by a step that is not given */
    LIMIT_DEFAULT = 100,
};

/* ---- decoding ---- */

static int hex_value(char c)
{
    char low = (char)(c | 0x20);

    if (c >= '0' && c <= '9')
        return c - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static enum status decode(struct arena *a, struct str text, bool plus_is_blank, struct str *ret,
                          struct err *err)
{
    char *to = arena_bytes(a, text.len + 1);
    size_t len = 0;

    if (to == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 1 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return err_set(err, ST_INVALID, "invalid URL escape \"%.*s\"",
                               STR_ARG(str_head(str_cut(text, i), 3)));
            c = (char)(unsigned char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        to[len++] = c;
    }
    *ret = str_make(to, len);
    return ST_OK;
}

enum status path_decode(struct arena *a, struct str text, struct str *ret, struct err *err)
{
    return decode(a, text, false, ret, err);
}

static enum status add_pair(struct params *p, struct arena *a, struct str pair, struct err *err)
{
    size_t equals = str_find_char(pair, '=');
    struct str value = equals == STR_NPOS ? STR("") : str_cut(pair, equals + 1);
    struct param param;

    if (str_find_char(pair, ';') != STR_NPOS)
        return err_set(err, ST_INVALID, "invalid semicolon separator in query");
    enum status st = decode(a, str_head(pair, MIN_OF(equals, pair.len)), true, &param.name, err);
    if (st == ST_OK)
        st = decode(a, value, true, &param.value, err);
    if (st != ST_OK)
        return st;
    if (p->count == PARAMS_MAX)
        return err_set(err, ST_INVALID, "more than %d parameters", PARAMS_MAX);
    struct param *items = arena_reserve(a, p->items, p->count, &p->capacity, sizeof(*p->items));
    if (items == NULL)
        return arena_status(a, err);
    p->items = items;
    p->items[p->count++] = param;
    return ST_OK;
}

enum status params_add(struct params *p, struct arena *a, struct str text, struct err *err)
{
    enum status first = ST_OK;
    struct str pair;

    while (str_split(&text, '&', &pair)) {
        if (pair.len == 0)
            continue;
        enum status st = add_pair(p, a, pair, first == ST_OK ? err : NULL);
        first = first == ST_OK ? st : first;
    }
    return first;
}

bool params_next(const struct params *p, struct str name, size_t *cursor, struct str *ret_value)
{
    while (*cursor < p->count) {
        const struct param *param = &p->items[(*cursor)++];
        if (str_eq(param->name, name)) {
            *ret_value = param->value;
            return true;
        }
    }
    return false;
}

struct str params_get(const struct params *p, struct str name)
{
    struct str value = STR("");
    size_t cursor = 0;

    return params_next(p, name, &cursor, &value) ? value : STR("");
}

/* ---- times ---- */

/* Refuse a value with a text around it, quoted as Go does. */
static enum status refuse(const char *before, struct str value, const char *behind, struct err *err)
{
    struct buf quoted;

    buf_init(&quoted, ERR_TEXT_BYTES);
    utf8_put_quoted(&quoted, value);
    err_set(err, ST_INVALID, "%s%.*s%s", before, STR_ARG(buf_str(&quoted)), behind);
    buf_release(&quoted);
    return ST_INVALID;
}

/* The text of Go's strconv for what num_parse_i64() answered with `st`; `before` names it. */
static enum status not_an_integer(const char *before, struct str text, enum status st,
                                  struct err *err)
{
    return refuse(before, text, st == ST_LIMIT ? ": value out of range" : ": invalid syntax", err);
}

static enum status seconds_to_ns(double seconds, int64_t *ret_ns)
{
    double ms = round(seconds * 1000);

    if (!(fabs(ms) < 9.2e12))
        return ST_LIMIT;
    *ret_ns = (int64_t)ms * MS_NS;
    return ST_OK;
}

enum status params_time(struct str text, int64_t standard_ns, int64_t *ret_ns, struct err *err)
{
    double seconds;
    int64_t number, ns;

    if (text.len == 0) {
        *ret_ns = standard_ns;
        return ST_OK;
    }
    if (str_find_char(text, '.') != STR_NPOS && num_parse_double(text, &seconds) == ST_OK)
        return seconds_to_ns(seconds, ret_ns) == ST_OK
                   ? ST_OK
                   : err_set(err, ST_INVALID, "time %.*s is out of range", STR_ARG(text));
    enum status st = num_parse_i64(text, &number);
    if (st != ST_OK)
        return time_parse(text, ret_ns) == ST_OK
                   ? ST_OK
                   : not_an_integer("strconv.ParseInt: parsing ", text, st, err);
    if (text.len > SECONDS_DIGITS_MAX)
        ns = number;
    else if (!i64_mul(number, SECOND_NS, &ns))
        return err_set(err, ST_INVALID, "time %.*s is out of range", STR_ARG(text));
    *ret_ns = ns;
    return ST_OK;
}

static enum status named_time(const struct params *p, const char *name, int64_t standard_ns,
                              int64_t *ret_ns, struct err *err)
{
    enum status st = params_time(params_get(p, str_from(name)), standard_ns, ret_ns, err);

    return st == ST_OK ? ST_OK : err_prefix(err, st, "could not parse '%s' parameter", name);
}

enum status params_bounds(const struct params *p, int64_t now_ns, int64_t *ret_start_ns,
                          int64_t *ret_end_ns, struct err *err)
{
    struct str since = params_get(p, STR("since"));
    int64_t since_ns = HOUR_NS, start_ns, end_ns, standard_ns;

    enum status st = named_time(p, "end", now_ns, &end_ns, err);
    if (st != ST_OK)
        return st;
    if (since.len > 0) {
        st = duration_parse_prometheus(since, &since_ns, err);
        if (st != ST_OK)
            return err_prefix(err, ST_INVALID, "could not parse 'since' parameter");
    }
    if (!i64_sub(MIN_OF(end_ns, now_ns), since_ns, &standard_ns))
        standard_ns = INT64_MIN;
    st = named_time(p, "start", standard_ns, &start_ns, err);
    if (st != ST_OK)
        return st;
    *ret_start_ns = start_ns;
    *ret_end_ns = end_ns;
    return ST_OK;
}

/* ---- steps, limits, directions ---- */

/* Seconds as a float, or a Prometheus duration. */
static enum status parse_step(struct str text, int64_t *ret_ns, struct err *err)
{
    double seconds;

    if (num_parse_double(text, &seconds) == ST_OK) {
        if (!(fabs(seconds) < 9.2e9))
            return refuse("cannot parse ", text, " to a valid duration. It overflows int64", err);
        *ret_ns = (int64_t)(seconds * (double)SECOND_NS);
        return ST_OK;
    }
    if (duration_parse_prometheus(text, ret_ns, NULL) == ST_OK)
        return ST_OK;
    return refuse("cannot parse ", text, " to a valid duration", err);
}

enum status params_limit(struct str text, uint64_t standard, uint64_t *ret_limit, struct err *err)
{
    int64_t limit;

    if (text.len == 0) {
        *ret_limit = standard;
        return ST_OK;
    }
    enum status st = num_parse_i64(text, &limit);
    if (st != ST_OK)
        return not_an_integer("strconv.Atoi: parsing ", text, st, err);
    if (limit > UINT32_MAX)
        return err_set(err, ST_INVALID, "limit value %lld is out of range [0, 4294967295]",
                       (long long)limit);
    if (limit <= 0)
        return err_set(err, ST_INVALID, "limit must be a positive value");
    *ret_limit = (uint64_t)limit;
    return ST_OK;
}

static enum status parse_limit(const struct params *p, uint64_t *ret_limit, struct err *err)
{
    return params_limit(params_get(p, STR("limit")), LIMIT_DEFAULT, ret_limit, err);
}

static enum status parse_direction(const struct params *p, bool *ret_backward, struct err *err)
{
    struct str text = params_get(p, STR("direction"));

    if (text.len > 0 && !str_eq_nocase(text, STR("backward")) &&
        !str_eq_nocase(text, STR("forward")))
        return err_set(err, ST_INVALID, "invalid direction '%.*s'", STR_ARG(text));
    *ret_backward = !str_eq_nocase(text, STR("forward"));
    return ST_OK;
}

enum status params_step(const struct params *p, int64_t start_ns, int64_t end_ns,
                        int64_t *ret_step_ns, struct err *err)
{
    struct str text = params_get(p, STR("step"));
    int64_t length_ns, step_ns;

    if (!i64_sub(end_ns, start_ns, &length_ns))
        length_ns = INT64_MAX;
    step_ns = MAX_OF(length_ns / SECOND_NS / POINTS_WANTED, 1) * SECOND_NS;
    enum status st = text.len > 0 ? parse_step(text, &step_ns, err) : ST_OK;
    if (st != ST_OK)
        return st;
    if (step_ns <= 0)
        return err_set(err, ST_INVALID,
                       "zero or negative query resolution step widths are not accepted. Try a "
                       "positive integer");
    if (length_ns / step_ns > POINTS_MAX)
        return err_set(err, ST_INVALID,
                       "exceeded maximum resolution of 11,000 points per time series. Try "
                       "increasing the value of the step parameter");
    *ret_step_ns = step_ns;
    return ST_OK;
}

static enum status parse_steps(const struct params *p, struct range_params *r, struct err *err)
{
    struct str interval = params_get(p, STR("interval"));

    enum status st = params_step(p, r->start_ns, r->end_ns, &r->step_ns, err);
    if (st == ST_OK && interval.len > 0)
        st = parse_step(interval, &r->interval_ns, err);
    if (st == ST_OK && r->interval_ns < 0)
        st = err_set(err, ST_INVALID, "interval must be >= 0");
    return st;
}

enum status params_range(const struct params *p, int64_t now_ns, struct range_params *ret_range,
                         struct err *err)
{
    struct range_params r = {0};

    enum status st = params_bounds(p, now_ns, &r.start_ns, &r.end_ns, err);
    if (st == ST_OK && r.end_ns < r.start_ns)
        st = err_set(err, ST_INVALID, "end timestamp must not be before or equal to start time");
    if (st == ST_OK)
        st = parse_limit(p, &r.limit, err);
    if (st == ST_OK)
        st = parse_direction(p, &r.backward, err);
    if (st == ST_OK)
        st = parse_steps(p, &r, err);
    if (st == ST_OK)
        *ret_range = r;
    return st;
}

enum status params_instant(const struct params *p, int64_t now_ns, struct range_params *ret_range,
                           struct err *err)
{
    struct range_params r = {.step_ns = SECOND_NS};

    enum status st = params_time(params_get(p, STR("time")), now_ns, &r.end_ns, err);
    if (st == ST_OK)
        st = parse_limit(p, &r.limit, err);
    if (st == ST_OK)
        st = parse_direction(p, &r.backward, err);
    if (st != ST_OK)
        return st;
    r.start_ns = r.end_ns;
    *ret_range = r;
    return ST_OK;
}

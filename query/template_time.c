/*
 * Functions of times. A time is shown in the zone of the server, unless its text named another.
 */
#include "base/num.h"
#include "base/time.h"
#include "base/utf8.h"
#include "query/template_call.h"
#include "query/template_date.h"

#include "base/banned.h"

#define DAY_SECONDS INT64_C(86400)

static const struct template_zone local = {.kind = ZONE_LOCAL};

static enum status return_time(struct template_call *c, const struct template_time *t,
                               struct template_value *ret)
{
    if (t == NULL)
        return arena_status(c->arena, c->err);
    *ret = (struct template_value){.kind = VALUE_TIME, .time = t};
    return ST_OK;
}

/* `count` units, of which `unit` make a second. */
static enum status return_local(struct template_call *c, int64_t count, int64_t unit,
                                struct template_value *ret)
{
    int64_t whole = count / unit - (count % unit < 0);
    int64_t rest = count - whole * unit;

    return return_time(
        c, template_time_make(c->arena, whole, (int32_t)(rest * (SECOND_NS / unit)), &local), ret);
}

enum status fn_timestamp(struct template_call *c, struct template_value *ret)
{
    return return_local(c, c->data->ts_ns, SECOND_NS, ret);
}

enum status fn_now(struct template_call *c, struct template_value *ret)
{
    return return_local(c, time_now_ns(), SECOND_NS, ret);
}

/* What is neither a time nor seconds is now. */
enum status fn_date(struct template_call *c, struct template_value *ret)
{
    const struct template_value *v = &c->args.items[1];
    int64_t now_ns = time_now_ns();
    int64_t seconds = now_ns / SECOND_NS;
    int32_t ns = (int32_t)(now_ns % SECOND_NS);

    if (v->kind == VALUE_TIME) {
        seconds = v->time->seconds;
        ns = v->time->ns;
    } else if (v->kind == VALUE_INT || v->kind == VALUE_INT64) {
        seconds = v->integer;
        ns = 0;
    }
    const struct template_time *t = template_time_make(c->arena, seconds, ns, &local);
    if (t == NULL)
        return arena_status(c->arena, c->err);
    template_date_put(c->text, template_call_str(c, 0), t);
    return template_call_return_text(c, ret);
}

enum status fn_to_date(struct template_call *c, struct template_value *ret)
{
    return return_time(
        c, template_date_parse(c->arena, template_call_str(c, 0), template_call_str(c, 1), &local),
        ret);
}

/* Opening a file is work. */
enum status fn_to_date_in_zone(struct template_call *c, struct template_value *ret)
{
    enum { OPEN_UNITS = 1024 };
    struct template_zone zone;

    if (!template_work_spend(c->work, OPEN_UNITS))
        return template_call_refuse_work(c);
    (void)template_zone_open(&zone, template_call_str(c, 1)); /* an unknown one is UTC */
    const struct template_time *t =
        template_date_parse(c->arena, template_call_str(c, 0), template_call_str(c, 2), &zone);
    template_zone_close(&zone);
    return return_time(c, t, ret);
}

/* ---- Unix time ---- */

static enum status refuse_epoch(struct template_call *c, struct str text, const char *reason)
{
    return err_set(c->err, ST_INVALID, "unable to parse time '%.*s': %s", STR_ARG(text), reason);
}

static enum status refuse_epoch_number(struct template_call *c, struct str text, const char *reason)
{
    struct buf b;

    buf_init(&b, ERR_TEXT_BYTES);
    buf_put(&b, STR("strconv.ParseInt: parsing "));
    utf8_put_quoted(&b, text);
    buf_printf(&b, ": %s", reason);
    buf_put_char(&b, '\0');
    enum status st = refuse_epoch(c, text, b.failed ? reason : b.ptr);
    buf_release(&b);
    return st;
}

/* The length of the text tells the unit. */
enum status fn_unix_to_time(struct template_call *c, struct template_value *ret)
{
    struct str text = template_call_str(c, 0);
    int64_t v;

    enum status st = num_parse_i64(text, &v);
    if (st != ST_OK)
        return refuse_epoch_number(c, text,
                                   st == ST_LIMIT ? "value out of range" : "invalid syntax");
    switch (text.len) {
    case 5:
        return return_local(c, v * DAY_SECONDS, 1, ret);
    case 10:
        return return_local(c, v, 1, ret);
    case 13:
        return return_local(c, v, SECOND_NS / MS_NS, ret);
    case 16:
        return return_local(c, v, SECOND_NS / US_NS, ret);
    case 19:
        return return_local(c, v, SECOND_NS, ret);
    default:
        return refuse_epoch(c, text, "%!w(<nil>)");
    }
}

/* In units of which so many make a second, as a string; what does not fit wraps around. */
static enum status return_epoch(struct template_call *c, int64_t unit, struct template_value *ret)
{
    const struct template_time *t = c->args.items[0].time;
    uint64_t v =
        (uint64_t)t->seconds * (uint64_t)unit + (uint64_t)t->ns / (uint64_t)(SECOND_NS / unit);

    buf_put_i64(c->text, (int64_t)v);
    return template_call_return_text(c, ret);
}

enum status fn_unix_epoch(struct template_call *c, struct template_value *ret)
{
    return return_epoch(c, 1, ret);
}

enum status fn_unix_epoch_millis(struct template_call *c, struct template_value *ret)
{
    return return_epoch(c, SECOND_NS / MS_NS, ret);
}

enum status fn_unix_epoch_nanos(struct template_call *c, struct template_value *ret)
{
    return return_epoch(c, SECOND_NS, ret);
}

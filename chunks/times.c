/*
 * Clocks tick. Most stamps were rounded to micro- or milliseconds on their way; others come from a
 * coarse clock whose tick is no round number (a kernel's jiffies after the correction of NTP, a
 * timer that fires every so often). So a difference of times is written as a number of ticks, and,
 * where the tick is not exact, as the nanoseconds that are left. Both go into packed integers,
 * which need no codec.
 */
#include "chunks/times.h"

#include "chunks/ints.h"

#include "base/banned.h"

enum {
    FORM_EXACT = 0, /* of the first byte */
    FORM_ABOUT = 1,
    TICK_SHIFT = 16,    /* an inexact tick counts 1/65536 ns */
    NEAR_PARTS = 4,     /* nearer than this part of a tick is a tick */
    SAFE_BITS = 56,     /* the sum of a run of steps with no more does not wrap around */
    STEP_BITS_MAX = 46, /* of a step that is looked at for inexact ticks: it is shifted */
};

/* ---- writing ---- */

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The largest tick of which every step is a multiple. */
static uint64_t exact_tick(const uint64_t *steps, size_t count)
{
    uint64_t tick = 0;

    for (size_t i = 0; i < count && tick != 1; i++)
        tick = greatest_divisor(steps[i], tick);
    return MAX_OF(tick, 1);
}

/* How many ticks a step has, rounded. `tick` is in 1/65536 of the unit of `step`. */
static uint64_t ticks_of(uint64_t step, uint64_t tick)
{
    return ((step << TICK_SHIFT) + tick / 2) / tick;
}

static uint64_t mean_tick(uint64_t sum, uint64_t ticks)
{
    return (uint64_t)((double)sum / (double)ticks * (1 << TICK_SHIFT));
}

/*
 * The tick of which every step is nearly a multiple, shifted by TICK_SHIFT; 0 when there is none.
 * The shortest step is the first guess, and each step that comes makes it better.
 */
static uint64_t near_tick(const uint64_t *steps, size_t count)
{
    uint64_t shortest = UINT64_MAX, ticks = 1;

    for (size_t i = 0; i < count; i++) {
        if (steps[i] > 0)
            shortest = MIN_OF(shortest, steps[i]);
        if (steps[i] >> STEP_BITS_MAX != 0)
            return 0;
    }
    if (shortest < NEAR_PARTS || shortest == UINT64_MAX)
        return 0;
    uint64_t sum = shortest;
    for (size_t i = 0; i < count; i++) {
        uint64_t tick = mean_tick(sum, ticks);
        uint64_t n = ticks_of(steps[i], tick);
        uint64_t near = n * tick >> TICK_SHIFT;
        if (MAX_OF(near, steps[i]) - MIN_OF(near, steps[i]) > shortest / NEAR_PARTS)
            return 0;
        sum += steps[i];
        ticks += n;
    }
    return mean_tick(sum, ticks);
}

/* What the ticks of a step are short of it, perhaps below zero. */
static int64_t rest_of(uint64_t step, uint64_t tick)
{
    return (int64_t)step - (int64_t)(ticks_of(step, tick) * tick >> TICK_SHIFT);
}

static void put_about(struct buf *out, const uint64_t *steps, size_t count, uint64_t tick)
{
    uint64_t ticks[INTS_RUN], rests[INTS_RUN];
    int64_t least = 0;

    for (size_t i = 0; i < count; i++)
        least = MIN_OF(least, rest_of(steps[i], tick));
    buf_put_uvarint(out, tick);
    buf_put_uvarint(out, (uint64_t)-least);
    for (size_t i = 0; i < count; i += INTS_RUN) {
        size_t run = MIN_OF(count - i, (size_t)INTS_RUN);
        for (size_t n = 0; n < run; n++) {
            ticks[n] = ticks_of(steps[i + n], tick);
            rests[n] = (uint64_t)(rest_of(steps[i + n], tick) - least);
        }
        ints_put_run(out, ticks, run);
        ints_put_run(out, rests, run);
    }
}

void times_put(struct buf *out, uint64_t *steps, size_t count)
{
    uint64_t scale = exact_tick(steps, count);

    for (size_t i = 0; i < count && scale > 1; i++)
        steps[i] /= scale;
    uint64_t tick = near_tick(steps, count);
    buf_put_u8(out, tick == 0 ? FORM_EXACT : FORM_ABOUT);
    buf_put_uvarint(out, scale);
    if (tick == 0)
        ints_put(out, steps, count);
    else
        put_about(out, steps, count, tick);
}

/* ---- reading ---- */

struct form {
    uint64_t scale;
    uint64_t tick; /* 0: every step is a multiple of the scale */
    uint64_t bias;
};

static bool get_form(struct str *in, struct form *ret_form)
{
    uint8_t form;

    *ret_form = (struct form){0};
    if (!get_u8(in, &form) || form > FORM_ABOUT || !get_uvarint(in, &ret_form->scale))
        return false;
    return form == FORM_EXACT || (get_uvarint(in, &ret_form->tick) && ret_form->tick > 0 &&
                                  get_uvarint(in, &ret_form->bias));
}

/*
 * The next run of times: `to` has room for `count` and follows upon a time that is known. Returns
 * all bits that are set in any step.
 */
static uint64_t add_exact(const uint64_t *ticks, struct form f, size_t count, int64_t *to)
{
    uint64_t now = (uint64_t)to[-1], bits = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t step = ticks[i] * f.scale;
        bits |= step;
        now += step;
        to[i] = (int64_t)now;
    }
    return bits;
}

static uint64_t add_about(const uint64_t *ticks, const uint64_t *rests, struct form f, size_t count,
                          int64_t *to)
{
    uint64_t now = (uint64_t)to[-1], bits = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t step = ((ticks[i] * f.tick >> TICK_SHIFT) + rests[i] - f.bias) * f.scale;
        bits |= step;
        now += step;
        to[i] = (int64_t)now;
    }
    return bits;
}

/* Do `count` times, made of steps that have no other bits than `bits`, ascend from the one before?
 */
static bool ascends(const int64_t *to, size_t count, uint64_t bits)
{
    _Static_assert(INTS_RUN <= 1 << (64 - 1 - SAFE_BITS),
                   "a run of safe steps does not wrap round");
    if (bits >> SAFE_BITS == 0)
        return to[count - 1] >= to[-1];
    for (size_t i = 0; i < count; i++) {
        if (to[i] < *(to + i - 1))
            return false;
    }
    return true;
}

bool times_get(struct str in, int64_t min_ns, size_t count, int64_t *ts_ns)
{
    uint64_t ticks[INTS_RUN], rests[INTS_RUN], bits;
    struct form form;

    ASSERT(count > 0);
    if (!get_form(&in, &form))
        return false;
    ts_ns[0] = min_ns;
    for (size_t i = 1; i < count; i += INTS_RUN) {
        size_t run = MIN_OF(count - i, (size_t)INTS_RUN);
        if (!ints_get_run(&in, run, ticks))
            return false;
        if (form.tick == 0) {
            bits = add_exact(ticks, form, run, ts_ns + i);
        } else {
            if (!ints_get_run(&in, run, rests))
                return false;
            bits = add_about(ticks, rests, form, run, ts_ns + i);
        }
        if (!ascends(ts_ns + i, run, bits))
            return false;
    }
    return in.len == 0;
}

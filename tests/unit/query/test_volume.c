#include "query/volume_series.h"

#include <inttypes.h>

#include <criterion/criterion.h>

#include "base/time.h"
#include "query/parser.h"
#include "tests/support/array_source.h"
#include "tests/support/expect.h"

enum { ARENA_BYTES = 16 * 1024 * 1024, TEXT_BYTES = 65536 };

static const struct label stream_a[] = {{STR_INIT("app"), STR_INIT("a")},
                                        {STR_INIT("env"), STR_INIT("prod")}};
static const struct label stream_b[] = {{STR_INIT("app"), STR_INIT("b")}};
static const struct label level_info[] = {{STR_INIT("level"), STR_INIT("info!")}}; /* 10 bytes */

#define A           \
    {               \
        stream_a, 2 \
    }
#define B           \
    {               \
        stream_b, 1 \
    }
#define NONE    \
    {           \
        NULL, 0 \
    }

static const struct array_entry entries[] = {
    {A, {1 * MS_NS, STR_INIT("1"), NONE}},
    {A, {3 * MS_NS, STR_INIT("333"), {level_info, 1}}},
    {A, {6 * MS_NS, STR_INIT("666666"), {level_info, 1}}},
    {B, {3 * MS_NS, STR_INIT("3333333333"), NONE}},
    {B, {9 * MS_NS, STR_INIT("99999999999999999999"), NONE}},
};

struct fixture {
    struct arena arena;
    struct query_context q;
    struct array_source source;
    struct volume_request request;
};

static void set_up(struct fixture *f, const char *selector)
{
    struct matcher *matchers = NULL;
    size_t count = 0;

    *f = (struct fixture){0};
    arena_init(&f->arena, ARENA_BYTES);
    f->q = (struct query_context){.arena = &f->arena, .deadline_ns = INT64_MAX};
    array_source_init(&f->source, entries, COUNT_OF(entries));
    REQUIRE_OK(logql_parse_any_selector(&f->arena, str_from(selector), &matchers, &count, NULL));
    f->request = (struct volume_request){
        .source = &f->source.source,
        .q = &f->q,
        .matchers = {matchers, count},
        .end_ns = 100 * MS_NS,
    };
}

static const struct count_case {
    const char *name;
    const char *selector;
    int64_t start_ms, end_ms;
    size_t run_entries;
    bool no_totals;
    struct volume_counts want;
} count_cases[] = {
    {"everything", "{}", 0, 10, 100, false, {2, 2, 5, 50}},
    {"more runs", "{}", 0, 10, 2, false, {2, 3, 5, 50}},
    {"heads", "{}", 0, 10, 2, true, {2, 3, 5, 50}},
    {"a part of a run", "{app=\"a\"}", 2, 10, 100, false, {1, 1, 2, 19}},
    {"the end is exclusive", "{app=\"a\"}", 0, 6, 100, false, {1, 1, 2, 9}},
    {"nothing in a hole", "{}", 4, 5, 100, false, {0, 0, 0, 0}},
    {"no such stream", "{app=\"c\"}", 0, 10, 100, false, {0, 0, 0, 0}},
    {"an empty range", "{}", 3, 3, 100, false, {0, 0, 0, 0}},
};

Test(volume, counts)
{
    for (size_t i = 0; i < COUNT_OF(count_cases); i++) {
        const struct count_case *c = &count_cases[i];
        struct volume_counts got = {0};
        struct fixture f;

        set_up(&f, c->selector);
        f.source.run_entries = c->run_entries;
        f.source.no_totals = c->no_totals;
        f.request.start_ns = c->start_ms * MS_NS;
        f.request.end_ns = c->end_ms * MS_NS;
        EXPECT_STATUS(c->name, volume_count(&f.request, &got, NULL), ST_OK);
        cr_expect_eq(got.streams, c->want.streams, "%s: %" PRIu64 " streams", c->name, got.streams);
        cr_expect_eq(got.chunks, c->want.chunks, "%s: %" PRIu64 " chunks", c->name, got.chunks);
        cr_expect_eq(got.entries, c->want.entries, "%s: %" PRIu64 " entries", c->name, got.entries);
        cr_expect_eq(got.bytes, c->want.bytes, "%s: %" PRIu64 " bytes", c->name, got.bytes);
        arena_release(&f.arena);
    }
}

Test(volume, reads_nothing_of_whole_runs)
{
    struct volume_counts got;
    struct fixture f;

    set_up(&f, "{}");
    REQUIRE_OK(volume_count(&f.request, &got, NULL));
    cr_expect_eq(f.source.blocks_loaded, 0);
    f.request.start_ns = 2 * MS_NS; /* cuts the run of `a` only */
    REQUIRE_OK(volume_count(&f.request, &got, NULL));
    cr_expect_eq(f.source.blocks_loaded, 1);
    arena_release(&f.arena);
}

Test(volume, damage_is_left_out_and_counted)
{
    struct volume_counts got = {0};
    struct fixture f;

    set_up(&f, "{}");
    f.source.no_totals = true;
    f.source.damaged_block = 1;
    REQUIRE_OK(volume_count(&f.request, &got, NULL));
    cr_expect_eq(got.entries, 2);
    cr_expect_eq(f.q.stats.corrupt_blocks, 1);
    arena_release(&f.arena);
}

Test(volume, ends_at_its_deadline)
{
    struct volume_counts got;
    struct fixture f;

    set_up(&f, "{}");
    f.q.deadline_ns = time_mono_ns() - 1;
    EXPECT_STATUS("late", volume_count(&f.request, &got, NULL), ST_TIMEOUT);
    arena_release(&f.arena);
}

static struct str app_name[] = {STR_INIT("app")};
static struct str env_name[] = {STR_INIT("env")};

static const struct series_case {
    const char *name;
    struct volume_series series;
    int64_t step_ms;
    enum status want_status;
    const char *want; /* a line for each series: labels, then time in ms and value */
} series_cases[] = {
    {"all labels",
     {.all_names = true},
     0,
     ST_OK,
     "{app=\"b\"} 100=30\n{app=\"a\", env=\"prod\"} 100=20\n"},
    {"by app", {.names = {app_name, 1}}, 0, ST_OK, "{app=\"b\"} 100=30\n{app=\"a\"} 100=20\n"},
    {"some lack the label",
     {.names = {env_name, 1}},
     0,
     ST_OK,
     "{} 100=30\n{env=\"prod\"} 100=20\n"},
    {"those are left out",
     {.names = {env_name, 1}, .need_all = true},
     0,
     ST_OK,
     "{env=\"prod\"} 100=20\n"},
    {"by name",
     {.all_names = true, .by_name = true},
     0,
     ST_OK,
     "{app=\"\"} 100=50\n{env=\"\"} 100=20\n"},
    {"the largest", {.names = {app_name, 1}, .limit = 1}, 0, ST_OK, "{app=\"b\"} 100=30\n"},
    {"too many", {.names = {app_name, 1}, .series_max = 1}, 0, ST_INVALID, ""},
    {"steps", {.names = {app_name, 1}}, 5, ST_OK, "{app=\"b\"} 4=10 9=20\n{app=\"a\"} 4=9 9=11\n"},
};

Test(volume, series)
{
    for (size_t i = 0; i < COUNT_OF(series_cases); i++) {
        const struct series_case *c = &series_cases[i];
        struct volume_series wanted = c->series;
        struct result result = {0};
        struct fixture f;
        struct buf text;

        set_up(&f, "{}");
        buf_init(&text, TEXT_BYTES);
        wanted.request = f.request;
        wanted.request.step_ns = c->step_ms * MS_NS;
        wanted.limit = wanted.limit == 0 ? 10 : wanted.limit;
        EXPECT_STATUS(c->name, volume_series(&wanted, &result, NULL), c->want_status);
        for (size_t j = 0; j < result.series_count; j++) {
            labels_put_text(&text, result.series[j].labels);
            for (size_t k = 0; k < result.series[j].count; k++)
                buf_printf(&text, " %" PRId64 "=%.0f", result.series[j].samples[k].ts_ns / MS_NS,
                           result.series[j].samples[k].value);
            buf_put_char(&text, '\n');
        }
        EXPECT_STR(c->name, buf_str(&text), str_from(c->want));
        if (c->want_status == ST_OK)
            cr_expect_eq(result.kind, c->step_ms > 0 ? RESULT_MATRIX : RESULT_VECTOR);
        buf_release(&text);
        arena_release(&f.arena);
    }
}

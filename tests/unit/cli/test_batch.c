#include "cli/batch.h"

#include <criterion/criterion.h>

#include "proto/push.h"

static const struct label metadata[] = {{STR_INIT("host"), STR_INIT("h1")},
                                        {STR_INIT("zone"), STR_INIT("")}};

/* Decode what was packed, as the server does. */
static struct push_request unpack(struct arena *a, struct batch *b)
{
    const struct push_spec spec = {.format = PUSH_PROTOBUF, .decompressed_bytes_max = 1 << 20};
    struct push_request request = {0};
    struct str body;
    struct err err;

    cr_assert_eq(batch_pack(b, &body, &err), ST_OK, "%s", err.text);
    cr_assert_eq(push_decode(a, &spec, body, &request, &err), ST_OK, "%s", err.text);
    cr_assert_eq(request.stream_count, 1);
    return request;
}

static void add(struct batch *b, struct str line, int64_t now_ns)
{
    struct err err;

    cr_assert_eq(batch_add(b, line, now_ns, &err), ST_OK, "%s", err.text);
}

Test(cli_batch, server_decodes_what_was_packed)
{
    static const struct str lines[] = {STR_INIT("first"), STR_INIT(""),
                                       STR_INIT("zero \0 and \xff byte"), STR_INIT("first")};
    struct arena a;
    struct batch b;

    arena_init(&a, 1 << 20);
    batch_init(&b, STR("{app=\"x\", env=\"y\"}"), (struct labels){metadata, 2});
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        add(&b, lines[i], 1000);
    struct push_request r = unpack(&a, &b);

    cr_expect(str_eq(labels_get(r.streams[0].labels, STR("env")), STR("y")));
    cr_assert_eq(r.streams[0].entry_count, COUNT_OF(lines));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const struct entry *e = &r.streams[0].entries[i];
        cr_expect(str_eq(e->line, lines[i]), "line %zu", i);
        cr_expect_eq(e->ts_ns, 1000 + (int64_t)i, "line %zu: %lld", i, (long long)e->ts_ns);
        cr_assert_eq(e->metadata.count, 2);
        cr_expect(str_eq(e->metadata.pairs[0].value, STR("h1")));
    }
    batch_release(&b);
    arena_release(&a);
}

Test(cli_batch, times_rise_over_batches)
{
    struct arena a;
    struct batch b;

    arena_init(&a, 1 << 20);
    batch_init(&b, STR("{a=\"b\"}"), (struct labels){NULL, 0});
    add(&b, STR("one"), 5000000000);
    add(&b, STR("two"), 5000000000);
    batch_reset(&b);
    cr_expect_eq(b.count, 0);
    cr_expect_eq(b.bytes, 0);
    add(&b, STR("the clock went back"), 4000000000);
    add(&b, STR("and on"), 6000000000);
    struct push_request r = unpack(&a, &b);
    cr_expect_eq(r.streams[0].entries[0].ts_ns, 5000000002);
    cr_expect_eq(r.streams[0].entries[1].ts_ns, 6000000000);
    batch_release(&b);
    arena_release(&a);
}

Test(cli_batch, empty_lines_count)
{
    struct batch b;

    batch_init(&b, STR("{a=\"b\"}"), (struct labels){NULL, 0});
    cr_expect_gt(batch_line_bytes(&b, STR("")), 0, "or a batch of them would never be full");
    add(&b, STR("abc"), 1);
    cr_expect_eq(b.bytes, batch_line_bytes(&b, STR("abc")));
    cr_expect_eq(b.line_bytes, 3);
    batch_release(&b);
}

/*
 * The payload of a push in the log, of both kinds: what was decoded, encoded again, decodes to the
 * same.
 */
#include "server/store/wal_push.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static enum status recode(enum wal_kind kind, struct str payload, struct buf *to)
{
    struct wal_record record = {.kind = kind, .payload = payload};
    struct err err = {.text = ""};
    struct push_request request;
    struct str tenant;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    enum status st = wal_push_decode(&a, &record, &tenant, &request, &err);
    ASSERT(st == ST_OK || ((st == ST_CORRUPT || st == ST_LIMIT) && err.text[0] != '\0'));
    if (st == ST_OK)
        wal_push_encode(to, tenant, &request);
    arena_release(&a);
    return st;
}

static void check_kind(enum wal_kind kind, struct str in)
{
    struct buf once, again;

    buf_init(&once, FUZZ_MEMORY_BYTES);
    buf_init(&again, FUZZ_MEMORY_BYTES);
    if (recode(kind, in, &once) == ST_OK) {
        ASSERT(recode(WAL_PUSH, buf_str(&once), &again) == ST_OK);
        ASSERT(str_eq(buf_str(&once), buf_str(&again)));
    }
    buf_release(&once);
    buf_release(&again);
}

void fuzz_input(struct str in)
{
    check_kind(WAL_PUSH, in);
    check_kind(WAL_PUSH_BODY, in);
}

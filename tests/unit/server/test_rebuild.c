/* An index is made again of segments: whatever fails or dies on the way, the next attempt does it.
 */
#include "server/store/rebuild.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "chunks/chunk.h"
#include "chunks/segment.h"
#include "index/index.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum { CHUNKS = 5 };

#define MAP_BYTES ((uint64_t)16 << 20)

static const struct label pairs[] = {{STR_INIT("app"), STR_INIT("web")}};
static const struct labels no_metadata;

/* A data directory with a segment of CHUNKS chunks and an index that is not one. */
static void make_dir(char dir[TEST_PATH_BYTES])
{
    const struct segment_name name = {.id = 3, .day = 0};
    char path[TEST_PATH_BYTES];
    struct segments *segments = NULL;
    uint64_t offset;
    struct buf bytes;

    files_dir_make(dir);
    (void)files_path(path, dir, "segments");
    REQUIRE_OK(segments_open(path, 4, &segments, NULL));
    REQUIRE_OK(segments_create(segments, name, STR("t"), &offset, NULL));
    buf_init(&bytes, MIB);
    struct codec_context *context = codec_context_new();
    for (uint64_t i = 0; i < CHUNKS; i++) {
        const struct chunk_spec spec = {.context = context,
                                        .codec = CODEC_NONE,
                                        .block_bytes = 100,
                                        .tenant = STR("t"),
                                        .labels = {pairs, i % 2}, /* of two streams */
                                        .chunk_id = i + 1,
                                        .seq_max = i + 1};
        struct chunk_entry item = {(int64_t)i, STR("a line"), &no_metadata};
        struct chunk_summary summary;
        REQUIRE_OK(chunk_build(&spec, (struct chunk_entries){&item, 1}, &bytes, &summary));
    }
    REQUIRE_OK(segments_write(segments, name, buf_str(&bytes), offset, NULL));
    segments_close(segments);
    codec_context_free(context);
    buf_release(&bytes);
    REQUIRE_OK(io_mkdir(files_path(path, dir, "wal"), NULL));
    REQUIRE_OK(io_mkdir(files_path(path, dir, "index"), NULL));
    files_write(files_path(path, dir, "index/data.mdb"), STR("what was an index once"));
}

static enum status make_again(const char *dir, struct rebuild_result *result)
{
    const struct rebuild rebuild = {.dir = dir, .index_max_bytes = MAP_BYTES};

    return rebuild_index(&rebuild, result, NULL);
}

static void expect_whole(const char *dir)
{
    struct rebuild_result result = {0};
    char path[TEST_PATH_BYTES];
    struct chunk_cursor cursor = {.key_bytes = 0};
    struct index_read *read = NULL;
    struct index *ix = NULL;
    struct chunk_ref ref;
    struct arena arena;
    struct str tenant;
    size_t count = 0;

    REQUIRE_OK(make_again(dir, &result));
    cr_expect_eq(result.chunks, CHUNKS);
    cr_expect_eq(result.damages + result.merged + result.uncommitted, 0);
    REQUIRE_OK(index_open(files_path(path, dir, "index"), MAP_BYTES, &ix, NULL));
    arena_init(&arena, MIB);
    REQUIRE_OK(index_read_begin(ix, &arena, &read, NULL));
    while (index_next_chunk(read, &cursor, &ref, &tenant) == ST_OK)
        count++;
    cr_expect_eq(count, CHUNKS);
    index_read_end(read);
    arena_release(&arena);
    index_close(ix);
    cr_expect_not(files_exists(files_path(path, dir, "index.new")));
}

/* The old index, the new one, or none: never a part of one. */
static void expect_old_or_new(const char *dir, uint64_t call)
{
    char path[TEST_PATH_BYTES];
    struct err err;

    enum status st = index_check(files_path(path, dir, "index"), &err);
    bool old = st == ST_CORRUPT && files_exists(files_path(path, dir, "index/data.mdb")) &&
               !files_exists(files_path(path, dir, "index.damaged-1"));
    cr_expect(old || st == ST_OK || st == ST_NOT_FOUND, "call %" PRIu64 ": %s", call, err.text);
}

Test(rebuild, any_call_fails, .timeout = 120)
{
    bool hit = true;

    for (uint64_t n = 1; hit; n++) {
        struct fault f = {.at = n, .error = EIO};
        struct rebuild_result result;
        char dir[TEST_PATH_BYTES];

        make_dir(dir);
        fault_begin(&f);
        enum status st = make_again(dir, &result);
        fault_end();
        cr_expect(st != ST_OK || result.chunks == CHUNKS || result.damages > 0, "call %" PRIu64, n);
        expect_old_or_new(dir, n);
        expect_whole(dir);
        hit = f.hit;
        files_dir_remove(dir);
    }
}

static void make_again_until_killed(void *context, struct fault *kill)
{
    struct rebuild_result result;

    fault_begin(kill);
    REQUIRE_OK(make_again(context, &result));
}

Test(rebuild, dies_at_any_call, .timeout = 120)
{
    bool killed = true;

    for (uint64_t n = 1; killed; n++) {
        char dir[TEST_PATH_BYTES];

        make_dir(dir);
        killed = fault_kills(make_again_until_killed, dir, n);
        expect_old_or_new(dir, n);
        expect_whole(dir);
        files_dir_remove(dir);
    }
}

static void open_until_killed(void *context, struct fault *kill)
{
    fault_begin(kill);
    fixture_open(context);
}

/* What a rebuild that was cut off has left goes at a start that makes nothing again. */
Test(rebuild, that_was_cut_off)
{
    bool killed = true;

    for (uint64_t n = 1; killed; n++) {
        char path[TEST_PATH_BYTES];
        struct fixture f;

        fixture_begin(&f, "0");
        store_close(f.store, 0);
        REQUIRE_OK(io_mkdir(files_path(path, f.dir, "index.new"), NULL));
        files_write(files_path(path, f.dir, "index.new/data.mdb"), STR("half of an index"));
        files_write(files_path(path, f.dir, "index.new/lock.mdb"), STR(""));
        killed = fault_kills(open_until_killed, &f, n);
        fixture_open(&f);
        cr_expect_not(files_exists(files_path(path, f.dir, "index.new")), "call %" PRIu64, n);
        cr_expect_not(store_state(f.store).index_rebuilt);
        fixture_end(&f);
    }
}

#include "chunks/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/time.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/files.h"

#include "base/banned.h"

/* ---- names ---- */

static const struct name_case {
    const char *name;
    struct segment_name segment;
    const char *file;
} name_cases[] = {
    {"epoch", {1, 0}, "1970-01-01-0000000000000001.seg"},
    {"a day", {UINT64_C(0xabcdef), 20513}, "2026-03-01-0000000000abcdef.seg"},
    {"before 1970", {2, -1}, "1969-12-31-0000000000000002.seg"},
    {"largest number", {UINT64_MAX, 1}, "1970-01-02-ffffffffffffffff.seg"},
    {"last day", {3, 106751}, "2262-04-11-0000000000000003.seg"},
    {"second day there is", {4, -106751}, "1677-09-22-0000000000000004.seg"},
    {"first day there is", {5, -106752}, "1677-09-21-0000000000000005.seg"},
};

Test(segment, file_names)
{
    for (size_t i = 0; i < COUNT_OF(name_cases); i++) {
        char file[SEGMENT_FILE_NAME_BYTES];

        segment_file_name(name_cases[i].segment, file);
        cr_expect_str_eq(file, name_cases[i].file, "%s: %s", name_cases[i].name, file);
    }
}

/* What is in a directory beside segments is not one. */
static const char *const strangers[] = {
    "2026-03-01-0000000000000001.seg.tmp",
    "2026-03-01-000000000000001.seg",
    "2026-3-01-00000000000000001.seg",
    "2026-02-30-0000000000000001.seg",
    "2026-03-01-00000000000000AB.seg",
    "2026-03-01-000000000000000x.seg",
    "2026-03-01-0000000000000001.wal",
    "2026-03-01_0000000000000001.seg",
    "lost+found",
    "0000000000000001.wal",
};

Test(segment, list)
{
    struct segment_name *names = NULL;
    char dir[TEST_PATH_BYTES], path[TEST_PATH_BYTES];
    size_t count = 0, met = 0;

    files_dir_make(dir);
    for (size_t i = 0; i < COUNT_OF(strangers); i++)
        files_write(files_path(path, dir, strangers[i]), STR(""));
    size_t wanted = COUNT_OF(name_cases);
    for (size_t i = 0; i < wanted; i++)
        files_write(files_path(path, dir, name_cases[i].file), STR(""));
    REQUIRE_OK(segments_list(dir, &names, &count, NULL));
    cr_expect_eq(count, wanted, "%zu", count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < wanted; k++)
            met += names[i].id == name_cases[k].segment.id &&
                   names[i].day == name_cases[k].segment.day;
    }
    cr_expect_eq(met, wanted, "%zu", met);
    mem_free(names);
    EXPECT_STATUS("no directory", segments_list("/nowhere", &names, &count, NULL), ST_NOT_FOUND);
    files_dir_remove(dir);
}

/* ---- headers ---- */

struct place {
    char dir[TEST_PATH_BYTES];
    struct segments *segments;
};

static void place_init(struct place *p, size_t open_max)
{
    files_dir_make(p->dir);
    REQUIRE_OK(segments_open(p->dir, open_max, &p->segments, NULL));
}

static void place_release(struct place *p)
{
    segments_close(p->segments);
    files_dir_remove(p->dir);
}

static struct str read_file(const struct place *p, struct segment_name name)
{
    char file[SEGMENT_FILE_NAME_BYTES], path[TEST_PATH_BYTES];

    segment_file_name(name, file);
    return files_read(files_path(path, p->dir, file));
}

static void drop(struct str s)
{
    mem_free((void *)(uintptr_t)s.ptr);
}

static const struct segment_name golden_name = {UINT64_C(0x0102030405060708), -2};

Test(segment, golden_header)
{
    struct segment_header header;
    uint64_t bytes = 0;
    struct place p;

    place_init(&p, 4);
    REQUIRE_OK(segments_create(p.segments, golden_name, STR("tenant-1"), &bytes, NULL));
    struct str file = read_file(&p, golden_name);
    cr_expect_eq(bytes, file.len);
    files_expect_golden("segment-v1.bin", file);
    drop(file);
    struct str golden = files_read("tests/golden/segment-v1.bin");
    REQUIRE_OK(segment_header_parse(golden, &header, NULL));
    cr_expect(header.name.id == golden_name.id && header.name.day == golden_name.day);
    cr_expect_eq(header.header_bytes, 72);
    EXPECT_STR("tenant", header.tenant, STR("tenant-1"));
    drop(golden);
    place_release(&p);
}

Test(segment, damaged_header)
{
    struct str golden = files_read("tests/golden/segment-v1.bin");
    struct segment_header header = {.header_bytes = 77};
    char *copy = mem_bytes(golden.len);

    for (size_t bit = 0; bit < golden.len * 8; bit++) {
        memcpy(copy, golden.ptr, golden.len);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        EXPECT_STATUS("flipped", segment_header_parse(str_make(copy, golden.len), &header, NULL),
                      ST_CORRUPT);
    }
    mem_free(copy);
    for (size_t len = 0; len < golden.len; len++) {
        copy = mem_bytes(len); /* of just this size, for the address sanitizer */
        memcpy(copy, golden.ptr, len);
        EXPECT_STATUS("cut", segment_header_parse(str_make(copy, len), &header, NULL), ST_CORRUPT);
        mem_free(copy);
    }
    cr_expect_eq(header.header_bytes, 77, "output changed");
    drop(golden);
}

static const struct tenant_case {
    const char *name;
    size_t len;
    uint64_t want_bytes; /* 0: refused */
} tenant_cases[] = {
    {"no name", 0, 64},
    {"one byte", 1, 72},
    {"eight bytes", 8, 72},
    {"nine", 9, 80},
    {"longest name there may be", 150, 216},
    {"longest that fits", 448, 512},
    {"longer", 449, 0},
};

Test(segment, tenants)
{
    struct segment_name name = {1, 0};
    char tenant[500];
    struct place p;

    memset(tenant, 't', sizeof(tenant));
    place_init(&p, 4);
    for (size_t i = 0; i < COUNT_OF(tenant_cases); i++) {
        const struct tenant_case *c = &tenant_cases[i];
        struct segment_header header;
        uint64_t bytes = 77;
        name.id = i + 1;
        enum status st = segments_create(p.segments, name, str_make(tenant, c->len), &bytes, NULL);
        cr_expect_eq(st == ST_OK, c->want_bytes != 0, "%s: %s", c->name, status_name(st));
        cr_expect_eq(bytes, c->want_bytes == 0 ? 77 : c->want_bytes, "%s: %" PRIu64, c->name,
                     bytes);
        if (st != ST_OK)
            continue;
        struct str file = read_file(&p, name);
        EXPECT_STATUS(c->name, segment_header_parse(file, &header, NULL), ST_OK);
        EXPECT_STR(c->name, header.tenant, str_make(tenant, c->len));
        cr_expect_eq(file.len % 8, 0, "%s", c->name);
        drop(file);
    }
    place_release(&p);
}

/* ---- writing and reading ---- */

static enum status read_back(struct place *p, struct segment_name name, uint64_t offset,
                             uint32_t bytes, char *to, struct err *err)
{
    struct segment_range range = {name, offset, bytes};

    return segments_read(p->segments, range, to, err);
}

Test(segment, write_sync_read)
{
    struct segment_name name = {7, 100};
    struct err err = {.text = ""};
    uint64_t begin = 0;
    char to[32] = "";
    struct place p;

    place_init(&p, 4);
    REQUIRE_OK(segments_create(p.segments, name, STR("fake"), &begin, &err));
    REQUIRE_OK(segments_write(p.segments, name, STR("first"), begin, &err));
    REQUIRE_OK(segments_write(p.segments, name, STR("second"), begin + 5, &err));
    REQUIRE_OK(segments_sync(p.segments, name, &err));
    REQUIRE_OK(segments_sync_names(p.segments, &err));
    EXPECT_STATUS("inside", read_back(&p, name, begin + 3, 5, to, &err), ST_OK);
    EXPECT_STR("inside", str_make(to, 5), STR("stsec"));
    EXPECT_STATUS("nothing", read_back(&p, name, begin + 11, 0, to, &err), ST_OK);
    EXPECT_STATUS("beyond the end", read_back(&p, name, begin + 10, 2, to, &err), ST_CORRUPT);
    cr_expect(str_starts(str_from(err.text), STR("1970-04-11-0000000000000007.seg: ")), "%s",
              err.text);
    EXPECT_STATUS("no such file", read_back(&p, (struct segment_name){8, 100}, 0, 1, to, &err),
                  ST_NOT_FOUND);
    cr_expect(str_find(str_from(err.text), STR("1970-04-11-0000000000000008.seg")) != STR_NPOS,
              "%s", err.text);
    EXPECT_STATUS("writing makes no file",
                  segments_write(p.segments, (struct segment_name){8, 100}, STR("x"), 0, &err),
                  ST_NOT_FOUND);
    place_release(&p);
}

Test(segment, create_overwrites)
{
    struct segment_name name = {1, 0};
    uint64_t begin = 0;
    struct place p;

    place_init(&p, 4);
    REQUIRE_OK(segments_create(p.segments, name, STR("a"), &begin, NULL));
    REQUIRE_OK(segments_write(p.segments, name, STR("never committed"), begin, NULL));
    REQUIRE_OK(segments_create(p.segments, name, STR("b"), &begin, NULL));
    struct str file = read_file(&p, name);
    cr_expect_eq(file.len, begin);
    drop(file);
    place_release(&p);
}

Test(segment, cut)
{
    struct segment_name name = {1, 0}, missing = {2, 0};
    struct err err = {.text = ""};
    uint64_t begin = 0;
    struct place p;

    place_init(&p, 4);
    REQUIRE_OK(segments_create(p.segments, name, STR("fake"), &begin, NULL));
    REQUIRE_OK(segments_write(p.segments, name, STR("committed, torn"), begin, NULL));
    struct fault syncs = {.kinds = 1U << IO_SYNC};
    fault_begin(&syncs);
    EXPECT_STATUS("cut", segments_cut(p.segments, name, begin + 9, &err), ST_OK);
    fault_end();
    cr_expect_eq(syncs.calls, 1, "a power cut must not undo it");
    struct str file = read_file(&p, name);
    EXPECT_STR("cut", str_cut(file, (size_t)begin), STR("committed"));
    drop(file);
    EXPECT_STATUS("again", segments_cut(p.segments, name, begin + 9, &err), ST_OK);
    EXPECT_STATUS("too short", segments_cut(p.segments, name, begin + 12, &err), ST_CORRUPT);
    cr_expect_str_eq(err.text, "1970-01-01-0000000000000001.seg: 3 bytes are missing", "%s",
                     err.text);
    EXPECT_STATUS("not there", segments_cut(p.segments, missing, 100, &err), ST_NOT_FOUND);
    cr_expect_eq(files_count(p.dir, ".seg"), 1, "cutting makes no file");
    place_release(&p);
}

/* ---- more files than may be open ---- */

enum { FILES = 40, OPEN_MAX = 3, READS = 3000 };

static size_t descriptors(void)
{
    return files_count("/proc/self/fd", "");
}

struct reader {
    struct place *place;
    uint64_t begin;
    size_t seed;
    size_t wrong;
};

static void *read_many(void *context)
{
    struct reader *r = context;

    for (size_t i = 0; i < READS; i++) {
        struct segment_name name = {(i * 7 + r->seed) % FILES + 1, 5};
        uint64_t id = 0;
        r->wrong += read_back(r->place, name, r->begin, sizeof(id), (char *)&id, NULL) != ST_OK ||
                    id != name.id;
    }
    return NULL;
}

Test(segment, more_files_than_may_be_open)
{
    struct reader readers[2];
    pthread_t threads[2];
    uint64_t begin = 0;
    struct place p;

    place_init(&p, OPEN_MAX);
    size_t before = descriptors();
    for (uint64_t id = 1; id <= FILES; id++) {
        struct segment_name name = {id, 5};
        REQUIRE_OK(segments_create(p.segments, name, STR("fake"), &begin, NULL));
        REQUIRE_OK(
            segments_write(p.segments, name, str_make((const char *)&id, sizeof(id)), begin, NULL));
        REQUIRE_OK(segments_sync(p.segments, name, NULL));
    }
    cr_expect_leq(descriptors(), before + OPEN_MAX);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = (struct reader){&p, begin, i * 13, 0};
        cr_assert_eq(pthread_create(&threads[i], NULL, read_many, &readers[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        (void)pthread_join(threads[i], NULL);
        cr_expect_eq(readers[i].wrong, 0, "reader %zu: %zu", i, readers[i].wrong);
    }
    cr_expect_leq(descriptors(), before + OPEN_MAX);
    place_release(&p);
}

/* ---- files that are written ---- */

static void write_file(struct place *p, uint64_t id)
{
    struct segment_name name = {id, 5};
    uint64_t begin = 0;

    REQUIRE_OK(segments_create(p->segments, name, STR("fake"), &begin, NULL));
    REQUIRE_OK(segments_write(p->segments, name, STR("chunk"), begin, NULL));
}

/* A write error that the system meets before the sync is told to those who have the file open. */
Test(segment, a_written_file_stays_open_until_it_is_synced)
{
    struct fault opens = {.kinds = 1U << IO_OPEN}, syncs = {.kinds = 1U << IO_SYNC};
    struct place p;
    char byte;

    place_init(&p, OPEN_MAX);
    for (uint64_t id = 1; id <= FILES; id++) {
        write_file(&p, id);
        REQUIRE_OK(segments_sync(p.segments, (struct segment_name){id, 5}, NULL));
    }
    write_file(&p, FILES + 1);
    for (uint64_t id = 1; id <= FILES; id++)
        REQUIRE_OK(read_back(&p, (struct segment_name){id, 5}, 0, 1, &byte, NULL));
    fault_begin(&opens);
    REQUIRE_OK(segments_sync(p.segments, (struct segment_name){FILES + 1, 5}, NULL));
    fault_end();
    cr_expect_eq(opens.calls, 0);
    fault_begin(&syncs);
    REQUIRE_OK(segments_sync(p.segments, (struct segment_name){FILES + 1, 5}, NULL));
    fault_end();
    cr_expect_eq(syncs.calls, 0, "there is nothing left");
    place_release(&p);
}

Test(segment, more_files_are_written_than_may_be_open)
{
    struct fault syncs = {.kinds = 1U << IO_SYNC};
    struct place p;

    place_init(&p, OPEN_MAX);
    size_t before = descriptors();
    fault_begin(&syncs);
    for (uint64_t id = 1; id <= FILES; id++)
        write_file(&p, id);
    cr_expect_leq(descriptors(), before + OPEN_MAX);
    for (uint64_t id = 1; id <= FILES; id++)
        REQUIRE_OK(segments_sync(p.segments, (struct segment_name){id, 5}, NULL));
    fault_end();
    cr_expect_eq(syncs.calls, FILES, "each once: %d", (int)syncs.calls);
    place_release(&p);
}

/* The write that wanted its place fails, and whoever asks next for the file that lost something. */
Test(segment, early_sync_fails)
{
    struct fault sync = {.at = 1, .error = EIO, .kinds = 1U << IO_SYNC};
    struct segment_name first = {1, 5}, second = {2, 5};
    struct err err = {.text = ""};
    uint64_t begin = 0;
    struct place p;

    place_init(&p, OPEN_MAX);
    write_file(&p, first.id);
    fault_begin(&sync);
    EXPECT_STATUS("next", segments_create(p.segments, second, STR("fake"), &begin, &err), ST_IO);
    fault_end();
    cr_expect(str_find(str_from(err.text), STR("0000000000000001.seg: sync")) != STR_NPOS, "%s",
              err.text);
    EXPECT_STATUS("sync", segments_sync(p.segments, first, &err), ST_IO);
    EXPECT_STATUS("next again", segments_create(p.segments, second, STR("fake"), &begin, &err),
                  ST_IO);
    EXPECT_STATUS("cut", segments_cut(p.segments, first, begin, &err), ST_IO);
    EXPECT_STATUS("cut again", segments_cut(p.segments, first, begin, &err), ST_OK);
    EXPECT_STATUS("new", segments_create(p.segments, second, STR("fake"), &begin, &err), ST_OK);
    place_release(&p);
}

/* What others read while the oldest file that is written is synced. */
static int read_others(struct io_event *event, void *context)
{
    char byte;

    if (event->call != IO_SYNC)
        return 0;
    io_hook_set(NULL, NULL);
    for (uint64_t id = 1; id <= FILES; id++)
        REQUIRE_OK(read_back(context, (struct segment_name){id, 5}, 0, 1, &byte, NULL));
    return 0;
}

/* The file that waits for this sync to be written is not pushed out of the table meanwhile. */
Test(segment, others_are_read_before_it_is_written)
{
    struct fault syncs = {.kinds = 1U << IO_SYNC};
    struct segment_name name = {FILES + 1, 5};
    uint64_t begin = 0;
    struct place p;

    place_init(&p, OPEN_MAX);
    for (uint64_t id = 1; id <= FILES + 1; id++) {
        write_file(&p, id);
        REQUIRE_OK(segments_sync(p.segments, (struct segment_name){id, 5}, NULL));
    }
    write_file(&p, FILES + 2);
    io_hook_set(read_others, &p);
    REQUIRE_OK(segments_write(p.segments, name, STR("more"), begin, NULL));
    fault_begin(&syncs);
    REQUIRE_OK(segments_sync(p.segments, name, NULL));
    fault_end();
    cr_expect_eq(syncs.calls, 1);
    for (uint64_t id = 1; id <= FILES; id++) /* none is taken for written for ever */
        write_file(&p, id);
    place_release(&p);
}

/* ---- calls that fail ---- */

static enum status write_all(struct place *p)
{
    struct segment_name name = {1, 0};
    uint64_t begin = 0;

    enum status st = segments_create(p->segments, name, STR("fake"), &begin, NULL);
    if (st == ST_OK)
        st = segments_write(p->segments, name, STR("chunk"), begin, NULL);
    if (st == ST_OK)
        st = segments_sync(p->segments, name, NULL);
    return st == ST_OK ? segments_sync_names(p->segments, NULL) : st;
}

Test(segment, nth_call_fails)
{
    bool hit = true;
    uint64_t n = 0;

    while (hit) {
        struct fault f = {.at = ++n, .error = ENOSPC};
        struct place p;
        place_init(&p, 4);
        fault_begin(&f);
        enum status st = write_all(&p);
        fault_end();
        hit = f.hit;
        cr_expect_eq(st, hit ? ST_FULL : ST_OK, "call %" PRIu64 ": %s", n, status_name(st));
        EXPECT_STATUS("another attempt", write_all(&p), ST_OK);
        place_release(&p);
    }
    cr_expect_eq(n, 7, "%" PRIu64 " calls", n - 1);
}

Test(segment, nth_allocation_fails)
{
    char dir[TEST_PATH_BYTES];
    enum status st = ST_NOMEM;

    files_dir_make(dir);
    for (int64_t n = 1; st != ST_OK && n < 50; n++) {
        struct place p = {.segments = NULL};
        mem_fail_after(n);
        st = segments_open(dir, 4, &p.segments, NULL);
        if (st == ST_OK)
            st = write_all(&p);
        mem_fail_after(0);
        cr_expect(st == ST_OK || st == ST_NOMEM, "allocation %" PRId64 ": %s", n, status_name(st));
        segments_close(p.segments);
    }
    EXPECT_STATUS("in the end", st, ST_OK);
    files_dir_remove(dir);
}

/* ---- files that go ---- */

Test(segment, remove)
{
    const struct segment_name name = {7, 20513};
    const struct segment_range range = {name, 0, 8};
    char bytes[8], again[8];
    uint64_t begin;
    struct place p;

    place_init(&p, 4);
    REQUIRE_OK(segments_create(p.segments, name, STR("t"), &begin, NULL));
    REQUIRE_OK(segments_read(p.segments, range, bytes, NULL));
    REQUIRE_OK(segments_remove(p.segments, name, NULL));
    REQUIRE_OK(segments_sync_names(p.segments, NULL));
    cr_expect_eq(files_count(p.dir, ".seg"), 0);
    EXPECT_STATUS("gone", segments_read(p.segments, range, bytes, NULL), ST_NOT_FOUND);
    /* Again, for the sync of the directory may have failed: there must be something to sync. */
    struct fault f = {.kinds = 1U << IO_UNLINK};
    fault_begin(&f);
    EXPECT_STATUS("again", segments_remove(p.segments, name, NULL), ST_OK);
    fault_end();
    cr_expect_eq(f.calls, 2, "the name was made and removed");
    cr_expect_eq(files_count(p.dir, ".seg"), 0);
    REQUIRE_OK(segments_create(p.segments, name, STR("t"), &begin, NULL));
    REQUIRE_OK(segments_read(p.segments, range, again, NULL));
    EXPECT_STR("new", str_make(again, sizeof(again)), str_make(bytes, sizeof(bytes)));
    place_release(&p);
}

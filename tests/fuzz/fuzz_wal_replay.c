/*
 * The replay of a whole log: u16 length of the first file, the first file, the second one; as they
 * are and with their checksums and salts mended. What was replayed is replayed again, the same
 * records with nothing more to cut; and payloads that make no sense count as damage.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "server/store/wal_push.h"
#include "tests/fuzz/mend_wal.h"
#include "tests/fuzz/scratch.h"

#include "base/banned.h"

static char dir[SCRATCH_PATH_BYTES];
static int dir_fd = -1;

static void make_dir(void)
{
    log_level_set(LOG_LEVELS); /* damage is told each time */
    scratch_make(dir);
    ASSERT(io_open_dir(dir, &dir_fd, NULL) == ST_OK);
}

static void write_file(const char *name, struct str bytes)
{
    int fd = io_openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ASSERT(fd >= 0 && io_write_all(fd, bytes, 0, NULL) == ST_OK);
    (void)close(fd);
}

/* Both files, and what was kept of them. */
static void remove_files(void)
{
    static const char *const names[] = {
        "0000000000000001.wal",
        "0000000000000002.wal",
        "0000000000000001.wal.damaged",
        "0000000000000002.wal.damaged",
    };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)unlinkat(dir_fd, names[i], 0);
}

struct seen {
    struct arena arena;  /* of one record */
    struct buf payloads; /* of the records that are sound */
    uint64_t records;
};

static enum status see(void *context, const struct wal_record *record, struct err *err)
{
    struct seen *seen = context;
    struct push_request request;
    struct str tenant;

    enum status st = wal_push_decode(&seen->arena, record, &tenant, &request, err);
    ASSERT(st == ST_OK || st == ST_CORRUPT || st == ST_LIMIT);
    arena_release(&seen->arena);
    if (st == ST_OK) {
        buf_put(&seen->payloads, record->payload);
        seen->records++;
    }
    return st == ST_LIMIT ? ST_CORRUPT : st; /* the arena is smaller than that of a store */
}

static enum status replay(struct seen *seen, struct wal_replay *ret_result)
{
    struct err err = {.text = ""};

    *seen = (struct seen){.records = 0};
    arena_init(&seen->arena, FUZZ_MEMORY_BYTES);
    buf_init(&seen->payloads, FUZZ_MEMORY_BYTES);
    enum status st = wal_replay(dir, see, seen, ret_result, &err);
    ASSERT(st == ST_OK || (st == ST_UNSUPPORTED && err.text[0] != '\0'));
    ASSERT(st != ST_OK || ret_result->records == seen->records);
    return st;
}

static void check(struct str first, struct str second)
{
    struct wal_replay result, result_again;
    struct seen once, again;

    write_file("0000000000000001.wal", first);
    write_file("0000000000000002.wal", second);
    enum status st = replay(&once, &result);
    ASSERT(replay(&again, &result_again) == st);
    if (st == ST_OK) {
        ASSERT(str_eq(buf_str(&once.payloads), buf_str(&again.payloads)));
        ASSERT(result_again.records == result.records && result_again.seq_max == result.seq_max);
    }
    buf_release(&once.payloads);
    buf_release(&again.payloads);
    remove_files();
}

void fuzz_input(struct str in)
{
    struct buf first, second;
    uint16_t bytes = 0;

    if (dir_fd < 0)
        make_dir();
    (void)get_u16(&in, &bytes);
    buf_init(&first, FUZZ_MEMORY_BYTES);
    buf_init(&second, FUZZ_MEMORY_BYTES);
    buf_put(&first, str_head(in, MIN_OF((size_t)bytes, in.len)));
    buf_put(&second, str_cut(in, first.len));
    check(buf_str(&first), buf_str(&second));
    mend_wal(&first);
    mend_wal(&second);
    check(buf_str(&first), buf_str(&second));
    buf_release(&first);
    buf_release(&second);
}

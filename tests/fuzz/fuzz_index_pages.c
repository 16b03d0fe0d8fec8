/*
 * The file of the index with anything in its pages: what the look at the start lets pass LMDB can
 * read all of, and write to, and it passes again afterwards. The input says which of two sound
 * files it begins with, whether checksums are mended, and what is changed: see change_file().
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/entropy.h"
#include "base/io.h"
#include "base/log.h"
#include "tests/fuzz/index_reading.h"
#include "tests/fuzz/mend_pages.h"
#include "tests/fuzz/scratch.h"

#include "base/banned.h"

#define MAP_BYTES ((uint64_t)64 << 20)

enum { CHANGES_MAX = 32, PAGES_MAX = 512, MANY_STREAMS = 180, FILES = 2 };

static char dir[SCRATCH_PATH_BYTES];
static char file_path[SCRATCH_PATH_BYTES + 16];

/* A sound file, and which of its pages have records: not those of names and of free pages. */
static struct sound_file {
    struct buf bytes;
    bool is_record_page[PAGES_MAX];
} sound_files[FILES];

/* ---- sound files ---- */

static void commit_stream(struct index *ix, uint64_t number, struct label label)
{
    struct index_batch *b = NULL;

    ASSERT(index_batch_begin(ix, &b, NULL) == ST_OK);
    index_reading_put_stream(b, STR("t"), (struct labels){&label, 1}, number);
    index_batch_counters(b, (struct index_counters){3, 2 * number + 2, number});
    ASSERT(index_batch_commit(b, NULL) == ST_OK);
}

/* Trees of several levels, lists of values in trees of their own, and long values. */
static void fill_more(struct index *ix)
{
    struct index_batch *b = NULL;
    char name[16];

    ASSERT(index_batch_begin(ix, &b, NULL) == ST_OK);
    struct arena a;
    arena_init(&a, FUZZ_MEMORY_BYTES);
    for (uint64_t i = 0; i < MANY_STREAMS; i++) {
        struct label *pairs = arena_new(&a, struct label, 2);
        ASSERT(pairs != NULL);
        (void)snprintf(name, sizeof(name), "n%03u", (unsigned)i);
        pairs[0] = (struct label){STR("app"), STR("many")};
        pairs[1] = (struct label){STR("n"), arena_str(&a, str_from(name))};
        index_reading_put_stream(b, STR("t"), (struct labels){pairs, 2}, 100 + i);
    }
    ASSERT(index_batch_commit(b, NULL) == ST_OK);
    arena_release(&a);
}

/* The root pages of the trees of free pages and of names, in the newer meta page. */
static void note_pages(struct sound_file *f)
{
    enum { META_ROOT_FREE = 80, META_ROOT_NAMES = 128, META_TRANSACTION = 144 };
    size_t newer = mend_get(&f->bytes, META_TRANSACTION) >
                           mend_get(&f->bytes, MEND_PAGE_BYTES + META_TRANSACTION)
                       ? 0
                       : MEND_PAGE_BYTES;
    uint32_t free_root = mend_get(&f->bytes, newer + META_ROOT_FREE);
    uint32_t names_root = mend_get(&f->bytes, newer + META_ROOT_NAMES);

    for (size_t i = 2; i < PAGES_MAX; i++)
        f->is_record_page[i] = i != free_root && i != names_root;
}

static void make_file(struct sound_file *f, bool large)
{
    static char long_text[3000];
    struct index *ix = NULL;

    ASSERT(index_open(dir, MAP_BYTES, &ix, NULL) == ST_OK);
    index_reading_fill(ix);
    memset(long_text, 'x', sizeof(long_text));
    if (large) {
        fill_more(ix);
        commit_stream(ix, 50, (struct label){STR("long"), str_make(long_text, sizeof(long_text))});
    }
    for (uint64_t i = 0; i < 4; i++) /* there come to be free pages */
        commit_stream(ix, 60 + i, (struct label){STR("app"), STR("a")});
    index_close(ix);
    buf_init(&f->bytes, FUZZ_MEMORY_BYTES);
    ASSERT(io_file_read(file_path, &f->bytes, NULL) == ST_OK);
    ASSERT(f->bytes.len <= (size_t)PAGES_MAX * MEND_PAGE_BYTES && unlink(file_path) == 0);
    note_pages(f);
}

static void make_files(void)
{
    log_level_set(LOG_LEVELS); /* damage is told each time */
    entropy_fake(true);        /* an input means the same in every run */
    scratch_make(dir);
    (void)snprintf(file_path, sizeof(file_path), "%s/data.mdb", dir);
    for (size_t i = 0; i < FILES; i++)
        make_file(&sound_files[i], i > 0);
}

/* ---- changes ---- */

/* Where a field of a node of a page begins; both are counted round and round. */
static size_t node_field(const struct buf *b, size_t page, size_t node, size_t field)
{
    size_t lower = mend_u16(b, page + MEND_PAGE_LOWER);
    size_t nodes = lower <= MEND_PAGE_HEADER ? 1 : (lower - MEND_PAGE_HEADER) / 2;
    size_t pointer = page + MEND_PAGE_HEADER + 2 * (node % nodes);
    size_t place = page + mend_u16(b, pointer) % MEND_PAGE_BYTES;

    if (field == 0)
        return pointer;
    if (field <= 4) /* the halves of the size, flags, size of the key */
        return place + 2 * (field - 1);
    return place + MEND_NODE_HEADER + mend_u16(b, place + 6) + (field - 5);
}

static void set_bytes(struct buf *b, size_t offset, struct str bytes)
{
    if (offset <= b->len && bytes.len <= b->len - offset && bytes.len > 0)
        memcpy(b->ptr + offset, bytes.ptr, bytes.len);
}

static void copy_page(struct buf *b, size_t from, size_t to)
{
    if (from != to)
        memcpy(b->ptr + to, b->ptr + from, MEND_PAGE_BYTES);
}

/*
 * One change: u8 what, u8 page, then
 *   0, 1  u16 offset, u8 count, bytes: written there
 *   2     u8 field, u16: into the head of the page
 *   3, 4  u8 node, u8 field, u8 count, bytes: into the node or its value
 *   5     u8 page: becomes a copy of that
 *   6     u16: the file is cut there; or (with bit 0) a page is put behind it
 */
static bool change_file(struct buf *b, struct str *in)
{
    uint8_t what, page8, x = 0, y = 0, count = 0;
    uint16_t v = 0;
    struct str bytes;

    if (!get_u8(in, &what) || !get_u8(in, &page8) || b->len < MEND_PAGE_BYTES)
        return false;
    size_t pages = b->len / MEND_PAGE_BYTES, page = page8 % pages * MEND_PAGE_BYTES;
    switch (what % 7) {
    case 0:
    case 1:
        if (get_u16(in, &v) && get_u8(in, &count) && get_bytes(in, count % 16U, &bytes))
            set_bytes(b, page + v % MEND_PAGE_BYTES, bytes);
        break;
    case 2:
        if (get_u8(in, &x) && get_bytes(in, sizeof(uint16_t), &bytes))
            set_bytes(b, page + x % 8U * 2, bytes);
        break;
    case 3:
    case 4:
        if (get_u8(in, &x) && get_u8(in, &y) && get_u8(in, &count) &&
            get_bytes(in, count % 16U, &bytes))
            set_bytes(b, node_field(b, page, x, y), bytes);
        break;
    case 5:
        if (get_u8(in, &x))
            copy_page(b, x % pages * MEND_PAGE_BYTES, page);
        break;
    default:
        if (get_u16(in, &v) && v % 2 == 1)
            buf_put_zeros(b, MEND_PAGE_BYTES);
        else
            b->len = page + v % MEND_PAGE_BYTES;
        break;
    }
    return true;
}

/* ---- reading and writing ---- */

static void read_everything(struct index *ix)
{
    struct index_reading reading = {.strict = true};
    struct index_counters counters;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    reading.arena = &a;
    (void)!index_counters(ix, &counters, NULL);
    ASSERT(index_read_begin(ix, &a, &reading.read, NULL) == ST_OK);
    index_reading_all(&reading);
    index_read_end(reading.read);
    arena_release(&a);
}

/* Put a stream that is new, and take a segment away. False: a record is of no use. */
static bool write_something(struct index *ix)
{
    static struct label label = {STR_INIT("new"), STR_INIT("stream")};
    struct labels labels = {&label, 1};
    struct index_batch *b = NULL;
    struct stream_flush flush = {.tenant = STR("t"), .labels = labels, .seq = 1000};

    if (index_batch_begin(ix, &b, NULL) != ST_OK)
        return false;
    enum status st = index_batch_stream(b, flush.tenant, labels, &flush.stream_id, NULL);
    if (st == ST_OK)
        st = index_batch_flushed(b, &flush, NULL);
    index_batch_remove_segment(b, 1);
    if (st == ST_OK)
        return index_batch_commit(b, NULL) == ST_OK;
    index_batch_abort(b);
    return false;
}

static void check_file(struct str bytes)
{
    struct err err = {.text = ""};
    struct index *ix = NULL;
    int fd = io_openat(AT_FDCWD, file_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ASSERT(fd >= 0 && io_write_all(fd, bytes, 0, NULL) == ST_OK);
    (void)close(fd);
    enum status st = index_open(dir, MAP_BYTES, &ix, &err);
    ASSERT(st == ST_OK || err.text[0] != '\0');
    if (st != ST_OK)
        return;
    read_everything(ix);
    bool has_written = write_something(ix);
    index_close(ix);
    if (has_written)
        ASSERT(index_check(dir, &err) == ST_OK);
}

void fuzz_input(struct str in)
{
    uint8_t how = 0;
    struct buf b;

    if (dir[0] == '\0')
        make_files();
    (void)get_u8(&in, &how);
    const struct sound_file *f = &sound_files[how % FILES];
    buf_init(&b, FUZZ_MEMORY_BYTES);
    buf_put(&b, buf_str(&f->bytes));
    for (int i = 0; i < CHANGES_MAX && change_file(&b, &in); i++)
        continue;
    if ((how & 2) != 0)
        mend_pages(&b, f->is_record_page, PAGES_MAX);
    check_file(buf_str(&b));
    buf_release(&b);
}

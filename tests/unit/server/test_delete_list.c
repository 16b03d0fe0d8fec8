#include "server/store/delete_list.h"

#include "tests/support/expect.h"
#include "tests/support/files.h"

#include "base/banned.h"

enum { ARENA_BYTES = 16 * MIB, VERSION_OFFSET = 8, COPY_BYTES = 185 };

static struct delete_request requests[] = {
    {.id = 0xa49cd8d5,
     .tenant = STR_INIT("fake"),
     .query = STR_INIT("{app=\"web\"} |= \"secret\""),
     .start_ns = 1700000000000000000,
     .end_ns = 1795218619025000000,
     .created_ns = 1795218619025000001,
     .chunk_max = 77},
    {.id = 1,
     .processed = true,
     .tenant = STR_INIT("team-b"),
     .query = STR_INIT("{x=\"\xc3\xa4\"}"),
     .start_ns = INT64_MIN,
     .end_ns = INT64_MAX,
     .created_ns = -1,
     .chunk_max = UINT64_MAX - 1},
};
static const struct delete_list sample = {requests, COUNT_OF(requests)};

struct file {
    struct buf bytes;
    struct arena arena;
    struct delete_list list;
    struct err damage;
    struct err err;
};

static void file_begin(struct file *f)
{
    *f = (struct file){.err = {.text = ""}};
    buf_init(&f->bytes, MIB);
    arena_init(&f->arena, ARENA_BYTES);
    delete_list_encode(&sample, &f->bytes);
    REQUIRE_OK(buf_status(&f->bytes, NULL));
}

static void file_end(struct file *f)
{
    arena_release(&f->arena);
    buf_release(&f->bytes);
}

static enum status decode(struct file *f, struct str bytes)
{
    arena_reset(&f->arena);
    f->list = (struct delete_list){0};
    return delete_list_decode(&f->arena, bytes, &f->list, &f->damage, &f->err);
}

static void flip(struct file *f, size_t at, unsigned bit)
{
    f->bytes.ptr[at] = (char)((unsigned char)f->bytes.ptr[at] ^ bit);
}

static void expect_same(const struct delete_request *got, const struct delete_request *want)
{
    cr_expect_eq(got->id, want->id);
    cr_expect_eq(got->processed, want->processed);
    EXPECT_STR("tenant", got->tenant, want->tenant);
    EXPECT_STR("query", got->query, want->query);
    cr_expect_eq(got->start_ns, want->start_ns);
    cr_expect_eq(got->end_ns, want->end_ns);
    cr_expect_eq(got->created_ns, want->created_ns);
    cr_expect_eq(got->chunk_max, want->chunk_max);
}

static void expect_sample(const struct delete_list *list)
{
    cr_assert_eq(list->count, COUNT_OF(requests));
    for (size_t i = 0; i < list->count; i++)
        expect_same(&list->items[i], &requests[i]);
}

Test(delete_list, golden)
{
    struct file f;
    char path[TEST_PATH_BYTES];

    file_begin(&f);
    files_expect_golden("deletes-v1.bin", buf_str(&f.bytes));
    struct str stored = files_read(files_path(path, "tests/golden", "deletes-v1.bin"));
    REQUIRE_OK(decode(&f, stored));
    cr_expect_eq(f.damage.status, ST_OK);
    expect_sample(&f.list);
    mem_free((void *)(uintptr_t)stored.ptr);
    file_end(&f);
}

Test(delete_list, empty)
{
    const struct delete_list none = {0};
    struct file f;

    file_begin(&f);
    buf_reset(&f.bytes);
    delete_list_encode(&none, &f.bytes);
    REQUIRE_OK(decode(&f, buf_str(&f.bytes)));
    cr_expect_eq(f.list.count, 0);
    file_end(&f);
}

/* No byte can change without being noticed, and none costs the list. */
Test(delete_list, a_changed_byte_costs_one_copy)
{
    struct file f;

    file_begin(&f);
    cr_assert_eq(f.bytes.len, 2 * COPY_BYTES);
    for (size_t i = 0; i < f.bytes.len; i++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            flip(&f, i, bit);
            enum status st = decode(&f, buf_str(&f.bytes));
            cr_assert_eq(st, ST_OK, "byte %zu, bit %x: %s", i, bit, f.err.text);
            expect_sample(&f.list);
            cr_expect(f.damage.status == ST_CORRUPT || f.damage.status == ST_UNSUPPORTED);
            cr_expect(strstr(f.damage.text, i < COPY_BYTES ? "the first copy" : "the second copy"),
                      "byte %zu: %s", i, f.damage.text);
            flip(&f, i, bit);
        }
    }
    file_end(&f);
}

Test(delete_list, damage_of_both_copies_is_found)
{
    struct file f;

    file_begin(&f);
    for (size_t i = 0; i < COPY_BYTES; i++) {
        size_t other = COPY_BYTES + (i * 7 + 3) % COPY_BYTES;
        flip(&f, i, 1);
        flip(&f, other, 128);
        enum status st = decode(&f, buf_str(&f.bytes));
        cr_expect(st == ST_CORRUPT || st == ST_UNSUPPORTED, "byte %zu: %s", i, status_name(st));
        flip(&f, i, 1);
        flip(&f, other, 128);
    }
    file_end(&f);
}

Test(delete_list, a_cut_costs_the_second_copy_first)
{
    struct file f;

    file_begin(&f);
    for (size_t i = 0; i < COPY_BYTES; i++)
        EXPECT_STATUS("cut", decode(&f, str_head(buf_str(&f.bytes), i)), ST_CORRUPT);
    for (size_t i = COPY_BYTES; i < f.bytes.len; i++) {
        REQUIRE_OK(decode(&f, str_head(buf_str(&f.bytes), i)));
        expect_sample(&f.list);
        cr_expect_eq(f.damage.status, ST_CORRUPT, "cut to %zu", i);
    }
    buf_put_char(&f.bytes, 'x');
    REQUIRE_OK(decode(&f, buf_str(&f.bytes)));
    cr_expect_str_eq(f.damage.text,
                     "the second copy is damaged: byte 370: there is more behind it");
    file_end(&f);
}

Test(delete_list, says_where)
{
    struct file f;

    file_begin(&f);
    flip(&f, COPY_BYTES - 1, 1);
    REQUIRE_OK(decode(&f, buf_str(&f.bytes)));
    cr_expect_str_eq(f.damage.text,
                     "the first copy is damaged: byte 115: the checksum of a request "
                     "is wrong");
    flip(&f, COPY_BYTES, 1);
    EXPECT_STATUS("both", decode(&f, buf_str(&f.bytes)), ST_CORRUPT);
    cr_expect_str_eq(f.err.text, "byte 115: the checksum of a request is wrong; and the second "
                                 "copy: byte 185: it does not begin as a list of delete requests");
    flip(&f, COPY_BYTES - 1, 1);
    REQUIRE_OK(decode(&f, buf_str(&f.bytes)));
    cr_expect_str_eq(f.damage.text,
                     "the second copy is damaged: byte 185: it is not as the first one");
    f.bytes.ptr[VERSION_OFFSET] = 2;
    EXPECT_STATUS("another version", decode(&f, buf_str(&f.bytes)), ST_UNSUPPORTED);
    file_end(&f);
}

Test(delete_list, find)
{
    cr_expect_eq(delete_list_find(&sample, STR("fake"), 0xa49cd8d5), 0);
    cr_expect_eq(delete_list_find(&sample, STR("team-b"), 1), 1);
    cr_expect_eq(delete_list_find(&sample, STR("fake"), 1), 2, "of another tenant");
}

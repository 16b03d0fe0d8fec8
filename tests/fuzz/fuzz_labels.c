/* Labels as text, as a set, and as they are stored. */
#include "proto/labels.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static bool is_canonical(struct labels l)
{
    for (size_t i = 1; i < l.count; i++) {
        if (str_cmp(l.pairs[i - 1].name, l.pairs[i].name) >= 0)
            return false;
    }
    return true;
}

/* The text form has no quotes for names. */
static bool names_are_valid(struct labels l)
{
    for (size_t i = 0; i < l.count; i++) {
        if (!label_name_valid(l.pairs[i].name))
            return false;
    }
    return true;
}

static void check_text(struct arena *a, struct labels l, struct buf *b)
{
    struct labels again;

    if (!names_are_valid(l))
        return;
    labels_put_text(b, l);
    ASSERT(labels_parse(a, buf_str(b), &again, NULL) == ST_OK);
    ASSERT(labels_eq(l, again));
    ASSERT(labels_hash(l) == labels_hash(again));
}

static void check_stored(struct arena *a, struct labels l, struct buf *b)
{
    struct labels again;

    labels_encode(b, l);
    struct str stored = buf_str(b);
    enum status st = labels_decode(a, &stored, &again, NULL);
    ASSERT(st == (is_canonical(l) ? ST_OK : ST_CORRUPT));
    ASSERT(st != ST_OK || (stored.len == 0 && labels_eq(l, again)));
}

void fuzz_input(struct str in)
{
    struct err err = {.text = ""};
    struct buf text, stored;
    struct labels l;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    buf_init(&text, FUZZ_MEMORY_BYTES);
    buf_init(&stored, FUZZ_MEMORY_BYTES);
    enum status st = labels_parse(&a, in, &l, &err);
    ASSERT(st == ST_OK || (st == ST_INVALID && err.text[0] != '\0'));
    if (st == ST_OK) {
        check_text(&a, l, &text);
        check_stored(&a, l, &stored);
    }
    buf_release(&text);
    buf_release(&stored);
    arena_release(&a);
}

/*
 * The form of the file, as LMDB 0.9 writes it (numbers are of the machine):
 *
 *   page      u64 number, u16 size of fixed keys, u16 flags, u16 lower, u16 upper; then, up to
 *             `lower`, the places of the nodes (u16 each), and from `upper` to the end the nodes.
 *             A page of fixed keys (LEAF2) has the keys one behind the other instead. A page of a
 *             long value (OVERFLOW) has u32 number of pages in the place of lower and upper.
 *   node      u16 low and u16 high half of the size of the value, u16 flags, u16 size of the key;
 *             the key, the value. In a branch page: 48 bits of page number instead of size and
 *             flags, and no value. Nodes begin at even places.
 *   database  u32 size of fixed keys, u16 flags, u16 depth, u64 branch, leaf and overflow pages,
 * u64 entries, u64 root page meta      pages 0 and 1: u32 magic, u32 version, u64 address, u64 map
 * size, two databases (free pages, names), u64 last page, u64 transaction
 *
 * Transactions write the two meta pages in turn. Whatever pages are not in a tree are in the list
 * of free pages, or (never written, behind the end of the file) in none.
 */
#include "index/pages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"

#include "base/banned.h"

enum {
    PAGE_BYTES_MIN = 512,
    PAGE_BYTES_MAX = 32768,
    PAGE_HEADER_BYTES = 16,
    NODE_HEADER_BYTES = 8,
    DATABASE_BYTES = 48,
    META_BYTES = PAGE_HEADER_BYTES + 136,
    META_PAGES = 2,
    META_VERSION = 1,
    KEY_BYTES_MAX = 511,
    DEPTH_MAX = 32,             /* of a tree, LMDB's own limit */
    LEVELS_MAX = 2 * DEPTH_MAX, /* a tree of duplicates hangs below a leaf */
    TAIL_PAGES_MAX = 1 << 20,   /* that were given out and given back before they were written */
    VALUE_BYTES_MAX = 1 << 30,
};

#define META_MAGIC UINT32_C(0xbeefc0de)
#define NO_PAGE UINT64_MAX

enum page_flags {
    PAGE_BRANCH = 0x01,
    PAGE_LEAF = 0x02,
    PAGE_OVERFLOW = 0x04,
    PAGE_META = 0x08,
    PAGE_DIRTY = 0x10, /* of pages inside values it means nothing */
    PAGE_LEAF2 = 0x20,
    PAGE_INNER = 0x40, /* a page inside a value */
};

enum node_flags {
    NODE_BIG = 0x01,      /* the value is in overflow pages; the node has the number of the first */
    NODE_DATABASE = 0x02, /* the value is a database */
    NODE_DUPLICATES = 0x04, /* the value is a page or database of values */
};

struct page {
    const char *bytes;
    size_t size;
    uint64_t number;
    uint16_t fixed_bytes;
    uint16_t flags;
    uint16_t lower;
    uint16_t upper;
};

struct node {
    uint16_t flags;
    struct str key;
    uint32_t value_bytes;
    const char *value;
    uint64_t child; /* of a branch page */
};

enum tree_kind {
    TREE_FREE,       /* lists of free pages, by transaction */
    TREE_NAMES,      /* databases, by name */
    TREE_RECORDS,    /* one of the form */
    TREE_DUPLICATES, /* the values of one key */
};

struct tree {
    enum tree_kind kind;
    size_t database;         /* of the form; not of TREE_FREE and TREE_NAMES */
    struct str duplicate_of; /* TREE_DUPLICATES: the key */
    uint16_t flags;
    uint16_t depth;
    uint64_t entries;
    uint64_t root;

    uint64_t seen; /* entries so far */
    bool any;      /* there is a key before */
    bool is_bound; /* it is only a lower bound: what comes next may be equal */
    size_t last_bytes;
    char last[KEY_BYTES_MAX];
};

struct look {
    int fd;
    const char *path;
    const struct pages_form *form;
    size_t page_bytes;
    uint64_t file_pages;
    uint64_t last_page;
    unsigned char *used; /* a bit for each page up to the last */
    char *levels[LEVELS_MAX];
    size_t level;       /* those in use */
    uint16_t *extents;  /* of the nodes of a page, by half their place */
    struct buf value;   /* of overflow pages */
    struct tree *trees; /* of the form; depth and root 0: not there */
    struct err *err;
};

/* ---- reading numbers ---- */

static uint16_t u16_at(const char *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint32_t u32_at(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t u64_at(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static enum status damaged(struct look *l, uint64_t page, const char *what)
{
    return err_set(l->err, ST_CORRUPT, "%s: page %" PRIu64 " (offset %" PRIu64 "): %s", l->path,
                   page, page * l->page_bytes, what);
}

/* ---- pages ---- */

/* Note that something uses the page, which nothing else may. */
static enum status use_page(struct look *l, uint64_t from, uint64_t number)
{
    if (number < META_PAGES || number > l->last_page)
        return damaged(l, from, "it names a page that is not there");
    unsigned char bit = (unsigned char)(1U << number % 8);
    if ((l->used[number / 8] & bit) != 0)
        return damaged(l, from, "it names a page that is used elsewhere, too");
    l->used[number / 8] |= bit;
    return ST_OK;
}

static struct page page_at(const char *bytes, size_t size)
{
    return (struct page){
        .bytes = bytes,
        .size = size,
        .number = u64_at(bytes),
        .fixed_bytes = u16_at(bytes + 8),
        .flags = u16_at(bytes + 10),
        .lower = u16_at(bytes + 12),
        .upper = u16_at(bytes + 14),
    };
}

static size_t page_keys(const struct page *p)
{
    return (p->lower - (size_t)PAGE_HEADER_BYTES) / sizeof(uint16_t);
}

/* Read a page of a tree into the next level. */
static enum status read_page(struct look *l, uint64_t from, uint64_t number, struct page *ret_page)
{
    enum status st = use_page(l, from, number);

    if (st != ST_OK)
        return st;
    if (number >= l->file_pages)
        return damaged(l, from, "it names a page behind the end of the file");
    if (l->level == LEVELS_MAX)
        return damaged(l, from, "pages below pages without end");
    char **to = &l->levels[l->level];
    if (*to == NULL)
        *to = mem_bytes(l->page_bytes);
    if (*to == NULL)
        return err_set(l->err, ST_NOMEM, "no memory for a page of the index");
    st = io_read_all(l->fd, *to, l->page_bytes, number * l->page_bytes, l->err);
    if (st != ST_OK)
        return st;
    *ret_page = page_at(*to, l->page_bytes);
    if (ret_page->number != number)
        return damaged(l, number, "it has the number of another page");
    l->level++;
    return ST_OK;
}

/* The node of a page of nodes. False: it does not lie inside. */
static bool node_at(const struct page *p, size_t index, struct node *ret_node)
{
    uint16_t place = u16_at(p->bytes + PAGE_HEADER_BYTES + index * sizeof(uint16_t));

    if (place < p->upper || place % 2 != 0 || (size_t)place + NODE_HEADER_BYTES > p->size)
        return false;
    const char *node = p->bytes + place;
    struct node n = {
        .flags = u16_at(node + 4),
        .key = str_make(node + NODE_HEADER_BYTES, u16_at(node + 6)),
        .value_bytes = u16_at(node) | (uint32_t)u16_at(node + 2) << 16,
    };
    size_t left = p->size - place - NODE_HEADER_BYTES;
    if (n.key.len > left || n.key.len > KEY_BYTES_MAX)
        return false;
    if ((p->flags & PAGE_BRANCH) != 0) {
        n.child = n.value_bytes | (uint64_t)n.flags << 32;
        n.value_bytes = 0;
        n.flags = 0;
    }
    size_t here = (n.flags & NODE_BIG) != 0 ? sizeof(uint64_t) : n.value_bytes;
    if (here > left - n.key.len)
        return false;
    n.value = n.key.ptr + n.key.len;
    *ret_node = n;
    return true;
}

static size_t node_extent(const struct node *n)
{
    size_t value_bytes = (n->flags & NODE_BIG) != 0 ? sizeof(uint64_t) : n->value_bytes;
    size_t bytes = NODE_HEADER_BYTES + n->key.len + value_bytes;

    return bytes + bytes % 2;
}

/* Do the nodes fill the page from `upper` to its end, none over another? */
static bool nodes_are_packed(struct look *l, const struct page *p)
{
    size_t keys = page_keys(p), met = 0;
    struct node n;

    memset(l->extents, 0, l->page_bytes / 2 * sizeof(*l->extents));
    for (size_t i = 0; i < keys; i++) {
        if (!node_at(p, i, &n))
            return false;
        size_t place = (size_t)(n.key.ptr - p->bytes) - NODE_HEADER_BYTES;
        l->extents[place / 2] = (uint16_t)node_extent(&n);
    }
    size_t at = p->upper;
    while (at < p->size && l->extents[at / 2] != 0) {
        at += l->extents[at / 2];
        met++;
    }
    return at == p->size && met == keys;
}

/* Do the keys of a LEAF2 page, of this size, lie inside, with the free space LMDB thinks of? */
static bool fixed_keys_fit(const struct page *p, uint16_t bytes)
{
    size_t keys = page_keys(p);

    return p->fixed_bytes == bytes && PAGE_HEADER_BYTES + keys * bytes <= p->size &&
           p->upper + keys * bytes == p->size + keys * sizeof(uint16_t);
}

static bool bounds_are_sound(const struct page *p)
{
    return p->lower >= PAGE_HEADER_BYTES && p->lower % 2 == 0 && p->lower <= p->upper &&
           p->upper <= p->size && page_keys(p) > 0;
}

/* ---- order ---- */

static int compare(const struct tree *t, struct str a, struct str b)
{
    if (t->kind != TREE_FREE)
        return str_cmp(a, b);
    uint64_t x = u64_at(a.ptr), y = u64_at(b.ptr); /* their length has been checked */
    return (x > y) - (x < y);
}

/* Is the key behind the one before? */
static bool key_follows(struct tree *t, struct str key, bool is_bound)
{
    if (key.len == 0 || (t->kind == TREE_FREE && key.len != sizeof(uint64_t)))
        return false;
    if (t->any) {
        int order = compare(t, str_make(t->last, t->last_bytes), key);
        if (order > 0 || (order == 0 && !t->is_bound))
            return false;
    }
    memcpy(t->last, key.ptr, key.len);
    t->last_bytes = key.len;
    t->any = true;
    t->is_bound = is_bound;
    return true;
}

/* ---- records ---- */

static enum status look_through(struct look *l, struct tree *t, uint64_t from, uint64_t number,
                                unsigned depth);

static enum status give_record(struct look *l, struct tree *t, struct str key, struct str value)
{
    t->seen++;
    return l->form->record(l->form->context, t->database, key, value, l->err);
}

/* The pages that a transaction gave back: a count, and as many numbers, descending. */
static enum status look_at_free(struct look *l, struct tree *t, uint64_t page, struct str value)
{
    uint64_t before = NO_PAGE;
    enum status st = ST_OK;

    if (value.len < sizeof(uint64_t) || value.len % sizeof(uint64_t) != 0 ||
        u64_at(value.ptr) >= value.len / sizeof(uint64_t))
        return damaged(l, page, "a list of free pages has no sensible length");
    for (uint64_t i = 1; i <= u64_at(value.ptr) && st == ST_OK; i++) {
        uint64_t number = u64_at(value.ptr + i * sizeof(number));
        st = number < before ? use_page(l, page, number)
                             : damaged(l, page, "a list of free pages is out of order");
        before = number;
    }
    t->seen++;
    return st;
}

static void read_database(const char *p, struct tree *t)
{
    t->flags = u16_at(p + 4);
    t->depth = u16_at(p + 6);
    t->entries = u64_at(p + 32);
    t->root = u64_at(p + 40);
}

static enum status look_at_name(struct look *l, struct tree *names, uint64_t page,
                                const struct node *n)
{
    size_t i = 0;

    if (n->flags != NODE_DATABASE || n->value_bytes != DATABASE_BYTES)
        return damaged(l, page, "a name that is not one of a database");
    while (i < l->form->count && !str_eq(n->key, str_from(l->form->databases[i].name)))
        i++;
    if (i == l->form->count)
        return damaged(l, page, "a database that is not known");
    l->trees[i] = (struct tree){.kind = TREE_RECORDS, .database = i};
    read_database(n->value, &l->trees[i]);
    if (l->trees[i].flags != l->form->databases[i].flags)
        return damaged(l, page, "a database is of another kind");
    names->seen++;
    return ST_OK;
}

/* The value of a node in overflow pages. */
static enum status read_overflow(struct look *l, uint64_t page, const struct node *n,
                                 struct str *ret_value)
{
    uint64_t first = u64_at(n->value);
    uint64_t least = ((uint64_t)n->value_bytes + PAGE_HEADER_BYTES - 1) / l->page_bytes + 1;
    char header[PAGE_HEADER_BYTES];
    enum status st = ST_OK;

    if (first < META_PAGES || first >= l->file_pages || least > l->file_pages - first)
        return damaged(l, page, "it names a page that is not there");
    st = io_read_all(l->fd, header, sizeof(header), first * l->page_bytes, l->err);
    if (st != ST_OK)
        return st;
    uint64_t pages = u32_at(header + 12);
    if (u64_at(header) != first || u16_at(header + 10) != PAGE_OVERFLOW || pages < least ||
        pages > l->file_pages - first)
        return damaged(l, first, "it is not the first page of a long value");
    for (uint64_t i = 0; i < pages && st == ST_OK; i++)
        st = use_page(l, page, first + i);
    buf_reset(&l->value);
    char *to = st == ST_OK ? buf_reserve(&l->value, n->value_bytes) : NULL;
    if (st == ST_OK && to == NULL)
        st = err_set(l->err, ST_NOMEM, "no memory for a long value of the index");
    if (st == ST_OK)
        st = io_read_all(l->fd, to, n->value_bytes, first * l->page_bytes + PAGE_HEADER_BYTES,
                         l->err);
    if (st == ST_OK)
        *ret_value = str_make(to, n->value_bytes);
    return st;
}

/* The keys of a LEAF2 page are the values of a key. */
static enum status look_at_values(struct look *l, struct tree *t, uint64_t page,
                                  const struct page *p)
{
    uint16_t bytes = l->form->databases[t->database].duplicates;
    enum status st = ST_OK;

    if (!bounds_are_sound(p) || !fixed_keys_fit(p, bytes))
        return damaged(l, page, "a page of values has no sensible sizes");
    for (size_t i = 0; i < page_keys(p) && st == ST_OK; i++) {
        struct str value = str_make(p->bytes + PAGE_HEADER_BYTES + i * bytes, bytes);
        st = key_follows(t, value, false) ? give_record(l, t, t->duplicate_of, value)
                                          : damaged(l, page, "values are out of order");
    }
    return st;
}

static enum status look_at_tree(struct look *l, struct tree *t, uint64_t from)
{
    if (t->root == NO_PAGE && t->depth == 0 && t->entries == 0)
        return ST_OK;
    if (t->depth == 0 || t->depth > DEPTH_MAX)
        return damaged(l, from, "a database has no sensible depth");
    enum status st = look_through(l, t, from, t->root, 1);
    if (st == ST_OK && t->seen != t->entries)
        st = damaged(l, from, "a database has not as many entries as it should");
    return st;
}

/* The values of a key that has, or may have, several. */
static enum status look_at_duplicates(struct look *l, struct tree *t, uint64_t page,
                                      const struct node *n)
{
    struct tree values = {.kind = TREE_DUPLICATES, .database = t->database, .duplicate_of = n->key};
    enum status st;

    if (n->flags == 0) {
        if (n->value_bytes != l->form->databases[t->database].duplicates)
            return damaged(l, page, "a value has not the size it should have");
        return give_record(l, t, n->key, str_make(n->value, n->value_bytes));
    }
    if (n->flags == (NODE_DUPLICATES | NODE_DATABASE) && n->value_bytes == DATABASE_BYTES) {
        read_database(n->value, &values);
        if (values.flags != MDB_DUPFIXED || values.depth == 0 ||
            u32_at(n->value) != l->form->databases[t->database].duplicates)
            return damaged(l, page, "a list of values is of another kind");
        st = look_at_tree(l, &values, page);
    } else if (n->flags == NODE_DUPLICATES && n->value_bytes >= PAGE_HEADER_BYTES &&
               n->value_bytes % 2 == 0) {
        struct page inner = page_at(n->value, n->value_bytes);
        if ((inner.flags & ~PAGE_DIRTY) != (PAGE_LEAF | PAGE_LEAF2 | PAGE_INNER))
            return damaged(l, page, "a list of values is no page");
        st = look_at_values(l, &values, page, &inner);
    } else {
        return damaged(l, page, "a node of an unknown kind");
    }
    t->seen += values.seen;
    return st;
}

static enum status look_at_node(struct look *l, struct tree *t, uint64_t page, const struct node *n)
{
    struct str value = str_make(n->value, n->value_bytes);

    if (!key_follows(t, n->key, false))
        return damaged(l, page, "keys are out of order");
    if (t->kind == TREE_NAMES)
        return look_at_name(l, t, page, n);
    if (t->kind == TREE_RECORDS && t->flags != 0)
        return look_at_duplicates(l, t, page, n);
    if ((n->flags & ~NODE_BIG) != 0)
        return damaged(l, page, "a node of an unknown kind");
    enum status st = n->flags == NODE_BIG ? read_overflow(l, page, n, &value) : ST_OK;
    if (st != ST_OK)
        return st;
    return t->kind == TREE_FREE ? look_at_free(l, t, page, value)
                                : give_record(l, t, n->key, value);
}

/* ---- trees ---- */

static enum status look_at_branch(struct look *l, struct tree *t, const struct page *p,
                                  unsigned depth)
{
    enum status st = ST_OK;
    struct node n;

    if (page_keys(p) < 2 && t->kind != TREE_FREE) /* LMDB asserts as much */
        return damaged(l, p->number, "a branch without branches");
    for (size_t i = 0; i < page_keys(p) && st == ST_OK; i++) {
        if (!node_at(p, i, &n) || (i > 0 && !key_follows(t, n.key, true)))
            return damaged(l, p->number, "keys are out of order");
        st = look_through(l, t, p->number, n.child, depth + 1);
    }
    return st;
}

static enum status look_at_leaf(struct look *l, struct tree *t, const struct page *p)
{
    enum status st = ST_OK;
    struct node n;

    for (size_t i = 0; i < page_keys(p) && st == ST_OK; i++) {
        if (!node_at(p, i, &n))
            return damaged(l, p->number, "a node does not lie in its page");
        st = look_at_node(l, t, p->number, &n);
    }
    return st;
}

/* Look at a page, which `from` names, and all below it. At most DEPTH_MAX calls deep. */
static enum status look_through(struct look *l, struct tree *t, uint64_t from, uint64_t number,
                                unsigned depth)
{
    uint16_t leaf = t->kind == TREE_DUPLICATES ? PAGE_LEAF | PAGE_LEAF2 : PAGE_LEAF;
    struct page p;

    enum status st = read_page(l, from, number, &p);
    if (st != ST_OK)
        return st;
    if (p.flags != (depth < t->depth ? PAGE_BRANCH : leaf))
        st = damaged(l, number, "it is not of the kind it should be");
    else if (!bounds_are_sound(&p))
        st = damaged(l, number, "its free space makes no sense");
    else if ((p.flags & PAGE_LEAF2) != 0)
        st = look_at_values(l, t, number, &p);
    else if (!nodes_are_packed(l, &p))
        st = damaged(l, number, "its nodes do not fill it");
    else
        st = depth < t->depth ? look_at_branch(l, t, &p, depth) : look_at_leaf(l, t, &p);
    l->level--;
    return st;
}

/* ---- meta pages ---- */

static bool meta_is_sound(const char *page, uint64_t number, uint64_t page_bytes)
{
    struct page p = page_at(page, META_BYTES);
    const char *meta = page + PAGE_HEADER_BYTES;

    return p.number == number && p.flags == PAGE_META && u32_at(meta) == META_MAGIC &&
           u32_at(meta + 4) == META_VERSION && u32_at(meta + 24) == page_bytes &&
           u64_at(meta + 8) == 0;
}

/* The meta page that counts; the transactions of both must be such as LMDB leaves them. */
static const char *newer_meta(const char *first, const char *second)
{
    enum { TRANSACTION_OFFSET = PAGE_HEADER_BYTES + 128 };
    uint64_t a = u64_at(first + TRANSACTION_OFFSET), b = u64_at(second + TRANSACTION_OFFSET);

    if (a == 0 && b == 0)
        return first;
    if (a > b)
        return a == b + 1 && a % 2 == 0 ? first : NULL;
    return b == a + 1 && b % 2 == 1 ? second : NULL;
}

/* Read the meta pages; `free_pages` and `names` are filled in. */
static enum status look_at_meta(struct look *l, uint64_t file_bytes, struct tree *free_pages,
                                struct tree *names)
{
    char first[META_BYTES], second[META_BYTES];

    if (file_bytes < sizeof(first))
        return err_set(l->err, ST_CORRUPT, "%s: it is cut short", l->path);
    enum status st = io_read_all(l->fd, first, sizeof(first), 0, l->err);
    if (st != ST_OK)
        return st;
    uint32_t page_bytes = u32_at(first + PAGE_HEADER_BYTES + 24);
    if (page_bytes < PAGE_BYTES_MIN || page_bytes > PAGE_BYTES_MAX ||
        (page_bytes & (page_bytes - 1)) != 0 || !meta_is_sound(first, 0, page_bytes))
        return damaged(l, 0, "it is no meta page");
    l->page_bytes = page_bytes;
    l->file_pages = file_bytes / page_bytes;
    if (l->file_pages < META_PAGES)
        return err_set(l->err, ST_CORRUPT, "%s: it is cut short", l->path);
    st = io_read_all(l->fd, second, sizeof(second), page_bytes, l->err);
    if (st != ST_OK)
        return st;
    if (!meta_is_sound(second, 1, page_bytes))
        return damaged(l, 1, "it is no meta page");
    const char *newer = newer_meta(first, second);
    if (newer == NULL)
        return damaged(l, 1, "the two meta pages do not follow one another");
    const char *meta = newer + PAGE_HEADER_BYTES;
    read_database(meta + 24, free_pages);
    read_database(meta + 24 + DATABASE_BYTES, names);
    l->last_page = u64_at(meta + 24 + 2 * DATABASE_BYTES);
    if (free_pages->flags != MDB_INTEGERKEY || names->flags != 0 || l->last_page < 1 ||
        l->last_page >= l->file_pages + TAIL_PAGES_MAX)
        return damaged(l, newer == first ? 0 : 1, "the meta page makes no sense");
    return ST_OK;
}

/* ---- the file ---- */

static enum status make_room(struct look *l)
{
    l->used = mem_new((size_t)(l->last_page / 8 + 1), 1);
    l->extents = mem_new(l->page_bytes / 2, sizeof(*l->extents));
    l->trees = mem_new(l->form->count, sizeof(*l->trees));
    if (l->used == NULL || l->extents == NULL || l->trees == NULL)
        return err_set(l->err, ST_NOMEM, "no memory to look through the index");
    return ST_OK;
}

static enum status look_at_file(struct look *l, uint64_t file_bytes, size_t *ret_databases)
{
    struct tree free_pages = {.kind = TREE_FREE}, names = {.kind = TREE_NAMES};
    size_t there = 0;

    enum status st = look_at_meta(l, file_bytes, &free_pages, &names);
    if (st == ST_OK)
        st = make_room(l);
    if (st == ST_OK)
        st = look_at_tree(l, &names, 0);
    for (size_t i = 0; i < l->form->count && st == ST_OK; i++) {
        if (l->trees[i].kind != TREE_RECORDS)
            continue;
        st = look_at_tree(l, &l->trees[i], 0);
        there++;
    }
    if (st == ST_OK)
        st = look_at_tree(l, &free_pages, 0);
    if (st == ST_OK)
        *ret_databases = there;
    return st;
}

enum status pages_check(const char *path, const struct pages_form *form, size_t *ret_databases,
                        struct err *err)
{
    struct look l = {.path = path, .form = form, .err = err};
    uint64_t bytes = 0;

    l.fd = io_openat(AT_FDCWD, path, O_RDONLY, 0);
    if (l.fd < 0)
        return err_errno(err, "open %s", path);
    buf_init(&l.value, VALUE_BYTES_MAX);
    enum status st = io_file_size(l.fd, &bytes, err);
    if (st == ST_OK && bytes == 0)
        st = err_set(err, ST_NOT_FOUND, "%s: nothing is in it", path);
    (void)posix_fadvise(l.fd, 0, 0, POSIX_FADV_WILLNEED);
    if (st == ST_OK)
        st = look_at_file(&l, bytes, ret_databases);
    for (size_t i = 0; i < LEVELS_MAX; i++)
        mem_free(l.levels[i]);
    buf_release(&l.value);
    mem_free(l.used);
    mem_free(l.extents);
    mem_free(l.trees);
    (void)close(l.fd);
    return st;
}

#include "tests/torture/support/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

#include "base/banned.h"

enum {
    SECTOR_BYTES = 512,
    NODES_MAX = 4096,
    DISK_PATH_BYTES = 1024,
    NAMES_MAX = 1024, /* in a directory */
};

/* A change of a file, or of the names in a directory. Texts borrow the trace. */
struct change {
    enum trace_kind kind;
    uint64_t offset; /* of a write */
    uint64_t size;   /* of a truncate */
    struct str bytes;
    struct str name;
    struct str to;
    size_t node;   /* that gets the name */
    bool doubtful; /* its sync failed: another one that succeeds says nothing of it */
};

struct node {
    bool directory;
    struct change *changes;
    size_t count;
    size_t capacity;
    size_t synced;    /* so many changes are durable */
    struct map names; /* of a directory as programs see it: name -> struct node */
    struct str index; /* the file of the index as it was last committed; else ptr NULL, */
    size_t index_at;  /* and how many changes were before it */
};

struct disk {
    struct node nodes[NODES_MAX]; /* the first is the root */
    size_t count;
};

/* ---- playing ---- */

struct disk *disk_new(void)
{
    struct disk *d = calloc(1, sizeof(*d));

    ASSERT(d != NULL);
    d->nodes[0].directory = true;
    d->count = 1;
    return d;
}

void disk_free(struct disk *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->nodes[i].changes);
        map_release(&d->nodes[i].names);
    }
    free(d);
}

static struct node *new_node(struct disk *d, bool directory)
{
    ASSERT(d->count < NODES_MAX);
    struct node *n = &d->nodes[d->count++];
    n->directory = directory;
    return n;
}

static void add_change(struct node *n, const struct change *c)
{
    if (n->count == n->capacity) {
        n->capacity = n->capacity == 0 ? 16 : n->capacity * 2;
        n->changes = realloc(n->changes, n->capacity * sizeof(*n->changes));
        ASSERT(n->changes != NULL);
    }
    n->changes[n->count++] = *c;
}

/* The directory that a path is in, and its last name. */
static struct node *directory_of(struct disk *d, struct str path, struct str *ret_name)
{
    struct node *n = &d->nodes[0];
    size_t at = 0;

    for (size_t i = 0; i < path.len && n != NULL; i++) {
        if (path.ptr[i] != '/')
            continue;
        n = map_get(&n->names, str_make(path.ptr + at, i - at));
        at = i + 1;
    }
    *ret_name = str_cut(path, at);
    return n;
}

/* NULL: there is no such file. */
static struct node *node_of(struct disk *d, struct str path)
{
    struct str name;
    struct node *dir = directory_of(d, path, &name);

    if (path.len == 0)
        return &d->nodes[0];
    return dir == NULL ? NULL : map_get(&dir->names, name);
}

static void set_name(struct node *dir, struct str name, struct node *n)
{
    enum status st = map_set(&dir->names, name, n);

    ASSERT(st == ST_OK);
}

static void play_create(struct disk *d, const struct trace_event *e, bool directory)
{
    struct str name;
    struct node *dir = directory_of(d, e->path, &name), *n = node_of(d, e->path);

    ASSERT(dir != NULL);
    if (n != NULL) {
        if (!directory && e->size != 0)
            add_change(n, &(struct change){.kind = TRACE_TRUNCATE, .size = 0});
        return;
    }
    n = new_node(d, directory);
    add_change(
        dir, &(struct change){.kind = TRACE_CREATE, .name = name, .node = (size_t)(n - d->nodes)});
    set_name(dir, name, n);
}

/* A name goes, or another one takes its place. */
static void play_name(struct disk *d, const struct trace_event *e)
{
    struct str name, to;
    struct node *dir = directory_of(d, e->path, &name), *n = node_of(d, e->path);

    if (n == NULL || (e->kind == TRACE_LINK && node_of(d, e->to) != NULL))
        return; /* it failed */
    struct change c = {.kind = e->kind, .name = name, .node = (size_t)(n - d->nodes)};
    if (e->kind != TRACE_UNLINK) {
        struct node *other = directory_of(d, e->to, &to);
        ASSERT(other == dir);
        c.to = to;
        set_name(dir, to, n);
    }
    if (e->kind != TRACE_LINK)
        (void)map_remove(&dir->names, name);
    add_change(dir, &c);
}

static void play_commit(struct disk *d, const struct trace_event *e)
{
    struct trace_event file = {.kind = TRACE_CREATE, .path = e->path};

    play_create(d, &file, false);
    struct node *n = node_of(d, e->path);
    if (str_eq(n->index, e->bytes))
        return; /* it was another one that was committed */
    n->index = e->bytes;
    n->index_at = n->count;
}

static void play_event(struct disk *d, const struct trace_event *e, struct ledger *l)
{
    struct node *n;

    switch (e->kind) {
    case TRACE_CREATE:
    case TRACE_MKDIR:
        play_create(d, e, e->kind == TRACE_MKDIR);
        break;
    case TRACE_WRITE:
    case TRACE_TRUNCATE:
        n = node_of(d, e->path);
        if (n == NULL && str_ends(e->path, STR("/lock.mdb")))
            break; /* LMDB makes it, and needs nothing of it after a cut */
        ASSERT(n != NULL);
        add_change(n,
                   &(struct change){
                       .kind = e->kind, .offset = e->offset, .size = e->size, .bytes = e->bytes});
        break;
    case TRACE_SYNC:
        n = node_of(d, e->path);
        if (n == NULL)
            break; /* it was removed, and another thread still had it open */
        for (size_t i = n->synced; e->size != 0 && i < n->count; i++)
            n->changes[i].doubtful = true;
        n->synced = n->count;
        break;
    case TRACE_LINK:
    case TRACE_UNLINK:
    case TRACE_RENAME:
        play_name(d, e);
        break;
    case TRACE_COMMIT:
        play_commit(d, e);
        break;
    case TRACE_COMMIT_BEGIN:
        break;
    case TRACE_NOTE:
        counter_set(&l->states[e->offset], e->size);
        break;
    }
}

void disk_play(struct disk *d, const struct trace *t, size_t events, struct ledger *l)
{
    struct trace_event e;
    size_t cursor = 0;

    for (size_t i = 0; i < events && trace_next(t, &cursor, &e); i++)
        play_event(d, &e, l);
}

void disk_end_commit(struct disk *d, const struct trace *t, size_t events)
{
    struct trace_event e;
    size_t cursor = 0;
    bool begun = false, ended = false;

    for (size_t i = 0; trace_next(t, &cursor, &e); i++) {
        if (i < events) {
            begun = e.kind == TRACE_COMMIT_BEGIN || (begun && e.kind != TRACE_COMMIT);
        } else if (!begun || e.kind == TRACE_COMMIT_BEGIN) {
            return;
        } else if (e.kind == TRACE_COMMIT) {
            play_commit(d, &e);
            ended = true;
        } else if (ended) {
            return;
        }
    }
}

/* ---- after the cut ---- */

struct writing {
    const struct disk *disk;
    enum disk_loss loss;
    struct random *random;
    struct disk_toll toll;
};

/* Does change `i` of a node reach the disk, for sure or because chance will have it? */
static bool is_kept(struct writing *w, const struct node *n, size_t i)
{
    return w->loss == DISK_LOSS_NONE || (i < n->synced && !n->changes[i].doubtful) ||
           (w->loss == DISK_LOSS_SOME && random_below(w->random, 2) == 0);
}

struct content {
    char *bytes;
    size_t len;
    size_t capacity;
};

static void set_length(struct content *c, size_t len)
{
    if (len > c->capacity) {
        c->capacity = len * 2;
        c->bytes = realloc(c->bytes, c->capacity);
        ASSERT(c->bytes != NULL);
    }
    if (len > c->len)
        memset(c->bytes + c->len, 0, len - c->len);
    c->len = len;
}

static void put_bytes(struct content *c, const struct change *w, size_t begin, size_t end)
{
    if (end > begin)
        memcpy(c->bytes + w->offset + begin, w->bytes.ptr + begin, end - begin);
}

/* A write that was not synced: some sectors of it, or only the size. */
static void tear(struct writing *w, struct content *c, const struct change *change)
{
    uint64_t end = change->offset + change->bytes.len;
    size_t kept_share = random_below(w->random, 4); /* 0: only the size; 3: most of it */
    size_t sector = (size_t)(change->offset / SECTOR_BYTES), before = c->len;

    set_length(c, MAX_OF(c->len, (size_t)end));
    for (; sector * SECTOR_BYTES < end; sector++) {
        uint64_t from = MAX_OF((uint64_t)sector * SECTOR_BYTES, change->offset);
        uint64_t to = MIN_OF(((uint64_t)sector + 1) * SECTOR_BYTES, end);
        if (random_below(w->random, 4) < kept_share)
            put_bytes(c, change, (size_t)(from - change->offset), (size_t)(to - change->offset));
    }
    if (random_below(w->random, 2) == 0) /* or the size has not come so far */
        set_length(c, before + random_below(w->random, c->len - before + 1));
}

/* Is this a write of several records of the log? */
static bool is_batch(const struct change *change)
{
    struct wal_record_header first;

    return change->bytes.len > WAL_RECORD_HEADER_BYTES &&
           wal_get_record_header(str_head(change->bytes, WAL_RECORD_HEADER_BYTES), &first) &&
           change->bytes.len > WAL_RECORD_HEADER_BYTES + first.payload_bytes;
}

static void apply(struct content *c, const struct change *change)
{
    if (change->kind == TRACE_TRUNCATE) {
        set_length(c, (size_t)change->size);
        return;
    }
    set_length(c, MAX_OF(c->len, (size_t)(change->offset + change->bytes.len)));
    put_bytes(c, change, 0, change->bytes.len);
}

static void write_file(struct writing *w, const struct node *n, const char *path)
{
    struct content c = {0};

    if (n->index.ptr != NULL) {
        set_length(&c, n->index.len);
        memcpy(c.bytes, n->index.ptr, n->index.len);
    }
    for (size_t i = n->index_at; i < n->count; i++) {
        const struct change *change = &n->changes[i];
        if (is_kept(w, n, i)) {
            apply(&c, change);
            continue;
        }
        w->toll.lost++;
        if (w->loss == DISK_LOSS_SOME && change->kind == TRACE_WRITE &&
            random_below(w->random, 2) == 0) {
            tear(w, &c, change);
            w->toll.torn++;
            w->toll.torn_batches += is_batch(change) ? 1 : 0;
        }
    }
    struct str bytes = str_make(c.bytes, c.len);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    ASSERT(fd >= 0);
    for (size_t done = 0; done < bytes.len;) {
        ssize_t put = write(fd, bytes.ptr + done, bytes.len - done);
        ASSERT(put > 0);
        done += (size_t)put;
    }
    (void)close(fd);
    free(c.bytes);
}

/* A name that is on the disk. */
struct name {
    struct str name;
    size_t node;
};

struct name_list {
    struct name names[NAMES_MAX];
    size_t count;
};

static void forget_name(struct name_list *l, struct str name)
{
    for (size_t i = 0; i < l->count; i++) {
        if (str_eq(l->names[i].name, name)) {
            l->names[i] = l->names[--l->count];
            return;
        }
    }
}

static void put_name(struct name_list *l, struct str name, size_t node)
{
    forget_name(l, name);
    ASSERT(l->count < NAMES_MAX);
    l->names[l->count++] = (struct name){name, node};
}

static void apply_name(struct name_list *l, const struct change *c)
{
    if (c->kind == TRACE_CREATE)
        put_name(l, c->name, c->node);
    else if (c->kind == TRACE_UNLINK || c->kind == TRACE_RENAME)
        forget_name(l, c->name);
    if (c->kind == TRACE_LINK || c->kind == TRACE_RENAME)
        put_name(l, c->to, c->node);
}

static void write_directory(struct writing *w, const struct node *n, const char *path)
{
    struct name_list *l = calloc(1, sizeof(*l));

    ASSERT(l != NULL);
    for (size_t i = 0; i < n->count; i++) {
        if (is_kept(w, n, i))
            apply_name(l, &n->changes[i]);
        else
            w->toll.lost++;
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct node *child = &w->disk->nodes[l->names[i].node];
        char below[DISK_PATH_BYTES];
        (void)snprintf(below, sizeof(below), "%s/%.*s", path, STR_ARG(l->names[i].name));
        if (!child->directory) {
            write_file(w, child, below);
            continue;
        }
        if (mkdir(below, 0750) != 0)
            perror(below);
        write_directory(w, child, below);
    }
    free(l);
}

struct disk_toll disk_write(const struct disk *d, enum disk_loss loss, struct random *r,
                            const char *path)
{
    struct writing w = {.disk = d, .loss = loss, .random = r};

    write_directory(&w, &d->nodes[0], path);
    return w.toll;
}

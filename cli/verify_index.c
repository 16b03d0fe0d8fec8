/*
 * The index against the segments. LMDB has no checksums and trusts its pages: a damaged index can
 * end the process that reads it. So its pages are looked through first; where a server writes them
 * meanwhile, a child process reads first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "chunks/segment_walk.h"
#include "cli/verify.h"
#include "index/index.h"

#include "base/banned.h"

enum {
    SLICE_REFS = 256, /* references that are checked in one read of the index */
    READ_ARENA_BYTES_MAX = 1 << 30,
    PATH_BYTES_MAX = 8192,
};

static void put_index_path(struct buf *b, const struct verify *v)
{
    buf_init(b, PATH_BYTES_MAX);
    verify_put_path(b, v, "index", "");
}

/* ---- does reading the index end well? ---- */

static void read_everything(const char *dir)
{
    struct index *index = NULL;
    struct index_read *read = NULL;
    struct arena arena;
    struct chunk_cursor cursor = {.key_bytes = 0};
    struct segment_ref segment;
    struct chunk_ref ref;
    struct labels labels;
    struct str tenant;
    uint64_t id = 0;

    arena_init(&arena, READ_ARENA_BYTES_MAX);
    if (index_open_to_read(dir, &index, NULL) != ST_OK ||
        index_read_begin(index, &arena, &read, NULL) != ST_OK)
        return;
    while (index_next_segment(read, &id, &segment) == ST_OK)
        continue;
    while (index_next_chunk(read, &cursor, &ref, &tenant) == ST_OK) {
        enum status found = index_stream(read, ref.stream_id, &labels, NULL);
        struct stream_claim claim = {tenant, labels, ref.stream_id, ref.day};
        if (found == ST_OK)
            found = index_check_stream(read, &claim, NULL);
        (void)found; /* that it returns at all is what counts */
        arena_release(&arena);
    }
    index_read_end(read);
    index_close(index);
}

static bool index_can_be_read(struct verify *v, const char *dir)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        read_everything(dir);
        _exit(EXIT_SUCCESS);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return true; /* nobody knows; go on */
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return true;
    verify_problem(v, (struct verify_where){dir, -1, NULL},
                   "a process that read the index was ended by it (signal %d): it is damaged",
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return false;
}

/*
 * May LMDB open the index, and is every record as it was written? While a server writes it nobody
 * can tell but by reading.
 */
static bool index_is_sound(struct verify *v, const char *dir)
{
    struct err err;

    if (v->live)
        return index_can_be_read(v, dir);
    if (index_check(dir, &err) == ST_OK)
        return true;
    verify_problem(v, (struct verify_where){dir, -1, NULL},
                   "%s; the next start makes it again from the segments, or `skald rebuild-index`",
                   err.text);
    return false;
}

static enum status open_index(struct verify *v, struct index **ret_index)
{
    struct buf path;
    struct err err;

    put_index_path(&path, v);
    enum status st = buf_status(&path, &err);
    if (st == ST_OK)
        st = index_open_to_read(path.ptr, ret_index, &err);
    if (st != ST_OK)
        verify_problem(v, (struct verify_where){path.ptr, -1, NULL}, "%s", err.text);
    buf_release(&path);
    return st;
}

/* ---- the table of segments ---- */

static enum status add_segment(struct verify *v, const struct verify_segment *segment,
                               struct err *err)
{
    if (v->segment_count == v->segment_capacity) {
        size_t capacity = v->segment_capacity == 0 ? 64 : v->segment_capacity * 2;
        struct verify_segment *wider = mem_grow(v->segments, capacity, sizeof(*wider));
        if (wider == NULL)
            return err_set(err, ST_NOMEM, "no memory for a list of segments");
        v->segments = wider;
        v->segment_capacity = capacity;
    }
    v->segments[v->segment_count++] = *segment;
    return ST_OK;
}

static int compare_segments(const void *a, const void *b)
{
    const struct verify_segment *x = a, *y = b;

    return (x->name.id > y->name.id) - (x->name.id < y->name.id);
}

struct verify_segment *verify_find_segment(struct verify *v, uint64_t id)
{
    struct verify_segment key = {.name = {.id = id}};

    return v->segment_count == 0 ? NULL
                                 : bsearch(&key, v->segments, v->segment_count,
                                           sizeof(*v->segments), compare_segments);
}

static enum status list_index(struct verify *v, struct index *index, struct err *err)
{
    struct arena none = {0};
    struct index_read *read = NULL;
    struct segment_ref ref;
    uint64_t cursor = 0;

    enum status st = index_read_begin(index, &none, &read, err);
    if (st != ST_OK)
        return st;
    while ((st = index_next_segment(read, &cursor, &ref)) == ST_OK) {
        struct verify_segment s = {.name = {ref.id, ref.day},
                                   .in_index = true,
                                   .committed_bytes = ref.committed_bytes,
                                   .tenant = mem_str(ref.tenant),
                                   .dead = ref.state == SEGMENT_DEAD};
        st = s.tenant.ptr == NULL ? err_set(err, ST_NOMEM, "no memory for a name")
                                  : add_segment(v, &s, err);
        if (st != ST_OK)
            break;
    }
    index_read_end(read);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    return st == ST_NOMEM ? st : err_set(err, st, "the list of segments: %s", status_text(st));
}

/* Files that the index does not know. `known` is how many it does. */
static enum status list_directory(struct verify *v, size_t known, struct err *err)
{
    struct segment_name *names = NULL;
    enum status st = ST_OK;
    size_t count = 0;
    struct buf path;
    struct err why;

    buf_init(&path, PATH_BYTES_MAX);
    verify_put_path(&path, v, "segments", "");
    if (segments_list(path.ptr, &names, &count, &why) != ST_OK)
        verify_problem(v, (struct verify_where){path.ptr, -1, NULL}, "%s", why.text);
    buf_release(&path);
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        struct verify_segment s = {.name = names[i]};
        const struct verify_segment *hit =
            known == 0 ? NULL
                       : bsearch(&s, v->segments, known, sizeof(*v->segments), compare_segments);
        if ((hit != NULL && hit->name.day == names[i].day) || (v->live && v->has_index))
            continue; /* a server may have made it since the index was read */
        st = add_segment(v, &s, err);
    }
    mem_free(names);
    if (st == ST_OK && v->segment_count > 0)
        qsort(v->segments, v->segment_count, sizeof(*v->segments), compare_segments);
    return st;
}

enum status verify_list_segments(struct verify *v, struct err *err)
{
    struct index *index = NULL;
    struct buf path;
    struct err why;

    put_index_path(&path, v);
    enum status st = buf_status(&path, err);
    if (st == ST_OK && index_is_sound(v, path.ptr) && open_index(v, &index) == ST_OK) {
        st = list_index(v, index, &why);
        v->has_index = st == ST_OK;
        if (st != ST_OK && st != ST_NOMEM)
            verify_problem(v, (struct verify_where){path.ptr, -1, NULL}, "%s", why.text);
        st = st == ST_NOMEM ? err_set(err, st, "%s", why.text) : ST_OK;
    }
    index_close(index);
    buf_release(&path);
    return st == ST_OK ? list_directory(v, v->segment_count, err) : st;
}

/* ---- references ---- */

/* A reference, and the file that its segment is in. */
struct ref_check {
    struct verify *v;
    struct chunk_ref ref;
    struct str tenant;
    struct labels labels;
    const char *index_path;
    uint64_t checked_stream; /* the stream and day that were looked at last */
    int32_t checked_day;

    /* the file that was opened last */
    struct segment_walk walk;
    struct buf path;
    uint64_t open_id;
    bool is_open;
};

static void close_file(struct ref_check *c)
{
    if (c->is_open)
        segment_walk_close(&c->walk);
    c->is_open = false;
}

/* Open the segment of the reference, unless it is. */
static enum status open_file(struct ref_check *c, const struct verify_segment *s, struct err *err)
{
    char name[SEGMENT_FILE_NAME_BYTES];

    if (c->is_open && c->open_id == s->name.id)
        return ST_OK;
    close_file(c);
    segment_file_name(s->name, name);
    buf_reset(&c->path);
    verify_put_path(&c->path, c->v, "segments", name);
    enum status st = segment_walk_open(&c->walk, c->path.ptr, err);
    c->is_open = st == ST_OK;
    c->open_id = s->name.id;
    return st;
}

static void report(struct ref_check *c, struct verify_segment *s, const char *what)
{
    struct verify_where where = {c->path.ptr, (int64_t)c->ref.offset, &c->labels};

    s->damaged = true;
    verify_problem(c->v, where, "%s", what);
}

static enum status add_hole(struct verify *v, const struct chunk_ref *ref, struct err *err)
{
    if (v->hole_count == v->hole_capacity) {
        size_t capacity = v->hole_capacity == 0 ? 64 : v->hole_capacity * 2;
        struct verify_hole *wider = mem_grow(v->holes, capacity, sizeof(*wider));
        if (wider == NULL)
            return err_set(err, ST_NOMEM, "no memory for a list of damage");
        v->holes = wider;
        v->hole_capacity = capacity;
    }
    v->holes[v->hole_count++] = (struct verify_hole){ref->segment_id, ref->offset};
    return ST_OK;
}

/* Does the chunk say of itself what the index says of it? */
static void compare(struct ref_check *c, struct verify_segment *s, const struct chunk_head *h)
{
    const struct chunk_ref *r = &c->ref;
    const struct {
        const char *name;
        uint64_t in_index;
        uint64_t in_chunk;
    } rows[] = {
        {"chunk_id", r->chunk_id, h->chunk_id},
        {"head_bytes", r->head_bytes, h->summary.head_bytes},
        {"chunk_bytes", r->chunk_bytes, h->summary.chunk_bytes},
        {"entries", r->entries, h->summary.entries},
        {"min_ns", (uint64_t)r->min_ns, (uint64_t)h->summary.min_ns},
        {"max_ns", (uint64_t)r->max_ns, (uint64_t)h->summary.max_ns},
        {"line_bytes", r->line_bytes, h->summary.line_bytes},
        {"metadata_bytes", r->metadata_bytes, h->summary.metadata_bytes},
    };
    char text[128];

    if (!labels_eq(c->labels, h->labels))
        report(c, s, "the index names a chunk of this stream, there is one of another");
    if (!str_eq(c->tenant, h->tenant))
        report(c, s, "the index names a chunk of another tenant");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].in_index == rows[i].in_chunk)
            continue;
        (void)snprintf(text, sizeof(text), "%s is %lld, but %lld in the index", rows[i].name,
                       (long long)rows[i].in_chunk, (long long)rows[i].in_index);
        report(c, s, text);
    }
}

static enum status check_ref(struct ref_check *c, struct err *err)
{
    struct verify_segment *s = verify_find_segment(c->v, c->ref.segment_id);
    struct chunk_head head;
    struct err why;

    if (s == NULL || !s->in_index) {
        if (!c->v->live)
            verify_problem(c->v, (struct verify_where){c->index_path, -1, &c->labels},
                           "there is a chunk in segment %llx, which is not known",
                           (unsigned long long)c->ref.segment_id);
        return ST_OK;
    }
    bool committed = c->ref.offset <= s->committed_bytes &&
                     c->ref.chunk_bytes <= s->committed_bytes - c->ref.offset;
    if (committed) {
        s->refs++;
        s->ref_bytes += c->ref.chunk_bytes;
    }
    enum status st = open_file(c, s, &why);
    if (st != ST_OK)
        return st == ST_NOMEM ? err_set(err, st, "%s", why.text) : ST_OK; /* reported later */
    if (!committed && !c->v->live)
        report(c, s, "the index names a chunk behind the committed length");
    st = segment_walk_head(&c->walk, c->ref.offset, &head, &why);
    if (st == ST_OK) {
        compare(c, s, &head);
        return ST_OK;
    }
    report(c, s, why.text);
    return add_hole(c->v, &c->ref, err);
}

/* Look up the labels of the reference. Not ST_OK: there are none, which was reported. */
static enum status check_stream(struct ref_check *c, struct index_read *read)
{
    struct verify_where where = {c->index_path, -1, NULL};
    struct err why;

    c->labels = (struct labels){NULL, 0};
    enum status st = index_stream(read, c->ref.stream_id, &c->labels, NULL);
    if (st != ST_OK) {
        verify_problem(c->v, where, "there are chunks of stream %llu, but not its labels",
                       (unsigned long long)c->ref.stream_id);
        return st;
    }
    if (c->ref.stream_id == c->checked_stream && c->ref.day == c->checked_day)
        return ST_OK;
    struct stream_claim claim = {c->tenant, c->labels, c->ref.stream_id, c->ref.day};
    where.labels = &c->labels;
    if (index_check_stream(read, &claim, &why) != ST_OK)
        verify_problem(c->v, where, "%s", why.text);
    c->checked_stream = c->ref.stream_id;
    c->checked_day = c->ref.day;
    return ST_OK;
}

/* Check some references inside one read of the index. ST_NOT_FOUND: there are no more. */
static enum status check_slice(struct ref_check *c, struct index *index,
                               struct chunk_cursor *cursor, struct err *err)
{
    struct index_read *read = NULL;
    struct arena arena;

    arena_init(&arena, READ_ARENA_BYTES_MAX);
    enum status st = index_read_begin(index, &arena, &read, err);
    for (int i = 0; i < SLICE_REFS && st == ST_OK; i++) {
        st = index_next_chunk(read, cursor, &c->ref, &c->tenant);
        if (st != ST_OK)
            break;
        st = check_stream(c, read);
        st = st == ST_OK ? check_ref(c, err) : ST_OK;
    }
    index_read_end(read);
    arena_release(&arena);
    return st;
}

enum status verify_refs(struct verify *v, struct err *err)
{
    struct chunk_cursor cursor = {.key_bytes = 0};
    struct ref_check c = {.v = v};
    struct index *index = NULL;
    struct buf path;
    enum status st = ST_OK;

    if (!v->has_index || open_index(v, &index) != ST_OK)
        return ST_OK;
    put_index_path(&path, v);
    c.index_path = path.ptr;
    buf_init(&c.path, PATH_BYTES_MAX);
    while (st == ST_OK)
        st = check_slice(&c, index, &cursor, err);
    if (st != ST_NOT_FOUND && st != ST_NOMEM) {
        verify_problem(v, (struct verify_where){path.ptr, -1, NULL},
                       "a reference to a chunk makes no sense");
        st = ST_NOT_FOUND;
    }
    close_file(&c);
    buf_release(&c.path);
    buf_release(&path);
    index_close(index);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

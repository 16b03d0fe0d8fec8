#include "server/store/deletes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

#define FILE_NAME "deletes"
#define NEW_FILE_NAME "deletes.new"
#define FLUSH_NS (10 * MINUTE_NS)

enum delete_change_kind {
    CHANGE_CREATE,
    CHANGE_CANCEL,
    CHANGE_PROCESSED,
};

struct delete_change {
    struct delete_change *next;
    enum delete_change_kind kind;
    struct delete_request request; /* the tenant always; CHANGE_CANCEL: the id; new ones: all */
    bool force;                    /* CHANGE_CANCEL */
    const uint32_t *ids;           /* CHANGE_PROCESSED */
    size_t id_count;
    bool answered;
    enum status status;
    struct err err;
};

/* ---- the file ---- */

static enum status write_new(int dir_fd, struct str bytes, struct err *err)
{
    int fd = io_openat(dir_fd, NEW_FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0640);

    if (fd < 0)
        return err_errno(err, "create %s", NEW_FILE_NAME);
    enum status st = io_write_all(fd, bytes, 0, err);
    if (st == ST_OK && io_fsync(fd) < 0)
        st = err_errno(err, "sync %s", NEW_FILE_NAME);
    (void)close(fd);
    return st;
}

/*
 * After a crash the file holds the old list or the new one; after ST_OK the new one. After a
 * failure it holds the old one, or if `*ret_replaced` any of both after a crash.
 */
static enum status write_list(const char *dir, const struct delete_list *list, bool *ret_replaced,
                              struct err *err)
{
    struct buf bytes;
    int dir_fd = -1;

    buf_init(&bytes, DELETE_LIST_BYTES_MAX);
    delete_list_encode(list, &bytes);
    enum status st = buf_status(&bytes, err);
    if (st == ST_OK)
        st = io_open_dir(dir, &dir_fd, err);
    if (st == ST_OK)
        st = write_new(dir_fd, buf_str(&bytes), err);
    if (st == ST_OK && io_renameat(dir_fd, NEW_FILE_NAME, FILE_NAME) < 0)
        st = err_errno(err, "rename %s", NEW_FILE_NAME);
    *ret_replaced = st == ST_OK;
    if (st == ST_OK && io_fsync(dir_fd) < 0)
        st = err_errno(err, "sync %s", dir);
    if (st != ST_OK && dir_fd >= 0)
        (void)io_unlinkat(dir_fd, NEW_FILE_NAME); /* a full disk needs its room */
    if (dir_fd >= 0)
        (void)close(dir_fd);
    buf_release(&bytes);
    return st;
}

/*
 * One of the two copies is damaged: with the other one the file is written anew, for it would not
 * survive the next damage. If that fails (a full disk) the next change of the list does it.
 */
static void mend_file(const char *dir, const struct delete_list *list, const struct err *damage)
{
    struct err err;
    bool replaced; /* by the same list */

    LOG(LOG_WARN, "the list of delete requests is damaged, its other copy is used",
        LOG_TEXT("file", FILE_NAME), LOG_ERR(damage));
    if (write_list(dir, list, &replaced, &err) != ST_OK)
        LOG(LOG_WARN, "cannot write the list of delete requests anew", LOG_ERR(&err));
}

/* The list of a file, which is mended; texts borrow `bytes`. Without a file it is empty. */
static enum status read_list(const char *dir, struct arena *a, struct buf *bytes,
                             struct delete_list *ret_list, struct err *err)
{
    char path[STORE_PATH_BYTES + 16];
    struct err damage;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, FILE_NAME);
    *ret_list = (struct delete_list){0};
    enum status st = io_file_read(path, bytes, err);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK)
        st = delete_list_decode(a, buf_str(bytes), ret_list, &damage, err);
    if (st != ST_OK)
        return err_prefix(err, st,
                          "%s says what is deleted and cannot be read: put back a copy of it, or "
                          "remove it to see deleted lines again",
                          path);
    if (damage.status != ST_OK)
        mend_file(dir, ret_list, &damage);
    return ST_OK;
}

enum status deletes_reset(const char *dir, struct err *err)
{
    struct delete_list list;
    struct arena arena;
    struct buf bytes;
    bool replaced;

    arena_init(&arena, DELETE_LIST_BYTES_MAX);
    buf_init(&bytes, DELETE_LIST_BYTES_MAX);
    enum status st = read_list(dir, &arena, &bytes, &list, err);
    for (size_t i = 0; i < list.count && st == ST_OK; i++)
        list.items[i].processed = false;
    if (st == ST_OK && list.count > 0)
        st = write_list(dir, &list, &replaced, err);
    buf_release(&bytes);
    arena_release(&arena);
    return st;
}

/* ---- states ---- */

static void state_free(struct delete_state *state)
{
    if (state == NULL)
        return;
    arena_release(&state->arena);
    mem_free(state);
}

static enum status copy_request(struct arena *a, const struct delete_request *from,
                                struct delete_request *to)
{
    *to = *from;
    to->tenant = arena_str(a, from->tenant);
    to->query = arena_str(a, from->query);
    return a->failed ? ST_LIMIT : ST_OK;
}

/* A copy of `list` with room for one more. */
static enum status state_copy(const struct delete_list *list, struct delete_state **ret_state,
                              struct err *err)
{
    struct delete_state *state = mem_new(1, sizeof(*state));
    enum status st = ST_OK;

    if (state == NULL)
        return err_set(err, ST_NOMEM, "no memory for delete requests");
    arena_init(&state->arena, (size_t)DELETE_LIST_BYTES_MAX * 2);
    state->list.items = arena_new(&state->arena, struct delete_request, list->count + 1);
    if (state->list.items == NULL)
        st = ST_LIMIT;
    for (size_t i = 0; i < list->count && st == ST_OK; i++)
        st = copy_request(&state->arena, &list->items[i], &state->list.items[i]);
    if (st != ST_OK) {
        state_free(state);
        return err_set(err, ST_NOMEM, "no memory for delete requests");
    }
    state->list.count = list->count;
    *ret_state = state;
    return ST_OK;
}

static void remove_at(struct delete_list *list, size_t i)
{
    list->count--;
    memmove(&list->items[i], &list->items[i + 1], (list->count - i) * sizeof(*list->items));
}

/* The rules of a tenant; NULL: it has none. */
static enum status compile_rules(const struct delete_list *list, struct str tenant,
                                 size_t bytes_max, struct hide_set **ret_set, struct err *err)
{
    struct hide_spec *specs = mem_new(DELETE_LIST_TENANT_MAX, sizeof(*specs));
    enum status st = ST_OK;
    size_t count = 0;

    *ret_set = NULL;
    if (specs == NULL)
        return err_set(err, ST_NOMEM, "no memory for delete requests");
    for (size_t i = 0; i < list->count && count < DELETE_LIST_TENANT_MAX; i++) {
        const struct delete_request *r = &list->items[i];
        if (!r->processed && str_eq(r->tenant, tenant))
            specs[count++] = (struct hide_spec){r->query, r->start_ns, r->end_ns, r->chunk_max};
    }
    if (count > 0)
        st = hide_set_new(specs, count, bytes_max, ret_set, err);
    if (st == ST_LIMIT)
        err_set(err, st, "%zu delete requests that are not processed take too much memory", count);
    mem_free(specs);
    return st;
}

/* ---- changes: by the flusher ---- */

/* Forget the oldest processed request (of the tenant, if one is named). */
static bool drop_processed(struct delete_list *list, struct str tenant)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct delete_request *r = &list->items[i];
        if (r->processed && (tenant.len == 0 || str_eq(r->tenant, tenant))) {
            remove_at(list, i);
            return true;
        }
    }
    return false;
}

static size_t count_of(const struct delete_list *list, struct str tenant)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++)
        count += str_eq(list->items[i].tenant, tenant) ? 1 : 0;
    return count;
}

static bool has_id(const struct delete_list *list, uint32_t id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].id == id)
            return true;
    }
    return false;
}

static uint32_t choose_id(const struct delete_list *list, const struct delete_request *r)
{
    uint32_t id = crc32c(crc32c(0, r->tenant), r->query);

    id = crc32c(id, str_make((const char *)&r->created_ns, sizeof(r->created_ns)));
    while (has_id(list, id))
        id++;
    return id;
}

static enum status add_request(struct delete_state *state, struct delete_request *r,
                               struct err *err)
{
    struct delete_list *list = &state->list;

    if (count_of(list, r->tenant) >= DELETE_LIST_TENANT_MAX && !drop_processed(list, r->tenant))
        return err_set(err, ST_LIMIT, "there are %d delete requests that are not processed",
                       DELETE_LIST_TENANT_MAX);
    if (list->count >= DELETE_LIST_MAX && !drop_processed(list, STR("")))
        return err_set(err, ST_LIMIT, "the tenants have %d delete requests that are not processed",
                       DELETE_LIST_MAX);
    r->id = choose_id(list, r);
    if (copy_request(&state->arena, r, &list->items[list->count]) != ST_OK)
        return err_set(err, ST_NOMEM, "no memory for a delete request");
    list->count++;
    return ST_OK;
}

/* Can lines have gone from the disk for it, or can that begin now? */
static bool may_have_begun(const struct store *s, const struct delete_request *r)
{
    return r->begun ||
           time_now_ns() - r->created_ns >= store_settings(s)->delete_request_cancel_period;
}

/*
 * The request is not due from here on until use_state() or keep_state(), unless it was due before:
 * the list without it takes a while to be written, and it may grow old enough meanwhile.
 */
static bool begin_cancel(struct store *s, const struct delete_change *c)
{
    const struct delete_list *list = &s->deletes.state->list;

    lock_take(&s->deletes.lock);
    size_t i = delete_list_find(list, c->request.tenant, c->request.id);
    bool may = c->force || !may_have_begun(s, &list->items[i]);
    s->deletes.cancelling = may ? c : NULL;
    lock_give(&s->deletes.lock);
    return may;
}

static enum status cancel_request(struct store *s, struct delete_list *list,
                                  const struct delete_change *c, struct err *err)
{
    size_t i = delete_list_find(list, c->request.tenant, c->request.id);

    if (i == list->count)
        return err_set(err, ST_NOT_FOUND, "could not find delete request with given id");
    if (list->items[i].processed)
        return err_set(err, ST_INVALID,
                       "deletion of request which is in process or already processed is not "
                       "allowed");
    if (!begin_cancel(s, c))
        return err_set(err, ST_INVALID,
                       "Unable to cancel partially completed delete request. To force, use the "
                       "?force query parameter");
    remove_at(list, i);
    return ST_OK;
}

/* One that has been cancelled meanwhile is none any more. */
static void mark_processed(struct delete_list *list, const struct delete_change *c)
{
    for (size_t i = 0; i < c->id_count; i++) {
        size_t at = delete_list_find(list, c->request.tenant, c->ids[i]);
        if (at < list->count)
            list->items[at].processed = true;
    }
}

static enum status edit(struct store *s, struct delete_state *state, struct delete_change *c,
                        struct err *err)
{
    switch (c->kind) {
    case CHANGE_CREATE:
        return add_request(state, &c->request, err);
    case CHANGE_CANCEL:
        return cancel_request(s, &state->list, c, err);
    case CHANGE_PROCESSED:
        mark_processed(&state->list, c);
        break;
    }
    return ST_OK;
}

static enum status copy_current(struct store *s, struct delete_state **ret_state, struct err *err)
{
    lock_take(&s->deletes.lock);
    enum status st = state_copy(&s->deletes.state->list, ret_state, err);
    lock_give(&s->deletes.lock);
    return st;
}

/* What came to be known of requests while the next list was written; both have one order. */
static void keep_progress(const struct delete_list *before, struct delete_list *next)
{
    for (size_t i = 0, j = 0; i < before->count && j < next->count; i++) {
        if (before->items[i].id != next->items[j].id)
            continue;
        next->items[j].begun = before->items[i].begun;
        next->items[j++].percent = before->items[i].percent;
    }
}

static void use_state(struct store *s, struct delete_state *state)
{
    lock_take(&s->deletes.lock);
    struct delete_state *before = s->deletes.state;
    keep_progress(&before->list, &state->list);
    s->deletes.state = state;
    s->deletes.cancelling = NULL;
    lock_give(&s->deletes.lock);
    state_free(before);
}

static void keep_state(struct store *s)
{
    lock_take(&s->deletes.lock);
    s->deletes.cancelling = NULL;
    lock_give(&s->deletes.lock);
}

/*
 * A change was refused whose list had got into the file already, for the sync of its name failed:
 * the list in force goes back there, or a restart would make the change.
 */
static void put_back(struct store *s)
{
    bool replaced;

    if (s->deletes.replaced &&
        write_list(s->dir, &s->deletes.state->list, &replaced, NULL) == ST_OK)
        s->deletes.replaced = false;
}

/* Nothing can fail once the file is written. */
static enum status apply(struct store *s, struct delete_change *c, struct err *err)
{
    size_t bytes_max = c->kind == CHANGE_CREATE ? HIDE_SET_BYTES_MAX : HIDE_SET_BYTES_ANY;
    struct str tenant = c->request.tenant;
    struct delete_state *next = NULL;
    struct hide_set *set = NULL;
    bool replaced = false;

    enum status st = copy_current(s, &next, err);
    if (st != ST_OK)
        return st;
    st = edit(s, next, c, err);
    if (st == ST_OK)
        st = compile_rules(&next->list, tenant, bytes_max, &set, err);
    if (st == ST_OK && hide_reserve(&s->hidden, tenant) != ST_OK)
        st = err_set(err, ST_NOMEM, "no memory for delete requests");
    if (st == ST_OK)
        st = write_list(s->dir, &next->list, &replaced, err);
    if (st != ST_OK) {
        hide_set_drop(set);
        state_free(next);
        keep_state(s);
        s->deletes.replaced |= replaced;
        put_back(s);
        return st;
    }
    s->deletes.replaced = false;
    hide_publish(&s->hidden, tenant, set);
    use_state(s, next);
    return ST_OK;
}

bool deletes_are_there(struct store *s, const uint32_t *ids, size_t count)
{
    bool there = true;

    lock_take(&s->deletes.lock);
    for (size_t i = 0; i < count && there; i++)
        there = has_id(&s->deletes.state->list, ids[i]);
    lock_give(&s->deletes.lock);
    return there;
}

bool deletes_are_waiting(const struct store *s)
{
    return s->deletes.first != NULL;
}

void deletes_serve(struct store *s)
{
    struct deletes *d = &s->deletes;

    put_back(s);
    lock_take(&s->flusher.lock);
    while (d->first != NULL) {
        struct delete_change *c = d->first;
        lock_give(&s->flusher.lock);
        enum status st = apply(s, c, &c->err);
        lock_take(&s->flusher.lock);
        d->first = c->next;
        c->status = st;
        c->answered = true;
        lock_cond_broadcast(&d->done);
    }
    lock_give(&s->flusher.lock);
}

/* ---- changes: by those who want them ---- */

static enum status submit(struct store *s, struct delete_change *c, struct err *err)
{
    struct deletes *d = &s->deletes;

    lock_take(&s->flusher.lock);
    if (d->first == NULL)
        d->first = c;
    else
        d->last->next = c;
    d->last = c;
    lock_cond_signal(&s->flusher.wake);
    while (!c->answered)
        lock_cond_wait(&d->done, &s->flusher.lock);
    lock_give(&s->flusher.lock);
    if (c->status != ST_OK && err != NULL)
        *err = c->err;
    return c->status;
}

/* Merges are put off from here on ... */
static void begin_create(struct store *s)
{
    lock_take(&s->flusher.lock);
    s->deletes.creating++;
    lock_give(&s->flusher.lock);
}

/* ... to here. */
static void end_create(struct store *s)
{
    lock_take(&s->flusher.lock);
    s->deletes.creating--;
    lock_cond_signal(&s->flusher.wake);
    lock_give(&s->flusher.lock);
}

static enum status check_query(struct str query, struct err *err)
{
    const struct hide_spec spec = {.query = query};
    struct hide_set *set = NULL;

    if (query.len > DELETE_QUERY_BYTES_MAX)
        return err_set(err, ST_INVALID, "the query has %zu bytes, more than %d", query.len,
                       DELETE_QUERY_BYTES_MAX);
    enum status st = hide_set_new(&spec, 1, HIDE_SET_BYTES_MAX, &set, err);
    if (st != ST_OK)
        return err_prefix(err, st, "invalid query expression");
    hide_set_drop(set);
    return ST_OK;
}

enum status store_delete(struct store *s, const struct delete_wish *wish, uint32_t *ret_id,
                         struct err *err)
{
    struct delete_change change = {
        .kind = CHANGE_CREATE,
        .request = {.tenant = wish->tenant,
                    .query = wish->query,
                    .start_ns = wish->start_ns,
                    .end_ns = wish->end_ns},
    };
    struct tenant *tenant = NULL;

    enum status st = check_query(wish->query, err);
    if (st == ST_OK)
        st = store_admit_tenant(s, wish->tenant, &tenant, err);
    if (st != ST_OK)
        return st;
    begin_create(s);
    change.request.created_ns = time_now_ns();
    change.request.chunk_max = counter_get(&s->next_chunk) - 1;
    st = flusher_force(s, FLUSH_NS, err);
    if (st == ST_OK)
        st = submit(s, &change, err);
    end_create(s);
    if (st != ST_OK)
        return st;
    counter_add(&tenant->counters.deletes_received, 1);
    LOG(LOG_INFO, "lines are deleted", LOG_STR("tenant", wish->tenant),
        LOG_STR("query", wish->query), LOG_INT("chunk_max", change.request.chunk_max));
    *ret_id = change.request.id;
    return ST_OK;
}

enum status store_cancel_delete(struct store *s, struct str tenant, uint32_t id, bool force,
                                struct err *err)
{
    struct delete_change change = {
        .kind = CHANGE_CANCEL,
        .request = {.tenant = tenant, .id = id},
        .force = force,
    };

    return submit(s, &change, err);
}

enum status deletes_processed(struct store *s, struct str tenant, const uint32_t *ids, size_t count,
                              struct err *err)
{
    struct delete_change change = {
        .kind = CHANGE_PROCESSED,
        .request = {.tenant = tenant},
        .ids = ids,
        .id_count = count,
    };

    enum status st = submit(s, &change, err);
    if (st != ST_OK)
        return st;
    struct tenant *t = store_tenant(s, tenant, true);
    if (t != NULL)
        counter_add(&t->counters.deletes_processed, count);
    return ST_OK;
}

void deletes_progress(struct store *s, uint32_t id, unsigned percent)
{
    lock_take(&s->deletes.lock);
    const struct delete_list *list = &s->deletes.state->list;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].id == id)
            list->items[i].percent = MIN_OF(percent, 99U);
    }
    lock_give(&s->deletes.lock);
}

/* ---- looking ---- */

/* With the lock held. */
static bool is_due(const struct store *s, const struct delete_request *r)
{
    const struct delete_change *cancelling = s->deletes.cancelling;

    return !r->processed && may_have_begun(s, r) &&
           (cancelling == NULL || cancelling->request.id != r->id);
}

/* Copy the requests of a tenant, or (`tenant` is empty) those that are due, which begin so. */
static enum status copy_some(struct store *s, struct arena *a, struct str tenant,
                             struct delete_list *ret_list, struct err *err)
{
    struct delete_list list = {0};

    lock_take(&s->deletes.lock);
    const struct delete_list *all = &s->deletes.state->list;
    list.items = arena_new(a, struct delete_request, all->count);
    for (size_t i = 0; i < all->count && !a->failed; i++) {
        struct delete_request *r = &all->items[i];
        if (tenant.len == 0 ? !is_due(s, r) : !str_eq(r->tenant, tenant))
            continue;
        r->begun |= tenant.len == 0;
        (void)copy_request(a, r, &list.items[list.count++]);
    }
    lock_give(&s->deletes.lock);
    if (a->failed)
        return arena_status(a, err);
    *ret_list = list;
    return ST_OK;
}

enum status store_deletes(struct store *s, struct arena *a, struct str tenant,
                          struct delete_list *ret_list, struct err *err)
{
    ASSERT(tenant.len > 0);
    return copy_some(s, a, tenant, ret_list, err);
}

enum status deletes_due(struct store *s, struct arena *a, struct delete_list *ret_list,
                        struct err *err)
{
    return copy_some(s, a, STR(""), ret_list, err);
}

void deletes_count_due(struct store *s, uint64_t *ret_count, int64_t *ret_oldest_ns)
{
    int64_t period_ns = store_settings(s)->delete_request_cancel_period, now_ns = time_now_ns();

    *ret_count = 0;
    *ret_oldest_ns = 0;
    lock_take(&s->deletes.lock);
    const struct delete_list *list = &s->deletes.state->list;
    for (size_t i = 0; i < list->count; i++) {
        if (!is_due(s, &list->items[i]))
            continue;
        int64_t age_ns = now_ns - list->items[i].created_ns - period_ns;
        *ret_oldest_ns = MAX_OF(*ret_oldest_ns, age_ns);
        ++*ret_count;
    }
    lock_give(&s->deletes.lock);
}

/* ---- begin and end ---- */

void deletes_init(struct store *s)
{
    lock_init(&s->deletes.lock, LOCK_RANK_HIDE);
    lock_cond_init(&s->deletes.done);
    hide_table_init(&s->hidden);
}

void deletes_release(struct store *s)
{
    ASSERT(s->deletes.first == NULL);
    state_free(s->deletes.state);
    hide_table_release(&s->hidden);
    lock_cond_release(&s->deletes.done);
    lock_release(&s->deletes.lock);
}

/* Let the requests of a tenant hide what they name. */
static enum status begin_hiding(struct store *s, const struct delete_list *list, struct str tenant,
                                struct err *err)
{
    struct hiding before = hide_take(s, tenant);
    bool is_done = before.set != NULL;
    struct hide_set *set;

    hide_give(&before);
    if (is_done)
        return ST_OK;
    enum status st = compile_rules(list, tenant, HIDE_SET_BYTES_ANY, &set, err);
    if (st == ST_OK && hide_reserve(&s->hidden, tenant) != ST_OK) {
        hide_set_drop(set);
        st = err_set(err, ST_NOMEM, "no memory for delete requests");
    }
    if (st == ST_OK)
        hide_publish(&s->hidden, tenant, set);
    return st;
}

static enum status use_list(struct store *s, const struct delete_list *list, struct err *err)
{
    enum status st = state_copy(list, &s->deletes.state, err);

    for (size_t i = 0; i < list->count && st == ST_OK; i++) {
        if (!list->items[i].processed)
            st = begin_hiding(s, list, list->items[i].tenant, err);
    }
    return st;
}

/* A crash may have left a list that never took its place. */
static void remove_new(const char *dir)
{
    int dir_fd = -1;

    if (io_open_dir(dir, &dir_fd, NULL) != ST_OK)
        return;
    if (io_unlinkat(dir_fd, NEW_FILE_NAME) < 0 && errno != ENOENT)
        LOG(LOG_WARN, "cannot remove a file of no use", LOG_TEXT("file", NEW_FILE_NAME),
            LOG_TEXT("err", strerror(errno)));
    (void)close(dir_fd);
}

enum status deletes_open(struct store *s, uint64_t *ret_chunk_max, struct err *err)
{
    struct delete_list list;
    struct arena arena;
    struct buf bytes;

    arena_init(&arena, DELETE_LIST_BYTES_MAX);
    buf_init(&bytes, DELETE_LIST_BYTES_MAX);
    remove_new(s->dir);
    enum status st = read_list(s->dir, &arena, &bytes, &list, err);
    if (st == ST_OK)
        st = use_list(s, &list, err);
    *ret_chunk_max = 0;
    for (size_t i = 0; i < list.count && st == ST_OK; i++)
        *ret_chunk_max = MAX_OF(*ret_chunk_max, list.items[i].chunk_max);
    if (st == ST_OK && list.count > 0)
        LOG(LOG_INFO, "loaded delete requests", LOG_INT("requests", list.count));
    buf_release(&bytes);
    arena_release(&arena);
    return st;
}

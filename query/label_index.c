#include "query/label_index.h"

#include "base/banned.h"

/* A number as a value of the map, where NULL would say that there is none. */
struct numbered {
    size_t number;
};

void label_index_init(struct label_index *x, struct arena *a)
{
    *x = (struct label_index){.arena = a};
    buf_init(&x->key, a->max_bytes); /* no set that came in has more bytes than the arena */
}

void label_index_release(struct label_index *x)
{
    map_release(&x->numbers);
    buf_release(&x->key);
}

static enum status find(struct label_index *x, struct labels l, const struct numbered **ret_found,
                        struct err *err)
{
    buf_reset(&x->key);
    labels_encode(&x->key, l);
    enum status st = buf_status(&x->key, err);
    if (st == ST_OK)
        *ret_found = map_get(&x->numbers, buf_str(&x->key));
    return st;
}

enum status label_index_find(struct label_index *x, struct labels l, size_t *ret_number,
                             struct err *err)
{
    const struct numbered *found;

    enum status st = find(x, l, &found, err);
    if (st == ST_OK)
        *ret_number = found == NULL ? LABEL_INDEX_NONE : found->number;
    return st;
}

enum status label_index_add(struct label_index *x, struct labels l, size_t *ret_number,
                            struct err *err)
{
    const struct numbered *found;

    enum status st = find(x, l, &found, err);
    if (st != ST_OK)
        return st;
    if (found != NULL) {
        *ret_number = found->number;
        return ST_OK;
    }
    struct numbered *added = arena_new(x->arena, struct numbered, 1);
    struct str key = arena_str(x->arena, buf_str(&x->key));
    if (added == NULL || key.ptr == NULL)
        return arena_status(x->arena, err);
    added->number = x->count;
    if (map_set(&x->numbers, key, added) != ST_OK)
        return err_set(err, ST_NOMEM, "no memory for the label sets of a query");
    *ret_number = x->count++;
    return ST_OK;
}

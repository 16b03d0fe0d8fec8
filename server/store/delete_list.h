/*
 * delete_list.h - the delete requests of a store, and the file they are kept in.
 *
 * The byte format is specified in docs/format/deletes.md; this module is its only implementation,
 * and does no I/O.
 */
#ifndef SERVER_STORE_DELETE_LIST_H
#define SERVER_STORE_DELETE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    DELETE_LIST_VERSION = 1,
    DELETE_LIST_MAX = 10000,           /* requests of all tenants, */
    DELETE_LIST_TENANT_MAX = 1000,     /* and of one */
    DELETE_QUERY_BYTES_MAX = 8192,     /* a query is not longer */
    DELETE_LIST_BYTES_MAX = 256 << 20, /* of a file */
};

/* "Delete what the query keeps of what was there when I asked." */
struct delete_request {
    uint32_t id; /* no two of a store have the same */
    bool processed;
    bool begun;       /* who takes the lines off the disk knows of it; not in the file */
    unsigned percent; /* of that work which is done; likewise */
    struct str tenant;
    struct str query; /* a log query */
    int64_t start_ns; /* both inclusive */
    int64_t end_ns;
    int64_t created_ns;
    uint64_t chunk_max; /* the highest chunk_id that had been given out then */
};

struct delete_list {
    struct delete_request *items; /* oldest first */
    size_t count;
};

/* Append the bytes of the file, both copies, to `out`, which fails if they are too many. */
void delete_list_encode(const struct delete_list *list, struct buf *out);

/*
 * Read the whole file. The list is that of the first copy that is sound; it is made in `a`, texts
 * borrow `bytes`. The status of `ret_damage` is ST_OK if both are sound; if not, it says which one
 * is damaged, and at which byte.
 *
 * ST_CORRUPT      no copy is sound; `err` says what is wrong, and at which byte
 * ST_UNSUPPORTED  another version     ST_LIMIT  the arena is full
 */
MUST_CHECK enum status delete_list_decode(struct arena *a, struct str bytes,
                                          struct delete_list *ret_list, struct err *ret_damage,
                                          struct err *err);

/* The place of a request; the count: it is not there. */
size_t delete_list_find(const struct delete_list *list, struct str tenant, uint32_t id);

#endif

/*
 * streams.h - the streams of a tenant that are in memory, by key and by label.
 *
 *     by_key  labels in stored form -> stream                       for pushes
 *     numbers number -> stream                                      to go through all, in slices
 *     names   label -> its values -> numbers of their streams       for queries
 *
 * Only streams with entries are listed under their labels: streams_list() when the first head is
 * opened. A push to a stream that is there touches nothing but `by_key`.
 *
 * Numbers (of streams, labels and values) stay while their owner is there, so a walk through them
 * may give the lock and take it again; pointers may not be kept over that.
 *
 * Threads  Everything under the lock of the tenant.
 */
#ifndef SERVER_STORE_STREAMS_H
#define SERVER_STORE_STREAMS_H

#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/slots.h"
#include "base/str.h"
#include "server/store/stream.h"

/* A value of a label, and the streams that have it. */
struct label_value {
    uint32_t number; /* among the values of its label */
    uint32_t count;  /* of streams, at least 1 */
    uint32_t capacity;
    uint32_t bytes; /* of the value */
    union {
        uint32_t one;   /* capacity 0 */
        uint32_t *many; /* removing one moves the last one into its place */
    } streams;
    char text[];
};

struct label_name {
    struct map by_value; /* text -> struct label_value */
    struct slots values; /* number -> struct label_value */
    uint32_t stream_count;
    uint32_t number; /* among the labels */
    uint32_t bytes;  /* of the name */
    char text[];
};

struct streams {
    struct map by_key;    /* key -> struct stream */
    struct slots numbers; /* number -> struct stream */
    struct map by_name;   /* text -> struct label_name */
    struct slots names;   /* number -> struct label_name */
    uint64_t bytes;       /* memory of all this, without heads; tables are estimated */
};

/* A zeroed struct streams is empty and valid. Frees the streams with all that is in them. */
void streams_release(struct streams *s);

static inline struct stream *streams_get(const struct streams *s, struct str key)
{
    return map_get(&s->by_key, key);
}

/* Add a stream that is not there. ST_NOMEM, ST_LIMIT: nothing changed. */
MUST_CHECK enum status streams_add(struct streams *s, struct str key, struct stream **ret_stream);

/* List a stream that is not listed under its labels. ST_NOMEM, ST_LIMIT: nothing changed. */
MUST_CHECK enum status streams_list(struct streams *s, struct stream *stream);

/* Take a stream out, and free it. */
void streams_remove(struct streams *s, struct stream *stream);

/* The first stream with a number of at least `*number`, which becomes the one behind its own. NULL:
 * there is none. */
struct stream *streams_next(const struct streams *s, uint32_t *number);

/* A stream of a value, `at` < its count. */
struct stream *streams_of_value(const struct streams *s, const struct label_value *v, uint32_t at);

static inline const struct label_name *streams_label(const struct streams *s, struct str name)
{
    return map_get(&s->by_name, name);
}

static inline const struct label_value *label_value_get(const struct label_name *n, struct str text)
{
    return map_get(&n->by_value, text);
}

static inline struct str label_value_text(const struct label_value *v)
{
    return str_make(v->text, v->bytes);
}

static inline struct str label_name_text(const struct label_name *n)
{
    return str_make(n->text, n->bytes);
}

#endif

#include "server/store/stream.h"

#include "base/mem.h"

#include "base/banned.h"

const char *seal_reason_name(enum seal_reason reason)
{
    static const char *const names[] = {
#define X(id, name) name,
        SEAL_REASONS(X)
#undef X
    };

    ASSERT((size_t)reason < COUNT_OF(names));
    return names[reason];
}

/* The labels of `key` as views of it, in one block of memory. NULL when memory runs out. */
static const struct label *decode_pairs(struct str key, size_t *ret_count)
{
    uint64_t count;
    bool good = get_uvarint(&key, &count);

    ASSERT(good); /* it comes from labels_encode() */
    struct label *pairs = mem_new((size_t)count, sizeof(*pairs));
    for (size_t i = 0; i < count && pairs != NULL; i++) {
        good = get_str(&key, &pairs[i].name) && get_str(&key, &pairs[i].value);
        ASSERT(good);
    }
    *ret_count = (size_t)count;
    return pairs;
}

struct stream *stream_new(struct str key)
{
    struct stream *s = mem_new(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->key = mem_str(key);
    if (s->key.ptr != NULL)
        s->labels.pairs = decode_pairs(s->key, &s->labels.count);
    if (s->labels.pairs == NULL) {
        stream_free(s);
        return NULL;
    }
    return s;
}

void stream_free(struct stream *s)
{
    if (s == NULL)
        return;
    while (s->sealed_first != NULL)
        stream_drop_sealed(s);
    head_unref(s->head);
    mem_free((void *)(uintptr_t)s->labels.pairs);
    mem_free((void *)(uintptr_t)s->key.ptr);
    mem_free(s);
}

enum status stream_seal(struct stream *s)
{
    struct sealed *sealed = mem_new(1, sizeof(*sealed));

    ASSERT(s->head != NULL);
    if (sealed == NULL)
        return ST_NOMEM;
    sealed->head = s->head;
    sealed->seq_first = s->head_seq_first;
    sealed->seq_max = s->seq_max;
    s->head = NULL;
    if (s->sealed_last == NULL)
        s->sealed_first = sealed;
    else
        s->sealed_last->next = sealed;
    s->sealed_last = sealed;
    return ST_OK;
}

void stream_drop_sealed(struct stream *s)
{
    struct sealed *sealed = s->sealed_first;

    ASSERT(sealed != NULL);
    s->sealed_first = sealed->next;
    if (s->sealed_first == NULL)
        s->sealed_last = NULL;
    head_unref(sealed->head);
    mem_free(sealed);
}

uint64_t stream_oldest_seq(const struct stream *s)
{
    if (s->sealed_first != NULL)
        return s->sealed_first->seq_first;
    return s->head != NULL ? s->head_seq_first : UINT64_MAX;
}

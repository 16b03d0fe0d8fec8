#include "server/store/stream.h"

#include "base/buf.h"
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

struct stream *stream_new(struct str key)
{
    struct str rest = key;
    uint64_t count;
    bool good = get_uvarint(&rest, &count);

    ASSERT(good && count <= key.len); /* it comes from labels_encode() */
    size_t positions = (size_t)count * sizeof(uint32_t);
    struct stream *s = mem_bytes(sizeof(*s) + positions + key.len);
    if (s == NULL)
        return NULL;
    char *copy = (char *)s->positions + positions;
    memcpy(copy, key.ptr, key.len);
    *s = (struct stream){.key = str_make(copy, key.len), .label_count = (uint32_t)count};
    ASSERT(stream_bytes(s) == sizeof(*s) + positions + key.len);
    return s;
}

void stream_free(struct stream *s)
{
    if (s == NULL)
        return;
    while (s->sealed_first != NULL)
        stream_drop_sealed(s);
    head_unref(s->head);
    mem_free(s);
}

struct str stream_pairs(const struct stream *s)
{
    struct str rest = s->key;
    uint64_t count;
    bool good = get_uvarint(&rest, &count);

    ASSERT(good);
    return rest;
}

bool stream_next_pair(struct str *rest, struct label *ret_pair)
{
    if (rest->len == 0)
        return false;
    bool good = get_str(rest, &ret_pair->name) && get_str(rest, &ret_pair->value);
    ASSERT(good);
    return true;
}

struct str stream_label(const struct stream *s, struct str name)
{
    struct str rest = stream_pairs(s);
    struct label pair;

    while (stream_next_pair(&rest, &pair)) {
        if (str_eq(pair.name, name))
            return pair.value;
    }
    return STR("");
}

enum status stream_seal(struct stream *s)
{
    struct sealed *sealed = mem_new(1, sizeof(*sealed));
    struct sealed **last = &s->sealed_first; /* they are few: the flusher takes them away */

    ASSERT(s->head != NULL);
    if (sealed == NULL)
        return ST_NOMEM;
    sealed->head = s->head;
    sealed->seq_first = s->head_seq_first;
    sealed->seq_max = s->seq_max;
    sealed->continues = s->head_continues;
    s->head = NULL;
    s->head_continues = false;
    while (*last != NULL)
        last = &(*last)->next;
    *last = sealed;
    return ST_OK;
}

void stream_drop_sealed(struct stream *s)
{
    struct sealed *sealed = s->sealed_first;

    ASSERT(sealed != NULL);
    s->sealed_first = sealed->next;
    head_unref(sealed->head);
    mem_free(sealed);
}

const struct sealed *stream_unfinished(const struct stream *s)
{
    const struct sealed *first = NULL;

    if (!s->head_continues)
        return NULL;
    for (const struct sealed *sealed = s->sealed_first; sealed != NULL; sealed = sealed->next)
        first = sealed->continues && first != NULL ? first : sealed;
    return first;
}

uint64_t stream_oldest_seq(const struct stream *s)
{
    if (s->sealed_first != NULL)
        return s->sealed_first->seq_first;
    return s->head != NULL ? s->head_seq_first : UINT64_MAX;
}

#include "query/source.h"

#include "base/banned.h"

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int source_stream_compare(const struct source_stream *a, const struct source_stream *b)
{
    if (a == b)
        return 0;
    if (a->hash != b->hash)
        return compare_u64(a->hash, b->hash);
    for (size_t i = 0; i < a->labels.count && i < b->labels.count; i++) {
        int order = str_cmp(a->labels.pairs[i].name, b->labels.pairs[i].name);
        if (order == 0)
            order = str_cmp(a->labels.pairs[i].value, b->labels.pairs[i].value);
        if (order != 0)
            return order;
    }
    return compare_u64(a->labels.count, b->labels.count);
}

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
    return labels_cmp(a->labels, b->labels);
}

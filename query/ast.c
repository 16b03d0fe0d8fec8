#include "query/ast.h"

#include "base/banned.h"

const char *range_op_text(enum range_op op)
{
    static const char *const texts[] = {
#define X(name, text) text,
        RANGE_OPS(X)
#undef X
    };

    ASSERT((size_t)op < COUNT_OF(texts));
    return texts[op];
}

const char *vector_op_text(enum vector_op op)
{
    static const char *const texts[] = {
#define X(name, text) text,
        VECTOR_OPS(X)
#undef X
    };

    ASSERT((size_t)op < COUNT_OF(texts));
    return texts[op];
}

const char *binary_op_text(enum binary_op op)
{
    static const char *const texts[] = {
#define X(name, text) text,
        BINARY_OPS(X)
#undef X
    };

    ASSERT((size_t)op < COUNT_OF(texts));
    return texts[op];
}

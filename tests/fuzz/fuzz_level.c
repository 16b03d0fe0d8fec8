/* The level of a line, which is looked for in every line that arrives: words, logfmt, JSON. */
#include "proto/level.h"

#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

void fuzz_input(struct str in)
{
    static const struct str names[] = {STR_INIT("level"), STR_INIT("log.level"), STR_INIT("lvl")};
    struct level_spec spec;
    struct arena a;

    level_spec_init(&spec, names, COUNT_OF(names), 2);
    arena_init(&a, FUZZ_MEMORY_BYTES);
    struct str level = level_of_entry(&spec, &a, (struct labels){0}, in);
    ASSERT(level.len > 0 && !a.failed);
    ASSERT(str_eq(level_normalize(level), level));
    arena_release(&a);
}

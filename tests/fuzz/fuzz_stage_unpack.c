/* Packed lines. */
#include "tests/fuzz/stage.h"

#include "base/banned.h"

void fuzz_input(struct str in)
{
    struct stage_expr expr = {.kind = STAGE_UNPACK};
    struct stage s;
    struct arena a;
    struct str line;

    arena_init(&a, 16 * FUZZ_MEMORY_BYTES);
    ASSERT(stage_unpack_compile(&a, &expr, &s, NULL) == ST_OK);
    struct labels l = stage_run(&a, &s, NULL, in, &line);
    if (line.ptr == in.ptr) { /* not packed: only an error was set, if anything */
        for (size_t i = 0; i < l.count; i++)
            ASSERT(l.pairs[i].name.len == 1 || str_starts(l.pairs[i].name, STR("__error")));
    }
    stage_check_hints(&a, &s, in, l);
    arena_release(&a);
}

/* A pattern, a newline, and the line it cuts. */
#include "tests/fuzz/stage.h"

#include "base/banned.h"

void fuzz_input(struct str in)
{
    struct err err = {.text = ""};
    struct stage_expr expr = {.kind = STAGE_PATTERN};
    struct stage s;
    struct arena a;
    struct str line;

    size_t len = MIN_OF(str_find_char(in, '\n'), in.len);
    expr.text = str_head(in, len);
    in = len < in.len ? str_cut(in, len + 1) : STR_NULL;
    arena_init(&a, 16 * FUZZ_MEMORY_BYTES);
    enum status st = stage_pattern_compile(&a, &expr, &s, &err);
    ASSERT(st == ST_OK || (st == ST_INVALID && err.text[0] != '\0'));
    if (st == ST_OK) {
        struct labels l = stage_run(&a, &s, NULL, in, &line);
        ASSERT(str_eq(line, in));
        for (size_t i = 0; i < l.count; i++) {
            struct str name = l.pairs[i].name;
            ASSERT(str_eq(name, STR("b")) || str_eq(name, STR("m")) ||
                   str_find(in, l.pairs[i].value) != STR_NPOS);
        }
        stage_check_hints(&a, &s, in, l);
    }
    arena_release(&a);
}

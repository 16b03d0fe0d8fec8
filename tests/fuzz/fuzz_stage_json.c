/* Lines that should be JSON: all labels, some of them, and paths. */
#include "tests/fuzz/stage.h"

#include "base/banned.h"

static void check_json(struct arena *a, struct str in)
{
    struct stage_expr expr = {.kind = STAGE_JSON};
    struct stage s;
    struct str line;

    ASSERT(stage_json_compile(a, &expr, &s, NULL) == ST_OK);
    struct labels all = stage_run(a, &s, NULL, in, &line);
    ASSERT(str_eq(line, in));
    stage_check_hints(a, &s, in, all);
}

/* Every id is there unless the line is empty or begins like no JSON. */
static void check_paths(struct arena *a, struct str in)
{
    struct extraction wanted[] = {
        {STR_INIT("x"), STR_INIT("a")},
        {STR_INIT("y"), STR_INIT("a.b")},
        {STR_INIT("z"), STR_INIT("a[1].b")},
        {STR_INIT("x"), STR_INIT("[0][0]")},
    };
    struct stage_expr expr = {.kind = STAGE_JSON_EXPR};
    struct stage s;
    struct str line;

    expr.parser.extractions = wanted;
    expr.parser.count = COUNT_OF(wanted);
    ASSERT(stage_json_expr_compile(a, &expr, &s, NULL) == ST_OK);
    struct labels l = stage_run(a, &s, NULL, in, &line);
    ASSERT(str_eq(line, in));
    bool is_read = in.len > 0 && (in.ptr[0] == '{' || in.ptr[0] == '[' || in.ptr[0] == '"');
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        ASSERT(labels_has(l, wanted[i].id) == is_read);
}

void fuzz_input(struct str in)
{
    struct arena a;

    arena_init(&a, 16 * FUZZ_MEMORY_BYTES);
    check_json(&a, in);
    check_paths(&a, in);
    arena_release(&a);
}

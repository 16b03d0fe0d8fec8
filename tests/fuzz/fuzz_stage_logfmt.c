/* Lines of logfmt, with and without flags, and with expressions. */
#include "tests/fuzz/stage.h"

#include "base/banned.h"

static struct labels run(struct arena *a, struct stage_expr expr, struct str in)
{
    struct stage s;
    struct str line;

    ASSERT(stage_logfmt_compile(a, &expr, &s, NULL) == ST_OK);
    struct labels l = stage_run(a, &s, NULL, in, &line);
    ASSERT(str_eq(line, in));
    stage_check_hints(a, &s, in, l);
    return l;
}

/* The strict form finds a beginning of what the lenient one finds; all of it if there is no error.
 */
static void check_flags(struct arena *a, struct str in)
{
    struct stage_expr lenient = {.kind = STAGE_LOGFMT}, strict = lenient;

    strict.parser.strict = true;
    if (str_find(in, STR("error")) != STR_NPOS)
        return; /* a key may have the name */
    struct labels some = run(a, strict, in), all = run(a, lenient, in);
    ASSERT(!labels_has(all, STR("__error__")));
    bool is_bad = labels_has(some, STR("__error__"));
    ASSERT(is_bad || labels_eq(some, all));
    for (size_t i = 0; i < some.count; i++) {
        struct label pair = some.pairs[i];
        ASSERT(str_starts(pair.name, STR("__error")) ||
               str_eq(labels_get(all, pair.name), pair.value));
    }

    strict.parser.keep_empty = true;
    ASSERT(run(a, strict, in).count >= some.count);
}

static void check_expressions(struct arena *a, struct str in)
{
    struct extraction wanted[] = {
        {STR_INIT("x"), STR_INIT("a")},
        {STR_INIT("a"), STR_INIT("x")},
        {STR_INIT("b"), STR_INIT("c")},
    };
    struct stage_expr expr = {.kind = STAGE_LOGFMT_EXPR};
    struct stage s;
    struct str line;

    expr.parser.extractions = wanted;
    expr.parser.count = COUNT_OF(wanted);
    ASSERT(stage_logfmt_expr_compile(a, &expr, &s, NULL) == ST_OK);
    struct labels l = stage_run(a, &s, NULL, in, &line);
    ASSERT(str_eq(line, in));
    ASSERT(labels_has(l, STR("x")) && labels_has(l, STR("a")));
    for (size_t i = 0; i < l.count; i++)
        ASSERT(label_value_valid(l.pairs[i].value));
}

void fuzz_input(struct str in)
{
    struct arena a;

    arena_init(&a, 16 * FUZZ_MEMORY_BYTES);
    check_flags(&a, in);
    check_expressions(&a, in);
    arena_release(&a);
}

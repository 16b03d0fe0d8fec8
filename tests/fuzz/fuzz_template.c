/* The templates of line_format and label_format: compiled, every node printed, and run. */
#include "query/template.h"
#include "query/template_run.h"

#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static void run(const struct template *t)
{
    static const struct label labels[] = {
        {STR_INIT("a"), STR_INIT("1.5")},
        {STR_INIT("j"), STR_INIT("{\"k\":[1,\"x\",null]}")},
        {STR_INIT("u"), STR_INIT("\xc3\xa9\xff 2024-02-29")},
    };
    const struct template_data data = {{labels, COUNT_OF(labels)}, STR("line of text"), 1};
    struct err err = {.text = ""};
    struct arena scratch;
    struct name_list names;
    struct str text;

    arena_init(&scratch, FUZZ_MEMORY_BYTES);
    enum status st = template_run(t, &data, &scratch, &text, &err);
    ASSERT(st == ST_OK || ((st == ST_INVALID || st == ST_LIMIT) && err.text[0] != '\0'));
    st = template_fields(t, &scratch, &names, &err);
    ASSERT(st == ST_OK || st == ST_LIMIT);
    (void)template_is_field(t, &text);
    arena_release(&scratch);
}

void fuzz_input(struct str in)
{
    struct err err = {.text = ""};
    const struct template *t = NULL;
    struct arena a;
    struct buf b;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    buf_init(&b, FUZZ_MEMORY_BYTES);
    enum status st = template_compile(&a, STR("line"), in, &t, &err);
    ASSERT(st == ST_OK || ((st == ST_INVALID || st == ST_LIMIT) && err.text[0] != '\0'));
    for (size_t i = 0; st == ST_OK && i < t->definition_count; i++) {
        const struct template_list *body = &t->definitions[i].body;
        for (size_t j = 0; j < body->count; j++) {
            template_put_place(&b, t, body->nodes[j]);
            template_put_node(&b, body->nodes[j]);
        }
    }
    if (st == ST_OK)
        run(t);
    buf_release(&b);
    arena_release(&a);
}

/* The templates of line_format and label_format: compiled, and every node printed. */
#include "query/template.h"

#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

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
    buf_release(&b);
    arena_release(&a);
}

#include "tests/support/stages.h"

#include "query/parser.h"
#include "tests/support/expect.h"

enum { STAGES_MAX = 16 };

struct run {
    struct arena query;
    struct arena scratch;
    struct stage stages[STAGES_MAX];
    size_t count;
};

static stage_compile *find(const struct stage_kit *kit, size_t count, enum stage_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        if (kit[i].kind == kind)
            return kit[i].compile;
    }
    cr_assert_fail("a case has a stage the kit has not");
    return NULL;
}

/* Empty: everything compiled. */
static struct str compile(struct run *r, const struct stage_kit *kit, size_t kit_count,
                          const char *stages)
{
    struct str text = arena_printf(&r->query, "{svc=\"web\"} %s", stages);
    const struct expr *e = NULL;
    struct err err = {0};

    enum status st = logql_parse(&r->query, text, &e, &err);
    cr_assert_eq(st, ST_OK, "%s: %s", stages, err.text);
    r->count = e->log.stage_count;
    cr_assert_leq(r->count, (size_t)STAGES_MAX);
    for (size_t i = 0; i < r->count && st == ST_OK; i++) {
        const struct stage_expr *s = &e->log.stages[i];
        st = find(kit, kit_count, s->kind)(&r->query, s, &r->stages[i], &err);
    }
    cr_assert(st == ST_OK || st == ST_INVALID, "%s: %s", stages, status_name(st));
    return arena_str(&r->query, st == ST_OK ? STR("") : str_from(err.text));
}

/* The labels in `text`, and in `*ret_line` what stands in front of them. */
static struct labels parse_labels(struct run *r, struct str text, struct str *ret_line)
{
    size_t at = str_find_char(text, '{');
    struct labels labels = {NULL, 0};

    if (at == STR_NPOS)
        return labels;
    *ret_line = str_trim(str_head(text, at));
    REQUIRE_OK(labels_parse(&r->query, str_cut(text, at), &labels, NULL));
    return labels;
}

static struct str begin_entry(struct run *r, const char *entry, struct label_builder *b)
{
    struct str text = entry == NULL ? STR("") : str_from(entry);
    size_t plus = str_find(text, STR("} + {")), end = plus == STR_NPOS ? text.len : plus + 1;
    struct str line = STR(""), nothing;

    struct labels base = parse_labels(r, str_head(text, end), &line);
    struct labels metadata = parse_labels(r, str_cut(text, end), &nothing);
    label_builder_begin(b, base, metadata);
    return line.len == 0 ? STR("l") : line;
}

static void run_case(struct run *r, const struct stage_case *c, struct buf *out)
{
    struct entry_state e = {.ts_ns = STAGE_CASE_TS_NS, .scratch = &r->scratch};

    label_builder_init(&e.labels, &r->scratch, NULL);
    struct str line = begin_entry(r, c->entry, &e.labels);
    e.line = line;
    for (size_t i = 0; i < r->count; i++) {
        if (!r->stages[i].run(&r->stages[i], &e)) {
            buf_put(out, STR("DROP"));
            return;
        }
    }
    struct entry_labels result = label_builder_result(&e.labels);
    if (!str_eq(e.line, line)) {
        buf_put(out, e.line);
        buf_put_char(out, ' ');
    }
    labels_put_text(out, entry_labels_merge(&r->scratch, &result));
    cr_assert_not(r->scratch.failed, "%s", c->name);
}

void stages_expect(const struct stage_kit *kit, size_t kit_count, const struct stage_case *cases,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct stage_case *c = &cases[i];
        struct run r = {.count = 0};
        struct buf out;

        arena_init(&r.query, 16 * MIB);
        arena_init(&r.scratch, 16 * MIB);
        buf_init(&out, MIB);
        struct str reason = compile(&r, kit, kit_count, c->stages);
        buf_put(&out, reason);
        if (reason.len == 0)
            run_case(&r, c, &out);
        EXPECT_STR(c->name, buf_str(&out), str_from(c->want));
        buf_release(&out);
        arena_release(&r.scratch);
        arena_release(&r.query);
    }
}

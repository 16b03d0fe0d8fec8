#include "query/pipeline.h"

#include "query/canon.h"
#include "query/hints.h"

#include "base/banned.h"

enum { STAGE_TEXT_BYTES_MAX = 256 * 1024 };

static bool run_line_filter(const struct stage *s, struct entry_state *e)
{
    return line_filter_keeps(s->compiled, e->line);
}

static enum status compile_line_filter(struct arena *a, const struct stage_expr *expr,
                                       struct stage *ret_stage, struct err *err)
{
    struct line_filter *filter = arena_new(a, struct line_filter, 1);

    if (filter == NULL)
        return arena_status(a, err);
    *ret_stage = (struct stage){run_line_filter, filter};
    return line_filter_compile(a, &expr->line_filter, filter, err);
}

static const struct stage_row {
    stage_compile *compile;
    bool is_parser;  /* reads the line */
    bool ends_block; /* no line filter moves in front of it */
} stage_rows[] = {
    [STAGE_LINE_FILTER] = {compile_line_filter, true, false},
    [STAGE_JSON] = {stage_json_compile, true, false},
    [STAGE_JSON_EXPR] = {stage_json_expr_compile, true, false},
    [STAGE_LOGFMT] = {stage_logfmt_compile, true, false},
    [STAGE_LOGFMT_EXPR] = {stage_logfmt_expr_compile, true, false},
    [STAGE_REGEXP] = {stage_regexp_compile, true, false},
    [STAGE_PATTERN] = {stage_pattern_compile, true, false},
    [STAGE_UNPACK] = {stage_unpack_compile, true, true},
    [STAGE_LABEL_FILTER] = {stage_label_filter_compile, false, true},
    [STAGE_LINE_FORMAT] = {stage_line_format_compile, false, true},
    [STAGE_LABEL_FORMAT] = {stage_label_format_compile, false, false},
    [STAGE_DROP] = {stage_drop_compile, false, false},
    [STAGE_KEEP] = {stage_keep_compile, false, false},
    [STAGE_DECOLORIZE] = {stage_decolorize_compile, false, false},
};

/* ---- which stages run ---- */

/*
 * Samples that are no lengths need no line: a line_format is left out if nothing behind it reads
 * the line. (So its errors are never seen, and neither is its text by a template behind it.)
 */
static enum status choose_stages(struct arena *a, const struct log_expr *log,
                                 const struct pipeline_samples *samples, struct log_expr *ret_log)
{
    bool line_is_read = samples == NULL || samples->reads_line;
    struct stage_expr *chosen = arena_new(a, struct stage_expr, log->stage_count);
    size_t begin = log->stage_count;

    if (chosen == NULL)
        return ST_LIMIT;
    for (size_t i = log->stage_count; i > 0; i--) {
        const struct stage_expr *s = &log->stages[i - 1];
        if (s->kind == STAGE_LINE_FORMAT && !line_is_read)
            continue;
        chosen[--begin] = *s;
        line_is_read = line_is_read || stage_rows[s->kind].is_parser;
    }
    *ret_log = *log;
    ret_log->stages = chosen + begin;
    ret_log->stage_count = log->stage_count - begin;
    return ST_OK;
}

/* ---- their order ---- */

struct ordering {
    struct stage *stages;
    size_t count;
    size_t block;         /* where the current block begins, */
    size_t filters;       /* and how many line filters stand there */
    size_t first_filters; /* of the first block */
};

static void place_filter(struct ordering *o, struct stage s)
{
    size_t at = o->block + o->filters;

    memmove(&o->stages[at + 1], &o->stages[at], (o->count - at) * sizeof(s));
    o->stages[at] = s;
    o->count++;
    o->filters++;
    if (o->block == 0)
        o->first_filters = o->filters;
}

static void place_stage(struct ordering *o, struct stage s, bool ends_block)
{
    o->stages[o->count++] = s;
    if (ends_block) {
        o->block = o->count;
        o->filters = 0;
    }
}

static enum status stage_error(const struct stage_expr *s, enum status st, struct err *err)
{
    struct buf text;

    if (st != ST_INVALID)
        return st;
    buf_init(&text, STAGE_TEXT_BYTES_MAX);
    canon_put_stage(&text, s);
    err_prefix(err, st, "parse error : stage '%.*s' ", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return st;
}

static bool has_templates(const struct log_expr *log)
{
    for (size_t i = 0; i < log->stage_count; i++) {
        enum stage_kind kind = log->stages[i].kind;
        if (kind == STAGE_LINE_FORMAT || kind == STAGE_LABEL_FORMAT)
            return true;
    }
    return false;
}

/* One for each stage, in the order of `log`. */
static enum status compile_stages(struct arena *a, const struct log_expr *log,
                                  const struct stage **ret_stages, struct err *err)
{
    struct stage *stages = arena_new(a, struct stage, log->stage_count);

    if (stages == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < log->stage_count; i++) {
        enum status st =
            stage_rows[log->stages[i].kind].compile(a, &log->stages[i], &stages[i], err);
        if (st != ST_OK)
            return stage_error(&log->stages[i], st, err);
    }
    *ret_stages = stages;
    return ST_OK;
}

static enum status order_stages(struct arena *a, const struct log_expr *log,
                                const struct stage *stages, struct ordering *o, struct err *err)
{
    o->stages = arena_new(a, struct stage, log->stage_count);
    if (o->stages == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < log->stage_count; i++) {
        enum stage_kind kind = log->stages[i].kind;
        if (kind == STAGE_LINE_FILTER)
            place_filter(o, stages[i]);
        else
            place_stage(o, stages[i], stage_rows[kind].ends_block);
    }
    return ST_OK;
}

static enum status compile_sample_filters(struct arena *a, const struct unwrap_expr *unwrap,
                                          struct pipeline *p, struct err *err)
{
    struct stage *stages = arena_new(a, struct stage, unwrap->filter_count);

    if (stages == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < unwrap->filter_count; i++) {
        struct stage_expr expr = {.kind = STAGE_LABEL_FILTER, .label_filter = unwrap->filters[i]};
        enum status st = stage_label_filter_compile(a, &expr, &stages[i], err);
        if (st != ST_OK)
            return stage_error(&expr, st, err);
    }
    p->sample_filters = stages;
    p->sample_filter_count = unwrap->filter_count;
    return ST_OK;
}

enum status pipeline_build(struct arena *a, const struct log_expr *log,
                           const struct pipeline_samples *samples, struct pipeline *ret_pipeline,
                           struct err *err)
{
    struct ordering o = {0};
    struct pipeline p = {0};
    struct log_expr chosen;

    enum status st = choose_stages(a, log, samples, &chosen);
    if (st != ST_OK)
        return arena_status(a, err);
    struct hints_source source = {.log = &chosen, .samples = samples};
    st = compile_stages(a, &chosen, &source.stages, err);
    if (st == ST_OK && samples != NULL)
        st = compile_sample_filters(a, samples->unwrap, &p, err);
    source.sample_filters = p.sample_filters;
    if (st == ST_OK)
        st = hints_find(a, &source, &p.hints, err);
    if (st == ST_OK)
        st = order_stages(a, &chosen, source.stages, &o, err);
    if (st != ST_OK)
        return st;

    struct line_filter *filters = arena_new(a, struct line_filter, o.first_filters);
    if (filters == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < o.first_filters; i++)
        filters[i] = *(const struct line_filter *)o.stages[i].compiled;
    p.line_filters = filters;
    p.line_filter_count = o.first_filters;
    p.stages = o.stages + o.first_filters;
    p.stage_count = o.count - o.first_filters;
    p.has_templates = has_templates(&chosen);
    *ret_pipeline = p;
    return ST_OK;
}

/* ---- running ---- */

bool pipeline_keep_lines(const struct pipeline *p, const struct block *b, uint64_t *ret_bits)
{
    size_t words = pipeline_words(b->count);

    for (size_t i = 0; i < words; i++)
        ret_bits[i] = UINT64_MAX;
    if (b->count % 64 != 0)
        ret_bits[words - 1] = (UINT64_C(1) << b->count % 64) - 1;
    for (size_t i = 0; i < p->line_filter_count; i++)
        line_filter_keep_lines(&p->line_filters[i], b, ret_bits);
    bool any = false;
    for (size_t i = 0; i < words && !any; i++)
        any = ret_bits[i] != 0;
    return any;
}

static bool run_all(const struct stage *stages, size_t count, struct entry_state *e)
{
    for (size_t i = 0; i < count; i++) {
        if (!stages[i].run(&stages[i], e))
            return false;
    }
    return true;
}

struct block_probe {
    struct reader *reader;
    uint32_t block;
};

static bool block_may_contain(void *context, struct str text)
{
    const struct block_probe *probe = context;

    return probe->reader->may_contain(probe->reader, probe->block, text);
}

bool pipeline_may_keep(const struct pipeline *p, struct reader *r, uint32_t block)
{
    struct block_probe probe = {r, block};

    for (size_t i = 0; i < p->line_filter_count; i++) {
        if (!line_filter_may_keep(&p->line_filters[i], block_may_contain, &probe))
            return false;
    }
    return true;
}

bool pipeline_run(const struct pipeline *p, struct entry_state *e)
{
    return run_all(p->stages, p->stage_count, e);
}

bool pipeline_keeps_sample(const struct pipeline *p, struct entry_state *e)
{
    return run_all(p->sample_filters, p->sample_filter_count, e);
}

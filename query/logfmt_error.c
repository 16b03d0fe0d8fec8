#include "query/logfmt_error.h"

#include "base/banned.h"

static struct str fault_text(struct arena *a, const struct logfmt *l)
{
    switch (l->fault) {
    case LOGFMT_UNEXPECTED:
        return arena_printf(a, "unexpected '%c'", l->line.ptr[l->bad]);
    case LOGFMT_UNTERMINATED:
        return STR("unterminated quoted value");
    case LOGFMT_INVALID_QUOTED:
        return STR("invalid quoted value");
    case LOGFMT_INVALID_KEY:
        return STR("invalid key");
    case LOGFMT_OK:
        break;
    }
    return STR("");
}

void logfmt_error_set(const struct logfmt *l, struct entry_state *e)
{
    if (l->fault == LOGFMT_OK)
        return;
    struct str text = fault_text(e->scratch, l);
    struct str details = arena_printf(e->scratch, "logfmt syntax error at pos %zu : %.*s",
                                      l->bad + 1, STR_ARG(text));
    label_builder_set_parser_error(&e->labels, STR("LogfmtParserErr"), details);
}

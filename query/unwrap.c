#include "query/unwrap.h"

#include "base/time.h"
#include "query/byte_size.h"
#include "query/number.h"

#include "base/banned.h"

static enum status convert_bytes(struct str text, double *ret, struct err *err)
{
    uint64_t bytes;
    enum status st = byte_size_parse(text, &bytes, err);

    if (st == ST_OK)
        *ret = (double)bytes;
    return st;
}

/* Whole seconds and the rest are converted apart, which keeps more digits of long durations. */
static enum status convert_seconds(struct str text, double *ret, struct err *err)
{
    int64_t ns;
    enum status st = duration_parse_go(text, &ns, err);

    if (st != ST_OK)
        return st;
    int64_t whole = ns / SECOND_NS, rest = ns % SECOND_NS;
    *ret = (double)whole + (double)rest / (double)SECOND_NS;
    return ST_OK;
}

static enum status convert(enum unwrap_conversion conversion, struct str text, double *ret,
                           struct err *err)
{
    switch (conversion) {
    case UNWRAP_NONE:
        return number_parse(text, ret, err);
    case UNWRAP_BYTES:
        return convert_bytes(text, ret, err);
    case UNWRAP_DURATION:
    case UNWRAP_DURATION_SECONDS:
        return convert_seconds(text, ret, err);
    }
    return ST_INTERNAL;
}

bool unwrap_value(const struct unwrap_expr *u, struct label_builder *b, double *ret_value)
{
    struct err err;
    struct str text;

    ASSERT(u->label.len > 0);
    if (!label_builder_get(b, u->label, &text) || text.len == 0)
        return false;
    *ret_value = 0;
    enum status st = convert(u->conversion, text, ret_value, &err);
    if (st == ST_NOMEM)
        b->scratch->failed = true;
    else if (st != ST_OK)
        label_builder_set_error(b, STR("SampleExtractionErr"), str_from(err.text));
    return true;
}

#include "query/number.h"

#include "base/num.h"
#include "base/utf8.h"

#include "base/banned.h"

enum status number_parse(struct str s, double *ret, struct err *err)
{
    enum status st = num_parse_double(s, ret);
    struct buf quoted;

    if (st == ST_OK)
        return st;
    if (st == ST_NOMEM)
        return err_set(err, st, "no memory for a number");
    buf_init(&quoted, ERR_TEXT_BYTES);
    utf8_put_quoted(&quoted, s);
    (void)err_set(err, st, "strconv.ParseFloat: parsing %.*s: %s", STR_ARG(buf_str(&quoted)),
                  st == ST_LIMIT ? "value out of range" : "invalid syntax");
    buf_release(&quoted);
    return st;
}

#include "query/id_value.h"

#include "base/num.h"

#include "base/banned.h"

static bool is_hex(char c)
{
    char low = (char)(c | 0x20);

    return (c >= '0' && c <= '9') || (low >= 'a' && low <= 'f');
}

/* 32 hex digits, in groups of 8, 4, 4, 4 and 12 if `dashes`. */
static bool is_plain_uuid(struct str s, bool dashes)
{
    for (size_t i = 0; i < s.len; i++) {
        bool dash = dashes && (i == 8 || i == 13 || i == 18 || i == 23);
        if (dash ? s.ptr[i] != '-' : !is_hex(s.ptr[i]))
            return false;
    }
    return s.len == (dashes ? 36 : 32);
}

static bool is_uuid(struct str s)
{
    static const struct str urn = STR_INIT("urn:uuid:");

    if (s.len > urn.len && str_eq_nocase(str_head(s, urn.len), urn))
        return is_plain_uuid(str_cut(s, urn.len), true);
    if (s.len > 2 && s.ptr[0] == '{' && s.ptr[s.len - 1] == '}')
        return is_plain_uuid(str_make(s.ptr + 1, s.len - 2), true);
    return is_plain_uuid(s, true) || is_plain_uuid(s, false);
}

bool value_is_id(struct str value)
{
    double number;

    return num_parse_double(value, &number) == ST_OK || is_uuid(value);
}

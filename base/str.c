#include "base/str.h"

#include "base/banned.h"

int str_cmp(struct str a, struct str b)
{
    size_t common = MIN_OF(a.len, b.len);
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_head(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_cut(s, s.len - suffix.len), suffix);
}

size_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return STR_NPOS;

    const char *hit = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return hit == NULL ? STR_NPOS : (size_t)(hit - s.ptr);
}

size_t str_find_char(struct str s, char c)
{
    const char *hit = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);

    return hit == NULL ? STR_NPOS : (size_t)(hit - s.ptr);
}

size_t str_find_last_char(struct str s, char c)
{
    const char *hit = s.len == 0 ? NULL : memrchr(s.ptr, c, s.len);

    return hit == NULL ? STR_NPOS : (size_t)(hit - s.ptr);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = str_cut(s, 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_split(struct str *rest, char separator, struct str *ret_piece)
{
    if (rest->ptr == NULL)
        return false;

    size_t at = str_find_char(*rest, separator);
    if (at == STR_NPOS) {
        *ret_piece = *rest;
        *rest = STR_NULL;
        return true;
    }
    *ret_piece = str_head(*rest, at);
    *rest = str_cut(*rest, at + 1);
    return true;
}

#include "query/template_layout.h"

#include "base/banned.h"

/* In this order: what begins like another stands before it. */
static const struct {
    struct str text;
    enum layout_kind kind;
    bool whole_word; /* no small letter may follow */
} words[] = {
    {STR_INIT("January"), LAYOUT_LONG_MONTH, false},
    {STR_INIT("Jan"), LAYOUT_MONTH, true},
    {STR_INIT("Monday"), LAYOUT_LONG_WEEKDAY, false},
    {STR_INIT("Mon"), LAYOUT_WEEKDAY, true},
    {STR_INIT("MST"), LAYOUT_ZONE_NAME, false},
    {STR_INIT("002"), LAYOUT_ZERO_YEAR_DAY, false},
    {STR_INIT("01"), LAYOUT_ZERO_MONTH, false},
    {STR_INIT("02"), LAYOUT_ZERO_DAY, false},
    {STR_INIT("03"), LAYOUT_ZERO_HOUR12, false},
    {STR_INIT("04"), LAYOUT_ZERO_MINUTE, false},
    {STR_INIT("05"), LAYOUT_ZERO_SECOND, false},
    {STR_INIT("06"), LAYOUT_YEAR, false},
    {STR_INIT("15"), LAYOUT_HOUR, false},
    {STR_INIT("1"), LAYOUT_NUM_MONTH, false},
    {STR_INIT("2006"), LAYOUT_LONG_YEAR, false},
    {STR_INIT("2"), LAYOUT_DAY, false},
    {STR_INIT("__2"), LAYOUT_UNDER_YEAR_DAY, false},
    {STR_INIT("_2"), LAYOUT_UNDER_DAY, false},
    {STR_INIT("3"), LAYOUT_HOUR12, false},
    {STR_INIT("4"), LAYOUT_MINUTE, false},
    {STR_INIT("5"), LAYOUT_SECOND, false},
    {STR_INIT("PM"), LAYOUT_PM, false},
    {STR_INIT("pm"), LAYOUT_LOWER_PM, false},
    {STR_INIT("-070000"), LAYOUT_OFFSET_SECONDS, false},
    {STR_INIT("-07:00:00"), LAYOUT_OFFSET_COLON_SECONDS, false},
    {STR_INIT("-0700"), LAYOUT_OFFSET, false},
    {STR_INIT("-07:00"), LAYOUT_OFFSET_COLON, false},
    {STR_INIT("-07"), LAYOUT_OFFSET_SHORT, false},
    {STR_INIT("Z070000"), LAYOUT_Z_SECONDS, false},
    {STR_INIT("Z07:00:00"), LAYOUT_Z_COLON_SECONDS, false},
    {STR_INIT("Z0700"), LAYOUT_Z, false},
    {STR_INIT("Z07:00"), LAYOUT_Z_COLON, false},
    {STR_INIT("Z07"), LAYOUT_Z_SHORT, false},
};

/* `.000`, `,999`: one digit again and again, and no other one behind it. */
static bool is_fraction(struct str s, size_t *ret_len)
{
    size_t at = 1;

    if (s.len < 2 || (s.ptr[0] != '.' && s.ptr[0] != ',') || (s.ptr[1] != '0' && s.ptr[1] != '9'))
        return false;
    while (at < s.len && s.ptr[at] == s.ptr[1])
        at++;
    *ret_len = at;
    return at == s.len || s.ptr[at] < '0' || s.ptr[at] > '9';
}

/* Does a piece begin at `s`? */
static bool piece_at(struct str s, struct layout_piece *piece, size_t *ret_len)
{
    if (is_fraction(s, ret_len)) {
        piece->kind = s.ptr[1] == '0' ? LAYOUT_FRACTION : LAYOUT_FRACTION_TRIMMED;
        piece->digits = *ret_len - 1;
        piece->separator = s.ptr[0];
        return true;
    }
    if (str_starts(s, STR("_2006"))) /* no day: the year is meant */
        return false;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        size_t len = words[i].text.len;
        if (!str_starts(s, words[i].text))
            continue;
        if (words[i].whole_word && s.len > len && s.ptr[len] >= 'a' && s.ptr[len] <= 'z')
            continue;
        piece->kind = words[i].kind;
        *ret_len = len;
        return true;
    }
    return false;
}

struct layout_piece layout_next(struct str *layout)
{
    struct layout_piece piece = {.before = *layout, .kind = LAYOUT_END};
    size_t len;

    for (size_t i = 0; i < layout->len; i++) {
        if (!piece_at(str_cut(*layout, i), &piece, &len))
            continue;
        piece.before = str_head(*layout, i);
        *layout = str_cut(*layout, i + len);
        return piece;
    }
    *layout = str_cut(*layout, layout->len);
    return piece;
}

#include "base/utf8.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "base/regex.h"

#include "base/banned.h"

uint32_t utf8_decode(struct str s, size_t *ret_len)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

    ASSERT(s.len > 0);
    *ret_len = 1;
    if (p[0] < 0x80)
        return p[0];

    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < len)
        return RUNE_ERROR;
    uint32_t rune = p[0] & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return RUNE_ERROR;
        rune = rune << 6 | (p[i] & 0x3f);
    }
    if (rune < smallest[len] || rune > RUNE_MAX || (rune >= 0xd800 && rune <= 0xdfff))
        return RUNE_ERROR;
    *ret_len = len;
    return rune;
}

size_t utf8_encode(uint32_t rune, char to[UTF8_BYTES_MAX])
{
    if (rune > RUNE_MAX || (rune >= 0xd800 && rune <= 0xdfff))
        rune = RUNE_ERROR;
    if (rune < 0x80) {
        to[0] = (char)rune;
        return 1;
    }

    size_t len = rune >= 0x10000 ? 4 : rune >= 0x800 ? 3 : 2;
    for (size_t i = len; i-- > 1;) {
        to[i] = (char)(0x80 | (rune & 0x3f));
        rune >>= 6;
    }
    to[0] = (char)((0xf00U >> len & 0xff) | rune);
    return len;
}

/* The length of the ASCII run at the start of `s`, eight bytes at a time. */
static size_t ascii_run(struct str s)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t at = 0;

    for (uint64_t word; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.ptr + at, sizeof(word));
        if ((word & high_bits) != 0)
            break;
    }
    while (at < s.len && (unsigned char)s.ptr[at] < 0x80)
        at++;
    return at;
}

/* The length of the longest valid beginning of `s`. */
static size_t valid_run(struct str s)
{
    size_t at = 0;

    for (;;) {
        at += ascii_run(str_cut(s, at));
        if (at == s.len)
            return at;
        size_t len;
        if (utf8_decode(str_cut(s, at), &len) == RUNE_ERROR && len == 1)
            return at;
        at += len;
    }
}

bool utf8_valid(struct str s)
{
    return s.len == 0 || valid_run(s) == s.len;
}

void utf8_put_valid(struct buf *b, struct str s, struct str replacement)
{
    while (s.len > 0) {
        size_t good = valid_run(s);
        buf_put(b, str_head(s, good));
        s = str_cut(s, good);
        if (s.len > 0) {
            buf_put(b, replacement);
            s = str_cut(s, 1);
        }
    }
}

/*
 * What is printable is asked for with every label that is shown, so the C library answers (whatever
 * locale the process runs in), as near as its classes come. It has none for letters or for decimal
 * digits: those, which only parsers ask for, come from the tables of RE2.
 */
static locale_t unicode;
static struct regex *letters, *digits;

/* What memory runs out for is in no class. */
static void unicode_open(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (regex_compile(STR("^\\pL$"), &letters, NULL) != ST_OK)
        letters = NULL;
    if (regex_compile(STR("^\\p{Nd}$"), &digits, NULL) != ST_OK)
        digits = NULL;
}

static void unicode_need(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, unicode_open);
}

static bool rune_matches(uint32_t rune, const struct regex *re)
{
    char bytes[UTF8_BYTES_MAX];

    return re != NULL && regex_search(re, str_make(bytes, utf8_encode(rune, bytes)));
}

bool rune_is_space(uint32_t rune)
{
    switch (rune) {
    case ' ':
    case '\t':
    case '\n':
    case '\v':
    case '\f':
    case '\r':
    case 0x85:
    case 0xa0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202f:
    case 0x205f:
    case 0x3000:
        return true;
    default:
        return rune >= 0x2000 && rune <= 0x200a;
    }
}

/* Format characters, private use and tags, which the C library counts as printable. */
static bool is_format_or_private(uint32_t rune)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } ranges[] = {
        {0xad, 0xad},        {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
        {0x70f, 0x70f},      {0x890, 0x891},     {0x8e2, 0x8e2},     {0x180e, 0x180e},
        {0x200b, 0x200f},    {0x202a, 0x202e},   {0x2060, 0x206f},   {0xe000, 0xf8ff},
        {0xfeff, 0xfeff},    {0xfff9, 0xfffb},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd},
        {0x13430, 0x1343f},  {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe00ff},
        {0xe01f0, RUNE_MAX},
    };

    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        if (rune >= ranges[i].first && rune <= ranges[i].last)
            return true;
    }
    return false;
}

bool rune_is_print(uint32_t rune)
{
    if (rune < 0x80)
        return rune >= ' ' && rune < 0x7f;
    unicode_need();
    return !rune_is_space(rune) && !is_format_or_private(rune) && unicode != (locale_t)0 &&
           iswprint_l((wint_t)rune, unicode) != 0;
}

bool rune_is_letter(uint32_t rune)
{
    if (rune < 0x80)
        return (rune | 0x20) >= 'a' && (rune | 0x20) <= 'z';
    unicode_need();
    return rune_matches(rune, letters);
}

bool rune_is_digit(uint32_t rune)
{
    if (rune < 0x80)
        return rune >= '0' && rune <= '9';
    unicode_need();
    return rune_matches(rune, digits);
}

uint32_t rune_to_lower(uint32_t rune)
{
    if (rune < 0x80)
        return rune >= 'A' && rune <= 'Z' ? rune + ('a' - 'A') : rune;
    unicode_need();
    return unicode == (locale_t)0 ? rune : (uint32_t)towlower_l((wint_t)rune, unicode);
}

uint32_t rune_to_upper(uint32_t rune)
{
    if (rune < 0x80)
        return rune >= 'a' && rune <= 'z' ? rune - ('a' - 'A') : rune;
    unicode_need();
    return unicode == (locale_t)0 ? rune : (uint32_t)towupper_l((wint_t)rune, unicode);
}

static void put_escaped_rune(struct buf *b, uint32_t rune)
{
    static const char short_names[] = "\a\b\f\n\r\t\v";
    static const char short_letters[] = "abfnrtv";
    const char *hit = rune == 0 || rune > 0x7f ? NULL : strchr(short_names, (int)rune);

    if (hit != NULL)
        buf_printf(b, "\\%c", short_letters[hit - short_names]);
    else if (rune < ' ' || rune == 0x7f)
        buf_printf(b, "\\x%02x", (unsigned)rune);
    else if (rune < 0x10000)
        buf_printf(b, "\\u%04x", (unsigned)rune);
    else
        buf_printf(b, "\\U%08x", (unsigned)rune);
}

void utf8_put_quoted(struct buf *b, struct str s)
{
    buf_put_char(b, '"');
    while (s.len > 0) {
        size_t len;
        uint32_t rune = utf8_decode(s, &len);
        if (rune == RUNE_ERROR && len == 1)
            buf_printf(b, "\\x%02x", (unsigned)(unsigned char)s.ptr[0]);
        else if (rune == '"' || rune == '\\')
            buf_printf(b, "\\%c", (int)rune);
        else if (rune_is_print(rune))
            buf_put(b, str_head(s, len));
        else
            put_escaped_rune(b, rune);
        s = str_cut(s, len);
    }
    buf_put_char(b, '"');
}

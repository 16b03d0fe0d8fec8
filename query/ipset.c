#include "query/ipset.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/utf8.h"

#include "base/banned.h"

enum { V4_BITS = 32, V6_BITS = 128 };

static bool parse_address(struct str s, struct ip_address *ret)
{
    struct ip_address address = {.is_v6 = str_find_char(s, ':') != STR_NPOS};
    char text[INET6_ADDRSTRLEN];

    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.ptr, '\0', s.len) != NULL)
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    if (inet_pton(address.is_v6 ? AF_INET6 : AF_INET, text, address.bytes) != 1)
        return false;
    *ret = address;
    return true;
}

static int compare(const struct ip_address *a, const struct ip_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* From the first to the last address with the same `bits` bits in front. */
static struct ipset prefix_set(struct ip_address address, size_t bits)
{
    struct ipset set = {address, address};
    size_t total = address.is_v6 ? V6_BITS : V4_BITS;

    ASSERT(bits <= total);
    for (size_t bit = bits; bit < total; bit++) {
        uint8_t mask = (uint8_t)(0x80U >> (bit % 8));
        set.low.bytes[bit / 8] &= (uint8_t)~mask;
        set.high.bytes[bit / 8] |= mask;
    }
    return set;
}

static bool parse_prefix(struct str s, size_t slash, struct ipset *ret)
{
    struct str length = str_cut(s, slash + 1);
    struct ip_address address;
    uint64_t bits;

    if (!parse_address(str_head(s, slash), &address) || num_parse_u64(length, &bits) != ST_OK)
        return false;
    if (bits > (address.is_v6 ? V6_BITS : V4_BITS) || (length.len > 1 && length.ptr[0] == '0'))
        return false;
    *ret = prefix_set(address, (size_t)bits);
    return true;
}

static bool parse_range(struct str s, size_t dash, struct ipset *ret)
{
    struct ipset set;

    if (!parse_address(str_head(s, dash), &set.low) ||
        !parse_address(str_cut(s, dash + 1), &set.high))
        return false;
    if (set.low.is_v6 != set.high.is_v6 || compare(&set.low, &set.high) > 0)
        return false;
    *ret = set;
    return true;
}

static enum status refuse(struct str text, struct err *err)
{
    struct buf quoted;

    buf_init(&quoted, ERR_TEXT_BYTES);
    utf8_put_quoted(&quoted, text);
    enum status st =
        err_set(err, ST_INVALID, "ip: invalid pattern: %.*s", STR_ARG(buf_str(&quoted)));
    buf_release(&quoted);
    return st;
}

enum status ipset_compile(struct str text, struct ipset *ret_set, struct err *err)
{
    size_t slash = str_find_char(text, '/'), dash = str_find_char(text, '-');
    struct ip_address address;
    bool good;

    if (slash != STR_NPOS) {
        good = parse_prefix(text, slash, ret_set);
    } else if (dash != STR_NPOS) {
        good = parse_range(text, dash, ret_set);
    } else {
        good = parse_address(text, &address);
        if (good)
            *ret_set = (struct ipset){address, address};
    }
    return good ? ST_OK : refuse(text, err);
}

bool ipset_has(const struct ipset *set, const struct ip_address *address)
{
    ASSERT(set->low.is_v6 == set->high.is_v6);
    return address->is_v6 == set->low.is_v6 && compare(&set->low, address) <= 0 &&
           compare(address, &set->high) <= 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_v4_char(char c)
{
    return is_digit(c) || c == '.';
}

static bool is_v6_char(char c)
{
    return is_hex(c) || c == ':' || c == '.';
}

/* A digit, and a point among the next three characters. */
static bool at_v4(struct str s)
{
    if (!is_digit(s.ptr[0]))
        return false;
    for (size_t i = 1; i < s.len && i <= 3; i++) {
        if (s.ptr[i] == '.')
            return true;
    }
    return false;
}

/* Up to four hexadecimal digits and a colon, or two colons and a digit. */
static bool at_v6(struct str s)
{
    size_t digits = 0;

    while (digits < s.len && digits < 4 && is_hex(s.ptr[digits]))
        digits++;
    if (digits == 0)
        return s.len >= 3 && s.ptr[0] == ':' && s.ptr[1] == ':' && is_hex(s.ptr[2]);
    return digits < s.len && s.ptr[digits] == ':';
}

static size_t run_len(struct str s, bool (*is_member)(char c))
{
    size_t len = 0;

    while (len < s.len && is_member(s.ptr[len]))
        len++;
    return len;
}

/* The offset of the first point or colon from `at` on, or the length of `s`. */
static size_t find_mark(struct str s, size_t at)
{
    while (at < s.len && s.ptr[at] != '.' && s.ptr[at] != ':')
        at++;
    return at;
}

/* An address has a point or a colon at most four bytes behind its begin: nothing else is tried. */
bool ipset_search(const struct ipset *set, struct str text)
{
    enum { MARK_DISTANCE_MAX = 4 };
    size_t mark = find_mark(text, 0);

    for (size_t at = 0; at < text.len; at++) {
        if (mark < at)
            mark = find_mark(text, at);
        if (mark == text.len)
            return false;
        if (mark - at > MARK_DISTANCE_MAX)
            at = mark - MARK_DISTANCE_MAX;
        struct str rest = str_cut(text, at);
        struct ip_address address;
        size_t run = 0;

        if (at_v4(rest))
            run = run_len(rest, is_v4_char);
        else if (at_v6(rest))
            run = run_len(rest, is_v6_char);
        if (run > 0 && parse_address(str_head(rest, run), &address) && ipset_has(set, &address))
            return true;
        at += run;
    }
    return false;
}

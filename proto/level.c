#include "proto/level.h"

#include "base/num.h"
#include "proto/json.h"
#include "proto/logfmt.h"

#include "base/banned.h"

static const struct level_word {
    struct str word; /* lower case */
    struct str level;
    bool in_text; /* looked for as a word of the line */
} level_words[] = {
    {STR_INIT("trace"), STR_INIT("trace"), true},
    {STR_INIT("trc"), STR_INIT("trace"), false},
    {STR_INIT("debug"), STR_INIT("debug"), true},
    {STR_INIT("dbg"), STR_INIT("debug"), false},
    {STR_INIT("info"), STR_INIT("info"), true},
    {STR_INIT("inf"), STR_INIT("info"), false},
    {STR_INIT("information"), STR_INIT("info"), false},
    {STR_INIT("warn"), STR_INIT("warn"), true},
    {STR_INIT("wrn"), STR_INIT("warn"), false},
    {STR_INIT("warning"), STR_INIT("warn"), true},
    {STR_INIT("error"), STR_INIT("error"), true},
    {STR_INIT("err"), STR_INIT("error"), true},
    {STR_INIT("critical"), STR_INIT("critical"), true},
    {STR_INIT("fatal"), STR_INIT("fatal"), true},
};

/* The letter of a byte, the same in both cases; other bytes have one too. */
static size_t letter_of(char c)
{
    return (unsigned char)c % LEVEL_LETTERS;
}

/* False: `s` begins with another letter than `word`, or is empty. */
static bool may_begin_with(struct str s, struct str word)
{
    return s.len > 0 && letter_of(s.ptr[0]) == letter_of(word.ptr[0]);
}

static const struct level_word *find_word(struct str word)
{
    for (size_t i = 0; i < COUNT_OF(level_words); i++) {
        if (may_begin_with(word, level_words[i].word) && str_eq_nocase(level_words[i].word, word))
            return &level_words[i];
    }
    return NULL;
}

struct str level_normalize(struct str word)
{
    const struct level_word *known = find_word(word);

    return known == NULL ? word : known->level;
}

struct str level_of_labels(const struct level_spec *spec, struct labels stream)
{
    for (size_t i = 0; i < spec->count && stream.count > 0; i++) {
        struct str value = labels_get(stream, spec->names[i]);
        if (value.len > 0)
            return level_normalize(value);
    }
    return STR("");
}

/* OTLP: 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal. */
static struct str level_of_severity(struct str number)
{
    enum { SEVERITY_MAX = 24, PER_LEVEL = 4 };
    static const struct str levels[] = {STR_INIT("trace"), STR_INIT("debug"), STR_INIT("info"),
                                        STR_INIT("warn"),  STR_INIT("error"), STR_INIT("fatal")};
    int64_t n;

    if (num_parse_i64(number, &n) != ST_OK)
        return STR("info");
    if (n < 1 || n > SEVERITY_MAX)
        return STR("unknown");
    return levels[(n - 1) / PER_LEVEL];
}

/* ---- fields of the line ---- */

enum { LENGTH_BITS = 32 };

/* The bit of a length; all that are too large have one. */
static uint32_t length_bit(size_t len)
{
    return UINT32_C(1) << MIN_OF(len, (size_t)LENGTH_BITS - 1);
}

void level_spec_init(struct level_spec *spec, const struct str *names, size_t count,
                     int json_depth_max)
{
    *spec = (struct level_spec){names, count, json_depth_max, {0}, 0};
    for (size_t i = 0; i < count; i++) {
        struct str name = names[i];
        if (name.len == 0)
            continue;
        spec->lengths[letter_of(name.ptr[0])] |= length_bit(name.len);
        spec->last_letters |= UINT32_C(1) << letter_of(name.ptr[name.len - 1]);
    }
}

/* False: `key` is none of the names, in no case. */
static bool may_be_name(const struct level_spec *spec, struct str key)
{
    return key.len > 0 && (spec->lengths[letter_of(key.ptr[0])] & length_bit(key.len)) != 0;
}

static bool is_level_name(const struct level_spec *spec, struct str key)
{
    if (!may_be_name(spec, key))
        return false;
    for (size_t i = 0; i < spec->count; i++) {
        if (str_eq(spec->names[i], key))
            return true;
    }
    return false;
}

/* The first string, in document order, under one of the names; depth first. Empty: there is none.
 */
static struct str find_in_json(const struct level_spec *spec, struct json *j)
{
    struct str key;

    json_enter_object(j);
    while (json_next_key(j, &key)) {
        enum json_kind kind = json_peek(j);
        if (kind == JSON_STRING && is_level_name(spec, key))
            return json_read_string(j);
        if (kind == JSON_OBJECT && j->depth < spec->json_depth_max) {
            struct str found = find_in_json(spec, j);
            if (found.len > 0)
                return found;
        } else {
            json_skip(j);
        }
    }
    return STR("");
}

/* Is there an equals sign behind one of the names, in any case? */
static bool has_named_value(const struct level_spec *spec, struct str line)
{
    for (size_t at = 0, step; at < line.len; at += step + 1) {
        step = str_find_char(str_cut(line, at), '=');
        if (step == STR_NPOS)
            return false;
        struct str before = str_head(line, at + step);
        if (before.len == 0 ||
            (spec->last_letters >> letter_of(before.ptr[before.len - 1]) & 1) == 0)
            continue;
        for (size_t i = 0; i < spec->count; i++) {
            struct str name = spec->names[i];
            if (name.len <= before.len &&
                str_eq_nocase(name, str_cut(before, before.len - name.len)))
                return true;
        }
    }
    return false;
}

/* The value of the pair whose key, in any case, is the earliest in the list of names. */
static struct str find_in_logfmt(const struct level_spec *spec, struct str line)
{
    struct logfmt l;
    struct logfmt_pair pair;
    struct str found = STR("");
    size_t best = spec->count;

    if (!has_named_value(spec, line))
        return found; /* as most lines with an equals sign, which is found faster than all pairs */
    logfmt_init(&l, line, true);
    while (best > 0 && logfmt_next(&l, &pair)) {
        if (!may_be_name(spec, pair.key))
            continue;
        for (size_t i = 0; i < best; i++) {
            if (str_eq_nocase(spec->names[i], pair.key)) {
                best = i;
                found = pair.value;
            }
        }
    }
    return found;
}

/* ---- words of the line ---- */

/* What may stand before (1), behind (2) or on both sides (3) of a level word. */
static const unsigned char edges[256] = {
    [' '] = 3, ['\t'] = 3, ['\n'] = 3, ['['] = 3, ['('] = 3, ['{'] = 3, ['"'] = 3, ['\''] = 3,
    ['='] = 3, ['|'] = 3,  [']'] = 2,  [')'] = 2, ['}'] = 2, [':'] = 2, [','] = 2, ['!'] = 2,
};

static struct str word_at(struct str rest)
{
    for (size_t i = 0; i < COUNT_OF(level_words); i++) {
        struct str word = level_words[i].word;
        if (!level_words[i].in_text || !may_begin_with(rest, word) ||
            !str_eq_nocase(str_head(rest, word.len), word))
            continue;
        if (rest.len == word.len || (edges[(unsigned char)rest.ptr[word.len]] & 2) != 0)
            return level_words[i].level;
    }
    return STR("");
}

/* The leftmost level word that stands alone and begins in [begin, end). */
static struct str find_between(struct str line, size_t begin, size_t end)
{
    static const bool first_letters[256] = {['t'] = true, ['d'] = true, ['f'] = true, ['c'] = true,
                                            ['e'] = true, ['w'] = true, ['i'] = true};

    for (size_t i = begin; i < end; i++) {
        bool edge = i == 0 || (edges[(unsigned char)line.ptr[i - 1]] & 1) != 0;
        if (!edge || !first_letters[(unsigned char)line.ptr[i] | 0x20])
            continue;
        struct str level = word_at(str_cut(line, i));
        if (level.len > 0)
            return level;
    }
    return STR("");
}

/* Sixteen bytes at once, in a form of C that every compiler turns into vector instructions. */
typedef unsigned char bytes16 __attribute__((vector_size(16)));

static bytes16 lower16(const char *from)
{
    bytes16 v;

    memcpy(&v, from, sizeof(v));
    return v | (unsigned char)0x20;
}

/*
 * May a level word begin at one of the 16 bytes at `p`? Looks at the first three letters of the
 * words and whether a letter stands before them: two bytes behind the 16 and one before must be
 * there.
 */
static bool may_begin_word(const char *p)
{
    bytes16 a = lower16(p), b = lower16(p + 1), c = lower16(p + 2), before = lower16(p - 1);
    bytes16 edge = (bytes16)((bytes16)(before - (unsigned char)'a') > (unsigned char)('z' - 'a'));
    bytes16 r = (bytes16)(b == 'r');
    bytes16 tra_err_cri = r & (((bytes16)(a == 't') & (bytes16)(c == 'a')) |
                               ((bytes16)(a == 'e') & (bytes16)(c == 'r')) |
                               ((bytes16)(a == 'c') & (bytes16)(c == 'i')));
    bytes16 war_fat = (bytes16)(b == 'a') & (((bytes16)(a == 'w') & (bytes16)(c == 'r')) |
                                             ((bytes16)(a == 'f') & (bytes16)(c == 't')));
    bytes16 deb = (bytes16)(a == 'd') & (bytes16)(b == 'e') & (bytes16)(c == 'b');
    bytes16 inf = (bytes16)(a == 'i') & (bytes16)(b == 'n') & (bytes16)(c == 'f');
    bytes16 hits = edge & (tra_err_cri | war_fat | deb | inf);
    uint64_t halves[2];

    memcpy(halves, &hits, sizeof(halves));
    return (halves[0] | halves[1]) != 0;
}

/*
 * The leftmost level word that stands alone. The last sixteen bytes that are looked at begin where
 * two bytes are left behind them: there only a word of one or two letters could begin, and there is
 * none.
 */
static struct str find_in_text(struct str line)
{
    enum { BEHIND = 2, STEP = sizeof(bytes16), SHORT = 1 + STEP + BEHIND };

    if (line.len < SHORT)
        return find_between(line, 0, line.len);
    size_t last = line.len - STEP - BEHIND;
    struct str level = find_between(line, 0, 1);
    for (size_t at = 1; level.len == 0; at = MIN_OF(at + STEP, last)) {
        if (may_begin_word(line.ptr + at))
            level = find_between(line, at, at + STEP);
        if (at == last)
            break;
    }
    return level;
}

static struct str level_of_line(const struct level_spec *spec, struct arena *a, struct str line)
{
    struct str trimmed = str_trim(line);
    struct str found = STR("");

    if (trimmed.len >= 2 && trimmed.ptr[0] == '{' && trimmed.ptr[trimmed.len - 1] == '}') {
        struct json j;
        json_init(&j, trimmed, a, NULL);
        found = find_in_json(spec, &j);
    } else if (str_find_char(line, '=') != STR_NPOS) {
        found = find_in_logfmt(spec, line);
    }
    const struct level_word *known = find_word(found);
    if (known != NULL)
        return known->level;
    found = find_in_text(line);
    return found.len > 0 ? found : STR("unknown");
}

struct str level_of_entry(const struct level_spec *spec, struct arena *a, struct labels metadata,
                          struct str line)
{
    if (metadata.count > 0) {
        struct str found = level_of_labels(spec, metadata);
        if (found.len > 0)
            return found;
        struct str severity = labels_get(metadata, STR("severity_number"));
        if (severity.len > 0)
            return level_of_severity(severity);
    }
    return level_of_line(spec, a, line);
}

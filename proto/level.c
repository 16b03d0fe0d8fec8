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

static const struct level_word *find_word(struct str word)
{
    for (size_t i = 0; i < COUNT_OF(level_words); i++) {
        if (str_eq_nocase(level_words[i].word, word))
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

static bool is_level_name(const struct level_spec *spec, struct str key)
{
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

/* The value of the pair whose key, in any case, is the earliest in the list of names. */
static struct str find_in_logfmt(const struct level_spec *spec, struct str line)
{
    struct logfmt l;
    struct logfmt_pair pair;
    struct str found = STR("");
    size_t best = spec->count;

    logfmt_init(&l, line, true);
    while (best > 0 && logfmt_next(&l, &pair)) {
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
        if (!level_words[i].in_text || !str_eq_nocase(str_head(rest, word.len), word))
            continue;
        if (rest.len == word.len || (edges[(unsigned char)rest.ptr[word.len]] & 2) != 0)
            return level_words[i].level;
    }
    return STR("");
}

/* The leftmost level word that stands alone. */
static struct str find_in_text(struct str line)
{
    static const bool first_letters[256] = {['t'] = true, ['d'] = true, ['f'] = true, ['c'] = true,
                                            ['e'] = true, ['w'] = true, ['i'] = true};
    bool edge = true;

    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        if (edge && first_letters[c | 0x20]) {
            struct str level = word_at(str_cut(line, i));
            if (level.len > 0)
                return level;
        }
        edge = (edges[c] & 1) != 0;
    }
    return STR("");
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

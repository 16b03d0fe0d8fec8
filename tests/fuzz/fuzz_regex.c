/* Patterns are bridged from Go's syntax to RE2's: the input is a pattern, a line feed and a text.
 */
#include "base/regex.h"

#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

enum { GROUPS_MAX = 16, PATTERN_BYTES_MAX = 200 };

/* Is `s` in the text, in any case? */
static bool contains(void *context, struct str s)
{
    struct str text = *(const struct str *)context;

    for (size_t i = 0; i + s.len <= text.len; i++) {
        if (str_eq_nocase(str_head(str_cut(text, i), s.len), s))
            return true;
    }
    return false;
}

static void match(const struct regex *re, struct str text)
{
    struct str groups[GROUPS_MAX];
    size_t count = MIN_OF(regex_group_count(re) + 1, (size_t)GROUPS_MAX);

    for (size_t i = 1; i <= regex_group_count(re); i++)
        (void)regex_group_name(re, i);
    bool found = regex_match(re, text, groups, count);
    ASSERT(found == regex_search(re, text));
    ASSERT(!found || regex_may_match(re, contains, &text));
    for (size_t i = 0; found && i < count; i++) {
        if (groups[i].ptr != NULL)
            ASSERT(groups[i].ptr >= text.ptr &&
                   groups[i].ptr + groups[i].len <= text.ptr + text.len);
    }
    ASSERT(!found || groups[0].ptr != NULL);
}

void fuzz_input(struct str in)
{
    size_t end = MIN_OF(str_find_char(in, '\n'), in.len);
    struct err err = {.text = ""};
    struct regex *re = NULL;

    if (end > PATTERN_BYTES_MAX)
        return; /* repetitions of repetitions take long to compile */
    enum status st = regex_compile(str_head(in, end), &re, &err);
    ASSERT(st == ST_OK || (st == ST_INVALID && err.text[0] != '\0'));
    if (st == ST_OK)
        match(re, end < in.len ? str_cut(in, end + 1) : STR(""));
    regex_free(re);
}

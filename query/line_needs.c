#include "query/line_needs.h"

#include "base/banned.h"

/* Room for one more need of `count` needles; NULL when there is none, in the arena or at all. */
static struct needle *add(struct arena *a, struct line_needs *n, size_t count)
{
    struct needle *needles = n->count == LINE_NEEDS_MAX ? NULL : arena_new(a, struct needle, count);

    if (needles != NULL)
        n->all[n->count++] = (struct line_need){needles, count};
    return needles;
}

void line_needs_add(struct arena *a, struct line_needs *n, const struct str *texts, size_t count)
{
    struct needle *needles = add(a, n, count);

    for (size_t i = 0; needles != NULL && i < count; i++)
        needles[i] = needle_make(texts[i], false);
}

void line_needs_add_any_case(struct arena *a, struct line_needs *n, struct str text)
{
    struct needle *needle = add(a, n, 1);

    if (needle != NULL)
        *needle = needle_make(text, true);
}

void line_needs_add_regex(struct arena *a, struct line_needs *n, const struct regex *re)
{
    size_t sets = regex_need_count(re);

    for (size_t set = 0; set < sets; set++) {
        size_t count = regex_need_size(re, set);
        struct needle *needles = add(a, n, count);
        if (needles == NULL)
            return;
        for (size_t i = 0; i < count; i++) {
            struct str text = str_head(regex_need(re, set, i), NEEDLE_ANY_CASE_BYTES_MAX);
            needles[i] = needle_make(text, true);
        }
    }
}

bool line_need_is_met(const struct line_need *need, struct str line)
{
    for (size_t i = 0; i < need->count; i++) {
        if (needle_find(&need->needles[i], line) != STR_NPOS)
            return true;
    }
    return false;
}

bool line_needs_are_met(const struct line_needs *n, struct str line)
{
    for (size_t i = 0; i < n->count; i++) {
        if (!line_need_is_met(&n->all[i], line))
            return false;
    }
    return true;
}

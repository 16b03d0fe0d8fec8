#include "query/field_path.h"

#include "query/json_scan.h"
#include "query/label_builder.h"

#include "base/banned.h"

enum { DEPTH_MAX = 64 }; /* objects deeper than this give no labels */

struct search {
    struct arena *arena;
    struct str keys[DEPTH_MAX];
    size_t depth;
};

/* Cut what `key` adds to a name off the front of `*name`; false: the name is another one. */
static bool cut_part(const struct search *s, struct str key, bool first, struct str *name)
{
    struct str part =
        first ? label_name_sanitize(s->arena, key) : label_name_sanitize_part(s->arena, key);

    if (part.len == 0)
        return !first;
    if (!first) {
        if (name->len == 0 || name->ptr[0] != '_')
            return false;
        *name = str_cut(*name, 1);
    }
    if (!str_starts(*name, part))
        return false;
    *name = str_cut(*name, part.len);
    return true;
}

/* Look for the rest of a name; recursion ends at DEPTH_MAX. */
static bool search(struct search *s, struct str object, struct str name)
{
    bool first = s->depth == 0;
    struct json_members members;
    struct json_member m;

    if (s->depth == DEPTH_MAX)
        return false;
    json_members_init(&members, s->arena, object);
    while (json_members_next(&members, &m)) {
        struct str rest = name;
        if (!cut_part(s, m.key, first, &rest))
            continue;
        s->keys[s->depth++] = m.key;
        bool is_leaf =
            m.value.kind == JSON_STRING || m.value.kind == JSON_NUMBER || m.value.kind == JSON_BOOL;
        if (is_leaf && rest.len == 0)
            return true;
        if (m.value.kind == JSON_OBJECT && search(s, m.value.text, rest))
            return true;
        s->depth--;
    }
    return false;
}

bool field_path_find(struct arena *a, struct str line, struct str name, struct name_list *ret_path)
{
    struct search s = {.arena = a};

    if (!search(&s, line, name))
        return false;
    struct str *keys = arena_new(a, struct str, s.depth);
    for (size_t i = 0; keys != NULL && i < s.depth; i++)
        keys[i] = arena_str(a, s.keys[i]);
    *ret_path = (struct name_list){keys, s.depth};
    return !a->failed;
}

#include "query/field_path.h"

#include "query/json_scan.h"

#include "base/banned.h"

struct walk {
    struct arena *scratch;
    void (*visit)(void *context, struct str name, struct name_list path);
    void *context;
    struct str keys[JSON_NAME_DEPTH_MAX];
    size_t depth; /* how many keys there are */
    char name[JSON_NAME_BYTES_MAX];
};

/*
 * The first `prefix_len` bytes of the name are of the keys so far. Recursion ends at
 * JSON_NAME_DEPTH_MAX.
 */
static void walk_object(struct walk *w, struct str object, size_t prefix_len)
{
    struct json_members members;
    struct json_member m;

    if (w->depth == JSON_NAME_DEPTH_MAX)
        return;
    json_members_init(&members, w->scratch, object);
    while (json_members_next(&members, &m)) {
        bool is_leaf =
            m.value.kind == JSON_STRING || m.value.kind == JSON_NUMBER || m.value.kind == JSON_BOOL;
        size_t len = STR_NPOS;
        if (is_leaf || m.value.kind == JSON_OBJECT)
            len = json_name_join(w->scratch, w->name, prefix_len, m.key);
        if (len == STR_NPOS || (is_leaf && len == 0))
            continue;
        w->keys[w->depth++] = m.key;
        if (is_leaf)
            w->visit(w->context, str_make(w->name, len), (struct name_list){w->keys, w->depth});
        else
            walk_object(w, m.value.text, len);
        w->depth--;
    }
}

void field_paths_visit(struct arena *scratch, struct str line,
                       void (*visit)(void *context, struct str name, struct name_list path),
                       void *context)
{
    struct walk w = {.scratch = scratch, .visit = visit, .context = context};

    walk_object(&w, line, 0);
}

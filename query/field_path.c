#include "query/field_path.h"

#include "query/json_scan.h"
#include "query/label_builder.h"

#include "base/banned.h"

/* As in the parser: what is beyond these gives no labels. */
enum { DEPTH_MAX = 64, NAME_BYTES_MAX = 1024 };

struct walk {
    struct arena *scratch;
    void (*visit)(void *context, struct str name, struct name_list path);
    void *context;
    struct str keys[DEPTH_MAX];
    size_t depth; /* how many keys there are */
    char name[NAME_BYTES_MAX];
};

/* Join `key` to the first `len` bytes of the name: the new length, or STR_NPOS: there is no room.
 */
static size_t join(struct walk *w, size_t len, struct str key)
{
    struct str part =
        len == 0 ? label_name_sanitize(w->scratch, key) : label_name_sanitize_part(w->scratch, key);

    if (part.len == 0)
        return len;
    if (part.len >= NAME_BYTES_MAX - len)
        return STR_NPOS;
    if (len > 0)
        w->name[len++] = '_';
    memcpy(w->name + len, part.ptr, part.len);
    return len + part.len;
}

/* Recursion ends at DEPTH_MAX; the first `prefix_len` bytes of the name are of the keys so far. */
static void walk_object(struct walk *w, struct str object, size_t prefix_len)
{
    struct json_members members;
    struct json_member m;

    if (w->depth == DEPTH_MAX)
        return;
    json_members_init(&members, w->scratch, object);
    while (json_members_next(&members, &m)) {
        bool is_leaf =
            m.value.kind == JSON_STRING || m.value.kind == JSON_NUMBER || m.value.kind == JSON_BOOL;
        size_t len = is_leaf || m.value.kind == JSON_OBJECT ? join(w, prefix_len, m.key) : STR_NPOS;
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

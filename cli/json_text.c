#include "cli/json_text.h"

#include "base/banned.h"

enum {
    INDENT = 2,
    ONE_LINE = -1, /* as a depth */
};

struct str json_text_take(struct json *j)
{
    (void)json_peek(j); /* blanks are behind us now */
    const char *begin = j->rest.ptr;

    json_skip(j);
    return json_status(j) == ST_OK ? str_make(begin, (size_t)(j->rest.ptr - begin)) : STR("");
}

static void put_line_break(struct buf *b, int depth)
{
    if (depth != ONE_LINE)
        buf_printf(b, "\n%*s", depth * INDENT, "");
}

static bool next(struct json *j, bool is_object, struct str *ret_key)
{
    return is_object ? json_next_key(j, ret_key) : json_next_item(j);
}

/* The reader limits how deep this gets. */
static void put_value(struct buf *b, struct json *j, int depth)
{
    enum json_kind kind = json_peek(j);
    bool is_object = kind == JSON_OBJECT, empty = true;
    int inner = depth == ONE_LINE ? ONE_LINE : depth + 1;
    struct str key;

    if (!is_object && kind != JSON_ARRAY) {
        buf_put(b, json_text_take(j));
        return;
    }
    if (is_object)
        json_enter_object(j);
    else
        json_enter_array(j);
    buf_put_char(b, is_object ? '{' : '[');
    while (next(j, is_object, &key)) {
        if (!empty)
            buf_put_char(b, ',');
        empty = false;
        put_line_break(b, inner);
        if (is_object) {
            json_put_string(b, key, false);
            buf_put(b, depth == ONE_LINE ? STR(":") : STR(": "));
        }
        put_value(b, j, inner);
    }
    if (!empty)
        put_line_break(b, depth);
    buf_put_char(b, is_object ? '}' : ']');
}

void json_text_put_indented(struct buf *b, struct json *j)
{
    put_value(b, j, 0);
}

void json_text_put_line(struct buf *b, struct json *j)
{
    put_value(b, j, ONE_LINE);
}

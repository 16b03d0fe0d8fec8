/*
 * The JSON reader and writer: what was read, printed without blanks and with its strings written
 * anew, is read again and gives the same text, unless there were bytes in it that are not UTF-8 and
 * became U+FFFD. Reading over a value accepts what reading it does.
 */
#include "base/utf8.h"
#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static void print_value(struct json *j, struct buf *b);

static void print_object(struct json *j, struct buf *b)
{
    struct str key;

    buf_put_char(b, '{');
    json_enter_object(j);
    for (size_t i = 0; json_next_key(j, &key); i++) {
        if (i > 0)
            buf_put_char(b, ',');
        json_put_string(b, key, false);
        buf_put_char(b, ':');
        print_value(j, b);
    }
    buf_put_char(b, '}');
}

static void print_array(struct json *j, struct buf *b)
{
    buf_put_char(b, '[');
    json_enter_array(j);
    for (size_t i = 0; json_next_item(j); i++) {
        if (i > 0)
            buf_put_char(b, ',');
        print_value(j, b);
    }
    buf_put_char(b, ']');
}

/* Recurses no deeper than JSON_DEPTH_MAX. */
static void print_value(struct json *j, struct buf *b)
{
    switch (json_peek(j)) {
    case JSON_OBJECT:
        print_object(j, b);
        break;
    case JSON_ARRAY:
        print_array(j, b);
        break;
    case JSON_STRING:
        json_put_string(b, json_read_string(j), true);
        break;
    default:
        buf_put(b, json_literal(j));
    }
}

static enum status print(struct str text, struct buf *b)
{
    struct err err = {.text = ""};
    struct arena a;
    struct json j;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    json_init(&j, text, &a, &err);
    print_value(&j, b);
    json_finish(&j);
    enum status st = json_status(&j);
    ASSERT(st == ST_OK || err.status == st);
    arena_release(&a);
    return st;
}

static enum status skip(struct str text)
{
    struct json j;

    json_init(&j, text, NULL, NULL); /* it looks at no escapes */
    json_skip(&j);
    json_finish(&j);
    return json_status(&j);
}

void fuzz_input(struct str in)
{
    struct buf once, again;

    buf_init(&once, FUZZ_MEMORY_BYTES);
    buf_init(&again, FUZZ_MEMORY_BYTES);
    enum status st = print(in, &once), skipped = skip(in);
    if (st == ST_OK) {
        ASSERT(skipped == ST_OK);
        ASSERT(print(buf_str(&once), &again) == ST_OK);
        ASSERT(!utf8_valid(in) || str_eq(buf_str(&once), buf_str(&again)));
    }
    buf_release(&once);
    buf_release(&again);
}

/*
 * json_text.h - JSON that is printed as it came: no tree, and numbers keep their digits.
 *
 * What is wrong with the text shows in json_status() of the reader.
 */
#ifndef CLI_JSON_TEXT_H
#define CLI_JSON_TEXT_H

#include "base/buf.h"
#include "base/str.h"
#include "proto/json.h"

/* The text of the next value, which is read over; it borrows the text that is read. */
struct str json_text_take(struct json *j);

/* The next value with line breaks and indents, no newline behind it. */
void json_text_put_indented(struct buf *b, struct json *j);

/* The next value on one line without blanks, no newline behind it. */
void json_text_put_line(struct buf *b, struct json *j);

#endif

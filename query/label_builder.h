/*
 * label_builder.h - the labels of one entry while it goes through the stages.
 *
 * An entry begins with the labels of its stream, which never change, and its structured metadata.
 * Stages add, replace and delete. Two rules decide what a parser may set:
 *
 *  - a name that the stream has, or that metadata has now, becomes `name_extracted`;
 *  - what was set as a parsed label once is not extracted again, even if it was deleted since.
 *
 * In metric queries hints may restrict extraction to the labels that the rest of the query reads;
 * and a parser ends an entry at once when a label it has just set fails a later label filter.
 *
 * `__error__` and `__error_details__` are no labels here but a state of the entry; they join the
 * labels in the result.
 *
 * Ownership  Names and values are borrowed and must stay valid until the next
 *            label_builder_begin(): views into the line as it was stored, or bytes in `scratch`.
 * Memory     What does not fit sets `scratch->failed`, which whoever runs the stages looks at.
 */
#ifndef QUERY_LABEL_BUILDER_H
#define QUERY_LABEL_BUILDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "proto/labels.h"
#include "query/ast.h"
#include "query/label_table.h"

enum label_category {
    LABEL_OF_STREAM,
    LABEL_OF_METADATA,
    LABEL_PARSED,
    LABEL_CATEGORY_COUNT,
};

struct label_builder;
struct label_filter;

/* A filter that an entry has to pass as soon as a parser has set the label. */
struct early_filter {
    struct str name;
    bool (*passes)(const struct label_filter *filter, struct label_builder *b);
    const struct label_filter *filter;
};

/* What is the same for all entries of a query. A zeroed one restricts nothing. */
struct label_hints {
    bool restricted;             /* only `required` is extracted; none at all when it is empty */
    struct label_table required; /* names only */
    bool preserve_errors;        /* mark errors so that they do not fail a metric query */
    const struct early_filter *early;
    size_t early_count;
};

struct label_builder {
    struct arena *scratch;
    const struct label_hints *hints;
    struct labels base;
    struct label_table metadata;
    struct label_table parsed;
    struct label_table deleted; /* names only */
    struct label_table revoked; /* likewise: that were parsed labels before they were deleted */
    size_t required_extracted;  /* so many of the required names, from the first on, are */
    struct str error;           /* empty: none */
    struct str error_details;
};

void label_builder_init(struct label_builder *b, struct arena *scratch,
                        const struct label_hints *hints);

/* A new entry; everything of the one before is forgotten. `scratch` was emptied by the caller. */
void label_builder_begin(struct label_builder *b, struct labels base, struct labels metadata);

/*
 * The value of a label as filters and templates see it. False: there is none (a label of the
 * stream that has no value counts as none). Errors are not labels: `__error__` is never found.
 */
bool label_builder_get(const struct label_builder *b, struct str name, struct str *ret_value);

/* Set a parsed label, whatever was there before. */
void label_builder_set(struct label_builder *b, struct str name, struct str value);

void label_builder_delete(struct label_builder *b, struct str name);

/*
 * `type` is a constant such as "LabelFilterErr"; `details` is copied. Replaces an earlier error,
 * but its details stay when there are no new ones.
 */
void label_builder_set_error(struct label_builder *b, struct str type, struct str details);

/* The same for parsers, whose errors the hints may preserve. */
void label_builder_set_parser_error(struct label_builder *b, struct str type, struct str details);
void label_builder_clear_error(struct label_builder *b);         /* details stay */
void label_builder_clear_error_details(struct label_builder *b); /* the error stays */

/* ---- for parsers ---- */

/* False: no parser has anything to do, as the hints say; `regexp` alone does not ask. */
bool label_builder_wants_any(struct label_builder *b);

/* False: nothing that begins with `prefix` is wanted, so that a nested object may be skipped. */
bool label_builder_wants_prefix(const struct label_builder *b, struct str prefix);

/*
 * May a label be extracted whose name label_name_sanitize() makes out of `key`? False is for sure,
 * and costs less than to make the name.
 */
bool label_builder_may_want(const struct label_builder *b, struct str key);

/*
 * Shall the label be extracted? `*name` (sanitized already) gets the suffix `_extracted` if it
 * clashes. `name` stays borrowed when it is set.
 */
bool label_builder_wants(struct label_builder *b, struct str *name);

/* The name with the suffix if it clashes; for the parsers with expressions, which do not ask. */
struct str label_builder_unclash(struct label_builder *b, struct str name);

enum extracted {
    EXTRACTED_MORE, /* go on */
    EXTRACTED_ALL,  /* everything the hints ask for is there: json and logfmt stop here */
    EXTRACTED_DROP, /* the entry fails a filter: drop it now */
};

/* Set what label_builder_wants() said yes to. */
enum extracted label_builder_extract(struct label_builder *b, struct str name, struct str value);

/*
 * A label name out of any key: Unicode blanks around it are cut off, a digit in front gets `_`,
 * every other character outside of [A-Za-z0-9_] becomes one `_`. Empty when nothing is left.
 * Borrowed from `key` if it is a name already, else in `scratch`.
 */
struct str label_name_sanitize(struct arena *scratch, struct str key);

/*
 * May one of `names` begin with what label_name_sanitize() makes of `key`? False is for sure, and
 * costs less than to make it; where they are many it is not.
 */
bool label_name_may_begin_one(struct str key, const struct label_table *names);

/* A name like label_name_sanitize()'s, but to go behind another one: a digit in front stays as it
 * is. */
struct str label_name_sanitize_part(struct arena *scratch, struct str key);

/*
 * The value of a label out of any text: every byte that is not UTF-8, and every U+FFFD, becomes a
 * blank. Borrowed from `text` if it has none, else in `scratch`.
 */
struct str label_value_sanitize(struct arena *scratch, struct str text);

/* Is `text` a value without that? */
bool label_value_valid(struct str text);

/* ---- the result ---- */

/* The labels of an entry by category, each ascending; no name is in two of them. */
struct entry_labels {
    struct labels of[LABEL_CATEGORY_COUNT]; /* errors are among the parsed ones */
};

/* Made in `scratch`; the labels of the stream are borrowed if all of them are left. */
struct entry_labels label_builder_result(const struct label_builder *b);

/* All categories in one ascending set, made in `a` unless there is only one; values borrowed. */
struct labels entry_labels_merge(struct arena *a, const struct entry_labels *l);

#endif

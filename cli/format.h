/*
 * format.h - entries as lines of text, in the forms that logcli has.
 *
 *     default   2026-03-01T12:00:00Z {host="a"} the line
 *     raw       the line
 *     jsonl     {"labels":{"app":"x","host":"a"},"line":"...","timestamp":"2026-..."}
 *
 * Labels that all entries have are left out of the default form; they are printed once. In jsonl
 * all labels stand, because nothing that reads it sees the common ones.
 */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/answer.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "proto/labels.h"

struct format {
    unsigned output; /* enum print_output */
    unsigned zone;   /* enum print_zone */
    bool no_labels;
    bool include_common;
    struct texts include;   /* if there are any, only these labels are printed */
    struct texts exclude;   /* these are not */
    uint64_t labels_length; /* of the column; 0: as wide as the widest */
    bool terminal;
    bool colours;
};

/* The labels that every stream with a row has with the same value. Lives in `a`. */
MUST_CHECK enum status format_common(const struct page *page, struct arena *a,
                                     struct labels *ret_common, struct err *err);

/* The labels to print of a set. Lives in `a`. */
MUST_CHECK enum status format_select(const struct format *f, struct labels labels,
                                     struct labels common, struct arena *a,
                                     struct labels *ret_labels, struct err *err);

/* What the rows of each stream have in front (or inside) of their line: one text for each. */
MUST_CHECK enum status format_streams(const struct format *f, const struct page *page,
                                      struct labels common, struct arena *a, struct str **ret_texts,
                                      struct err *err);

/* One row with its newline; `stream` is the text of its stream. */
void format_put_row(struct buf *b, const struct format *f, struct str stream,
                    const struct row *row);

#endif

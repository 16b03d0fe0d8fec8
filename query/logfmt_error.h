/*
 * logfmt_error.h - what the two logfmt stages say about a bad line.
 */
#ifndef QUERY_LOGFMT_ERROR_H
#define QUERY_LOGFMT_ERROR_H

#include "proto/logfmt.h"
#include "query/stage.h"

/* Mark the entry if the scanner, a strict one, has met a bad pair. */
void logfmt_error_set(const struct logfmt *l, struct entry_state *e);

#endif

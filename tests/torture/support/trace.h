/*
 * trace.h - everything a store did to its files, in order, with all bytes.
 *
 * A trace lives in memory that outlives the processes that record it; one process after the other
 * goes on with it. Paths are relative to the directory that the trace was begun with; the store is
 * in `data` below it.
 */
#ifndef TESTS_TORTURE_SUPPORT_TRACE_H
#define TESTS_TORTURE_SUPPORT_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/io.h"
#include "base/str.h"
#include "tests/torture/support/scenario.h"

enum trace_kind {
    TRACE_CREATE, /* a file; size 1: what is there is emptied */
    TRACE_WRITE,
    TRACE_SYNC, /* a file or a directory; size 1: it failed */
    TRACE_TRUNCATE,
    TRACE_LINK,
    TRACE_UNLINK,
    TRACE_RENAME,
    TRACE_MKDIR,
    TRACE_COMMIT_BEGIN,
    TRACE_COMMIT, /* of the index: `bytes` are its whole file afterwards; one or two of them */
    TRACE_NOTE,   /* a step of the scenario has come to a state */
};

struct trace_event {
    enum trace_kind kind;
    struct str path;
    struct str to;   /* of TRACE_LINK and TRACE_RENAME: a path as well */
    uint64_t offset; /* of a write; the number of the step */
    uint64_t size;   /* of a truncate; the state of the step */
    struct str bytes;
};

struct trace;

/* `dir` must be there; what is done below it is recorded. */
struct trace *trace_new(const char *dir);

/* Record a call that is about to be made, of which `bytes` are written. Any thread. */
void trace_call(struct trace *t, const struct io_event *e, size_t bytes);

/* A sync that will fail. */
void trace_failed_sync(struct trace *t, const struct io_event *e);
void trace_note(struct trace *t, size_t step, enum step_state state);

/* This process records nothing more: it is about to die, and no event may be left in part. */
void trace_end(void);

/* Events that change something, notes not counted. */
size_t trace_calls(const struct trace *t);

/* Step through a trace; `*cursor` is 0 at first. False at the end. */
bool trace_next(const struct trace *t, size_t *cursor, struct trace_event *ret_event);

#endif

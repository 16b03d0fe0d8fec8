/*
 * regex.h - compiled regular expressions: RE2, the language LogQL promises, in linear time.
 *
 * RE2 has the syntax and the preferences of Go's regexp package; the few differences are bridged
 * here: `(?<name>...)` is accepted, several groups may have one name, `\C` is refused, error texts
 * are Go's, and bytes that are not valid UTF-8 match as one U+FFFD each.
 *
 * Threads  A compiled expression may be used by many threads at once.
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct regex;

/*
 * ST_INVALID  `err` has Go's text, such as "error parsing regexp: missing closing ): `(`"
 * ST_NOMEM    out of memory
 *
 * Free with regex_free(), which accepts NULL.
 */
MUST_CHECK enum status regex_compile(struct str pattern, struct regex **ret_re, struct err *err);
void regex_free(struct regex *re);

/*
 * The same for as long as the arena lives, against whose maximum the expression counts with all
 * that it may come to need, and with its work. ST_LIMIT: that is too much.
 */
MUST_CHECK enum status regex_compile_in(struct arena *a, struct str pattern,
                                        const struct regex **ret_re, struct err *err);

/* How large the compiled program is, in instructions: about a microsecond each to compile. */
size_t regex_program_size(const struct regex *re);

/*
 * What it takes to compile the expression, as bytes of a budget: nothing else bounds how long a
 * request that is full of large expressions may be busy with compiling them.
 */
size_t regex_work_bytes(const struct regex *re);

/*
 * How many searches and matches of this process have ended for want of memory so far: they said no.
 * Who finds the number changed must not trust what it was told meanwhile. One number for all
 * threads, so that a search costs nothing for it; others that search then give up as well.
 */
uint64_t regex_search_failures(void);

/* Does the expression match anywhere in `text`? Anchors are the pattern's own. */
bool regex_search(const struct regex *re, struct str text);

/*
 * May the expression match in a text of which only this much is known: `may_contain(context, s)` is
 * false if `s` is not in it, in whatever case its ASCII letters are? False is for sure.
 */
typedef bool regex_probe_fn(void *context, struct str s);
bool regex_may_match(const struct regex *re, regex_probe_fn *may_contain, void *context);

/*
 * Sets of texts that say the same in another way: of each set at least one is in every text that
 * the expression matches, in whatever case its ASCII letters are. The texts are ASCII without
 * capital letters, of two bytes at least, and live as long as the expression. The number of sets,
 * which is 0 where nothing is known, is to be asked for before the others.
 */
size_t regex_need_count(const struct regex *re);

/*
 * What that takes, memory and work, as bytes of a budget: an expression that is not too large for
 * it is compiled once more. Whoever asks charges it; 0: it is not looked for.
 */
size_t regex_needs_bytes(const struct regex *re);

size_t regex_need_size(const struct regex *re, size_t set); /* of texts, at least 1 */
struct str regex_need(const struct regex *re, size_t set, size_t i);

/* How many capture groups there are, and the name of group `i` (from 1); empty if it has none. */
size_t regex_group_count(const struct regex *re);
struct str regex_group_name(const struct regex *re, size_t i);

/*
 * The leftmost match: `groups[0]` is all of it, `groups[i]` group i, with a null `ptr` if it took
 * no part. `count` views are filled. False when nothing matches.
 */
bool regex_match(const struct regex *re, struct str text, struct str *groups, size_t count);

/*
 * Call `found(context, groups)` for each match from left to right, until it returns false; matches
 * do not overlap, and none of the empty text stands right behind another (as in Go). `groups` is as
 * for regex_match().
 */
typedef bool regex_match_fn(void *context, const struct str *groups);
void regex_match_all(const struct regex *re, struct str text, size_t count, regex_match_fn *found,
                     void *context);

#endif

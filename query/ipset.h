/*
 * ipset.h - the argument of ip("..."): one address, a prefix, or a range of addresses, and the
 * search for one of them in a text.
 */
#ifndef QUERY_IPSET_H
#define QUERY_IPSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { IPSET_ADDRESS_BYTES = 16 };

/* An address in network order; a v4 address takes the first four bytes, the others are zero. */
struct ip_address {
    bool is_v6; /* ::ffff:10.0.0.1 is v6, and not the same as 10.0.0.1 */
    uint8_t bytes[IPSET_ADDRESS_BYTES];
};

/* All addresses of one family from `low` to `high`. */
struct ipset {
    struct ip_address low;
    struct ip_address high;
};

/* "A", "A/len" or "A-B". ST_INVALID: something else. */
MUST_CHECK enum status ipset_compile(struct str text, struct ipset *ret_set, struct err *err);

bool ipset_has(const struct ipset *set, const struct ip_address *address);

/*
 * Does `text` hold an address of the set? A candidate is the longest run of characters an address
 * may have; a run that as a whole is no address is passed over.
 */
bool ipset_search(const struct ipset *set, struct str text);

#endif

/*
 * retention.h - how long entries are kept.
 *
 * The floor of a stream is the moment before which its entries are not seen any more; it moves with
 * the clock. Nothing is changed on disk by it: chunks below their floor go in the background.
 */
#ifndef SERVER_STORE_RETENTION_H
#define SERVER_STORE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "proto/labels.h"

/* The floor of a stream of a tenant with these limits; INT64_MIN: its entries stay for ever. */
int64_t retention_floor_ns(const struct limits *l, struct labels labels, int64_t now_ns);

/* What lies before it is below the floor of every stream; INT64_MIN: there is no such moment. */
int64_t retention_least_floor_ns(const struct limits *l, int64_t now_ns);

/* Is everything of a tenant kept for ever? */
static inline bool retention_is_off(const struct limits *l)
{
    return l->retention_period == 0 && l->retention_stream.count == 0;
}

#endif

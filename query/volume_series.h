/*
 * volume_series.h - stored bytes by series: what /index/volume answers.
 */
#ifndef QUERY_VOLUME_SERIES_H
#define QUERY_VOLUME_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#include "query/ast.h"
#include "query/result.h"
#include "query/volume.h"

struct volume_series {
    struct volume_request request; /* without `add` and `context` */
    struct name_list names;        /* of the labels that make a series */
    bool all_names;                /* all labels do */
    bool need_all;                 /* leave out streams that lack one of `names` */
    bool by_name;                  /* a series for each name, whatever the value */
    size_t limit;                  /* of series: the largest */
    uint64_t series_max;           /* of series before that; 0: any number */
};

/*
 * A vector at `end_ns`, largest series first, equal ones by their labels. With steps a matrix whose
 * points stand 1 ms before the end of their step; as in Loki it is a vector when no series has two
 * points.
 *
 * ST_INVALID  more than `series_max` series; and what volume_walk() returns
 */
MUST_CHECK enum status volume_series(const struct volume_series *v, struct result *ret_result,
                                     struct err *err);

#endif

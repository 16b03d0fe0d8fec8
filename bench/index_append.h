/*
 * index_append.h - how fast LMDB takes records that come in ascending order.
 */
#ifndef BENCH_INDEX_APPEND_H
#define BENCH_INDEX_APPEND_H

/* Records of the size of chunk references a second of this thread, in a file below `dir`. */
double index_append_rate(const char *dir);

#endif

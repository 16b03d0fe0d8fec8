/*
 * stages.h - the stages of queries alone, without a server around them, over lines in memory.
 */
#ifndef BENCH_STAGES_H
#define BENCH_STAGES_H

#include "bench/bench_limits.h"
#include "bench/line_blocks.h"

void stages_put_rows(const struct line_blocks *blocks, const struct bench_limits *limits);

#endif

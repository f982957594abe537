// Read by GLSL and C++: constants of linear's kernels.
#ifndef SCANDIUM_SHARED_LINEAR_H
#define SCANDIUM_SHARED_LINEAR_H
#include "shared/pack.h"

// Of every kernel.
#define SPEC_LINEAR_IN (SPEC_OP + 0)         // in_features
#define SPEC_LINEAR_FORMAT (SPEC_OP + 1)     // a LINEAR_ format below
// linear_tiles: tiles of LANES_ACROSS x (invocations / LANES_ACROSS) lanes.
#define SPEC_LINEAR_LANE_ROWS (SPEC_OP + 2)  // results of a lane, down
#define SPEC_LINEAR_LANE_COLS (SPEC_OP + 3)  // and across
// linear_matrices.
#define SPEC_LINEAR_SUBS_M (SPEC_OP + 4)     // subgroups of a workgroup, down
#define SPEC_LINEAR_SUBS_N (SPEC_OP + 5)     // and across
#define SPEC_LINEAR_MATS_M (SPEC_OP + 6)     // accumulators of a subgroup, down
#define SPEC_LINEAR_MATS_N (SPEC_OP + 7)     // and across
#define SPEC_LINEAR_MATRIX_M (SPEC_OP + 8)   // the device's cooperative matrix shape
#define SPEC_LINEAR_MATRIX_N (SPEC_OP + 9)
#define SPEC_LINEAR_MATRIX_K (SPEC_OP + 10)
#define SPEC_LINEAR_TILE_K (SPEC_OP + 11)    // elements of in_features that are in shared memory at a time
// linear_few, linear_words.
#define SPEC_LINEAR_ROWS (SPEC_OP + 13)      // rows of x
#define SPEC_LINEAR_OUTS (SPEC_OP + 14)      // rows of the weight that a team takes
#define SPEC_LINEAR_LANES (SPEC_OP + 15)     // lanes of a team
#define SPEC_LINEAR_DEPTH (SPEC_OP + 16)     // units of each row that a lane loads before it computes

// Formats, in the order of scandium::WeightFormat.
#define LINEAR_DENSE 0
#define LINEAR_Q8 1
#define LINEAR_Q4 2

// linear_tiles.
#define LINEAR_TILE_K 16
#define LINEAR_LANES_ACROSS 8

// Header words beside HEADER_TOKENS, which holds the rows.
#define HEADER_OUTS 1  // out_features of the dispatch's part

#define LINEAR_X 0
#define LINEAR_WEIGHT 1
#define LINEAR_SCALES 2
#define LINEAR_BIAS 3
#define LINEAR_Y 4

#endif

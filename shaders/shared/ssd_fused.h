// Read by GLSL and C++: constants of ssd_scan's fused form.
#ifndef SCANDIUM_SHARED_SSD_FUSED_H
#define SCANDIUM_SHARED_SSD_FUSED_H
#include "shared/ssd.h"

#define FUSED_CHUNK 32  // tokens of a chunk

// Specialization constants beside those of shared/ssd.h (sizes, the step, the matrix shape).
#define SPEC_FUSED_ROWS (SPEC_OP + 24)         // rows of headdim in a workgroup, whole tiles
#define SPEC_FUSED_ROW_TILES (SPEC_OP + 25)    // tiles of rows in a subgroup
#define SPEC_FUSED_SPLIT_STATE (SPEC_OP + 26)  // multiply what rounding the state lost as well
#define SPEC_FUSED_SPLIT_M (SPEC_OP + 28)      // the same of C B^T with decay and step
#define SPEC_FUSED_UNROLL (SPEC_OP + 27)       // whether the loops over tiles are: a CPU's compiler takes minutes for it

#define SPEC_FUSED_SEGMENTS (SPEC_OP + 29)        // parts of the sequence that run side by side; 1: it is not split
#define SPEC_FUSED_SEGMENT_CHUNKS (SPEC_OP + 30)  // chunks of each but the last
#define SPEC_FUSED_STATES_ONLY (SPEC_OP + 31)     // compute what the tokens of a segment add to the state, and no y
#define SPEC_FUSED_KEPT_INITIAL (SPEC_OP + 32)    // the initial states lie among the segments'

// What the pre-pass tells of a chunk beside C B^T, so that f16 operands stay in range.
#define FUSED_LARGEST_CB 0
#define FUSED_LARGEST_B 1
#define FUSED_LARGEST 2

// And of each head in it, in vectors of four: the sums of dt' A times log2 e, the steps dt', and one with the largest step and the sum
// of the weights.
#define FUSED_SUMS 0
#define FUSED_STEPS (FUSED_CHUNK / 4)
#define FUSED_OF_STEPS (FUSED_CHUNK / 2)
#define FUSED_STEP_VECTORS (FUSED_CHUNK / 2 + 1)

// Arguments.
#define FUSED_CB_B 0
#define FUSED_CB_C 1
#define FUSED_CB_CB 2
#define FUSED_CB_LARGEST 3
#define FUSED_CB_DT 4
#define FUSED_CB_A 5
#define FUSED_CB_DT_BIAS 6
#define FUSED_CB_STEPS 7

#define FUSED_X 0
#define FUSED_B 1
#define FUSED_C 2
#define FUSED_CB_IN 3
#define FUSED_LARGEST_IN 4
#define FUSED_STEPS_IN 5
#define FUSED_D 6
#define FUSED_Z 7
#define FUSED_INITIAL 8
#define FUSED_Y 9
#define FUSED_FINAL 10
#define FUSED_SEGMENT_STATES 11

#endif

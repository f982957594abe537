// Read by GLSL and C++: constants of ssd_scan's fused form.
#ifndef SCANDIUM_SHARED_SSD_FUSED_H
#define SCANDIUM_SHARED_SSD_FUSED_H
#include "shared/ssd.h"

#define FUSED_CHUNK 32  // tokens of a chunk

// Specialization constants beside those of shared/ssd.h (sizes, the step, the matrix shape).
#define SPEC_FUSED_ROWS (SPEC_OP + 24)         // rows of headdim in a workgroup, whole tiles
#define SPEC_FUSED_ROW_TILES (SPEC_OP + 25)    // tiles of rows in a subgroup
#define SPEC_FUSED_SPLIT_STATE (SPEC_OP + 26)  // multiply what rounding the state lost as well
#define SPEC_FUSED_UNROLL (SPEC_OP + 27)       // whether the loops over tiles are: a CPU's compiler takes minutes for it

// What the pre-pass tells of a chunk beside C B^T, so that f16 operands stay in range.
#define FUSED_LARGEST_CB 0
#define FUSED_LARGEST_B 1
#define FUSED_LARGEST 2

// Arguments.
#define FUSED_CB_B 0
#define FUSED_CB_C 1
#define FUSED_CB_CB 2
#define FUSED_CB_LARGEST 3

#define FUSED_X 0
#define FUSED_DT 1
#define FUSED_A 2
#define FUSED_B 3
#define FUSED_C 4
#define FUSED_CB_IN 5
#define FUSED_LARGEST_IN 6
#define FUSED_D 7
#define FUSED_Z 8
#define FUSED_DT_BIAS 9
#define FUSED_INITIAL 10
#define FUSED_Y 11
#define FUSED_FINAL 12

#endif

// Read by GLSL and C++: constants of rms_norm_gated.
#ifndef SCANDIUM_SHARED_RMS_NORM_GATED_H
#define SCANDIUM_SHARED_RMS_NORM_GATED_H
#include "shared/pack.h"

#define SPEC_NORM_GROUP_SIZE (SPEC_OP + 0)
#define SPEC_NORM_LANES (SPEC_OP + 1)    // lanes that share a group of a row: a power of two
#define SPEC_NORM_STEPS (SPEC_OP + 2)    // packs of a lane
#define SPEC_NORM_KEEP (SPEC_OP + 3)     // 1: a lane's elements stay in registers
#define SPEC_NORM_ACROSS (SPEC_OP + 4)   // groups of a row that a workgroup takes side by side
#define SPEC_NORM_EPS (SPEC_OP + 5)
#define SPEC_NORM_LAYER (SPEC_OP + 6)    // 1: subtract the mean
#define SPEC_NORM_FIRST (SPEC_OP + 7)    // 1: normalise before the gate

#define NORM_X 0
#define NORM_Z 1
#define NORM_WEIGHT 2
#define NORM_BIAS 3
#define NORM_RESIDUAL 4
#define NORM_Y 5
#define NORM_RESIDUAL_OUT 6

#endif

// Read by GLSL and C++: constants of causal_conv1d.
#ifndef SCANDIUM_SHARED_CAUSAL_CONV1D_H
#define SCANDIUM_SHARED_CAUSAL_CONV1D_H
#include "shared/slots.h"

#define SPEC_CONV_CHANNELS (SPEC_OP + 3)
#define SPEC_CONV_TAPS (SPEC_OP + 4)      // width of the convolution
#define SPEC_CONV_WIDTH (SPEC_OP + 5)     // channels in an invocation: 1, 4 or 8; divides CHANNELS
#define SPEC_CONV_LANES (SPEC_OP + 6)     // invocations of a workgroup that lie along the channels
#define SPEC_CONV_TOKENS (SPEC_OP + 7)    // in an invocation; a multiple of 8
#define SPEC_CONV_SILU (SPEC_OP + 8)
#define SPEC_CONV_IN_PLACE (SPEC_OP + 9)  // the states go back to where they came from
// Whether a tensor is given as channel * taps + tap on one axis, because it is packed so; otherwise as (tap, channel).
#define SPEC_CONV_WEIGHT_FLAT (SPEC_OP + 10)
#define SPEC_CONV_INITIAL_FLAT (SPEC_OP + 11)
#define SPEC_CONV_FINAL_FLAT (SPEC_OP + 12)

#define HEADER_CONV_BEFORE 3  // tokens of x and seq_idx that precede the dispatch's first

#define CONV_X 0
#define CONV_WEIGHT 1
#define CONV_BIAS 2
#define CONV_INITIAL 3
#define CONV_SEQ_IDX 4
#define CONV_INDICES 5
#define CONV_INDICES_OUT 6
#define CONV_Y 7
#define CONV_FINAL 8

#endif

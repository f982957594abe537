#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Element by element: y = silu(a), softplus(a), a, a + b or silu(a) * b, over boxes of the same shape.
// The host orders the axes by y's strides and merges those that lie packed, so that whole tensors are one axis.
//
// A lane takes LANE_PACKS packs along the last axis, a workgroup's size apart, and loads all before it stores any.
// Every element is read by the lane that writes it, and before: y may be a or b. The grid is flat, folded into x and y.
#include "lib/activation.glsl"
#include "lib/tensor.glsl"
#include "lib/pack.glsl"
#include "shared/elementwise.h"

layout(constant_id = SPEC_ELEMENTWISE_OP) const uint OP = ELEMENTWISE_SILU;
layout(constant_id = SPEC_ELEMENTWISE_TOKEN_AXIS) const uint TOKEN_AXIS = 5;
layout(constant_id = SPEC_ELEMENTWISE_PACKS) const uint LANE_PACKS = 4;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 0) const uint SIZE0 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 1) const uint SIZE1 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 2) const uint SIZE2 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 3) const uint SIZE3 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 4) const uint SIZE4 = 1;

TENSOR(ELEMENTWISE_A, a)
TENSOR_PACK(a)
TENSOR(ELEMENTWISE_B, b)
TENSOR_PACK(b)
TENSOR(ELEMENTWISE_Y, y)
TENSOR_PACK(y)

const uint PACKS = (SIZE4 + PACK - 1) / PACK;  // along the last axis
const bool WHOLE = SIZE4 % PACK == 0 && TOKEN_AXIS != 4;  // packs are whole, or past the end

struct Place {
    uint i0, i1, i2, i3, i4;
    uint count;  // elements of the pack
};

// The pack of that number; none (count 0) past the last one or past the last token.
Place place_of(uint pack) {
    Place at;
    uint rest = min(pack, SIZE0 * SIZE1 * SIZE2 * SIZE3 * PACKS - 1);
    at.i4 = rest % PACKS * PACK;
    rest /= PACKS;
    at.i3 = rest % SIZE3;
    rest /= SIZE3;
    at.i2 = rest % SIZE2;
    rest /= SIZE2;
    at.i1 = rest % SIZE1;
    at.i0 = rest / SIZE1;
    at.count = rest == pack / PACKS / SIZE3 / SIZE2 ? min(SIZE4 - at.i4, PACK) : 0;
    const uint tokens = push.header[HEADER_TOKENS];
    if (TOKEN_AXIS == 0 && at.i0 >= tokens || TOKEN_AXIS == 1 && at.i1 >= tokens || TOKEN_AXIS == 2 && at.i2 >= tokens ||
        TOKEN_AXIS == 3 && at.i3 >= tokens)
        at.count = 0;
    if (TOKEN_AXIS == 4) at.count = min(at.count, tokens - min(tokens, at.i4));
    return at;
}

vec4 softplus4(vec4 v) { return vec4(softplus(v.x), softplus(v.y), softplus(v.z), softplus(v.w)); }

vec4 apply(vec4 v, vec4 w) {
    if (OP == ELEMENTWISE_SILU) return v / (1.0 + exp(-v));
    if (OP == ELEMENTWISE_SOFTPLUS) return softplus4(v);
    if (OP == ELEMENTWISE_ADD) return v + w;
    if (OP == ELEMENTWISE_COPY) return v;
    return v / (1.0 + exp(-v)) * w;
}

void main() {
    const uint first = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x * LANE_PACKS +
                       gl_LocalInvocationID.x;
    Place at[LANE_PACKS];
    PackBits left[LANE_PACKS], right[LANE_PACKS];
    [[unroll]] for (uint k = 0; k < LANE_PACKS; ++k) {
        at[k] = place_of(first + k * gl_WorkGroupSize.x);
        left[k] = right[k] = no_bits();
        if (at[k].count == 0) continue;
        const uint count = WHOLE ? PACK : at[k].count;
        left[k] = a_get_bits(at[k].i0 * a_s0 + at[k].i1 * a_s1 + at[k].i2 * a_s2 + at[k].i3 * a_s3 + at[k].i4 * a_s4, a_s4, count);
        if (b_present)
            right[k] = b_get_bits(at[k].i0 * b_s0 + at[k].i1 * b_s1 + at[k].i2 * b_s2 + at[k].i3 * b_s3 + at[k].i4 * b_s4, b_s4, count);
    }
    [[unroll]] for (uint k = 0; k < LANE_PACKS; ++k) {
        if (at[k].count == 0) continue;
        const Pack v = pack_of(a_dtype, left[k]), w = pack_of(b_dtype, right[k]);
        y_put(at[k].i0 * y_s0 + at[k].i1 * y_s1 + at[k].i2 * y_s2 + at[k].i3 * y_s3 + at[k].i4 * y_s4, y_s4,
              WHOLE ? PACK : at[k].count, Pack(apply(v.low, w.low), apply(v.high, w.high)));
    }
}

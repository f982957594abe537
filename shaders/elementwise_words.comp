#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
// The same as elementwise.comp on a CPU, for tensors whose last axis lies packed and whose elements are of one size: lane j of a
// subgroup has every LANES-th word of a row.
//
// A workgroup is a subgroup. It takes SPAN words of a row, STEP at once, all read before any are written: y may be a or b.
// Grid: spans of a row, rows, the latter folded into y and z.
#include "lib/activation.glsl"
#include "lib/tensor.glsl"
#include "lib/words.glsl"
#include "shared/elementwise.h"

layout(constant_id = SPEC_ELEMENTWISE_OP) const uint OP = ELEMENTWISE_SILU;
layout(constant_id = SPEC_ELEMENTWISE_TOKEN_AXIS) const uint TOKEN_AXIS = 5;
layout(constant_id = SPEC_ELEMENTWISE_SPAN) const uint SPAN = 512;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 0) const uint SIZE0 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 1) const uint SIZE1 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 2) const uint SIZE2 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 3) const uint SIZE3 = 1;
layout(constant_id = SPEC_ELEMENTWISE_SHAPE + 4) const uint SIZE4 = 1;

TENSOR(ELEMENTWISE_A, a)
DECLARE_WORDS_OF(a)
TENSOR(ELEMENTWISE_B, b)
DECLARE_WORDS_OF(b)
TENSOR(ELEMENTWISE_Y, y)
DECLARE_WORDS_OF(y)

const uint WORDS = SIZE4 / (IS_WIDE(y) ? 1 : 2);

float apply(float v, float w) {
    if (OP == ELEMENTWISE_SILU) return v / (1.0 + exp(-v));
    if (OP == ELEMENTWISE_SOFTPLUS) return softplus(v);
    if (OP == ELEMENTWISE_ADD) return v + w;
    if (OP == ELEMENTWISE_COPY) return v;
    return v / (1.0 + exp(-v)) * w;
}

uint result(uint a_word, uint b_word) {
    const vec2 v = elements_of(a_dtype, a_word), w = elements_of(b_dtype, b_word);
    return word_of(y_dtype, vec2(apply(v.x, w.x), y_dtype == DTYPE_F32 ? 0.0 : apply(v.y, w.y)));
}

void main() {
    find_lanes();
    uint row = gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y;
    const uint i3 = row % SIZE3, i2 = row / SIZE3 % SIZE2, i1 = row / (SIZE3 * SIZE2) % SIZE1, i0 = row / (SIZE3 * SIZE2 * SIZE1);
    const uint tokens = push.header[HEADER_TOKENS];
    if (i0 >= SIZE0 || TOKEN_AXIS == 0 && i0 >= tokens || TOKEN_AXIS == 1 && i1 >= tokens || TOKEN_AXIS == 2 && i2 >= tokens ||
        TOKEN_AXIS == 3 && i3 >= tokens)
        return;
    const ROW a_from = a_row(i0 * a_s0 + i1 * a_s1 + i2 * a_s2 + i3 * a_s3);
    const ROW b_from = b_row(i0 * b_s0 + i1 * b_s1 + i2 * b_s2 + i3 * b_s3);
    const ROW y_to = y_row(i0 * y_s0 + i1 * y_s1 + i2 * y_s2 + i3 * y_s3);
    const uint begin = gl_WorkGroupID.x * SPAN, end = min(begin + SPAN, WORDS);
    uint w = begin;
    if (WORDS >= STEP) {
        for (; w + STEP <= end; w += STEP) {
            const uint at = min(w, WORDS - STEP);
            uint left[WORDS_DEPTH], right[WORDS_DEPTH];
            [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) {
                left[d] = a_neighbours(a_from, at + d * LANES);
                right[d] = b_present ? b_neighbours(b_from, at + d * LANES) : 0;
            }
            [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) y_put_neighbours(y_to, at + d * LANES, result(left[d], right[d]));
        }
    }
    for (w += gl_SubgroupInvocationID; w < end; w += LANES)
        y_put_word(y_to, w, result(a_word(a_from, w), b_present ? b_word(b_from, w) : 0));
}

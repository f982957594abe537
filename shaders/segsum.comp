#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// out[i, j] = x[j + 1] + ... + x[i] for i >= j, so 0 on the diagonal, and -infinity above it.
// A lane walks down a pack of columns with their sums in registers: summing forward from each column keeps the
// precision that a difference of two cumulative sums would lose. Grid: flat over (leading axes, packs of columns),
// folded into x and y.
#include "lib/tensor.glsl"
#include "lib/pack.glsl"
#include "shared/elementwise.h"

layout(constant_id = SPEC_SEGSUM_SEQLEN) const uint SEQLEN = 64;
layout(constant_id = SPEC_SEGSUM_SHAPE + 0) const uint SIZE0 = 1;
layout(constant_id = SPEC_SEGSUM_SHAPE + 1) const uint SIZE1 = 1;
layout(constant_id = SPEC_SEGSUM_SHAPE + 2) const uint SIZE2 = 1;

TENSOR(SEGSUM_X, x)
TENSOR(SEGSUM_OUT, out)
TENSOR_PACK(out)

const uint PACKS = (SEQLEN + PACK - 1) / PACK;
const uint AHEAD = 8;  // values of x whose loads are under way at once

// A part of row i: the sums of columns j to j + 3.
vec4 masked(vec4 sums, uint i, uint j) {
    const vec4 minus_infinity = vec4(uintBitsToFloat(0xff800000u));
    return mix(minus_infinity, sums, lessThanEqual(uvec4(0, 1, 2, 3) + j, uvec4(i)));
}

// x[i] counts for the columns before i only.
vec4 added(vec4 sums, float value, uint i, uint j) {
    return mix(sums, sums + value, lessThan(uvec4(0, 1, 2, 3) + j, uvec4(i)));
}

void main() {
    const uint lane = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uint rest = lane / PACKS;
    const bool is_there = rest < SIZE0 * SIZE1 * SIZE2;
    rest = min(rest, SIZE0 * SIZE1 * SIZE2 - 1);
    const uint i2 = rest % SIZE2, i1 = rest / SIZE2 % SIZE1, i0 = rest / SIZE2 / SIZE1;
    const uint j = lane % PACKS * PACK, count = is_there ? min(SEQLEN - j, PACK) : 0;
    const uint from = i0 * x_s0 + i1 * x_s1 + i2 * x_s2, to = i0 * out_s0 + i1 * out_s1 + i2 * out_s2 + j * out_s4;
    Pack sums = zero_pack();
    for (uint block = 0; block < SEQLEN; block += AHEAD) {
        float values[AHEAD];
        [[unroll]] for (uint n = 0; n < AHEAD; ++n) values[n] = x_load(from + min(block + n, SEQLEN - 1) * x_s3);
        [[unroll]] for (uint n = 0; n < AHEAD; ++n) {
            const uint i = block + n;
            if (i >= SEQLEN) continue;
            sums = Pack(added(sums.low, values[n], i, j), added(sums.high, values[n], i, j + 4));
            out_put(to + i * out_s3, out_s4, count, Pack(masked(sums.low, i, j), masked(sums.high, i, j + 4)));
        }
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
// Products of cooperative matrices and nothing else: operands and sums stay in registers. Each subgroup writes an element of its
// sums' total, which is known: sum i begins with i, operands are full of 1/64 and of 1.
//
// Grid: (workgroups).
#include "lib/tensor.glsl"
#include "lib/matrix.glsl"
#include "shared/matrix_rate.h"

layout(constant_id = SPEC_RATE_M) const uint MATRIX_M = 16;
layout(constant_id = SPEC_RATE_N) const uint MATRIX_N = 16;
layout(constant_id = SPEC_RATE_K) const uint MATRIX_K = 16;

TENSOR(RATE_OUT, total)

shared float tiles[RATE_SUBGROUPS][MATRIX_M * MATRIX_N];

void main() {
    const MATRIX_A a = MATRIX_A(MATRIX_TYPE(0.015625));
    const MATRIX_B b = MATRIX_B(MATRIX_TYPE(1.0));
    MATRIX_SUM sums[RATE_SUMS];
    [[unroll]] for (uint i = 0; i < RATE_SUMS; ++i) sums[i] = MATRIX_SUM(float(i));  // unlike, or a compiler might keep only one
    for (uint step = 0; step < push.header[HEADER_STEPS]; ++step)
        [[unroll]] for (uint i = 0; i < RATE_SUMS; ++i) sums[i] = coopMatMulAdd(a, b, sums[i]);
    [[unroll]] for (uint i = 1; i < RATE_SUMS; ++i) sums[0] += sums[i];
    coopMatStore(sums[0], tiles[gl_SubgroupID], 0, MATRIX_N, gl_CooperativeMatrixLayoutRowMajor);
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);  // the tile is complete
    if (gl_SubgroupInvocationID == 0)
        total_store(gl_WorkGroupID.x * total_s0 + gl_SubgroupID * total_s1, tiles[gl_SubgroupID][MATRIX_M * MATRIX_N - 1]);
}

#version 460
#extension GL_GOOGLE_include_directive : require
// The pre-pass of ssd_scan's fused form: CB[t,s] = sum over n of C[t,n] * B[s,n] for the tokens t >= s of each chunk, once
// for each group, since its heads share it. Tiles that lie wholly above the diagonal are left out, and nobody reads them.
// Reference: arXiv:2405.21060, section 6, the C B^T of the intra-chunk term.
//
// Also the steps of the group's heads (lib/ssd_fused_steps.glsl) and, with f16 operands, the largest magnitude in CB and in B, from
// which the scan bounds what it rounds to f16.
//
// Subgroups share the tiles of one chunk. Grid: (chunks, groups, batch).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"
#include "shared/ssd_fused.h"

TENSOR(FUSED_CB_B, B)
TENSOR(FUSED_CB_C, C)
TENSOR(FUSED_CB_CB, CB)
TENSOR(FUSED_CB_LARGEST, largest)
TENSOR(FUSED_CB_DT, dt)
TENSOR(FUSED_CB_A, A)
TENSOR(FUSED_CB_DT_BIAS, dt_bias)
TENSOR(FUSED_CB_STEPS, steps)

#include "lib/ssd_fused.glsl"
#include "lib/ssd_fused_steps.glsl"

const uint PIECES = (DSTATE + MATRIX_K - 1) / MATRIX_K * MATRIX_K / 8;  // of a row
const uint PITCH = PIECES | 1;
const uint AT_C = 0, AT_B = Q * PITCH;
const uint PIECES_OF_THREAD = (Q * PIECES + THREADS - 1) / THREADS;

const uint PITCH_OUT = Q / 4 | 1;

shared uvec4 operands[2 * Q * PITCH];
shared uvec4 products[Q * PITCH_OUT];
#if !COOPMAT_BF16
shared uint largest_of[FUSED_LARGEST];  // bits: as integers, floats that are not negative keep their order

void note_largest(uint which, float magnitude) {
    const float most = subgroupMax(magnitude);
    if (gl_SubgroupInvocationID == 0) atomicMax(largest_of[which], floatBitsToUint(most));
}
#endif

// All loads are under way before the first is stored.
void stage(uint first_C, uint first_B, uint count) {
    uvec4 c[PIECES_OF_THREAD], b[PIECES_OF_THREAD];
    [[unroll]] for (uint k = 0; k < PIECES_OF_THREAD; ++k) {
        const uint i = k * THREADS + thread_index(), row = i / PIECES, n = i % PIECES * 8;
        c[k] = b[k] = uvec4(0);
        if (row < count && n < DSTATE) {
            c[k] = QUAD16(C, first_C + row * C_s1 + n);
            b[k] = QUAD16(B, first_B + row * B_s1 + n);
        }
    }
    [[unroll]] for (uint k = 0; k < PIECES_OF_THREAD; ++k) {
        const uint i = k * THREADS + thread_index(), at = i / PIECES * PITCH + i % PIECES;
        if (i < Q * PIECES) {
            operands[AT_C + at] = c[k];
            operands[AT_B + at] = b[k];
        }
    }
#if !COOPMAT_BF16
    float most = 0.0;
    [[unroll]] for (uint k = 0; k < PIECES_OF_THREAD; ++k) {
        [[unroll]] for (uint i = 0; i < 4; ++i) {
            const f16vec2 both = finite_magnitudes(b[k][i]);
            most = max(most, float(max(both.x, both.y)));
        }
    }
    note_largest(FUSED_LARGEST_B, most);
#endif
}

void multiply() {
#if !COOPMAT_BF16
    float most = 0.0;
#endif
    for (uint tile = gl_SubgroupID; tile < Q / MATRIX_M * (Q / MATRIX_N); tile += gl_NumSubgroups) {
        const uint t = tile / (Q / MATRIX_N) * MATRIX_M, s = tile % (Q / MATRIX_N) * MATRIX_N;
        if (s >= t + MATRIX_M) continue;
        MATRIX_SUM sum = MATRIX_SUM(0.0);
        for (uint n = 0; n < PIECES; n += MATRIX_K / 8) {
            MATRIX_A c;
            MATRIX_B b;
            coopMatLoad(c, operands, AT_C + t * PITCH + n, PITCH, BY_ROW);
            coopMatLoad(b, operands, AT_B + s * PITCH + n, PITCH, BY_COLUMN);
            sum = coopMatMulAdd(c, b, sum);
        }
        coopMatStore(sum, products, t * PITCH_OUT + s / 4, PITCH_OUT, BY_ROW);
#if !COOPMAT_BF16
        for (uint i = 0; i < sum.length(); ++i) most = max(most, finite_magnitude(sum[i]));
#endif
    }
#if !COOPMAT_BF16
    note_largest(FUSED_LARGEST_CB, most);
#endif
}

// What was left out above the diagonal goes along as it is.
void write_products(uint base) {
    for (uint i = thread_index(); i < Q * Q / 4; i += THREADS) QUAD32(CB, base + 4 * i) = products[i / (Q / 4) * PITCH_OUT + i % (Q / 4)];
}

void main() {
    const uint c = gl_WorkGroupID.x, g = gl_WorkGroupID.y, b = gl_WorkGroupID.z;
    const uint first = c * Q, tokens = push.header[HEADER_TOKENS];
    if (first >= tokens) return;
#if !COOPMAT_BF16
    if (thread_index() < FUSED_LARGEST) largest_of[thread_index()] = 0;
    barrier();  // largest_of is cleared
#endif
    write_steps(b, c, g, min(Q, tokens - first));
    stage(b * C_s0 + first * C_s1 + g * C_s2, b * B_s0 + first * B_s1 + g * B_s2, min(Q, tokens - first));
    barrier();  // the operands are complete
    multiply();
    barrier();  // the products and largest_of are complete
    write_products(b * CB_s0 + c * CB_s1 + g * CB_s2);
#if !COOPMAT_BF16
    if (thread_index() < FUSED_LARGEST)
        largest_store(b * largest_s0 + c * largest_s1 + g * largest_s2 + thread_index(), uintBitsToFloat(largest_of[thread_index()]));
#endif
}

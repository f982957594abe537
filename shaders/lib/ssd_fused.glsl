// What the two dispatches of ssd_scan's fused form share: matrices, and 16-bit operands in shared memory.
//
// Memory is read and written in *pieces* of 8 elements, 16 bytes. A row in shared memory takes an odd number of them, so
// that the rows of a matrix start in different banks.
#include "lib/matrix.glsl"
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(constant_id = SPEC_SUBGROUP_SIZE) const uint SUBGROUP_SIZE = 32;
layout(constant_id = SPEC_MATRIX_M) const uint MATRIX_M = 16;
layout(constant_id = SPEC_MATRIX_N) const uint MATRIX_N = 16;
layout(constant_id = SPEC_MATRIX_K) const uint MATRIX_K = 16;

#define BY_ROW gl_CooperativeMatrixLayoutRowMajor
#define BY_COLUMN gl_CooperativeMatrixLayoutColumnMajor

const uint Q = FUSED_CHUNK;
// Columns of the state, in whole pairs of tiles; those past DSTATE are zero.
const uint COLUMNS = (DSTATE + 2 * MATRIX_N - 1) / (2 * MATRIX_N) * (2 * MATRIX_N);
const uint THREADS = gl_WorkGroupSize.x;

// Not gl_LocalInvocationIndex: a subgroup's lanes must have neighbouring numbers.
uint thread_index() { return gl_SubgroupID * SUBGROUP_SIZE + gl_SubgroupInvocationID; }

// Shared memory that a subgroup has to itself: orders its lanes' accesses before and after.
void subgroup_barrier() {
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

// ---- operands: two to a word, rounded to nearest even -------------------------------------------

#if COOPMAT_BF16

const uint MATRIX_DTYPE = DTYPE_BF16;

// Rounded to nearest, in f32: drivers' own conversions to bf16 cut off, and of this nothing is left to cut. Two instructions: what
// v 2^16 + v keeps of v, which is the upper 8 bits. A NaN stays; an infinity and what exceeds 2^111 may become one.
float rounded(float v) {
    precise const float sum = v * 65537.0;
    precise const float kept = fma(v, -65536.0, sum);
    return kept;
}

uint pack_operands(float first, float second) {
    return (floatBitsToUint(rounded(second)) & 0xffff0000u) | floatBitsToUint(rounded(first)) >> 16;
}

// To nearest even and the same infinity, for results.
float rounded_result(float v) { return uintBitsToFloat(f32_to_bf16(v) << 16); }
uint pack_results(float first, float second) { return f32_to_bf16(first) | f32_to_bf16(second) << 16; }

float leading_part(float v) { return uintBitsToFloat(floatBitsToUint(v) & 0xffff0000u); }

#else

const uint MATRIX_DTYPE = DTYPE_F16;

float rounded(float v) { return v; }  // by the conversion itself
float rounded_result(float v) { return v; }

uint pack_operands(float first, float second) { return packFloat2x16(f16vec2(first, second)); }
uint pack_results(float first, float second) { return packFloat2x16(f16vec2(first, second)); }

float leading_part(float v) { return uintBitsToFloat(floatBitsToUint(v) & 0xffffe000u); }

// What bounds are made of: |v|, or 0 for an infinity or NaN, which says nothing of the values beside it.
float finite_magnitude(float v) {
    const uint bits = floatBitsToUint(v) & 0x7fffffffu;
    return bits < 0x7f800000u ? uintBitsToFloat(bits) : 0.0;
}
// The same for the two operands of a word.
f16vec2 finite_magnitudes(uint word) {
    const uint bits = word & 0x7fff7fffu;
    return unpackFloat2x16(((bits & 0xffffu) < 0x7c00u ? bits & 0xffffu : 0u) | (bits < 0x7c000000u ? bits & 0xffff0000u : 0u));
}

#endif

// What is left of a value by the bits that its operand kept; see leading_part.
float rest_part(float v) { return v - leading_part(v); }

// The 8 operands of a piece.
uvec4 pack_piece(float v[8]) {
    return uvec4(pack_operands(v[0], v[1]), pack_operands(v[2], v[3]), pack_operands(v[4], v[5]), pack_operands(v[6], v[7]));
}

float[8] unpack_piece(uvec4 words) {
    const vec4 low = unpack4(MATRIX_DTYPE, words.xy), high = unpack4(MATRIX_DTYPE, words.zw);
    return float[8](low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
}

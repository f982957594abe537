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

// Without f32_to_bf16's care for NaN, which may become a number here. Only sums are rounded so that keep their NaN.
uint rounded_bits(float v) {
    const uint bits = floatBitsToUint(v);
    return bits + 0x7fffu + ((bits >> 16) & 1u);
}

uint pack_operands(float first, float second) { return (rounded_bits(second) & 0xffff0000u) | rounded_bits(first) >> 16; }

// The same for results, where NaN has to stay.
uint pack_results(float first, float second) { return f32_to_bf16(first) | f32_to_bf16(second) << 16; }

float leading_part(float v) { return uintBitsToFloat(floatBitsToUint(v) & 0xffff0000u); }

#else

const uint MATRIX_DTYPE = DTYPE_F16;

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

// The 8 operands of a piece. `split`: as leading part and rest, which are exact together; else rounded.
uvec4 pack_piece(float v[8], bool split) {
    uvec4 words;
    [[unroll]] for (uint i = 0; i < 4; ++i)
        words[i] = split ? pack_operands(leading_part(v[2 * i]), leading_part(v[2 * i + 1])) : pack_operands(v[2 * i], v[2 * i + 1]);
    return words;
}

uvec4 pack_rest(float v[8]) {
    uvec4 words;
    [[unroll]] for (uint i = 0; i < 4; ++i) words[i] = pack_operands(rest_part(v[2 * i]), rest_part(v[2 * i + 1]));
    return words;
}

float[8] unpack_piece(uvec4 words) {
    const vec4 low = unpack4(MATRIX_DTYPE, words.xy), high = unpack4(MATRIX_DTYPE, words.zw);
    return float[8](low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
}

// ---- pieces of a 16-bit tensor along time -------------------------------------------------------

// CURSOR(name), after TENSOR: a place in a tensor that is read in pieces, from which steps are constants. Through
// addresses they then cost a load nothing.
//   name_start(i)      at element i, a multiple of 8
//   name_piece(i)      8 elements, i further on
//   name_advance(i)    i further on
#if MEMORY_ADDRESS
uvec2 moved(uvec2 address, uint bytes) {
    uint carry;
    const uint low = uaddCarry(address.x, bytes, carry);
    return uvec2(low, address.y + carry);
}
#define CURSOR(NAME)                                                                                \
    uvec2 NAME##_cursor;                                                                            \
    void NAME##_start(uint i) { NAME##_cursor = moved(push.address[NAME##_argument], 2 * i); }      \
    uvec4 NAME##_piece(uint i) { return Quads(NAME##_cursor).v[i / 8]; }                            \
    void NAME##_advance(uint i) { NAME##_cursor = moved(NAME##_cursor, 2 * i); }
#else
#define CURSOR(NAME)                                                        \
    uint NAME##_cursor;                                                     \
    void NAME##_start(uint i) { NAME##_cursor = i; }                        \
    uvec4 NAME##_piece(uint i) { return QUAD16(NAME, NAME##_cursor + i); }  \
    void NAME##_advance(uint i) { NAME##_cursor += i; }
#endif

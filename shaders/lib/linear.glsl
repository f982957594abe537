// The operands of linear, y[r, o] = sum over k of x[r, k] weight[o, k] + bias[o], as its kernels read and write them.
//
// Weights come in units: what a lane gets with one load of 16 bytes, or for f32 with two.
//   dense  8 elements
//   q8     16 integers, a byte each, first in the lowest byte; half of a block
//   q4     32 integers, 4 bits each, first in the lowest bits, stored + 8; a block
// A block of 32 integers along k shares a scale.
#include "lib/tensor.glsl"
#include "lib/pack.glsl"
#include "shared/linear.h"

TENSOR(LINEAR_X, x)
TENSOR_PACK(x)
TENSOR(LINEAR_WEIGHT, weight)
TENSOR(LINEAR_SCALES, scales)
TENSOR(LINEAR_BIAS, bias)
TENSOR_PACK(bias)
TENSOR(LINEAR_Y, y)
TENSOR_PACK(y)

layout(constant_id = SPEC_LINEAR_IN) const uint IN = 32;
layout(constant_id = SPEC_LINEAR_FORMAT) const uint FORMAT = LINEAR_DENSE;

const uint BLOCK = 32;  // integers of one scale
const uint UNIT = FORMAT == LINEAR_Q4 ? 32 : FORMAT == LINEAR_Q8 ? 16 : 8;

struct Unit {
    uvec4 words;
    uvec4 more;   // f32: elements 4 to 7
    float scale;  // of integers
};

uint word_of(uvec4 v, uint i) {
    const uvec2 pair = i < 2 ? v.xy : v.zw;
    return (i & 1u) == 0 ? pair.x : pair.y;
}

// ---- memory: 16 bytes at once where the layout lets them be ---------------------------------------------------------

// DECLARE_WORDS(name) gives name_quad(i), the four 32-bit elements from i, and name_eight(i), the bits of the eight 16-bit ones.
#define DECLARE_WORDS(NAME)                                                                                        \
    uint NAME##_halves(uint i) { return NAME##_load_half(i) | NAME##_load_half(i + 1) << 16; }                     \
    uvec4 NAME##_quad(uint i) {                                                                                    \
        if (NAME##_vector != 1) return QUAD32(NAME, i);                                                            \
        return uvec4(WORD(NAME, i), WORD(NAME, i + 1), WORD(NAME, i + 2), WORD(NAME, i + 3));                      \
    }                                                                                                              \
    uvec4 NAME##_eight(uint i) {                                                                                   \
        if (NAME##_vector == 8) return QUAD16(NAME, i);                                                            \
        if (NAME##_vector == 4) {                                                                                  \
            const uvec2 low = PAIR(NAME, i);                                                                       \
            return uvec4(low, PAIR(NAME, i + 4));                                                                  \
        }                                                                                                          \
        return uvec4(NAME##_halves(i), NAME##_halves(i + 2), NAME##_halves(i + 4), NAME##_halves(i + 6));          \
    }                                                                                                              \
    Unit NAME##_dense(uint i) {                                                                                    \
        if (NAME##_dtype == DTYPE_F32) return Unit(NAME##_quad(i), NAME##_quad(i + 4), 1.0);                       \
        return Unit(NAME##_eight(i), uvec4(0), 1.0);                                                               \
    }                                                                                                              \
    /* The first `count` of the eight; the others are 0, and are not read. */                                      \
    Unit NAME##_dense_part(uint i, uint count) {                                                                   \
        Unit unit = Unit(uvec4(0), uvec4(0), 1.0);                                                                 \
        for (uint e = 0; e < count; ++e) {                                                                         \
            if (NAME##_dtype == DTYPE_F32) {                                                                       \
                const uint bits = WORD(NAME, i + e);                                                               \
                unit.words = mix(unit.words, uvec4(bits), equal(uvec4(0, 1, 2, 3), uvec4(e)));                     \
                unit.more = mix(unit.more, uvec4(bits), equal(uvec4(4, 5, 6, 7), uvec4(e)));                       \
            } else {                                                                                               \
                const uint bits = NAME##_load_half(i + e) << ((e & 1u) * 16u);                                     \
                unit.words |= mix(uvec4(0), uvec4(bits), equal(uvec4(0, 1, 2, 3), uvec4(e / 2)));                  \
            }                                                                                                      \
        }                                                                                                          \
        return unit;                                                                                               \
    }

DECLARE_WORDS(x)
DECLARE_WORDS(weight)

// The eight elements of a dense unit.
Pack dense_pack(uint dtype, Unit unit) {
    if (dtype == DTYPE_F32) return Pack(uintBitsToFloat(unit.words), uintBitsToFloat(unit.more));
    return Pack(unpack4(dtype, unit.words.xy), unpack4(dtype, unit.words.zw));
}

// ---- weights --------------------------------------------------------------------------------------------------------

// The unit at k, a multiple of UNIT, of the row that begins at `at`, and its scales at `scales_at`. It has to be whole:
// k + UNIT <= IN.
Unit weight_unit_at(uint at, uint scales_at, uint k) {
    if (FORMAT == LINEAR_DENSE) return weight_dense(at + k);
    const float scale = scales_load(scales_at + k / BLOCK * scales_s1);
    return Unit(weight_quad(at + k / (UNIT / 4)), uvec4(0), scale);
}
Unit weight_unit(uint o, uint k) { return weight_unit_at(o * weight_s0, o * scales_s0, k); }

// The same for a unit that in_features may cut, or that lies past them.
Unit weight_unit_part(uint o, uint k) {
    if (k + UNIT <= IN) return weight_unit(o, k);
    if (FORMAT == LINEAR_DENSE && k < IN) return weight_dense_part(o * weight_s0 + k, IN - k);
    return Unit(uvec4(0), uvec4(0), 0.0);
}

// Integers as floats with as little work as there can be: put under the exponent of 1.0 they read as 1 + integer / STEPS,
// of which the integer is STEPS times what exceeds MIDDLE.
const float STEPS = FORMAT == LINEAR_Q4 ? 16.0 : 256.0;
const float MIDDLE = 1.5;

vec4 as_mantissas(uvec4 integers) {
    return uintBitsToFloat((integers << (FORMAT == LINEAR_Q4 ? 19 : 15)) | 0x3f800000u);
}

// Integers 8 p to 8 p + 7 of a unit, as they are above.
Pack mantissa_pack(Unit unit, uint p) {
    if (FORMAT == LINEAR_Q4) {
        const uvec4 shifts = uvec4(0, 4, 8, 12);
        const uint word = word_of(unit.words, p);
        return Pack(as_mantissas(uvec4(word) >> shifts & 15u), as_mantissas(uvec4(word) >> (shifts + 16u) & 15u));
    }
    const uvec4 shifts = uvec4(0, 8, 16, 24);
    const uint low = word_of(unit.words, 2 * p) ^ 0x80808080u, high = word_of(unit.words, 2 * p + 1) ^ 0x80808080u;
    return Pack(as_mantissas(uvec4(low) >> shifts & 255u), as_mantissas(uvec4(high) >> shifts & 255u));
}

// Weights 8 p to 8 p + 7 of a unit.
Pack weight_pack(Unit unit, uint p) {
    if (FORMAT == LINEAR_DENSE) return dense_pack(weight_dtype, unit);
    const Pack mantissas = mantissa_pack(unit, p);
    const float scale = unit.scale * STEPS;
    return Pack((mantissas.low - MIDDLE) * scale, (mantissas.high - MIDDLE) * scale);
}

// ---- results --------------------------------------------------------------------------------------------------------

// Eight neighbours of row r from column o on, as far as there are columns.
void store_results(uint b, uint r, uint o, Pack sums) {
    const uint outs = push.header[HEADER_OUTS], count = o < outs ? min(outs - o, 8) : 0;
    if (bias_present) {
        const Pack add = bias_get(o * bias_s0, bias_s0, count);
        sums = Pack(sums.low + add.low, sums.high + add.high);
    }
    y_put(b * y_s0 + r * y_s1 + o, 1, count, sums);
}

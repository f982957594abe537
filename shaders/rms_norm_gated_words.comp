#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// The same as rms_norm_gated.comp on a CPU, for tensors whose elements are of one size and whose groups are words side by side:
// a workgroup is a subgroup, which has a group to itself and goes through it in passes, for the mean (LAYER only), the variance
// and the result. What a pass read before is in the cache for the next, and loads cost little beside the stores.
// Each pass reads words before it writes any in their places: outputs may be inputs.
// Grid: (rows, groups, batch).
#include "lib/activation.glsl"
#include "lib/tensor.glsl"
#include "lib/words.glsl"
#include "shared/rms_norm_gated.h"

TENSOR(NORM_X, x)
DECLARE_WORDS_OF(x)
TENSOR(NORM_Z, z)
DECLARE_WORDS_OF(z)
TENSOR(NORM_WEIGHT, weight)
DECLARE_WORDS_OF(weight)
TENSOR(NORM_BIAS, bias)
DECLARE_WORDS_OF(bias)
TENSOR(NORM_RESIDUAL, residual)
DECLARE_WORDS_OF(residual)
TENSOR(NORM_Y, y)
DECLARE_WORDS_OF(y)
TENSOR(NORM_RESIDUAL_OUT, residual_out)
DECLARE_WORDS_OF(residual_out)

layout(constant_id = SPEC_NORM_GROUP_SIZE) const uint GROUP_SIZE = 64;
layout(constant_id = SPEC_NORM_EPS) const float EPS = 1e-5;
layout(constant_id = SPEC_NORM_LAYER) const bool LAYER = false;
layout(constant_id = SPEC_NORM_FIRST) const bool NORM_FIRST = false;

const uint WORDS = GROUP_SIZE / (IS_WIDE(y) ? 1 : 2);
const uint MEAN = 0, VARIANCE = 1, RESULT = 2;  // passes

// The group's words in each tensor.
ROW x_from, z_from, weight_from, bias_from, residual_from, y_to, residual_to;

// A word of each input.
struct Operands {
    uint x, z, residual, weight, bias;
};

Operands neighbours_at(uint pass, uint first) {
    Operands o = Operands(x_neighbours(x_from, first), 0, 0, 0, 0);
    if (z_present && !(NORM_FIRST && pass != RESULT)) o.z = z_neighbours(z_from, first);
    if (residual_present) o.residual = residual_neighbours(residual_from, first);
    if (pass != RESULT) return o;
    o.weight = weight_neighbours(weight_from, first);
    if (bias_present) o.bias = bias_neighbours(bias_from, first);
    return o;
}

Operands words_at(uint pass, uint w) {
    Operands o = Operands(x_word(x_from, w), 0, 0, 0, 0);
    if (z_present && !(NORM_FIRST && pass != RESULT)) o.z = z_word(z_from, w);
    if (residual_present) o.residual = residual_word(residual_from, w);
    if (pass != RESULT) return o;
    o.weight = weight_word(weight_from, w);
    if (bias_present) o.bias = bias_word(bias_from, w);
    return o;
}

vec2 silu_of(vec2 v) { return vec2(silu(v.x), y_dtype == DTYPE_F32 ? 0.0 : silu(v.y)); }

vec2 with_residual(Operands o) {
    const vec2 v = elements_of(x_dtype, o.x);
    return residual_present ? v + elements_of(residual_dtype, o.residual) : v;
}

// What the norm is taken of.
vec2 operand(Operands o) {
    const vec2 v = with_residual(o);
    return z_present && !NORM_FIRST ? v * silu_of(elements_of(z_dtype, o.z)) : v;
}

float sum_of(uint pass, Operands o, float mean) {
    const vec2 u = operand(o), d = u - mean;
    if (y_dtype == DTYPE_F32) return pass == MEAN ? u.x : d.x * d.x;
    return pass == MEAN ? u.x + u.y : d.x * d.x + d.y * d.y;
}

uint result(Operands o, float mean, float scale) {
    vec2 r = (operand(o) - mean) * scale * elements_of(weight_dtype, o.weight);
    if (bias_present) r += elements_of(bias_dtype, o.bias);
    if (z_present && NORM_FIRST) r *= silu_of(elements_of(z_dtype, o.z));
    return word_of(y_dtype, r);
}

// The sum of what a pass adds up over the group.
float sum_over_group(uint pass, float mean) {
    float sums[WORDS_DEPTH];
    [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) sums[d] = 0.0;
    uint w = 0;
    if (WORDS >= STEP) {
        for (; w + STEP <= WORDS; w += STEP) {
            const uint at = min(w, WORDS - STEP);
            [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) sums[d] += sum_of(pass, neighbours_at(pass, at + d * LANES), mean);
        }
    }
    for (w += gl_SubgroupInvocationID; w < WORDS; w += LANES) sums[0] += sum_of(pass, words_at(pass, w), mean);
    float sum = 0.0;
    [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) sum += sums[d];
    return subgroupAdd(sum);
}

void write_group(float mean, float scale) {
    uint w = 0;
    if (WORDS >= STEP) {
        for (; w + STEP <= WORDS; w += STEP) {
            const uint at = min(w, WORDS - STEP);
            Operands o[WORDS_DEPTH];
            [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) o[d] = neighbours_at(RESULT, at + d * LANES);
            [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) {
                y_put_neighbours(y_to, at + d * LANES, result(o[d], mean, scale));
                if (residual_out_present)
                    residual_out_put_neighbours(residual_to, at + d * LANES, word_of(residual_out_dtype, with_residual(o[d])));
            }
        }
    }
    for (w += gl_SubgroupInvocationID; w < WORDS; w += LANES) {
        const Operands o = words_at(RESULT, w);
        y_put_word(y_to, w, result(o, mean, scale));
        if (residual_out_present) residual_out_put_word(residual_to, w, word_of(residual_out_dtype, with_residual(o)));
    }
}

void main() {
    find_lanes();
    const uint b = gl_WorkGroupID.z, row = min(gl_WorkGroupID.x, push.header[HEADER_TOKENS] - 1), first = gl_WorkGroupID.y * GROUP_SIZE;
    if (row != gl_WorkGroupID.x) return;
    x_from = x_row(b * x_s0 + row * x_s1 + first);
    z_from = z_row(b * z_s0 + row * z_s1 + first);
    weight_from = weight_row(first);
    bias_from = bias_row(first);
    residual_from = residual_row(b * residual_s0 + row * residual_s1 + first);
    y_to = y_row(b * y_s0 + row * y_s1 + first);
    residual_to = residual_out_row(b * residual_out_s0 + row * residual_out_s1 + first);
    float mean = 0.0;
    if (LAYER) mean = sum_over_group(MEAN, 0.0) / float(GROUP_SIZE);
    write_group(mean, inversesqrt(sum_over_group(VARIANCE, mean) / float(GROUP_SIZE) + EPS));
}

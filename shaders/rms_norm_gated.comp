#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
// For each group of GROUP_SIZE neighbours of each row, with v = x + residual:
//   gate first   u = v * silu(z);  y = norm(u) * weight + bias
//   norm first   y = (norm(v) * weight + bias) * silu(z)
// norm(u) = (u - m) / sqrt(mean of (u - m)^2 + eps), m = 0 or the mean (LAYER). residual_out = v.
//
// A team of LANES lanes takes a group: lane k has packs k, k + LANES... STEPS of them. They stay in registers from the load
// to the store, so that memory is read once and the variance is taken of deviations from the mean; where they are too
// many (KEEP off), each pass reads them again. The lane that writes an element is the one that has read it: outputs may
// be inputs.
// A workgroup's teams are ACROSS groups side by side of as many rows as that leaves.
// Grid: (rows / rows of a workgroup, groups / ACROSS, batch).
#include "lib/activation.glsl"
#include "lib/tensor.glsl"
#include "lib/pack.glsl"
#include "shared/rms_norm_gated.h"

TENSOR(NORM_X, x)
TENSOR_PACK(x)
TENSOR(NORM_Z, z)
TENSOR_PACK(z)
TENSOR(NORM_WEIGHT, weight)
TENSOR_PACK(weight)
TENSOR(NORM_BIAS, bias)
TENSOR_PACK(bias)
TENSOR(NORM_RESIDUAL, residual)
TENSOR_PACK(residual)
TENSOR(NORM_Y, y)
TENSOR_PACK(y)
TENSOR(NORM_RESIDUAL_OUT, residual_out)
TENSOR_PACK(residual_out)

layout(constant_id = SPEC_SUBGROUP_SIZE) const uint SUBGROUP_SIZE = 32;
layout(constant_id = SPEC_NORM_GROUP_SIZE) const uint GROUP_SIZE = 64;
layout(constant_id = SPEC_NORM_LANES) const uint LANES = 8;
layout(constant_id = SPEC_NORM_STEPS) const uint STEPS = 1;
layout(constant_id = SPEC_NORM_KEEP) const bool KEEP = true;
layout(constant_id = SPEC_NORM_ACROSS) const uint ACROSS = 1;
layout(constant_id = SPEC_NORM_EPS) const float EPS = 1e-5;
layout(constant_id = SPEC_NORM_LAYER) const bool LAYER = false;
layout(constant_id = SPEC_NORM_FIRST) const bool NORM_FIRST = false;

const bool NO_TAIL = GROUP_SIZE % (LANES * STEPS * PACK) == 0;
const bool WHOLE = GROUP_SIZE % PACK == 0;  // packs are whole, or past the end
const uint UNITS = PACK / 4;
const uint KEPT_PACKS = KEEP ? STEPS : 1, KEPT = KEEP ? STEPS * UNITS : 1;

struct Place {
    uint b, row;
    uint first;     // element of the row at which the group begins
    uint lane;      // in the team
    bool is_there;  // false past the last row
};

#if SUBGROUP

shared float partial[gl_WorkGroupSize.x / SUBGROUP_SIZE];

uint invocation() { return gl_SubgroupID * SUBGROUP_SIZE + gl_SubgroupInvocationID; }

// The sum over a team; every invocation of the workgroup must call it.
float team_sum(float v) {
    if (LANES < SUBGROUP_SIZE) {
        for (uint mask = LANES / 2; mask > 0; mask /= 2) v += subgroupShuffleXor(v, mask);
        return v;
    }
    v = subgroupAdd(v);
    if (LANES == SUBGROUP_SIZE) return v;
    const uint subgroups = LANES / SUBGROUP_SIZE, first = gl_SubgroupID / subgroups * subgroups;
    barrier();  // what the last call left has been read
    if (gl_SubgroupInvocationID == 0) partial[gl_SubgroupID] = v;
    barrier();
    float sum = 0.0;
    for (uint i = gl_SubgroupInvocationID; i < subgroups; i += SUBGROUP_SIZE) sum += partial[first + i];
    return subgroupAdd(sum);
}

#else

shared float partial[gl_WorkGroupSize.x];

uint invocation() { return gl_LocalInvocationID.x; }

float team_sum(float v) {
    const uint id = invocation(), lane = id % LANES;
    barrier();  // what the last call left has been read
    partial[id] = v;
    barrier();
    for (uint reach = LANES / 2; reach > 0; reach /= 2) {
        if (lane < reach) partial[id] += partial[id + reach];
        barrier();
    }
    return partial[id - lane];
}

#endif

Place my_place() {
    Place at;
    const uint id = invocation(), team = id / LANES, rows = push.header[HEADER_TOKENS];
    const uint row = gl_WorkGroupID.x * (gl_WorkGroupSize.x / LANES / ACROSS) + team / ACROSS;
    at.b = gl_WorkGroupID.z;
    at.is_there = row < rows;
    at.row = min(row, rows - 1);
    at.first = (gl_WorkGroupID.y * ACROSS + team % ACROSS) * GROUP_SIZE;
    at.lane = id % LANES;
    return at;
}

// The first element of pack k in the row, and how many it has.
uint pack_start(Place at, uint k) { return at.first + (k * LANES + at.lane) * PACK; }

uint pack_count(Place at, uint k) {
    if (NO_TAIL) return PACK;
    const uint before = (k * LANES + at.lane) * PACK;
    return before < GROUP_SIZE ? min(GROUP_SIZE - before, PACK) : 0;
}

vec4 silu4(vec4 v) { return v / (1.0 + exp(-v)); }
Pack gated(Pack v, Pack z) { return Pack(v.low * silu4(z.low), v.high * silu4(z.high)); }

void store_residual(Place at, uint k, Pack v) {
    const uint j = pack_start(at, k), present = pack_count(at, k);
    if (at.is_there && present != 0)
        residual_out_put(at.b * residual_out_s0 + at.row * residual_out_s1 + j * residual_out_s2, residual_out_s2, WHOLE ? PACK : present, v);
}

// ---- registers: what the norm is taken of, and gates that are applied after it --------------------------------

vec4 value[KEPT], gate[KEPT];

// With PACK 4 both halves have the same place, and the lower is written last.
void keep_value(uint k, Pack v) {
    value[k * UNITS + UNITS - 1] = v.high;
    value[k * UNITS] = v.low;
}
void keep_gate(uint k, Pack z) {
    gate[k * UNITS + UNITS - 1] = z.high;
    gate[k * UNITS] = z.low;
}
Pack kept_value(uint k) { return Pack(value[k * UNITS], PACK == 8 ? value[k * UNITS + UNITS - 1] : vec4(0.0)); }
Pack kept_gate(uint k) { return Pack(gate[k * UNITS], PACK == 8 ? gate[k * UNITS + UNITS - 1] : vec4(0.0)); }

// All loads are under way before anything is made of them.
void fill(Place at) {
    PackBits x_bits[KEPT_PACKS], residual_bits[KEPT_PACKS], z_bits[KEPT_PACKS];
    [[unroll]] for (uint k = 0; k < KEPT_PACKS; ++k) {
        const uint j = pack_start(at, k), present = pack_count(at, k), count = WHOLE ? PACK : present;
        x_bits[k] = residual_bits[k] = z_bits[k] = no_bits();
        if (present == 0) continue;
        x_bits[k] = x_get_bits(at.b * x_s0 + at.row * x_s1 + j * x_s2, x_s2, count);
        if (residual_present)
            residual_bits[k] = residual_get_bits(at.b * residual_s0 + at.row * residual_s1 + j * residual_s2, residual_s2, count);
        if (z_present) z_bits[k] = z_get_bits(at.b * z_s0 + at.row * z_s1 + j * z_s2, z_s2, count);
    }
    [[unroll]] for (uint k = 0; k < KEPT_PACKS; ++k) {
        Pack v = pack_of(x_dtype, x_bits[k]);
        if (residual_present) {
            const Pack r = pack_of(residual_dtype, residual_bits[k]);
            v = Pack(v.low + r.low, v.high + r.high);
        }
        if (residual_out_present) store_residual(at, k, v);
        const Pack z = pack_of(z_dtype, z_bits[k]);
        if (z_present && NORM_FIRST) keep_gate(k, z);
        keep_value(k, v);
        if (z_present && !NORM_FIRST) keep_value(k, gated(v, z));
    }
}

// ---- the sums ---------------------------------------------------------------------------------------------------

vec4 deviation(vec4 v, float mean, uint before, uint count) {
    const vec4 d = v - mean;
    return NO_TAIL || !LAYER ? d : mix(vec4(0.0), d, lessThan(uvec4(0, 1, 2, 3) + before, uvec4(count)));
}

vec4 squares(Place at, uint k, Pack v, float mean) {
    const uint count = pack_count(at, k);
    const vec4 low = deviation(v.low, mean, 0, count);
    if (PACK == 4) return low * low;
    const vec4 high = deviation(v.high, mean, 4, count);
    return low * low + high * high;
}

float across(vec4 v) { return (v.x + v.y) + (v.z + v.w); }

// ---- the result -------------------------------------------------------------------------------------------------

void store_result(Place at, uint k, Pack v, Pack z, float mean, float scale) {
    const uint j = pack_start(at, k), present = pack_count(at, k), count = WHOLE ? PACK : present;
    if (present == 0 || !at.is_there) return;
    const Pack w = weight_get(j * weight_s0, weight_s0, count);
    Pack r = Pack((v.low - mean) * scale * w.low, (v.high - mean) * scale * w.high);
    if (bias_present) {
        const Pack add = bias_get(j * bias_s0, bias_s0, count);
        r = Pack(r.low + add.low, r.high + add.high);
    }
    if (z_present && NORM_FIRST) r = gated(r, z);
    y_put(at.b * y_s0 + at.row * y_s1 + j * y_s2, y_s2, count, r);
}

void normalise_kept(Place at) {
    fill(at);
    float mean = 0.0;
    if (LAYER) {
        vec4 sum = vec4(0.0);
        [[unroll]] for (uint k = 0; k < STEPS; ++k) sum += kept_value(k).low + kept_value(k).high;
        mean = team_sum(across(sum)) / float(GROUP_SIZE);
    }
    vec4 sum = vec4(0.0);
    [[unroll]] for (uint k = 0; k < STEPS; ++k) sum += squares(at, k, kept_value(k), mean);
    const float scale = inversesqrt(team_sum(across(sum)) / float(GROUP_SIZE) + EPS);
    [[unroll]] for (uint k = 0; k < STEPS; ++k) store_result(at, k, kept_value(k), kept_gate(k), mean, scale);
}

// ---- groups of more elements than registers hold: one at a time, read again in each pass ------------------------

// What the norm is taken of, at element j of the row.
float load_operand(Place at, uint j, bool last_pass) {
    float v = x_load(at.b * x_s0 + at.row * x_s1 + j * x_s2);
    if (residual_present) v += residual_load(at.b * residual_s0 + at.row * residual_s1 + j * residual_s2);
    if (last_pass && residual_out_present && at.is_there)
        residual_out_store(at.b * residual_out_s0 + at.row * residual_out_s1 + j * residual_out_s2, v);
    return v;
}

void normalise_in_passes(Place at) {
    float mean = 0.0, scale = 0.0;
    for (uint pass = LAYER ? 0 : 1; pass < 3; ++pass) {  // mean, variance, result
        float sum = 0.0;
        for (uint i = at.lane; i < GROUP_SIZE; i += LANES) {
            const uint j = at.first + i;
            // The gate is read before anything is stored, which may take its place.
            const float factor = z_present ? silu(z_load(at.b * z_s0 + at.row * z_s1 + j * z_s2)) : 1.0;
            const float v = load_operand(at, j, pass == 2) * (NORM_FIRST ? 1.0 : factor), d = v - mean;
            if (pass < 2) {
                sum += pass == 0 ? v : d * d;
                continue;
            }
            float r = d * scale * weight_load(j * weight_s0);
            if (bias_present) r += bias_load(j * bias_s0);
            if (at.is_there) y_store(at.b * y_s0 + at.row * y_s1 + j * y_s2, NORM_FIRST ? r * factor : r);
        }
        if (pass == 0) mean = team_sum(sum) / float(GROUP_SIZE);
        if (pass == 1) scale = inversesqrt(team_sum(sum) / float(GROUP_SIZE) + EPS);
    }
}

void main() {
    const Place at = my_place();
    if (KEEP)
        normalise_kept(at);
    else
        normalise_in_passes(at);
}

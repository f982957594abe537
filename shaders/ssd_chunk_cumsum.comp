#version 460
#extension GL_GOOGLE_include_directive : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
// For each token of each chunk and head: dt_out = the step dt', and dA_cumsum = the sum of dt' * A from the
// chunk's first token to this one, as two f32 (lib/two_float.glsl): the plane of high parts, then that of low parts.
// Past the chunk's last token dt' is 0 and the sum stays, so later stages need no mask there. Reference: stage 1 of arXiv:2405.21060, section 6.
//
// scalar: an invocation walks the tokens of one head; neighbours take neighbouring heads, whose dt lie
//         side by side. Grid: (heads / local size, chunks, batch).
// subgroup: a subgroup takes one head at a time, lane = token, with a carry from block to block. The
//         subgroups of a workgroup share SSD_CUMSUM_HEADS heads among them. Grid: (heads / SSD_CUMSUM_HEADS, chunks, batch).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"
#include "lib/two_float.glsl"

TENSOR(CUMSUM_DT, dt)
TENSOR(CUMSUM_A, A)
TENSOR(CUMSUM_DT_BIAS, dt_bias)
TENSOR(CUMSUM_TABLE, table)
TENSOR(CUMSUM_DT_OUT, dt_out)
TENSOR(CUMSUM_DA_CUMSUM, dA_cumsum)

#include "lib/ssd_chunk.glsl"

float load_step(uint b, uint token, uint h, float bias, float a) {
    return step_size(dt_load(b * dt_s0 + token * dt_s1 + h * dt_s2), bias, a);
}

// step * A as the start of a sum. What makes everything before vanish is kept finite, so that differences are.
TwoFloat term(float step, float a) { return TwoFloat(max(step * a, -1e30), 0.0); }

void store(uint b, uint h, uint c, uint i, float step, TwoFloat sum) {
    const uint at = b * dA_cumsum_s0 + h * dA_cumsum_s1 + c * dA_cumsum_s2 + i;
    dt_out_store(b * dt_out_s0 + h * dt_out_s1 + c * dt_out_s2 + i, step);
    dA_cumsum_store(at, sum.high);
    dA_cumsum_store(at + dA_cumsum_s3, sum.low);
}

float load_bias(uint h) { return dt_bias_present ? dt_bias_load(h * dt_bias_s0) : 0.0; }

#if SUBGROUP

TwoFloat subgroup_inclusive_sum(TwoFloat value) {
    for (uint step = 1; step < gl_SubgroupSize; step *= 2) {
        const uint lane = gl_SubgroupInvocationID, from = lane >= step ? lane - step : lane;
        const TwoFloat before = TwoFloat(subgroupShuffle(value.high, from), subgroupShuffle(value.low, from));
        if (lane >= step) value = add(before, value);
    }
    return value;
}

void cumsum_of_head(Chunk chunk, uint b, uint c, uint h) {
    const float a = A_load(h * A_s0), bias = load_bias(h);
    TwoFloat carry = TwoFloat(0.0, 0.0);
    for (uint block = 0; block < CHUNK_SIZE; block += gl_SubgroupSize) {
        const uint i = block + gl_SubgroupInvocationID;
        float step = 0.0;
        if (i < chunk.count) step = load_step(b, chunk.first + i, h, bias, a);
        const TwoFloat sum = add(carry, subgroup_inclusive_sum(term(step, a)));
        if (i < CHUNK_SIZE) store(b, h, c, i, step, sum);
        carry = TwoFloat(subgroupShuffle(sum.high, gl_SubgroupSize - 1), subgroupShuffle(sum.low, gl_SubgroupSize - 1));
    }
}

void main() {
    const uint c = gl_WorkGroupID.y, b = gl_WorkGroupID.z, heads = push.header[HEADER_HEADS];
    const Chunk chunk = get_chunk(b, c);
    const uint first = gl_WorkGroupID.x * SSD_CUMSUM_HEADS;
    // The clamp only matters to software drivers, which read uniform addresses even where no lane is active.
    for (uint h = first + gl_SubgroupID; h < min(first + SSD_CUMSUM_HEADS, heads); h += gl_NumSubgroups)
        cumsum_of_head(chunk, b, c, min(h, heads - 1));
}

#else

void main() {
    const uint h = gl_GlobalInvocationID.x, c = gl_WorkGroupID.y, b = gl_WorkGroupID.z;
    if (h >= push.header[HEADER_HEADS]) return;
    const Chunk chunk = get_chunk(b, c);
    const float a = A_load(h * A_s0), bias = load_bias(h);
    TwoFloat sum = TwoFloat(0.0, 0.0);
    for (uint i = 0; i < CHUNK_SIZE; ++i) {
        float step = 0.0;
        if (i < chunk.count) step = load_step(b, chunk.first + i, h, bias, a);
        sum = add(sum, term(step, a));
        store(b, h, c, i, step, sum);
    }
}

#endif

#version 460
#extension GL_GOOGLE_include_directive : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
// For each token of each chunk and head: dt_out = the step dt', and dA_cumsum = the sum of dt' * A from the
// chunk's first token to this one. Past the chunk's last token dt' is 0 and the sum stays, so later stages
// need no mask there. Reference: stage 1 of arXiv:2405.21060, section 6.
//
// scalar: an invocation walks the tokens of one head; neighbours take neighbouring heads, whose dt lie
//         side by side. Grid: (heads / local size, chunks, batch).
// subgroup: a subgroup takes one head at a time, lane = token, with a carry from block to block. The
//         subgroups of a workgroup share HEADS heads among them. Grid: (heads / HEADS, chunks, batch).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"

TENSOR(CUMSUM_DT, dt)
TENSOR(CUMSUM_A, A)
TENSOR(CUMSUM_DT_BIAS, dt_bias)
TENSOR(CUMSUM_TABLE, table)
TENSOR(CUMSUM_DT_OUT, dt_out)
TENSOR(CUMSUM_DA_CUMSUM, dA_cumsum)

#include "lib/ssd_chunk.glsl"

// A row with more sequences than the tables hold cannot be right: its results become NaN, not plausible.
float poison(uint b) {
    const bool overflow = PACKING == PACKING_SEQ_IDX && table_load_int(b * table_s0 + TABLE_OVERFLOW) != 0;
    return overflow ? uintBitsToFloat(0x7fc00000u) : 1.0;
}

float load_step(uint b, uint token, uint h, float bias, float factor) {
    return factor * step_size(dt_load(b * dt_s0 + token * dt_s1 + h * dt_s2), bias);
}

void store(uint b, uint h, uint c, uint i, float step, float sum) {
    dt_out_store(b * dt_out_s0 + h * dt_out_s1 + c * dt_out_s2 + i, step);
    dA_cumsum_store(b * dA_cumsum_s0 + h * dA_cumsum_s1 + c * dA_cumsum_s2 + i, sum);
}

float load_bias(uint h) { return dt_bias_present ? dt_bias_load(h * dt_bias_s0) : 0.0; }

#if SUBGROUP

const uint HEADS = 8;

void cumsum_of_head(Chunk chunk, uint b, uint c, uint h, float factor) {
    const float a = A_load(h * A_s0), bias = load_bias(h);
    float carry = 0.0;
    for (uint block = 0; block < CHUNK_SIZE; block += gl_SubgroupSize) {
        const uint i = block + gl_SubgroupInvocationID;
        float step = 0.0;
        if (i < chunk.count) step = load_step(b, chunk.first + i, h, bias, factor);
        const float sum = carry + subgroupInclusiveAdd(step * a);
        if (i < CHUNK_SIZE) store(b, h, c, i, step, sum);
        carry = subgroupShuffle(sum, gl_SubgroupSize - 1);
    }
}

void main() {
    const uint c = gl_WorkGroupID.y, b = gl_WorkGroupID.z, heads = push.header[HEADER_HEADS];
    const Chunk chunk = get_chunk(b, c);
    const float factor = poison(b);
    const uint first = gl_WorkGroupID.x * HEADS;
    // The clamp only matters to software drivers, which read uniform addresses even where no lane is active.
    for (uint h = first + gl_SubgroupID; h < min(first + HEADS, heads); h += gl_NumSubgroups)
        cumsum_of_head(chunk, b, c, min(h, heads - 1), factor);
}

#else

void main() {
    const uint h = gl_GlobalInvocationID.x, c = gl_WorkGroupID.y, b = gl_WorkGroupID.z;
    if (h >= push.header[HEADER_HEADS]) return;
    const Chunk chunk = get_chunk(b, c);
    const float a = A_load(h * A_s0), bias = load_bias(h), factor = poison(b);
    float sum = 0.0;
    for (uint i = 0; i < CHUNK_SIZE; ++i) {
        float step = 0.0;
        if (i < chunk.count) step = load_step(b, chunk.first + i, h, bias, factor);
        sum += step * a;
        store(b, h, c, i, step, sum);
    }
}

#endif

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
// The recurrence itself, token by token with the state in registers (see ops/ssd_scan.h for the equation).
//
// LANES neighbouring invocations share ROWS rows of the state (lib/ssd_recurrent.glsl), so that B and C are read side by side
// and each value serves ROWS rows. What differs per token but not per row (step and decay) is computed once for BLOCK
// tokens by the workgroup, in shared memory.
//
// Products are added with fma(), spelled out, and sums are `precise`: left to the compiler, they could be contracted or
// regrouped in one way in one pipeline and otherwise in the next (seen on NVIDIA), and packed sequences would differ from
// lone ones in their last bits.
//
// y needs a sum over the LANES invocations: by shuffles (subgroup), or for a block of tokens at once through
// shared memory (scalar).
// Grid: (headdim / rows of a workgroup, heads, batch or, with cu_seqlens, sequences).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"

layout(constant_id = SPEC_SSD_LANES) const uint LANES = 8;
layout(constant_id = SPEC_SSD_ROWS) const uint ROWS = 2;
layout(constant_id = SPEC_SSD_COLUMNS) const uint COLUMNS = 16;
#include "lib/ssd_recurrent.glsl"

TENSOR(RECURRENT_DT, dt)
TENSOR(RECURRENT_A, A)
TENSOR(RECURRENT_DT_BIAS, dt_bias)

const uint BLOCK = SSD_RECURRENT_BLOCK;  // tokens
const uint ROWS_OF_GROUP = gl_WorkGroupSize.x / LANES * ROWS;

shared float step_of[BLOCK];
shared float decay_of[BLOCK];
shared uint restart_of[BLOCK];
#if !SUBGROUP
shared float partial[BLOCK * ROWS_OF_GROUP * LANES];
#endif

// Step, decay and restart of BLOCK tokens from `block` on, by the first invocations of the workgroup.
void prepare_block(Place at, uint block, float a, float bias) {
    barrier();  // the block before has been used
    for (uint i = gl_LocalInvocationID.x; i < BLOCK; i += gl_WorkGroupSize.x) {
        const uint token = block + i;
        if (token >= at.count) continue;
        const float step = step_size(dt_load(at.b * dt_s0 + (at.first + token) * dt_s1 + at.h * dt_s2), bias, a);
        step_of[i] = step;
        precise float exponent = step * a;
        decay_of[i] = decay(exponent);
        restart_of[i] = 0;
        if (PACKING == PACKING_SEQ_IDX && token > 0)
            restart_of[i] = seq_load_int(at.b * seq_s0 + token * seq_s1) != seq_load_int(at.b * seq_s0 + (token - 1) * seq_s1) ? 1 : 0;
    }
    barrier();  // the block is complete
}

// One token: S = decay * S + step * x B^T, and this lane's share of S C.
void advance(Place at, uint i, uint token, out float sums[ROWS]) {
    const uint base_B = at.b * B_s0 + token * B_s1 + at.g * B_s2, base_C = at.b * C_s0 + token * C_s1 + at.g * C_s2;
    const float keep = decay_of[i];
    precise float scaled[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const uint p = min(at.row + r, HEADDIM - 1);
        scaled[r] = step_of[i] * x_load(at.b * x_s0 + token * x_s1 + at.h * x_s2 + p * x_s3);
        sums[r] = 0.0;
    }
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
        const uint n = at.lane + j * LANES;
        const bool inside = n < DSTATE;
        const float b_n = inside ? B_load(base_B + n * B_s3) : 0.0;
        const float c_n = inside ? C_load(base_C + n * C_s3) : 0.0;
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            precise float added = scaled[r] * b_n;
            state[r * COLUMNS + j] = fma(state[r * COLUMNS + j], keep, added);
            sums[r] = fma(state[r * COLUMNS + j], c_n, sums[r]);
        }
    }
}

#if SUBGROUP

void finish_token(Place at, uint i, uint token, float sums[ROWS]) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        precise float sum = sums[r];
        for (uint mask = LANES / 2; mask > 0; mask /= 2) sum += subgroupShuffleXor(sum, mask);
        if (at.lane == 0) store_y(at, token, at.row + r, sum);
    }
}

void finish_block(Place at, uint block, uint count) {}

#else

void finish_token(Place at, uint i, uint token, float sums[ROWS]) {
    const uint row_in_group = gl_LocalInvocationID.x / LANES * ROWS;
    [[unroll]] for (uint r = 0; r < ROWS; ++r)
        partial[(i * ROWS_OF_GROUP + row_in_group + r) * LANES + at.lane] = sums[r];
}

void finish_block(Place at, uint block, uint count) {
    barrier();  // partial is complete; it is read before the barrier that begins the next block
    for (uint out_index = gl_LocalInvocationID.x; out_index < count * ROWS_OF_GROUP; out_index += gl_WorkGroupSize.x) {
        precise float sum = 0.0;
        for (uint k = 0; k < LANES; ++k) sum += partial[out_index * LANES + k];
        const uint i = out_index / ROWS_OF_GROUP, row = out_index % ROWS_OF_GROUP;
        store_y(at, at.first + block + i, gl_WorkGroupID.x * ROWS_OF_GROUP + row, sum);
    }
}

#endif

void main() {
    const Place at = my_place();
    const float a = A_load(at.h * A_s0), bias = dt_bias_present ? dt_bias_load(at.h * dt_bias_s0) : 0.0;
    load_initial(at);
    for (uint block = 0; block < at.count; block += BLOCK) {
        if (states_present && block % CHUNK_SIZE == 0) store_chunk(at, block / CHUNK_SIZE);
        prepare_block(at, block, a, bias);
        const uint count = min(BLOCK, at.count - block);
        for (uint i = 0; i < count; ++i) {
            // Software drivers read uniform addresses even where no lane is active, so past the loop's end: stay inside.
            const uint token = at.first + min(block + i, at.count - 1);
            float sums[ROWS];
            if (PACKING == PACKING_SEQ_IDX && restart_of[min(i, BLOCK - 1)] != 0) forget();
            advance(at, min(i, BLOCK - 1), token, sums);
            finish_token(at, min(i, BLOCK - 1), token, sums);
        }
        finish_block(at, block, count);
    }
    if (final_states_present) store_final(at);
}

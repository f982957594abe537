#version 460
#extension GL_GOOGLE_include_directive : require
// y[t,p] = exp(dA_cumsum[t]) * sum over n of C[t,n] * S[p,n]                                       (phase 0)
//        + sum over s <= t of CB[t,s] * exp(dA_cumsum[t] - dA_cumsum[s]) * dt'[s] * x[s,p]         (phase 1)
//        + D * x[t,p],  times silu(z[t,p]),
// with S the state that enters the chunk. Reference: arXiv:2405.21060, section 6, steps 1 and 4.
//
// A workgroup computes one tile of one head. Grid: (tiles along t x tiles along p, chunks, batch * heads).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"
#include "lib/two_float.glsl"

TENSOR(SCAN_X, x)
TENSOR(SCAN_C, C)
TENSOR(SCAN_CB, CB)
TENSOR(SCAN_TABLE, table)
TENSOR(SCAN_DT, dt)
TENSOR(SCAN_DA_CUMSUM, dA_cumsum)
TENSOR(SCAN_STATES, states)
TENSOR(SCAN_D, D)
TENSOR(SCAN_Z, z)
TENSOR(SCAN_Y, y)

#include "lib/ssd_chunk.glsl"

const uint FROM_STATE = 0, WITHIN_CHUNK = 1;

#define A_K_FASTEST true
bool b_col_fastest(uint phase) { return phase == WITHIN_CHUNK; }
bool a_is_exact(uint phase) { return phase == FROM_STATE; }
bool b_is_exact(uint phase) { return phase == WITHIN_CHUNK; }

shared float step_of[CHUNK_SIZE];
shared float sum_high[CHUNK_SIZE];  // dA_cumsum
shared float sum_low[CHUNK_SIZE];

uint base_x, base_C, base_CB, base_states, base_z, base_y, head, count;
bool overflow;

TwoFloat sum_of(uint t) { return TwoFloat(sum_high[t], sum_low[t]); }

float operand_a(uint phase, uint t, uint k) {
    if (t >= count) return 0.0;
    if (phase == FROM_STATE) return k < DSTATE ? C_load(base_C + t * C_s1 + k * C_s3) : 0.0;
    return k <= t ? CB_load(base_CB + t * CB_s3 + k) * decay(difference(sum_of(t), sum_of(k))) * step_of[k] : 0.0;
}

float operand_b(uint phase, uint k, uint p) {
    if (p >= HEADDIM) return 0.0;
    if (phase == FROM_STATE) return k < DSTATE ? states_load(base_states + p * states_s3 + k * states_s4) : 0.0;
    return k < count ? x_load(base_x + k * x_s1 + p * x_s3) : 0.0;
}

// An upper bound of the computed operand, for those who must keep it within 16 bits.
float magnitude(uint phase, uint index, uint k) {
    if (phase == FROM_STATE) return abs(operand_b(phase, k, index));
    return index < count && k <= index ? abs(CB_load(base_CB + index * CB_s3 + k)) * step_of[k] : 0.0;
}

float row_scale(uint t) { return t < count ? decay(sum_high[t] + sum_low[t]) : 0.0; }

void result(uint t, uint p, float value) {
    if (t >= count || p >= HEADDIM) return;
    float out_value = value;
    if (D_present) out_value = fma(D_load(head * D_s0 + p * D_s1), x_load(base_x + t * x_s1 + p * x_s3), out_value);
    if (z_present) out_value *= silu(z_load(base_z + t * z_s1 + p * z_s3));
    y_store(base_y + t * y_s1 + p * y_s3, overflow ? NOT_A_NUMBER : out_value);
}

#include "lib/product.glsl"

void main() {
    const uint heads = push.header[HEADER_HEADS];
    const uint c = gl_WorkGroupID.y, b = gl_WorkGroupID.z / heads;
    head = gl_WorkGroupID.z % heads;
    const Chunk chunk = get_chunk(b, c);
    const uint tiles = (HEADDIM + TILE_N - 1) / TILE_N;
    const uint t0 = gl_WorkGroupID.x / tiles * TILE_M, p0 = gl_WorkGroupID.x % tiles * TILE_N;
    if (t0 >= chunk.count) return;
    count = chunk.count;
    const uint base_dt = b * dt_s0 + head * dt_s1 + c * dt_s2, base_sum = b * dA_cumsum_s0 + head * dA_cumsum_s1 + c * dA_cumsum_s2;
    for (uint s = gl_LocalInvocationID.x; s < CHUNK_SIZE; s += gl_WorkGroupSize.x) {
        step_of[s] = dt_load(base_dt + s);
        sum_high[s] = dA_cumsum_load(base_sum + s);
        sum_low[s] = dA_cumsum_load(base_sum + s + dA_cumsum_s3);
    }
    barrier();  // step_of and the sums are complete
    overflow = has_overflow(b);
    base_x = b * x_s0 + chunk.first * x_s1 + head * x_s2;
    base_C = b * C_s0 + chunk.first * C_s1 + head / HEADS_PER_GROUP * C_s2;
    base_CB = b * CB_s0 + c * CB_s1 + head / HEADS_PER_GROUP * CB_s2;
    base_states = b * states_s0 + c * states_s1 + head * states_s2;
    base_z = b * z_s0 + chunk.first * z_s1 + head * z_s2;
    base_y = b * y_s0 + chunk.first * y_s1 + head * y_s2;
    clear_product();
    accumulate(FROM_STATE, t0, p0, DSTATE);
    scale_rows(t0);
    accumulate(WITHIN_CHUNK, t0, p0, min(count, t0 + TILE_M));
    finish_product(t0, p0);
}

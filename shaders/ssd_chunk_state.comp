#version 460
#extension GL_GOOGLE_include_directive : require
// states[p,n] = sum over the tokens s of a chunk of x[s,p] * dt'[s] * exp(dA_cumsum[last] - dA_cumsum[s]) * B[s,n]:
// what the chunk alone adds to the state at its end. Reference: arXiv:2405.21060, section 6, step 2.
//
// A workgroup computes one tile of one head. Grid: (tiles along p x tiles along n, chunks, batch * heads).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"
#include "lib/two_float.glsl"

TENSOR(STATE_X, x)
TENSOR(STATE_B, B)
TENSOR(STATE_TABLE, table)
TENSOR(STATE_DT, dt)
TENSOR(STATE_DA_CUMSUM, dA_cumsum)
TENSOR(STATE_STATES, states)

#include "lib/ssd_chunk.glsl"

#define A_K_FASTEST false
bool b_col_fastest(uint phase) { return true; }
bool a_is_exact(uint phase) { return false; }
bool b_is_exact(uint phase) { return true; }

shared float weight[CHUNK_SIZE];  // of each token: step and decay to the chunk's end

uint base_x, base_B, base_states, count;

float operand_a(uint phase, uint p, uint s) { return s < count && p < HEADDIM ? x_load(base_x + s * x_s1 + p * x_s3) * weight[s] : 0.0; }
float operand_b(uint phase, uint s, uint n) { return s < count && n < DSTATE ? B_load(base_B + s * B_s1 + n * B_s3) : 0.0; }
float magnitude(uint phase, uint p, uint s) { return abs(operand_a(phase, p, s)); }
float row_scale(uint p) { return 1.0; }
void result(uint p, uint n, float value) {
    if (p < HEADDIM && n < DSTATE) states_store(base_states + p * states_s3 + n * states_s4, value);
}

#include "lib/product.glsl"

TwoFloat load_sum(uint at) { return TwoFloat(dA_cumsum_load(at), dA_cumsum_load(at + dA_cumsum_s3)); }

void main() {
    const uint heads = push.header[HEADER_HEADS];
    const uint c = gl_WorkGroupID.y, b = gl_WorkGroupID.z / heads, h = gl_WorkGroupID.z % heads;
    const Chunk chunk = get_chunk(b, c);
    const uint tiles = (DSTATE + TILE_N - 1) / TILE_N;
    const uint p0 = gl_WorkGroupID.x / tiles * TILE_M, n0 = gl_WorkGroupID.x % tiles * TILE_N;
    if (chunk.count == 0) return;
    count = chunk.count;
    const uint base_dt = b * dt_s0 + h * dt_s1 + c * dt_s2, base_sum = b * dA_cumsum_s0 + h * dA_cumsum_s1 + c * dA_cumsum_s2;
    const TwoFloat total = load_sum(base_sum + CHUNK_SIZE - 1);
    for (uint s = gl_LocalInvocationID.x; s < CHUNK_SIZE; s += gl_WorkGroupSize.x)
        weight[s] = dt_load(base_dt + s) * decay(difference(total, load_sum(base_sum + s)));
    base_x = b * x_s0 + chunk.first * x_s1 + h * x_s2;
    base_B = b * B_s0 + chunk.first * B_s1 + h / HEADS_PER_GROUP * B_s2;
    base_states = b * states_s0 + c * states_s1 + h * states_s2;
    clear_product();
    accumulate(0, p0, n0, count);  // begins with a barrier, so weight is complete
    finish_product(p0, n0);
}

#version 460
#extension GL_GOOGLE_include_directive : require
// CB[t,s] = sum over n of C[t,n] * B[s,n], for the tokens t >= s of each chunk, once for each group (heads
// share it). Tiles that lie wholly above the diagonal are left out, and nobody reads them.
// Reference: arXiv:2405.21060, section 6, the C B^T of the intra-chunk term.
//
// A workgroup computes one tile. Grid: (tiles along t x tiles along s, chunks, batch * groups).
#include "lib/ssd.glsl"

TENSOR(BMM_B, B)
TENSOR(BMM_C, C)
TENSOR(BMM_TABLE, table)
TENSOR(BMM_CB, CB)

#include "lib/ssd_chunk.glsl"

layout(constant_id = SPEC_SSD_GROUPS) const uint GROUPS = 1;  // in this dispatch

#define A_K_FASTEST true
bool b_col_fastest(uint phase) { return false; }
bool a_is_exact(uint phase) { return true; }
bool b_is_exact(uint phase) { return true; }

uint base_B, base_C, base_CB, count;

float operand_a(uint phase, uint t, uint n) { return t < count && n < DSTATE ? C_load(base_C + t * C_s1 + n * C_s3) : 0.0; }
float operand_b(uint phase, uint n, uint s) { return s < count && n < DSTATE ? B_load(base_B + s * B_s1 + n * B_s3) : 0.0; }
float magnitude(uint phase, uint index, uint k) { return 1.0; }
float row_scale(uint t) { return 1.0; }
void result(uint t, uint s, float value) {
    if (t < count && s < count) CB_store(base_CB + t * CB_s3 + s, value);
}

#include "lib/product.glsl"

void main() {
    const uint c = gl_WorkGroupID.y, b = gl_WorkGroupID.z / GROUPS, g = gl_WorkGroupID.z % GROUPS;
    const Chunk chunk = get_chunk(b, c);
    const uint tiles = (CHUNK_SIZE + TILE_N - 1) / TILE_N;
    const uint t0 = gl_WorkGroupID.x / tiles * TILE_M, s0 = gl_WorkGroupID.x % tiles * TILE_N;
    if (s0 >= t0 + TILE_M || t0 >= chunk.count || s0 >= chunk.count) return;
    count = chunk.count;
    base_B = b * B_s0 + chunk.first * B_s1 + g * B_s2;
    base_C = b * C_s0 + chunk.first * C_s1 + g * C_s2;
    base_CB = b * CB_s0 + c * CB_s1 + g * CB_s2;
    clear_product();
    accumulate(0, t0, s0, DSTATE);
    finish_product(t0, s0);
}

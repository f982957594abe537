#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// y = x weight^T + bias in f32, for devices without cooperative matrices and for f32 inputs.
//
// A workgroup computes TILE_M x TILE_N results, operands passing through shared memory in steps of TILE_K. A lane has
// LANE_ROWS neighbouring rows, and LANE_COLS columns that lie LANES_ACROSS apart: so lanes side by side read rows of shared memory
// that are side by side. Results pass through shared memory too, so that they are stored eight at a time.
// Grid: (tiles of rows, tiles of out_features, batch).
//
// Past the last row or column the last one is loaded again, and not stored. Past in_features there are zeros.
#include "lib/linear.glsl"

layout(constant_id = SPEC_LINEAR_LANE_ROWS) const uint LANE_ROWS = 4;
layout(constant_id = SPEC_LINEAR_LANE_COLS) const uint LANE_COLS = 8;

const uint TILE_K = LINEAR_TILE_K;
const uint ACROSS = LINEAR_LANES_ACROSS;
const uint TILE_M = gl_WorkGroupSize.x / ACROSS * LANE_ROWS;
const uint TILE_N = ACROSS * LANE_COLS;
const uint PITCH = TILE_K + 4;  // of a row of operands: an odd number of 16 bytes, against bank conflicts
const uint OPERANDS = (TILE_M + TILE_N) * PITCH, RESULTS = TILE_M * TILE_N;

// Rows of x, then rows of the weight; in the end results.
shared float tiles[OPERANDS > RESULTS ? OPERANDS : RESULTS];

float sums[LANE_ROWS * LANE_COLS];

uint row0, col0;

vec4 tile_get4(uint i) { return vec4(tiles[i], tiles[i + 1], tiles[i + 2], tiles[i + 3]); }

void tile_put4(uint i, vec4 v) {
    tiles[i] = v.x;
    tiles[i + 1] = v.y;
    tiles[i + 2] = v.z;
    tiles[i + 3] = v.w;
}

void put_operands(uint row, uint k, Pack p) {
    tile_put4(row * PITCH + k, p.low);
    tile_put4(row * PITCH + k + 4, p.high);
}

// Packs are taken of the units that they lie in: a lane of q4 uses a quarter of what it loads, and its neighbours the rest.
void load_tiles(uint k0) {
    const uint packs = TILE_K / 8;
    for (uint i = gl_LocalInvocationID.x; i < TILE_M * packs; i += gl_WorkGroupSize.x) {
        const uint row = min(row0 + i / packs, push.header[HEADER_TOKENS] - 1), k = k0 + i % packs * 8;
        Pack p = zero_pack();
        if (k < IN) p = x_get(gl_WorkGroupID.z * x_s0 + row * x_s1 + k, 1, min(IN - k, 8));
        put_operands(i / packs, i % packs * 8, p);
    }
    for (uint i = gl_LocalInvocationID.x; i < TILE_N * packs; i += gl_WorkGroupSize.x) {
        const uint row = min(col0 + i / packs, push.header[HEADER_OUTS] - 1), k = k0 + i % packs * 8;
        put_operands(TILE_M + i / packs, i % packs * 8, weight_pack(weight_unit_part(row, k / UNIT * UNIT), k % UNIT / 8));
    }
}

void multiply(uint lane_row, uint lane_col) {
    for (uint k = 0; k < TILE_K; k += 4) {
        vec4 a[LANE_ROWS];
        [[unroll]] for (uint i = 0; i < LANE_ROWS; ++i) a[i] = tile_get4((lane_row + i) * PITCH + k);
        [[unroll]] for (uint j = 0; j < LANE_COLS; ++j) {
            const vec4 b = tile_get4((TILE_M + lane_col + j * ACROSS) * PITCH + k);
            [[unroll]] for (uint i = 0; i < LANE_ROWS; ++i) {
                const float sum = sums[i * LANE_COLS + j];
                sums[i * LANE_COLS + j] = fma(a[i].x, b.x, fma(a[i].y, b.y, fma(a[i].z, b.z, fma(a[i].w, b.w, sum))));
            }
        }
    }
}

void store_sums(uint lane_row, uint lane_col) {
    barrier();  // the operands have been read
    [[unroll]] for (uint i = 0; i < LANE_ROWS; ++i)
        [[unroll]] for (uint j = 0; j < LANE_COLS; ++j)
            tiles[(lane_row + i) * TILE_N + lane_col + j * ACROSS] = sums[i * LANE_COLS + j];
    barrier();  // the results are complete
    for (uint i = gl_LocalInvocationID.x; i < RESULTS / 8; i += gl_WorkGroupSize.x) {
        const uint row = row0 + i / (TILE_N / 8), col = col0 + i % (TILE_N / 8) * 8;
        if (row >= push.header[HEADER_TOKENS]) continue;
        store_results(gl_WorkGroupID.z, row, col, Pack(tile_get4(i * 8), tile_get4(i * 8 + 4)));
    }
}

void main() {
    row0 = gl_WorkGroupID.x * TILE_M;
    col0 = gl_WorkGroupID.y * TILE_N;
    const uint lane_row = gl_LocalInvocationID.x / ACROSS * LANE_ROWS, lane_col = gl_LocalInvocationID.x % ACROSS;
    [[unroll]] for (uint i = 0; i < LANE_ROWS * LANE_COLS; ++i) sums[i] = 0.0;
    for (uint k0 = 0; k0 < IN; k0 += TILE_K) {
        barrier();  // the step before has been read
        load_tiles(k0);
        barrier();  // the step is complete
        multiply(lane_row, lane_col);
    }
    store_sums(lane_row, lane_col);
}

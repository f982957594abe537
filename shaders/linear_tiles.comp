#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// y = x weight^T + bias in f32, for devices without cooperative matrices and for f32 inputs.
//
// A workgroup computes TILE_M x TILE_N results, operands passing through shared memory in steps of TILE_K. A lane has
// LANE_ROWS neighbouring rows, and LANE_COLS columns that lie LANES_ACROSS apart: so lanes side by side read rows of shared memory
// that are side by side, and store results that are.
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
const uint PITCH = TILE_K / 4 + 1;  // of a row, in vec4: odd, against bank conflicts

shared vec4 tile_x[TILE_M * PITCH];
shared vec4 tile_w[TILE_N * PITCH];

uint row0, col0;

// Packs are taken of the units that they lie in: a lane of q4 uses a quarter of what it loads, and its neighbours the rest.
void load_tiles(uint k0) {
    const uint packs = TILE_K / 8;
    for (uint i = gl_LocalInvocationID.x; i < TILE_M * packs; i += gl_WorkGroupSize.x) {
        const uint row = min(row0 + i / packs, push.header[HEADER_TOKENS] - 1), k = k0 + i % packs * 8;
        Pack p = zero_pack();
        if (k < IN) p = x_get(gl_WorkGroupID.z * x_s0 + row * x_s1 + k, 1, min(IN - k, 8));
        const uint at = i / packs * PITCH + i % packs * 2;
        tile_x[at] = p.low;
        tile_x[at + 1] = p.high;
    }
    for (uint i = gl_LocalInvocationID.x; i < TILE_N * packs; i += gl_WorkGroupSize.x) {
        const uint row = min(col0 + i / packs, push.header[HEADER_OUTS] - 1), k = k0 + i % packs * 8;
        const Pack p = weight_pack(weight_unit_part(row, k / UNIT * UNIT), k % UNIT / 8);
        const uint at = i / packs * PITCH + i % packs * 2;
        tile_w[at] = p.low;
        tile_w[at + 1] = p.high;
    }
}

void main() {
    row0 = gl_WorkGroupID.x * TILE_M;
    col0 = gl_WorkGroupID.y * TILE_N;
    const uint lane_row = gl_LocalInvocationID.x / ACROSS * LANE_ROWS, lane_col = gl_LocalInvocationID.x % ACROSS;
    float sums[LANE_ROWS * LANE_COLS];
    [[unroll]] for (uint i = 0; i < LANE_ROWS * LANE_COLS; ++i) sums[i] = 0.0;
    for (uint k0 = 0; k0 < IN; k0 += TILE_K) {
        barrier();  // the step before has been read
        load_tiles(k0);
        barrier();  // the step is complete
        for (uint k = 0; k < TILE_K / 4; ++k) {
            vec4 a[LANE_ROWS];
            [[unroll]] for (uint i = 0; i < LANE_ROWS; ++i) a[i] = tile_x[(lane_row + i) * PITCH + k];
            [[unroll]] for (uint j = 0; j < LANE_COLS; ++j) {
                const vec4 b = tile_w[(lane_col + j * ACROSS) * PITCH + k];
                [[unroll]] for (uint i = 0; i < LANE_ROWS; ++i) {
                    const float sum = sums[i * LANE_COLS + j];
                    sums[i * LANE_COLS + j] = fma(a[i].x, b.x, fma(a[i].y, b.y, fma(a[i].z, b.z, fma(a[i].w, b.w, sum))));
                }
            }
        }
    }
    const uint outs = push.header[HEADER_OUTS];
    [[unroll]] for (uint i = 0; i < LANE_ROWS; ++i) {
        const uint row = row0 + lane_row + i;
        [[unroll]] for (uint j = 0; j < LANE_COLS; ++j) {
            const uint o = col0 + lane_col + j * ACROSS;
            if (row >= push.header[HEADER_TOKENS] || o >= outs) continue;
            const float add = bias_present ? bias_load(o * bias_s0) : 0.0;
            y_store(gl_WorkGroupID.z * y_s0 + row * y_s1 + o, sums[i * LANE_COLS + j] + add);
        }
    }
}

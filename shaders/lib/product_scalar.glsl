// A tile of a matrix product, in f32, for devices without cooperative matrices.
//
// The workgroup owns TILE_M x TILE_N results, an invocation 4 x 4 of them in registers; the operands pass
// through shared memory in steps of TILE_K:
//
//             TILE_N                 The stage supplies (phase is a constant, for stages of two products):
//           +--------+ TILE_K          float operand_a(uint phase, uint row, uint k)   0 outside
//           | tile_b |                 float operand_b(uint phase, uint k, uint col)   0 outside
//   TILE_K  +--------+                 float row_scale(uint row)
//  +------+ +--------+                 void result(uint row, uint col, float value)
//  |tile_a| | 4x4 an |               and A_K_FASTEST, b_col_fastest(phase): which index neighbours in memory have.
//  |      | | invoc. | TILE_M
//  +------+ +--------+
layout(constant_id = SPEC_TILE_M) const uint TILE_M = 32;
layout(constant_id = SPEC_TILE_N) const uint TILE_N = 32;
layout(constant_id = SPEC_TILE_K) const uint TILE_K = 16;

shared float tile_a[TILE_K * TILE_M];
shared float tile_b[TILE_K * TILE_N];

vec4 accumulator[4];  // [row][column] of this invocation's results

uint my_row() { return gl_LocalInvocationID.x / (TILE_N / 4) * 4; }
uint my_col() { return gl_LocalInvocationID.x % (TILE_N / 4) * 4; }

void load_tiles(uint phase, uint row0, uint col0, uint k0) {
    for (uint i = gl_LocalInvocationID.x; i < TILE_M * TILE_K; i += gl_WorkGroupSize.x) {
        const uint row = A_K_FASTEST ? i / TILE_K : i % TILE_M, k = A_K_FASTEST ? i % TILE_K : i / TILE_M;
        tile_a[k * TILE_M + row] = operand_a(phase, row0 + row, k0 + k);
    }
    for (uint i = gl_LocalInvocationID.x; i < TILE_N * TILE_K; i += gl_WorkGroupSize.x) {
        const uint col = b_col_fastest(phase) ? i % TILE_N : i / TILE_K, k = b_col_fastest(phase) ? i / TILE_N : i % TILE_K;
        tile_b[k * TILE_N + col] = operand_b(phase, k0 + k, col0 + col);
    }
}

void clear_product() {
    for (uint i = 0; i < 4; ++i) accumulator[i] = vec4(0.0);
}

// results += A * B over k in [0, k_end).
void accumulate(uint phase, uint row0, uint col0, uint k_end) {
    const uint row = my_row(), col = my_col();
    for (uint k0 = 0; k0 < k_end; k0 += TILE_K) {
        barrier();  // the tiles of the step before have been read
        load_tiles(phase, row0, col0, k0);
        barrier();  // the tiles are complete
        for (uint k = 0; k < TILE_K; ++k) {
            const uint a = k * TILE_M + row, b = k * TILE_N + col;
            const vec4 right = vec4(tile_b[b], tile_b[b + 1], tile_b[b + 2], tile_b[b + 3]);
            accumulator[0] = fma(vec4(tile_a[a]), right, accumulator[0]);
            accumulator[1] = fma(vec4(tile_a[a + 1]), right, accumulator[1]);
            accumulator[2] = fma(vec4(tile_a[a + 2]), right, accumulator[2]);
            accumulator[3] = fma(vec4(tile_a[a + 3]), right, accumulator[3]);
        }
    }
}

// Multiplies every result by row_scale of its row.
void scale_rows(uint row0) {
    for (uint i = 0; i < 4; ++i) accumulator[i] *= row_scale(row0 + my_row() + i);
}

void finish_product(uint row0, uint col0) {
    const uint row = row0 + my_row(), col = col0 + my_col();
    for (uint i = 0; i < 4; ++i) {
        result(row + i, col, accumulator[i].x);
        result(row + i, col + 1, accumulator[i].y);
        result(row + i, col + 2, accumulator[i].z);
        result(row + i, col + 3, accumulator[i].w);
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
// y = x weight^T + bias through cooperative matrices. x is of the matrices' type; weights of another are converted to it.
//
//              TILE_N                A workgroup computes TILE_M x TILE_N results: SUBS_M x SUBS_N subgroups, each with
//            +--------+ TILE_K       MATS_M x MATS_N accumulators of the device's shape. Operands pass through shared memory
//            | weight |              in steps of TILE_K, rows of either with k running along them. Loads of the next step
//    TILE_K  +--------+              are under way while a step is multiplied.
//   +------+ +--------+
//   |  x   | | sums   | TILE_M       Grid: (tiles of rows, tiles of out_features, batch).
//   +------+ +--------+
//
// Past the last row or column the last one is loaded again, and not stored. Past in_features there are zeros.
#include "lib/matrix.glsl"
#include "lib/linear.glsl"

layout(constant_id = SPEC_SUBGROUP_SIZE) const uint SUBGROUP_SIZE = 32;
layout(constant_id = SPEC_LINEAR_SUBS_M) const uint SUBS_M = 2;
layout(constant_id = SPEC_LINEAR_SUBS_N) const uint SUBS_N = 2;
layout(constant_id = SPEC_LINEAR_MATS_M) const uint MATS_M = 2;
layout(constant_id = SPEC_LINEAR_MATS_N) const uint MATS_N = 2;
layout(constant_id = SPEC_LINEAR_MATRIX_M) const uint MATRIX_M = 16;
layout(constant_id = SPEC_LINEAR_MATRIX_N) const uint MATRIX_N = 16;
layout(constant_id = SPEC_LINEAR_MATRIX_K) const uint MATRIX_K = 16;
layout(constant_id = SPEC_LINEAR_TILE_K) const uint TILE_K = 32;

const uint TILE_M = SUBS_M * MATS_M * MATRIX_M;
const uint TILE_N = SUBS_N * MATS_N * MATRIX_N;
const uint PITCH = TILE_K / 8 + 1;  // of a row in shared memory, in 16 bytes: odd, against bank conflicts
const uint OPERANDS = (TILE_M + TILE_N) * PITCH;

// What a subgroup stores at a time: a row of accumulators, in f32.
const uint BAND_PACKS = MATS_N * MATRIX_N / 8;
const uint BAND_PITCH = BAND_PACKS * 2 + 1;
const uint BAND = MATRIX_M * BAND_PITCH;
const uint BANDS = SUBS_M * SUBS_N * BAND;

shared uvec4 tiles[OPERANDS > BANDS ? OPERANDS : BANDS];

MATRIX_SUM sums[MATS_M * MATS_N];

// What an invocation loads of a step: units i, i + invocations...
const uint INVOCATIONS = SUBS_M * SUBS_N * SUBGROUP_SIZE;
const uint X_UNITS_OF_ROW = TILE_K / 8, W_UNITS_OF_ROW = TILE_K / UNIT;
const uint X_UNITS = TILE_M * X_UNITS_OF_ROW, W_UNITS = TILE_N * W_UNITS_OF_ROW;
const uint X_COUNT = (X_UNITS + INVOCATIONS - 1) / INVOCATIONS, W_COUNT = (W_UNITS + INVOCATIONS - 1) / INVOCATIONS;

Unit next_x[X_COUNT], next_w[W_COUNT];

const uint WHOLE_STEPS = IN / TILE_K * TILE_K;  // in_features of them

uint row0, col0;

#if COOPMAT_BF16
const uint MATRIX_DTYPE = DTYPE_BF16;
uint matrix_bits(float first, float second) { return f32_to_bf16(first) | f32_to_bf16(second) << 16; }
#else
const uint MATRIX_DTYPE = DTYPE_F16;
uint matrix_bits(float first, float second) { return packHalf2x16(vec2(first, second)); }
#endif

uvec4 matrix_words(Pack p) {
    return uvec4(matrix_bits(p.low.x, p.low.y), matrix_bits(p.low.z, p.low.w), matrix_bits(p.high.x, p.high.y),
                 matrix_bits(p.high.z, p.high.w));
}

// ---- from memory into registers -------------------------------------------------------------------------------------

// An invocation loads the same columns of rows that are a pass apart, and finds where they begin once: what is left of that in the
// loop takes as long as the loads.
const uint X_PASS = INVOCATIONS / X_UNITS_OF_ROW, W_PASS = INVOCATIONS / W_UNITS_OF_ROW;  // rows
uint x_row, x_unit, w_row, w_unit;  // of the first pass, in the tile: row and unit of row
uint x_at[X_COUNT], w_at[W_COUNT], scales_at[W_COUNT];

// The row whose units so many neighbouring invocations load. Shared memory takes the 16 bytes of 8 invocations at once. Where
// these have two rows, the rows are 4 apart: of a pitch of 5 x 16 bytes that is half of the banks, so that the two do not meet.
uint row_of_invocation(uint units_of_row) {
    const uint i = gl_LocalInvocationID.x;
    if (units_of_row != 4 || INVOCATIONS % 32 != 0) return i / units_of_row;
    return i / 32 * 8 + i / 4 % 2 * 4 + i / 8 % 4;
}

uint clamped_row(uint r) { return min(row0 + r, push.header[HEADER_TOKENS] - 1); }
uint clamped_col(uint o) { return min(col0 + o, push.header[HEADER_OUTS] - 1); }

void find_units() {
    x_row = row_of_invocation(X_UNITS_OF_ROW);
    w_row = row_of_invocation(W_UNITS_OF_ROW);
    x_unit = gl_LocalInvocationID.x % X_UNITS_OF_ROW;
    w_unit = gl_LocalInvocationID.x % W_UNITS_OF_ROW;
    [[unroll]] for (uint c = 0; c < X_COUNT; ++c)
        x_at[c] = gl_WorkGroupID.z * x_s0 + clamped_row(c * X_PASS + x_row) * x_s1 + x_unit * 8;
    [[unroll]] for (uint c = 0; c < W_COUNT; ++c) {
        const uint o = clamped_col(c * W_PASS + w_row);
        w_at[c] = o * weight_s0;
        scales_at[c] = o * scales_s0;
    }
}

// False past the tile, where a pass has more rows.
bool has_x(uint c) { return TILE_M % X_PASS == 0 || c * X_PASS + x_row < TILE_M; }
bool has_w(uint c) { return TILE_N % W_PASS == 0 || c * W_PASS + w_row < TILE_N; }

void fetch(uint k0) {
    [[unroll]] for (uint c = 0; c < X_COUNT; ++c)
        if (has_x(c)) next_x[c] = x_dense(x_at[c] + k0);
    [[unroll]] for (uint c = 0; c < W_COUNT; ++c)
        if (has_w(c)) next_w[c] = weight_unit_at(w_at[c], scales_at[c], k0 + w_unit * UNIT);
}

// A step within which in_features end.
void fetch_part(uint k0) {
    [[unroll]] for (uint c = 0; c < X_COUNT; ++c) {
        const uint k = k0 + x_unit * 8;
        next_x[c] = Unit(uvec4(0), uvec4(0), 0.0);
        if (!has_x(c) || k >= IN) continue;
        if (k + 8 <= IN)
            next_x[c] = x_dense(x_at[c] + k0);
        else
            next_x[c] = x_dense_part(x_at[c] + k0, IN - k);
    }
    [[unroll]] for (uint c = 0; c < W_COUNT; ++c)
        if (has_w(c)) next_w[c] = weight_unit_part(clamped_col(c * W_PASS + w_row), k0 + w_unit * UNIT);
}

// ---- from registers into shared memory, and from there into matrices ------------------------------------------------

void put() {
    [[unroll]] for (uint c = 0; c < X_COUNT; ++c) {
        if (!has_x(c)) continue;
        const uvec4 words = x_dtype == MATRIX_DTYPE ? next_x[c].words : matrix_words(dense_pack(x_dtype, next_x[c]));
        tiles[x_row * PITCH + x_unit + c * (X_PASS * PITCH)] = words;
    }
    [[unroll]] for (uint c = 0; c < W_COUNT; ++c) {
        if (!has_w(c)) continue;
        const uint at = w_row * PITCH + w_unit * (UNIT / 8) + (TILE_M + c * W_PASS) * PITCH;
        [[unroll]] for (uint p = 0; p < UNIT / 8; ++p)
            tiles[at + p] = weight_dtype == MATRIX_DTYPE ? next_w[c].words : matrix_words(weight_pack(next_w[c], p));
    }
}

void multiply() {
    const uint first_row = gl_SubgroupID / SUBS_N * MATS_M * MATRIX_M, first_col = gl_SubgroupID % SUBS_N * MATS_N * MATRIX_N;
    [[unroll]] for (uint k = 0; k < TILE_K / MATRIX_K; ++k) {
        MATRIX_B b[MATS_N];
        [[unroll]] for (uint j = 0; j < MATS_N; ++j)
            coopMatLoad(b[j], tiles, (TILE_M + first_col + j * MATRIX_N) * PITCH + k * (MATRIX_K / 8), PITCH,
                        gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
            MATRIX_A a;
            coopMatLoad(a, tiles, (first_row + i * MATRIX_M) * PITCH + k * (MATRIX_K / 8), PITCH,
                        gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint j = 0; j < MATS_N; ++j) sums[i * MATS_N + j] = coopMatMulAdd(a, b[j], sums[i * MATS_N + j]);
        }
    }
}

// ---- from matrices to memory ----------------------------------------------------------------------------------------

// Matrix elements belong to no known invocation: they go through shared memory, a row of accumulators at a time.
void store_sums() {
    const uint band = gl_SubgroupID * BAND;
    const uint first_row = row0 + gl_SubgroupID / SUBS_N * MATS_M * MATRIX_M;
    const uint first_col = col0 + gl_SubgroupID % SUBS_N * MATS_N * MATRIX_N;
    for (uint i = 0; i < MATS_M; ++i) {
        barrier();  // the tiles, or the band before, have been read
        // Accumulators may not be indexed by what a loop counts, unless it is unrolled; the rest of the code is there once.
        [[unroll]] for (uint m = 0; m < MATS_M; ++m) {
            if (m != i) continue;
            [[unroll]] for (uint j = 0; j < MATS_N; ++j)
                coopMatStore(sums[m * MATS_N + j], tiles, band + j * (MATRIX_N / 4), BAND_PITCH,
                             gl_CooperativeMatrixLayoutRowMajor);
        }
        barrier();  // the band is complete
        for (uint e = gl_SubgroupInvocationID; e < MATRIX_M * BAND_PACKS; e += SUBGROUP_SIZE) {
            const uint down = e / BAND_PACKS, p = e % BAND_PACKS, at = band + down * BAND_PITCH + p * 2;
            const uint row = first_row + i * MATRIX_M + down;
            const Pack result = Pack(uintBitsToFloat(tiles[at]), uintBitsToFloat(tiles[at + 1]));
            if (row < push.header[HEADER_TOKENS]) store_results(gl_WorkGroupID.z, row, first_col + p * 8, result);
        }
    }
}

void main() {
    row0 = gl_WorkGroupID.x * TILE_M;
    col0 = gl_WorkGroupID.y * TILE_N;
    [[unroll]] for (uint i = 0; i < MATS_M * MATS_N; ++i) sums[i] = MATRIX_SUM(0.0);
    find_units();
    if (WHOLE_STEPS != 0) fetch(0);
    for (uint k0 = 0; k0 < WHOLE_STEPS; k0 += TILE_K) {
        barrier();  // the step before has been read
        put();
        barrier();  // the step is complete
        fetch(min(k0 + TILE_K, WHOLE_STEPS - TILE_K));  // at the end the last step again: a condition around loads costs more
        multiply();
    }
    if (WHOLE_STEPS != IN) {
        fetch_part(WHOLE_STEPS);
        barrier();
        put();
        barrier();
        multiply();
    }
    store_sums();
}

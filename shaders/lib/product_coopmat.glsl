// A tile of a matrix product through cooperative matrices; the same interface as lib/product_scalar.glsl.
//
// The workgroup has 2 x 2 subgroups, and a subgroup 2 x 2 accumulators of the device's shape, so the tile is
// 4 MATRIX_M x 4 MATRIX_N. Operands are converted to 16 bits on their way into shared memory, two to a word:
// tile_a holds rows, tile_b columns, k running along both, with 8 elements of padding against bank conflicts.
//
// Rounding: inputs in the matrix's own type go in exactly. A computed operand (decay times something, or a
// state) would lose bits that the result needs, so it is split into a part that fits and the rest, and
// multiplied twice. The stage says which with a_is_exact(phase) and b_is_exact(phase); at most one of the two is not.
// f16 has little range too: a computed operand is scaled by a power of two such that magnitude(phase, index, k), the
// stage's upper bound of it at row or column `index`, comes to 2^14 at most, and the sums are scaled back.
#include "lib/matrix.glsl"

layout(constant_id = SPEC_MATRIX_M) const uint MATRIX_M = 16;
layout(constant_id = SPEC_MATRIX_N) const uint MATRIX_N = 16;
layout(constant_id = SPEC_MATRIX_K) const uint MATRIX_K = 16;
const uint TILE_M = 4 * MATRIX_M;
const uint TILE_N = 4 * MATRIX_N;
const uint TILE_K = COOPMAT_TILE_K;
const uint PITCH = COOPMAT_PITCH;

shared uint tile_a[TILE_M * PITCH];
shared uint tile_b[TILE_N * PITCH];
shared uint tile_rest[(TILE_M > TILE_N ? TILE_M : TILE_N) * PITCH];
shared float tile_scale[TILE_M];
shared float tile_out[4 * MATRIX_M * MATRIX_N];  // one accumulator of each subgroup

MATRIX_SUM sums[2][2];

// First row and column of this subgroup's part of the tile.
uint my_row() { return gl_SubgroupID / 2 * 2 * MATRIX_M; }
uint my_col() { return gl_SubgroupID % 2 * 2 * MATRIX_N; }

// The part of a value that the matrix's type holds exactly: its leading bits. Not a conversion there and back, which
// a compiler may take for nothing done.
float leading_part(float v) {
#if COOPMAT_BF16
    return uintBitsToFloat(floatBitsToUint(v) & 0xffff0000u);
#else
    return uintBitsToFloat(floatBitsToUint(v) & 0xffffe000u);
#endif
}

// Two values that need no rounding, or whose rounding does not matter, as operands in one word.
uint pack(float first, float second) {
#if COOPMAT_BF16
    return f32_to_bf16(first) | f32_to_bf16(second) << 16;
#else
    return packHalf2x16(vec2(first, second));
#endif
}

#if COOPMAT_BF16

float operand_scale(uint phase, uint row0, uint col0, uint k_end) { return 1.0; }

#else

shared uint tile_magnitude;  // bits of the largest: as integers, positive floats keep their order

// The power of two for the computed operand of a phase, or 1.
float operand_scale(uint phase, uint row0, uint col0, uint k_end) {
    if (a_is_exact(phase) && b_is_exact(phase)) return 1.0;
    const bool of_b = a_is_exact(phase);
    const uint size = of_b ? TILE_N : TILE_M;
    const bool k_fastest = of_b ? !b_col_fastest(phase) : A_K_FASTEST;
    if (gl_LocalInvocationID.x == 0) tile_magnitude = 0;
    barrier();  // tile_magnitude is cleared
    float largest = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < size * k_end; i += gl_WorkGroupSize.x) {
        const uint index = k_fastest ? i / k_end : i % size, k = k_fastest ? i % k_end : i / size;
        largest = max(largest, magnitude(phase, (of_b ? col0 : row0) + index, k));
    }
    atomicMax(tile_magnitude, floatBitsToUint(largest));
    barrier();  // tile_magnitude is complete
    const uint bits = tile_magnitude;
    if (bits == 0 || bits >= 0x7f800000u) return 1.0;
    // The sums so far are scaled as well, and have to stay finite; those of the first phase are 0.
    const int exponent = clamp(13 - (int(bits >> 23) - 127), -114, phase == 0 ? 114 : 60);
    return uintBitsToFloat(uint(exponent + 127) << 23);
}

#endif

void load_a(uint phase, uint row0, uint k0, float scale) {
    for (uint i = gl_LocalInvocationID.x; i < TILE_M * TILE_K / 2; i += gl_WorkGroupSize.x) {
        const uint row = A_K_FASTEST ? i / (TILE_K / 2) : i % TILE_M, k = 2 * (A_K_FASTEST ? i % (TILE_K / 2) : i / TILE_M);
        const float factor = a_is_exact(phase) ? 1.0 : scale;
        const float first = factor * operand_a(phase, row0 + row, k0 + k), second = factor * operand_a(phase, row0 + row, k0 + k + 1);
        const float first_part = leading_part(first), second_part = leading_part(second);
        tile_a[row * PITCH + k / 2] = pack(first_part, second_part);
        if (!a_is_exact(phase)) tile_rest[row * PITCH + k / 2] = pack(first - first_part, second - second_part);
    }
}

void load_b(uint phase, uint col0, uint k0, float scale) {
    for (uint i = gl_LocalInvocationID.x; i < TILE_N * TILE_K / 2; i += gl_WorkGroupSize.x) {
        const uint col = b_col_fastest(phase) ? i % TILE_N : i / (TILE_K / 2);
        const uint k = 2 * (b_col_fastest(phase) ? i / TILE_N : i % (TILE_K / 2));
        const float factor = b_is_exact(phase) ? 1.0 : scale;
        const float first = factor * operand_b(phase, k0 + k, col0 + col), second = factor * operand_b(phase, k0 + k + 1, col0 + col);
        const float first_part = leading_part(first), second_part = leading_part(second);
        tile_b[col * PITCH + k / 2] = pack(first_part, second_part);
        if (!b_is_exact(phase)) tile_rest[col * PITCH + k / 2] = pack(first - first_part, second - second_part);
    }
}

void clear_product() {
    [[unroll]] for (uint i = 0; i < 2; ++i)
        [[unroll]] for (uint j = 0; j < 2; ++j) sums[i][j] = MATRIX_SUM(0.0);
}

// sums += A * B for one step of MATRIX_K at k, with either operand from its own tile or the rest's.
void multiply_tiles(uint k, bool rest_of_a, bool rest_of_b) {
    MATRIX_A a[2];
    MATRIX_B b[2];
    [[unroll]] for (uint i = 0; i < 2; ++i) {
        const uint at = (my_row() + i * MATRIX_M) * PITCH + k / 2;
        if (rest_of_a)
            coopMatLoad(a[i], tile_rest, at, PITCH, gl_CooperativeMatrixLayoutRowMajor);
        else
            coopMatLoad(a[i], tile_a, at, PITCH, gl_CooperativeMatrixLayoutRowMajor);
    }
    [[unroll]] for (uint j = 0; j < 2; ++j) {
        const uint at = (my_col() + j * MATRIX_N) * PITCH + k / 2;
        if (rest_of_b)
            coopMatLoad(b[j], tile_rest, at, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
        else
            coopMatLoad(b[j], tile_b, at, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
    }
    [[unroll]] for (uint i = 0; i < 2; ++i)
        [[unroll]] for (uint j = 0; j < 2; ++j) sums[i][j] = coopMatMulAdd(a[i], b[j], sums[i][j]);
}

void scale_sums(float factor) {
    [[unroll]] for (uint i = 0; i < 2; ++i)
        [[unroll]] for (uint j = 0; j < 2; ++j) sums[i][j] *= factor;
}

void accumulate(uint phase, uint row0, uint col0, uint k_end) {
    const float scale = operand_scale(phase, row0, col0, k_end);
    scale_sums(scale);
    for (uint k0 = 0; k0 < k_end; k0 += TILE_K) {
        barrier();  // the tiles of the step before have been read
        load_a(phase, row0, k0, scale);
        load_b(phase, col0, k0, scale);
        barrier();  // the tiles are complete
        for (uint k = 0; k < TILE_K; k += MATRIX_K) {
            multiply_tiles(k, false, false);
            if (!a_is_exact(phase)) multiply_tiles(k, true, false);
            if (!b_is_exact(phase)) multiply_tiles(k, false, true);
        }
    }
    scale_sums(1.0 / scale);
}

// The factors of a column are loaded with stride 0 along the row, so that every column is the same.
void scale_rows(uint row0) {
    barrier();  // an earlier use of tile_scale is over
    for (uint i = gl_LocalInvocationID.x; i < TILE_M; i += gl_WorkGroupSize.x) tile_scale[i] = row_scale(row0 + i);
    barrier();  // tile_scale is complete
    [[unroll]] for (uint i = 0; i < 2; ++i) {
        MATRIX_SUM factor;
        coopMatLoad(factor, tile_scale, my_row() + i * MATRIX_M, 0, gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint j = 0; j < 2; ++j) sums[i][j] *= factor;
    }
}

// Matrix elements belong to no known invocation: they go through shared memory, one matrix at a time.
void finish_product(uint row0, uint col0) {
    const uint base = gl_SubgroupID * MATRIX_M * MATRIX_N;
    [[unroll]] for (uint i = 0; i < 2; ++i)
        [[unroll]] for (uint j = 0; j < 2; ++j) {
            barrier();  // the matrix before has been read
            coopMatStore(sums[i][j], tile_out, base, MATRIX_N, gl_CooperativeMatrixLayoutRowMajor);
            barrier();  // this subgroup's matrix is complete
            for (uint e = gl_SubgroupInvocationID; e < MATRIX_M * MATRIX_N; e += gl_SubgroupSize)
                result(row0 + my_row() + i * MATRIX_M + e / MATRIX_N, col0 + my_col() + j * MATRIX_N + e % MATRIX_N, tile_out[base + e]);
        }
}

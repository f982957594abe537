// The fused scan's products of one chunk, from operands in shared memory.

const uint TOKEN_TILES = Q / MATRIX_N;        // of y
const uint DEPTHS = Q / MATRIX_K;             // of products that sum over tokens
const uint PAIRS = COLUMNS / (2 * MATRIX_N);  // of the state's tiles

// ---- the state as an operand ------------------------------------------------------------------------

// An accumulator's elements belong to no known invocation, so rounding it to an operand takes a store and a load. Two
// tiles are packed into one accumulator, element by element: one's value in the lower half of a word, the other's in the
// upper. Stored as words and loaded as 16-bit elements, they are an operand whose columns alternate between the tiles, and
// C lies in the same order. So no matrix of a 16-bit type is ever an accumulator, which bf16 has none of.
//
// Places for packed pairs in the subgroup's own segments: MATRIX_M rows each, below and beside each other.
const uint PLACES_DOWN = Q / MATRIX_M;
const uint PLACES_ACROSS = ROW_TILES * SEGMENT * 4 / MATRIX_N;
const uint PAIRS_AT_ONCE = PLACES_DOWN * PLACES_ACROSS / ROW_TILES < PAIRS ? PLACES_DOWN * PLACES_ACROSS / ROW_TILES : PAIRS;

uint place_of(uint i) { return my_segments(i % PLACES_DOWN * MATRIX_M) + i / PLACES_DOWN * (MATRIX_N / 4); }

void store_pair(uint m, uint pair, uint place, bool rest) {
    MATRIX_SUM packed;
    [[unroll]] for (uint i = 0; i < packed.length(); ++i) {
        const float first = state[m][2 * pair][i], second = state[m][2 * pair + 1][i];
        packed[i] = uintBitsToFloat(rest          ? pack_operands(rest_part(first), rest_part(second))
                                    : SPLIT_STATE ? pack_operands(leading_part(first), leading_part(second))
                                                  : pack_operands(first, second));
    }
    coopMatStore(packed, memory, place_of(place), PITCH_X, BY_ROW);
}

// y += S C^T for the pairs from `first` on, with what the state's operands hold of it or what they leave.
void add_state_pairs(inout MATRIX_SUM sums[ROW_TILES][TOKEN_TILES], uint first, bool rest) {
    subgroup_barrier();  // the segments have been read
    [[unroll]] for (uint i = 0; i < PAIRS_AT_ONCE; ++i)
        if (first + i < PAIRS)
            [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) store_pair(m, first + i, i * ROW_TILES + m, rest);
    subgroup_barrier();  // the pairs are complete
    [[unroll]] for (uint i = 0; i < PAIRS_AT_ONCE; ++i)
        if (first + i < PAIRS)
            [[unroll]] for (uint k = 0; k < 2 * MATRIX_N; k += MATRIX_K) {
                MATRIX_A s[ROW_TILES];
                [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
                    coopMatLoad(s[m], memory, place_of(i * ROW_TILES + m) + k / 8, PITCH_X, BY_ROW);
                [[unroll]] for (uint t = 0; t < TOKEN_TILES; ++t) {
                    MATRIX_B c;
                    coopMatLoad(c, memory, t * MATRIX_N * PITCH_CB + AT_C + ((first + i) * 2 * MATRIX_N + k) / 8, PITCH_CB, BY_COLUMN);
                    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) sums[m][t] = coopMatMulAdd(s[m], c, sums[m][t]);
                }
            }
}

// ---- D --------------------------------------------------------------------------------------------

// x through the identity is x in an accumulator, exactly; D then multiplies in f32.
const uint IDENTITIES = MATRIX_K / MATRIX_N;  // tiles of the identity that differ
MATRIX_B identity[IDENTITIES];
MATRIX_SUM D_rows[ROW_TILES];  // the D of each row, in all columns
float D_of_head;

// Where M will be; D behind it in its rows' place of x.
void make_identity() {
    if (!D_present) return;
    const uint one = pack_operands(1.0, 0.0);
    for (uint i = thread_index(); i < Q * (Q / 8); i += THREADS) {
        const uint t = i / (Q / 8), s = i % (Q / 8) * 8;
        uvec4 piece = uvec4(0);
        [[unroll]] for (uint e = 0; e < 8; ++e)
            if (s + e == t) piece[e / 2] = one << (16 * (e % 2));
        memory[AT_M + t * PITCH_M + s / 8] = piece;
    }
}

// ---- a chunk ----------------------------------------------------------------------------------------

void add_within_chunk(inout MATRIX_SUM sums[ROW_TILES][TOKEN_TILES], MATRIX_A x[ROW_TILES][DEPTHS], uint part) {
    [[unroll]] for (uint k = 0; k < DEPTHS; ++k)
        [[unroll]] for (uint t = 0; t < TOKEN_TILES; ++t)
            if (k * MATRIX_K < (t + 1) * MATRIX_N) {  // else no s <= t in the tile
                MATRIX_B m_tile;
                coopMatLoad(m_tile, memory, AT_M + (my_head() * Q + t * MATRIX_N) * PITCH_M + (part * Q + k * MATRIX_K) / 8, PITCH_M, BY_COLUMN);
                [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) sums[m][t] = coopMatMulAdd(x[m][k], m_tile, sums[m][t]);
            }
}

void add_skip(inout MATRIX_SUM sums[ROW_TILES][TOKEN_TILES], MATRIX_A x[ROW_TILES][DEPTHS]) {
    [[unroll]] for (uint t = 0; t < TOKEN_TILES; ++t)
        [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
            MATRIX_SUM skip = coopMatMulAdd(x[m][t * MATRIX_N / MATRIX_K], identity[t % IDENTITIES], MATRIX_SUM(0.0));
            if (D_s1 == 0)
                skip *= D_of_head;
            else
                skip *= D_rows[m];
            sums[m][t] += skip;
        }
}

void load_x(out MATRIX_A x[ROW_TILES][DEPTHS], uint part) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint k = 0; k < DEPTHS; ++k)
            coopMatLoad(x[m][k], memory, my_segments(k * MATRIX_K) + m * SEGMENT + part, PITCH_X, BY_COLUMN);
}

void multiply(uint c) {
    MATRIX_A x[ROW_TILES][DEPTHS], weighted[ROW_TILES][DEPTHS], weighted_rest[ROW_TILES][DEPTHS];
    load_x(x, OF_X);
    load_x(weighted, OF_WEIGHTED);
    if (SPLIT_X) load_x(weighted_rest, OF_REST);

    MATRIX_SUM sums[ROW_TILES][TOKEN_TILES];
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint t = 0; t < TOKEN_TILES; ++t) sums[m][t] = MATRIX_SUM(0.0);
    [[unroll]] for (uint first = 0; first < PAIRS; first += PAIRS_AT_ONCE) {
        add_state_pairs(sums, first, false);
        if (SPLIT_STATE) add_state_pairs(sums, first, true);
    }
    [[unroll]] for (uint t = 0; t < TOKEN_TILES; ++t) {
        MATRIX_SUM factor;  // of a token, so the same in all rows
        coopMatLoad(factor, factor_of, my_head() * Q + t * MATRIX_N, 0, BY_ROW);
        [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) sums[m][t] *= factor;
    }
    add_within_chunk(sums, x, 0);
    if (SPLIT_CB) add_within_chunk(sums, x, 1);
#if !COOPMAT_BF16
    float unscale = 1.0;
    [[unroll]] for (uint h = 0; h < HEADS; ++h)
        if (h == my_head()) unscale = power_of_two(-cb_exponent[h]);
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint t = 0; t < TOKEN_TILES; ++t) sums[m][t] *= unscale;
#endif
    if (D_present) add_skip(sums, x);

    const float keep = exp2(min(sum_of[c % 2][(my_head() + 1) * Q / 4 - 1].w, 0.0)) * scale_of_state_change();
    [[unroll]] for (uint n = 0; n < COLUMNS / MATRIX_N; ++n) {
        [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) state[m][n] *= keep;
        [[unroll]] for (uint k = 0; k < DEPTHS; ++k) {
            MATRIX_B b;
            coopMatLoad(b, memory, k * MATRIX_K * PITCH_CB + AT_B + n * MATRIX_N / 8, PITCH_CB, BY_ROW);
            [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
                state[m][n] = coopMatMulAdd(weighted[m][k], b, state[m][n]);
                if (SPLIT_X) state[m][n] = coopMatMulAdd(weighted_rest[m][k], b, state[m][n]);
            }
        }
    }

    subgroup_barrier();  // the last pairs have been read from the segments, which y takes now
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint t = 0; t < TOKEN_TILES; ++t)
            coopMatStore(sums[m][t], memory, my_segments(t * MATRIX_N) + m * SEGMENT, PITCH_X, BY_COLUMN);
}

// The fused scan's products of one chunk, from operands in shared memory.

// Arrays of matrices are registers only where loops over them are unrolled, which GPUs are told to. A CPU's compiler takes
// minutes for the outcome, and to a CPU registers are memory.
#define FOR(I, FIRST, END, BODY)                                            \
    if (UNROLL) {                                                           \
        [[unroll]] for (uint I = FIRST; I < END; ++I) BODY;                 \
    } else {                                                                \
        [[dont_unroll]] for (uint I = FIRST; I < END; ++I) BODY;            \
    }

const uint TOKEN_TILES = Q / MATRIX_N;        // of y
const uint DEPTHS = Q / MATRIX_K;             // of products that sum over tokens
const uint PAIRS = COLUMNS / (2 * MATRIX_N);  // of the state's tiles

// ---- the state as an operand ------------------------------------------------------------------------

MATRIX_SUM sums[ROW_TILES][TOKEN_TILES];  // y of the chunk

void add_state_tile(MATRIX_A s[ROW_TILES], uint n, uint t) {
    MATRIX_B c;
    coopMatLoad(c, memory, t * MATRIX_N * PITCH_BC + n / 8, PITCH_BC, BY_COLUMN);
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) sums[m][t] = coopMatMulAdd(s[m], c, sums[m][t]);
}

#if COOPMAT_CONVERT

const uint STATE_STEPS = COLUMNS / MATRIX_N;

// y += S C^T for the tile n, with what the state's operands hold of it or what they leave.
void add_converted(uint n, bool rest) {
    MATRIX_A s[ROW_TILES];
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
        MATRIX_SUM v = state[m][n];
        [[unroll]] for (uint i = 0; i < v.length(); ++i)
            v[i] = rest ? rounded(rest_part(v[i])) : SPLIT_STATE ? leading_part(v[i]) : rounded(v[i]);
        s[m] = MATRIX_A(v);
    }
    FOR(t, 0, TOKEN_TILES, add_state_tile(s, n * MATRIX_N, t))
}

void add_state(uint n) {
    add_converted(n, false);
    if (SPLIT_STATE) add_converted(n, true);
}

#else

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
void add_state_pairs(uint first, bool rest) {
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
                FOR(t, 0, TOKEN_TILES, add_state_tile(s, (first + i) * 2 * MATRIX_N + k, t))
            }
}

const uint STATE_STEPS = (PAIRS + PAIRS_AT_ONCE - 1) / PAIRS_AT_ONCE;

void add_state(uint step) {
    add_state_pairs(step * PAIRS_AT_ONCE, false);
    if (SPLIT_STATE) add_state_pairs(step * PAIRS_AT_ONCE, true);
}

#endif

// ---- D --------------------------------------------------------------------------------------------

// x through the identity is x in an accumulator, exactly; D then multiplies in f32.
const uint IDENTITIES = MATRIX_K / MATRIX_N;  // tiles of the identity that differ
MATRIX_B identity[IDENTITIES];
MATRIX_SUM D_rows[ROW_TILES];  // the D of each row, in all columns
float D_of_head;

// Where M will be.
void make_identity() {
    if (!D_present) return;
    const uint one = pack_operands(1.0, 0.0);
    for (uint i = thread_index(); i < Q * (Q / 8); i += THREADS) {
        const uint t = i / (Q / 8), s = i % (Q / 8) * 8;
        uvec4 piece = uvec4(0);
        [[unroll]] for (uint e = 0; e < 8; ++e)
            if (s + e == t) piece[e / 2] = one << (16 * (e % 2));
        memory[AT_M + t * PITCH_X + s / 8] = piece;
    }
}

// ---- a chunk ----------------------------------------------------------------------------------------

MATRIX_A x[ROW_TILES][DEPTHS];

void load_x(uint k) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        coopMatLoad(x[m][k], memory, my_segments(k * MATRIX_K) + m * SEGMENT, PITCH_X, BY_COLUMN);
}

// y of a tile of tokens += x M, for the tile k of tokens s; of M, what its operands hold (part 0) or what they leave.
void add_within_chunk(uint t, uint k, uint part) {
    if (k * MATRIX_K >= (t + 1) * MATRIX_N) return;  // no s <= t in the tile
    MATRIX_B m_tile;
    coopMatLoad(m_tile, memory, AT_M + t * MATRIX_N * PITCH_X + (part * Q + k * MATRIX_K) / 8, PITCH_X, BY_COLUMN);
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) sums[m][t] = coopMatMulAdd(x[m][k], m_tile, sums[m][t]);
}

void add_skip(uint m, uint t) {
    MATRIX_SUM skip = coopMatMulAdd(x[m][t * MATRIX_N / MATRIX_K], identity[t % IDENTITIES], MATRIX_SUM(0.0));
    if (D_s1 == 0)
        skip *= D_of_head;
    else
        skip *= D_rows[m];
    sums[m][t] += skip;
}

// What the sums over the state still lack, and the chunk's own part.
void finish_sums(uint t) {
    MATRIX_SUM factor;  // of a token, so the same in all rows
    coopMatLoad(factor, factor_of, t * MATRIX_N, 0, BY_ROW);
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) sums[m][t] *= factor;
    FOR(k, 0, DEPTHS, add_within_chunk(t, k, 0))
    if (SPLIT_M) FOR(k, 0, DEPTHS, add_within_chunk(t, k, 1))
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
        sums[m][t] *= unscale_of_cb();
        if (D_present) add_skip(m, t);
    }
}

void add_to_state(uint n, uint k) {
    MATRIX_B b;
    coopMatLoad(b, memory, k * MATRIX_K * PITCH_BC + AT_B + n * MATRIX_N / 8, PITCH_BC, BY_ROW);
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) state[m][n] = coopMatMulAdd(x[m][k], b, state[m][n]);
}

void advance_state(uint n, float keep) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) state[m][n] *= keep;
    FOR(k, 0, DEPTHS, add_to_state(n, k))
}

void clear_sums(uint t) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) sums[m][t] = MATRIX_SUM(0.0);
}

void store_sums(uint t) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
#if COOPMAT_CONVERT
        if (PACKED_Y) {
            [[unroll]] for (uint i = 0; i < sums[m][t].length(); ++i) sums[m][t][i] = rounded_result(sums[m][t][i]);
            coopMatStore(MATRIX_A(sums[m][t]), memory, my_segments(t * MATRIX_N) + m * SEGMENT, PITCH_X, BY_COLUMN);
            continue;
        }
#endif
        coopMatStore(sums[m][t], memory, my_segments(t * MATRIX_N) + m * SEGMENT, PITCH_X, BY_COLUMN);
    }
}

void load_operands() { FOR(k, 0, DEPTHS, load_x(k)) }

// y of the chunk, which goes to the subgroup's segments.
void multiply() {
    FOR(t, 0, TOKEN_TILES, clear_sums(t))
    FOR(step, 0, STATE_STEPS, add_state(step))
    FOR(t, 0, TOKEN_TILES, finish_sums(t))
    subgroup_barrier();  // the last pairs have been read from the segments, which y takes now
    FOR(t, 0, TOKEN_TILES, store_sums(t))
}

// The state after the chunk.
void advance(uint c) {
    const float keep = exp2(min(sum_of_chunk(c), 0.0)) * scale_of_state_change();
    FOR(n, 0, COLUMNS / MATRIX_N, advance_state(n, keep))
}

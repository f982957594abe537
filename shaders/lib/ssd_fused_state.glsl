// The fused scan's state from memory and back, in any element type and layout: once a sequence, tile by tile through a part of
// shared memory that the subgroup has to itself, where operands lie between times.
const uint PITCH_TILE = MATRIX_N / 4 | 1;

uint my_place() { return gl_SubgroupID * MATRIX_M * PITCH_TILE; }

// Element e of a tile lies at: row (in the workgroup's block) and column.
uint tile_row(uint m, uint e) { return (my_tile() + m) * MATRIX_M + e / MATRIX_N; }
uint tile_column(uint n, uint e) { return n * MATRIX_N + e % MATRIX_N; }
bool is_in_state(uint m, uint n, uint e) { return first_row() + tile_row(m, e) < HEADDIM && tile_column(n, e) < DSTATE; }

void set_word(uint e, float v) { memory[my_place() + e / MATRIX_N * PITCH_TILE + e % MATRIX_N / 4][e % 4] = floatBitsToUint(v); }
float get_word(uint e) { return uintBitsToFloat(memory[my_place() + e / MATRIX_N * PITCH_TILE + e % MATRIX_N / 4][e % 4]); }

void load_D() {
    if (!D_present) return;
    [[unroll]] for (uint i = 0; i < IDENTITIES; ++i)
        coopMatLoad(identity[i], memory, AT_M + i * MATRIX_N * PITCH_X, PITCH_X, BY_COLUMN);
    D_of_head = D_load(head() * D_s0);
    if (D_s1 == 0) return;
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
        subgroup_barrier();  // the tile before has been read
        for (uint i = gl_SubgroupInvocationID; i < MATRIX_M; i += SUBGROUP_SIZE) {
            const uint p = min(first_row() + (my_tile() + m) * MATRIX_M + i, HEADDIM - 1);
            memory[my_place() + i / 4][i % 4] = floatBitsToUint(D_load(head() * D_s0 + p * D_s1));
        }
        subgroup_barrier();  // the tile's D is complete
        coopMatLoad(D_rows[m], memory, my_place(), 0, BY_COLUMN);
    }
}

// One tile after the other, of which the loop says only the number: NVIDIA's compiler does not unroll a loop with another in it, and
// keeps an array that a variable indexes where matrices are slow to add to.
const uint STATE_TILES = ROW_TILES * (COLUMNS / MATRIX_N);

void take_tile(uint tile, uint m, uint n) {
    if (m * (COLUMNS / MATRIX_N) + n == tile) coopMatLoad(state[m][n], memory, my_place(), PITCH_TILE, BY_ROW);
}
void put_tile(uint tile, uint m, uint n) {
    if (m * (COLUMNS / MATRIX_N) + n == tile) coopMatStore(state[m][n], memory, my_place(), PITCH_TILE, BY_ROW);
}

void clear_state(uint n) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) state[m][n] = MATRIX_SUM(0.0);
}

// Where scales are kept, a barrier and finish_initial follow whatever reads a state.
void load_initial() {
    float most = 0.0;
    const uint base = batch_row() * initial_states_s0 + head() * initial_states_s1;
    for (uint tile = 0; tile < STATE_TILES; ++tile) {
        const uint m = tile / (COLUMNS / MATRIX_N), n = tile % (COLUMNS / MATRIX_N);
        subgroup_barrier();  // what lay there has been read
        for (uint e = gl_SubgroupInvocationID; e < MATRIX_M * MATRIX_N; e += SUBGROUP_SIZE) {
            float v = 0.0;
            if (is_in_state(m, n, e))
                v = initial_states_load(base + (first_row() + tile_row(m, e)) * initial_states_s2 + tile_column(n, e) * initial_states_s3);
            most = max(most, magnitude_for_bounds(v));
            set_word(e, v);
        }
        subgroup_barrier();  // the tile is complete
        FOR(i, 0, COLUMNS / MATRIX_N, [[unroll]] for (uint j = 0; j < ROW_TILES; ++j) take_tile(tile, j, i))
    }
    note_largest_state(most);
}

// After a barrier: the largest of all subgroups is known.
void finish_initial() {
#if !COOPMAT_BF16
    start_bounds();
    if (!initial_states_present && SEGMENTS == 1) return;
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint n = 0; n < COLUMNS / MATRIX_N; ++n) state[m][n] *= state_scale();
#endif
}

void store_final() {
    if (!final_states_present) return;
    const float unscale = 1.0 / state_scale();
    const uint base = batch_row() * final_states_s0 + head() * final_states_s1;
    for (uint tile = 0; tile < STATE_TILES; ++tile) {
        const uint m = tile / (COLUMNS / MATRIX_N), n = tile % (COLUMNS / MATRIX_N);
        subgroup_barrier();  // the tile before has been read
        FOR(i, 0, COLUMNS / MATRIX_N, [[unroll]] for (uint j = 0; j < ROW_TILES; ++j) put_tile(tile, j, i))
        subgroup_barrier();  // the tile is complete
        for (uint e = gl_SubgroupInvocationID; e < MATRIX_M * MATRIX_N; e += SUBGROUP_SIZE)
            if (is_in_state(m, n, e))
                final_states_store(base + (first_row() + tile_row(m, e)) * final_states_s2 + tile_column(n, e) * final_states_s3,
                                   get_word(e) * unscale);
    }
}

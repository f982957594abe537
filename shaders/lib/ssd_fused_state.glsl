// The fused scan's state from memory and back, in any element type and layout: once a sequence, tile by tile through the
// subgroup's own segments.

// Element e of a tile lies at: row (in the workgroup's block) and column.
uint tile_row(uint m, uint e) { return (my_tile() + m) * MATRIX_M + e / MATRIX_N; }
uint tile_column(uint n, uint e) { return n * MATRIX_N + e % MATRIX_N; }
bool is_in_state(uint m, uint n, uint e) { return first_row() + tile_row(m, e) < HEADDIM && tile_column(n, e) < DSTATE; }

void set_word(uint e, float v) { memory[my_segments(e / MATRIX_N) + e % MATRIX_N / 4][e % 4] = floatBitsToUint(v); }
float get_word(uint e) { return uintBitsToFloat(memory[my_segments(e / MATRIX_N) + e % MATRIX_N / 4][e % 4]); }

void load_D() {
    if (!D_present) return;
    [[unroll]] for (uint i = 0; i < IDENTITIES; ++i)
        coopMatLoad(identity[i], memory, AT_M + i * MATRIX_N * PITCH_M, PITCH_M, BY_COLUMN);
    D_of_head = D_load(head() * D_s0);
    if (D_s1 == 0) return;
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
        subgroup_barrier();  // the tile before has been read
        for (uint i = gl_SubgroupInvocationID; i < MATRIX_M; i += SUBGROUP_SIZE) {
            const uint p = min(first_row() + (my_tile() + m) * MATRIX_M + i, HEADDIM - 1);
            memory[my_segments(0) + i / 4][i % 4] = floatBitsToUint(D_load(head() * D_s0 + p * D_s1));
        }
        subgroup_barrier();  // the tile's D is complete
        coopMatLoad(D_rows[m], memory, my_segments(0), 0, BY_COLUMN);
    }
}

void load_initial() {
    load_D();
    float most = 0.0;
    const uint base = batch_row() * initial_states_s0 + head() * initial_states_s1;
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint n = 0; n < COLUMNS / MATRIX_N; ++n) {
            state[m][n] = MATRIX_SUM(0.0);
            if (!initial_states_present) continue;
            subgroup_barrier();  // what lay in the segments has been read
            for (uint e = gl_SubgroupInvocationID; e < MATRIX_M * MATRIX_N; e += SUBGROUP_SIZE) {
                float v = 0.0;
                if (is_in_state(m, n, e))
                    v = initial_states_load(base + (first_row() + tile_row(m, e)) * initial_states_s2 + tile_column(n, e) * initial_states_s3);
                most = max(most, magnitude_for_bounds(v));
                set_word(e, v);
            }
            subgroup_barrier();  // the tile is complete
            coopMatLoad(state[m][n], memory, my_segments(0), PITCH_X, BY_ROW);
        }
    if (initial_states_present) note_largest_state(most);
}

// After a barrier: the largest of all subgroups is known.
void finish_initial() {
#if !COOPMAT_BF16
    start_bounds();
    if (!initial_states_present) return;
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint n = 0; n < COLUMNS / MATRIX_N; ++n) state[m][n] *= state_scale();
#endif
}

void store_final() {
    if (!final_states_present) return;
    const float unscale = 1.0 / state_scale();
    const uint base = batch_row() * final_states_s0 + head() * final_states_s1;
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint n = 0; n < COLUMNS / MATRIX_N; ++n) {
            subgroup_barrier();  // the tile before has been read
            coopMatStore(state[m][n], memory, my_segments(0), PITCH_X, BY_ROW);
            subgroup_barrier();  // the tile is complete
            for (uint e = gl_SubgroupInvocationID; e < MATRIX_M * MATRIX_N; e += SUBGROUP_SIZE)
                if (is_in_state(m, n, e))
                    final_states_store(base + (first_row() + tile_row(m, e)) * final_states_s2 + tile_column(n, e) * final_states_s3,
                                       get_word(e) * unscale);
        }
}

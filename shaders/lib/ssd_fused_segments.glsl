// The fused scan's segments of a sequence. A dispatch of states leaves, for each head, in tensor segment_states:
//   place s < SEGMENTS - 1: what the tokens of segment s make of a state of zero, and the sum of their dt' A, times log2 e
//   place SEGMENTS - 1, with KEPT_INITIAL: the initial state
// Segment 0 starts from the initial state, and so does its place. The scan of segment s adds up those before it, each times the decay of
// the segments between.
//
// A state lies there tile by tile, each by rows, in f32; tiles, unlike matrices' elements, belong to known lanes.
const uint TILE_QUADS = MATRIX_M * MATRIX_N / 4, QUADS_OF_LANE = (TILE_QUADS + SUBGROUP_SIZE - 1) / SUBGROUP_SIZE;
const uint TILES_ACROSS = COLUMNS / MATRIX_N;

float elapsed;  // the sum of dt' A over the segment, times log2 e

uint first_chunk() { return segment() * SEGMENT_CHUNKS; }
uint end_chunk() { return SEGMENTS == 1 ? chunk_count() : min(chunk_count(), first_chunk() + SEGMENT_CHUNKS); }

uint place_of_state(uint place) { return batch_row() * segment_states_s0 + place * segment_states_s1 + head() * segment_states_s2; }
uint place_of_elapsed(uint place) { return place_of_state(place) + gl_NumWorkGroups.x * ROWS * COLUMNS; }

// Piece k of this lane in a tile, as a place in the tile; the subgroup's last lanes may have none.
uint tile_quad(uint k) { return k * SUBGROUP_SIZE + gl_SubgroupInvocationID; }
bool has_quad(uint k) { return TILE_QUADS % SUBGROUP_SIZE == 0 || tile_quad(k) < TILE_QUADS; }
uint quad_in_memory(uint base, uint m, uint n, uint k) {
    const uint tile = (first_row() / MATRIX_M + my_tile() + m) * TILES_ACROSS + n;
    return base + 4 * (tile * TILE_QUADS + tile_quad(k));
}
uint quad_in_shared(uint k) { return my_place() + tile_quad(k) / (MATRIX_N / 4) * PITCH_TILE + tile_quad(k) % (MATRIX_N / 4); }

// ---- states out -----------------------------------------------------------------------------------

void keep_tile(uint base, uint n, float unscale) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
        subgroup_barrier();  // the tile before has been read
        coopMatStore(state[m][n], memory, my_place(), PITCH_TILE, BY_ROW);
        subgroup_barrier();  // the tile is complete
        [[unroll]] for (uint k = 0; k < QUADS_OF_LANE; ++k)
            if (has_quad(k))
                QUAD32(segment_states, quad_in_memory(base, m, n, k)) = floatBitsToUint(uintBitsToFloat(memory[quad_in_shared(k)]) * unscale);
    }
}

void keep_state_at(uint place, float unscale) {
    const uint base = place_of_state(place);
    FOR(n, 0, TILES_ACROSS, keep_tile(base, n, unscale))
}

void keep_state() {
    keep_state_at(segment(), 1.0 / state_scale());
    if (thread_index() == 0) segment_states_store(place_of_elapsed(segment()), elapsed);
}

// ---- states in ------------------------------------------------------------------------------------

// Pieces in registers until all segments are added: the loads of one are under way together.
vec4 gathered[ROW_TILES][TILES_ACROSS][QUADS_OF_LANE];

void clear_gathered(uint n) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint k = 0; k < QUADS_OF_LANE; ++k) gathered[m][n][k] = vec4(0.0);
}

void gather_tiles(uint base, uint n, float decay) {
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m)
        [[unroll]] for (uint k = 0; k < QUADS_OF_LANE; ++k)
            if (has_quad(k))
                gathered[m][n][k] = gathered[m][n][k] * decay + uintBitsToFloat(QUAD32(segment_states, quad_in_memory(base, m, n, k)));
}

float take_tiles(uint n) {
    float most = 0.0;
    [[unroll]] for (uint m = 0; m < ROW_TILES; ++m) {
        subgroup_barrier();  // the tile before has been read
        [[unroll]] for (uint k = 0; k < QUADS_OF_LANE; ++k) {
            const vec4 v = gathered[m][n][k];
            [[unroll]] for (uint i = 0; i < 4; ++i) most = max(most, magnitude_for_bounds(v[i]));
            if (has_quad(k)) memory[quad_in_shared(k)] = floatBitsToUint(v);
        }
        subgroup_barrier();  // the tile is complete
        coopMatLoad(state[m][n], memory, my_place(), PITCH_TILE, BY_ROW);
    }
    return most;
}

// The state that enters the segment.
void gather_states() {
    if (segment() == 0 && !KEPT_INITIAL) return;
    const uint first = segment() == 0 ? SEGMENTS - 1 : 0, end = segment() == 0 ? SEGMENTS : segment();
    FOR(n, 0, TILES_ACROSS, clear_gathered(n))
    for (uint place = first; place < end; ++place) {
        const float decay = place == first ? 0.0 : exp2(min(segment_states_load(place_of_elapsed(place)), 0.0));
        const uint base = place_of_state(place);
        FOR(n, 0, TILES_ACROSS, gather_tiles(base, n, decay))
    }
    float most = 0.0;
    FOR(n, 0, TILES_ACROSS, most = max(most, take_tiles(n)))
    note_largest_state(most);
}

void load_state() {
    elapsed = 0.0;
    FOR(n, 0, TILES_ACROSS, clear_state(n))
    if (SEGMENTS > 1 && !STATES_ONLY) {
        gather_states();
        return;
    }
    if (!initial_states_present || segment() > 0) return;
    load_initial();
    if (STATES_ONLY) keep_state_at(SEGMENTS - 1, 1.0);
}

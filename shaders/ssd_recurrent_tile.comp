#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// The recurrence SSD_TILE tokens at a time, for devices on which a load that is the same for all lanes costs little beside one
// of each lane's own: a lane has a whole row of the state, and B and C are the same for all of them.
//
// With keep(s, t) the product of the decays after token s up to t, the tokens 1 to 4 of a tile and the state S before it:
//   y_t = keep(0, t) S C_t + sum over s <= t of (C_t . B_s) keep(s, t) step_s x_s       C_t . B_s is in `terms`
//   S   = keep(0, 4) S + sum over s of keep(s, 4) step_s x_s B_s
// so that the state is read and written once for the tile. A tile begins where its sequence does, so that packed sequences have
// the bits of lone ones.
//
// The state is walked in strips, each under a condition that always holds but that no compiler knows to: as one block of code
// llvmpipe computes all products first and spills them (3 times slower).
// Grid: (headdim / local size, heads, batch or, with cu_seqlens, sequences).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"

const uint LANES = 1, ROWS = 1, COLUMNS = DSTATE;
const uint STRIP = DSTATE < SSD_STRIP ? DSTATE : SSD_STRIP;
#include "lib/ssd_recurrent.glsl"
TENSOR(RECURRENT_TERMS, terms)
TENSOR_VECTOR(B)
TENSOR_VECTOR(C)

struct Tile {
    uint first, count;      // of the whole row of tokens
    uint token[SSD_TILE];   // past the last one, the last one again
    float keep[SSD_TILE];   // decay of the token
    float added[SSD_TILE];  // step * x
};

// Software drivers read addresses that all lanes share even where no lane is active, so past the last tile too: what follows stays
// inside whatever the token.

// The tile ends with the sequence, and where the caller wants the state.
uint tokens_of_tile(Place at, uint token) {
    uint count = min(at.count - min(token, at.count), SSD_TILE);
    if (PACKING != PACKING_SEQ_IDX) return count;
    if (states_present) count = min(count, CHUNK_SIZE - token % CHUNK_SIZE);
    const int sequence = seq_load_int(at.b * seq_s0 + min(token, at.count - 1) * seq_s1);
    uint same = 1;
    [[unroll]] for (uint i = 1; i < SSD_TILE; ++i)
        if (same == i && i < count && seq_load_int(at.b * seq_s0 + min(token + i, at.count - 1) * seq_s1) == sequence) ++same;
    return same;
}

bool restarts(Place at, uint token) {
    if (PACKING != PACKING_SEQ_IDX) return false;
    const uint here = min(token, at.count - 1), before = max(here, 1) - 1;
    return seq_load_int(at.b * seq_s0 + here * seq_s1) != seq_load_int(at.b * seq_s0 + before * seq_s1);
}

Tile load_tile(Place at, uint token, uint p) {
    Tile tile;
    tile.first = at.first + token;
    tile.count = tokens_of_tile(at, token);
    [[unroll]] for (uint s = 0; s < SSD_TILE; ++s) {
        const bool inside = s < tile.count;
        tile.token[s] = min(tile.first + min(s, tile.count - 1), push.header[HEADER_TOKENS] - 1);
        const uint terms_index = at.b * terms_s0 + tile.token[s] * terms_s1 + 2 * at.h;
        const float step = terms_load(terms_index), kept = terms_load(terms_index + 1);
        const float x = x_load(at.b * x_s0 + tile.token[s] * x_s1 + at.h * x_s2 + p * x_s3);
        tile.keep[s] = inside ? kept : 1.0;
        tile.added[s] = inside ? step * x : 0.0;
    }
    return tile;
}

// Columns n to n + 3 of B and C of a token; past the last column, that one again.
vec4 B_columns(uint base, uint n) {
    if (B_s3 == 1 && n + 4 <= DSTATE) return B_load4(base + n);
    vec4 v;
    [[unroll]] for (uint i = 0; i < 4; ++i) v[i] = B_load(base + min(n + i, DSTATE - 1) * B_s3);
    return v;
}

vec4 C_columns(uint base, uint n) {
    if (C_s3 == 1 && n + 4 <= DSTATE) return C_load4(base + n);
    vec4 v;
    [[unroll]] for (uint i = 0; i < 4; ++i) v[i] = C_load(base + min(n + i, DSTATE - 1) * C_s3);
    return v;
}

// The state after the tile, and S C_t of the state before.
void pass_state(Place at, Tile tile, out float sums[SSD_TILE]) {
    uint base_B[SSD_TILE], base_C[SSD_TILE];
    float until_end[SSD_TILE], all = 1.0;
    [[unroll]] for (int s = SSD_TILE - 1; s >= 0; --s) {
        until_end[s] = all * tile.added[s];
        all *= tile.keep[s];
        base_B[s] = at.b * B_s0 + tile.token[s] * B_s1 + at.g * B_s2;
        base_C[s] = at.b * C_s0 + tile.token[s] * C_s1 + at.g * C_s2;
        sums[s] = 0.0;
    }
    [[unroll]] for (uint strip = 0; strip < DSTATE; strip += STRIP)
        if (strip < push.header[HEADER_DSTATE]) {
            [[unroll]] for (uint at_n = 0; at_n < STRIP; at_n += 4) {
                const uint n = strip + at_n;
                if (n >= DSTATE) continue;
                vec4 B_of[SSD_TILE], C_of[SSD_TILE];
                [[unroll]] for (uint s = 0; s < SSD_TILE; ++s) {
                    B_of[s] = B_columns(base_B[s], n);
                    C_of[s] = C_columns(base_C[s], n);
                }
                [[unroll]] for (uint i = 0; i < 4; ++i) {
                    if (n + i >= DSTATE) continue;
                    float after = all * state[n + i];
                    [[unroll]] for (uint s = 0; s < SSD_TILE; ++s) {
                        sums[s] = fma(state[n + i], C_of[s][i], sums[s]);
                        after = fma(until_end[s], B_of[s][i], after);
                    }
                    state[n + i] = after;
                }
            }
        }
}

void store_tile(Place at, Tile tile, uint p, float sums[SSD_TILE]) {
    float since_start = 1.0;
    [[unroll]] for (uint t = 0; t < SSD_TILE; ++t) {
        since_start *= tile.keep[t];
        float y = since_start * sums[t], kept = 1.0;
        const uint terms_index = at.b * terms_s0 + tile.token[t] * terms_s1 + 2 * push.header[HEADER_HEADS] + SSD_TILE * at.g;
        [[unroll]] for (uint back = 0; back < SSD_TILE; ++back) {
            if (back <= t) {
                y = fma(terms_load(terms_index + back) * kept, tile.added[t - back], y);
                kept *= tile.keep[t - back];
            }
        }
        if (t < tile.count) store_y(at, tile.token[t], p, y);
    }
}

void main() {
    const Place at = my_place();
    const uint p = min(at.row, HEADDIM - 1);
    load_initial(at);
    uint token = 0;
    while (token < at.count) {
        if (states_present && token % CHUNK_SIZE == 0) store_chunk(at, token / CHUNK_SIZE);
        if (restarts(at, token)) forget();
        const Tile tile = load_tile(at, token, p);
        float sums[SSD_TILE];
        pass_state(at, tile, sums);
        store_tile(at, tile, at.row, sums);
        token += tile.count;
    }
    if (final_states_present) store_final(at);
}

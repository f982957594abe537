// The stages of ssd_scan, each in its own file, and the part of the problem that one run of them covers.
#pragma once

#include "graph/graph_state.h"
#include "ops/ssd_choose.h"
#include "shared/ssd.h"

namespace scandium {

// Some batch rows, heads and tokens. Views start at the part's first element; those of absent tensors are empty.
struct SsdSlice {
    uint32_t batch = 1, heads = 1, groups = 1;
    uint64_t first_token = 0, tokens = 1;
    uint32_t chunks = 1;     // of a row, at most
    uint32_t sequences = 0;  // of a row, at most; packed only
    uint32_t segments = 1;   // of a row, side by side; fused only
    uint32_t heads_per_group = 1;
    uint32_t headdim = 1, dstate = 1;
    Packing packing = Packing::none;
    bool dt_softplus = false;
    float dt_min = 0, dt_max = 0;

    View x, dt, A, B, C, D, z, dt_bias, initial_states, seq, y, final_states, states_out;      // seq: seq_idx or cu_seqlens
    View starts, table, dt_out, dA_cumsum, CB, states, largest, steps, segment_states, terms;  // transient
};

Dispatch ssd_sequence_starts(const SsdSlice& slice);
Dispatch ssd_chunk_table(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_chunk_cumsum(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_bmm_chunk(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_chunk_state(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_state_passing(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_chunk_scan(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_fused_cb(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_fused_states(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_fused_scan(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_recurrent(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_recurrent_terms(const SsdSlice& slice, const SsdChoice& choice);
Dispatch ssd_recurrent_tile(const SsdSlice& slice, const SsdChoice& choice);

// What every stage is told.
Dispatch ssd_dispatch(Kernel kernel, const char* name, const SsdSlice& slice, uint32_t chunk_size);
// Kernel flavour, tile and grid (tiles of rows x columns, chunks, batches) of a product stage, whose own shared
// arrays take `extra_shared` bytes.
void ssd_product(const ProductChoice& product, const SsdSlice& slice, uint32_t rows, uint32_t columns, uint32_t batches,
                 uint32_t extra_shared, Dispatch* dispatch);
// Makes the y axis of the grid the chunks of the recorded tokens.
void ssd_chunks_follow_tokens(const SsdSlice& slice, uint32_t chunk_size, Dispatch* dispatch);

}  // namespace scandium

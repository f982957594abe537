// Whether and with which tiles ssd_scan's fused form runs: pure functions, like the other choices.
#pragma once

#include "graph/dispatch.h"

namespace scandium {

struct SsdProblem;
struct ProductChoice;

// How a dispatch that walks chunks deals a workgroup's rows: a subgroup has `row_tiles` tiles of them.
struct FusedTiles {
    uint32_t row_tiles = 1;
    uint32_t local_size = 0, shared_memory = 0;
};

// A workgroup has `rows` rows of headdim of a head.
struct FusedChoice {
    const char* why_not = nullptr;         // the form cannot run; the rest then means nothing
    const char* why_not_chosen = nullptr;  // it can, but is not taken unless it is asked for
    char reason[120] = {};
    Flavour flavour = Flavour::coopmat_f16, cb_flavour = Flavour::coopmat_f16;
    CooperativeMatrixShape shape;
    uint32_t subgroup_size = 0, required_subgroup_size = 0;
    uint32_t rows = 0, blocks = 1;  // of a workgroup; workgroups to a head
    uint32_t segment_chunks = 0;    // of a segment of the sequence; 0: it is not split
    // Whether the state, and C B^T with decay and step, are multiplied a second time, with what rounding took from them.
    bool split_state = false, split_m = false;
    bool unroll = true;
    bool converts = false;                             // sums to operands (coopmat2 flavours), rather than through shared memory
    bool packed_y = false;                             // y lies in shared memory in the operands' type
    FusedTiles scan, states;                           // `states`: of the dispatch that only computes states
    uint32_t cb_local_size = 0, cb_shared_memory = 0;  // of the pre-pass

    uint32_t segments_of(uint32_t chunks) const { return segment_chunks == 0 ? 1 : (chunks + segment_chunks - 1) / segment_chunks; }
    // Floats of a head's state as segments keep it.
    uint64_t segment_floats(uint32_t dstate) const;
};

// `product`: what the staged form would multiply with. If that is no matrix unit, neither can this be.
FusedChoice choose_fused(const Caps& caps, const SsdProblem& problem, const ProductChoice& product);

}  // namespace scandium

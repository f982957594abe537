// Whether and with which tiles ssd_scan's fused form runs: pure functions, like the other choices.
#pragma once

#include "graph/dispatch.h"

namespace scandium {

struct SsdProblem;
struct ProductChoice;

// What the fused form should be made of, for those who compare; 0: free.
struct FusedWish {
    uint32_t heads = 0, row_tiles = 0;
    uint32_t split = 0;  // kSplit bits; kSplitNothing for none of them
};
inline constexpr uint32_t kSplitState = 1, kSplitCB = 2, kSplitX = 4, kSplitNothing = 8;

// A workgroup has `heads` heads and `rows` rows of headdim of each; a subgroup `row_tiles` tiles of rows.
struct FusedChoice {
    const char* why_not = nullptr;  // the form cannot run; the rest then means nothing
    char reason[120] = {};
    Flavour flavour = Flavour::coopmat_f16;
    CooperativeMatrixShape shape;
    uint32_t subgroup_size = 0, required_subgroup_size = 0;
    uint32_t rows = 0, heads = 1, row_tiles = 1;
    // What is multiplied a second time with what rounding took from it: the state, C B^T with decay and step, x with its weight.
    bool split_state = false, split_cb = false, split_x = false;
    bool unroll = true;
    uint32_t local_size = 0, shared_memory = 0;        // of the scan
    uint32_t cb_local_size = 0, cb_shared_memory = 0;  // of the pre-pass
};

// `product`: what the staged form would multiply with. If that is no matrix unit, neither can this be.
FusedChoice choose_fused(const Caps& caps, const SsdProblem& problem, const ProductChoice& product);

}  // namespace scandium

// Whether and with which tiles ssd_scan's fused form runs: pure functions, like the other choices.
#pragma once

#include "graph/dispatch.h"

namespace scandium {

struct SsdProblem;
struct ProductChoice;

// A workgroup has `rows` rows of headdim of a head; a subgroup `row_tiles` tiles of rows.
struct FusedChoice {
    const char* why_not = nullptr;         // the form cannot run; the rest then means nothing
    const char* why_not_chosen = nullptr;  // it can, but is not taken unless it is asked for
    char reason[120] = {};
    Flavour flavour = Flavour::coopmat_f16, cb_flavour = Flavour::coopmat_f16;
    CooperativeMatrixShape shape;
    uint32_t subgroup_size = 0, required_subgroup_size = 0;
    uint32_t rows = 0, row_tiles = 1;
    // Whether the state, and C B^T with decay and step, are multiplied a second time, with what rounding took from them.
    bool split_state = false, split_m = false;
    bool unroll = true;
    bool converts = false;                             // sums to operands (coopmat2 flavours), rather than through shared memory
    bool packed_y = false;                             // y lies in shared memory in the operands' type
    uint32_t local_size = 0, shared_memory = 0;        // of the scan
    uint32_t cb_local_size = 0, cb_shared_memory = 0;  // of the pre-pass
};

// `product`: what the staged form would multiply with. If that is no matrix unit, neither can this be.
FusedChoice choose_fused(const Caps& caps, const SsdProblem& problem, const ProductChoice& product);

}  // namespace scandium

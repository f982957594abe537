// How selective_state_update lies on a device: a pure function of the device's capabilities and the problem.
#pragma once

#include "core/diagnostics.h"
#include "graph/dispatch.h"
#include "scandium/ops/selective_state_update.h"

namespace scandium {

struct UpdateProblem {
    uint64_t batch = 1, ntokens = 1;
    uint64_t slots = 1, slots_out = 1;
    uint32_t nheads = 1, headdim = 1, ngroups = 1, dstate = 1;
    uint32_t width = 1;  // columns of the state that the layout lets a lane move at once; divides dstate
    Variant variant = Variant::automatic;
};

struct UpdateChoice {
    Variant variant = Variant::scalar;
    uint32_t lanes = 1;   // that share a row of the state
    uint32_t rows = 1;    // in a lane
    uint32_t pieces = 1;  // of `width` columns, in a lane
    uint32_t local_size = 64, subgroup_size = 0, shared_memory = 0;
    char reason[160] = {};
};

// Errors: unsupported (problem.variant cannot be had).
Result choose_selective_state_update(const Caps& caps, const Diagnostics& diagnostics, const UpdateProblem& problem, UpdateChoice* out);

}  // namespace scandium

// How rms_norm_gated will run on a device: a pure function of the device's capabilities and the problem.
#pragma once

#include "core/diagnostics.h"
#include "graph/dispatch.h"

namespace scandium {

struct NormProblem {
    uint64_t rows = 1;  // of all batch rows
    uint32_t dim = 1, group_size = 1;
    DType x = DType::f32;
    bool has_gate = false;
    // Shaders reach all tensors by address, elements are of one size, and the groups are words side by side.
    bool words_by_address = false;
    Variant variant = Variant::automatic;
};

struct NormChoice {
    Kernel kernel = Kernel::rms_norm_gated;
    Variant variant = Variant::scalar;
    char reason[200] = {};
    uint32_t local_size = 64, subgroup_size = 0;
    // But for rows, which is 1 there, of no concern to rms_norm_gated_words:
    uint32_t pack = 4;              // elements that a lane moves at once
    uint32_t lanes = 1;             // that share a group
    uint32_t steps = 1;             // packs of a lane
    bool keep = true;               // a lane's elements, in registers
    uint32_t across = 1, rows = 1;  // groups of a row, and rows, that a workgroup takes
};

// Errors: unsupported (a forced variant that cannot be had), told to `diagnostics`.
Result choose_rms_norm_gated(const Caps& caps, const Diagnostics& diagnostics, const NormProblem& problem, NormChoice* out);

}  // namespace scandium

// How selective_scan lies on a device, and into how many segments it is split: a pure function of the device's
// capabilities and the problem.
#pragma once

#include "core/diagnostics.h"
#include "graph/dispatch.h"
#include "ops/ssd_choose.h"
#include "scandium/ops/selective_scan.h"

namespace scandium {

struct SelectiveScanProblem {
    uint64_t batch = 1, seqlen = 1;
    uint32_t channels = 1, ngroups = 1, dstate = 1;
    bool B_fixed = false, C_fixed = false;  // (channels, dstate)
    Packing packing = Packing::none;
    uint64_t sequences = 0;  // of cu_seqlens
    uint32_t segments = 0;   // 0: free
    Variant variant = Variant::automatic;
};

struct SelectiveScanChoice {
    Variant variant = Variant::scalar;
    uint32_t lanes = 1;    // that share a channel
    uint32_t columns = 1;  // of the state in a lane
    uint32_t width = 1;    // tokens that a lane moves at once
    bool staged = false;   // B and C go through shared memory
    uint64_t segment = 0;  // tokens of a segment, a multiple of a block's; 0: not split
    uint32_t local_size = 64, subgroup_size = 0, shared_memory = 0;
    char reason[200] = {};

    uint32_t block() const { return lanes * width; }  // tokens
};

// Errors: unsupported (problem.variant cannot be had).
Result choose_selective_scan(const Caps& caps, const Diagnostics& diagnostics, const SelectiveScanProblem& problem,
                             SelectiveScanChoice* out);

}  // namespace scandium

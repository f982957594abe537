// causal_conv1d and its update as one problem, checked, and how it lies on a device.
#pragma once

#include "graph/graph_state.h"
#include "scandium/ops/causal_conv1d.h"

namespace scandium {

struct ConvProblem {
    bool update = false;  // states in slots, and in place
    uint64_t batch = 1, tokens = 1, slots = 1;
    uint32_t channels = 1, taps = 2;
    uint32_t width = 1;  // channels that the layout lets a lane move at once; divides `channels`
};

// Errors: invalid_argument, told with a sentence that names the argument; unsupported (a forced variant).
Result check_causal_conv1d(const Graph& graph, const CausalConv1d& op, ConvProblem* out);
Result check_causal_conv1d_update(const Graph& graph, const CausalConv1dUpdate& op, ConvProblem* out);

struct ConvChoice {
    uint32_t lanes = 1;   // of a workgroup, along the channels
    uint32_t tokens = 8;  // in an invocation; a multiple of 8
    uint32_t local_size = 64;
};
ConvChoice choose_causal_conv1d(const Caps& caps, const ConvProblem& problem);

}  // namespace scandium

// From graphs to what is recorded: plans with bindings, and the memory in which they work.
#pragma once

#include "model/layers.h"

namespace scandium {

// A graph, and the pass that it becomes.
struct Draft {
    PlannedGraph graph;
    PlannedPass* pass = nullptr;
};

// Plans all of them and binds their tensors: those that differ from slot to slot for each of `slots`. Returns the workspace that
// they share, since they never run at the same time. Throws ResultError.
OwnedHostBuffer make_passes(const Model& model, std::vector<Draft> drafts, uint32_t slots);

// With these bindings; null if the pass has none such.
SessionPass pass_of(const PlannedPass& pass, size_t index);

}  // namespace scandium

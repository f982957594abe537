// The operators of a language model, appended to a graph: for a chunk of one text (prefill), or for one token each of several
// texts (decoding).
#pragma once

#include <vector>

#include "model/model.h"

namespace scandium {

// Tensors that the host's memory is bound to.
struct BoundTensors {
    std::vector<Binding> bindings;

    // Of those that differ from slot to slot: which binding, and how many bytes from one slot to the next.
    struct PerSlot {
        size_t binding;
        VkDeviceSize bytes;
    };
    std::vector<PerSlot> per_slot;
};

struct PlannedGraph {
    OwnedGraph graph;
    BoundTensors tensors;
};

// All throw ResultError; the device's diagnostics has been told.
PlannedGraph prefill_graph(const Session& session);        // tokens to `hidden`
PlannedGraph prompt_logits_graph(const Session& session);  // one row of `hidden` to logits
PlannedGraph every_logits_graph(const Session& session);   // `hidden` to logits
PlannedGraph decode_graph(const Session& session);         // tokens to logits

}  // namespace scandium

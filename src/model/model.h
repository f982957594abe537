// The inside of scandium/model.h.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/diagnostics.h"
#include "model/device_weights.h"
#include "scandium/model.h"

namespace scandium {

struct Model {
    ModelConfig config;
    const Device* device = nullptr;
    ModelHost host;
    Diagnostics diagnostics;
    MemoryAccess access = MemoryAccess::automatic;
    WeightType weight_type = WeightType::automatic;
    DType prefill_type = DType::f32;
    std::unique_ptr<DeviceWeights> weights;

    VkBufferUsageFlags buffer_usage() const;
};

// Of one layer's state, for one slot, in floats.
struct StateSizes {
    uint64_t conv = 0;  // (conv_dim, conv_width - 1)
    uint64_t scan = 0;  // mamba1: (d_inner, dstate); mamba2: (nheads, headdim, dstate)
};
StateSizes state_sizes(const ModelConfig& config);

template <auto Function>
struct Destroyer {
    template <class T>
    void operator()(T* object) const {
        Function(object);
    }
};
using OwnedGraph = std::unique_ptr<Graph, Destroyer<destroy_graph>>;
using OwnedPlan = std::unique_ptr<Plan, Destroyer<destroy_plan>>;
using OwnedBindings = std::unique_ptr<Bindings, Destroyer<destroy_bindings>>;

// The states of a layer: a part for each slot, one after the other.
struct LayerState {
    OwnedHostBuffer conv, scan;
};

struct PlannedPass {
    OwnedPlan plan;
    std::vector<OwnedBindings> bindings;  // prefill: one for each slot
};

struct Session {
    const Model* model = nullptr;
    SessionOptions options;
    std::vector<LayerState> layers;
    OwnedHostBuffer image;   // of one slot's state, as it is saved
    OwnedHostBuffer hidden;  // what the prompt's last chunk left for the head
    std::array<OwnedHostBuffer, static_cast<size_t>(SessionBuffer::count)> buffers;
    OwnedHostBuffer workspace;
    PlannedPass prefill, prompt_logits, every_logits, decode;  // last, so that they go first

    const HostBuffer& buffer(SessionBuffer which) const { return buffers[static_cast<size_t>(which)].get(); }
};

}  // namespace scandium

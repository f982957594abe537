// The inside of scandium/model.h, and what sequence models have in common with it.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/diagnostics.h"
#include "model/device_weights.h"
#include "model/states.h"
#include "scandium/model.h"

namespace scandium {

// A language model; of a sequence model, what its layers are made of.
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
    ModelInfo info(uint64_t parameters) const;
};

bool is_complete(const ModelHost& host);

// Chooses the types of weights and of what flows between operators, and makes room for these weights; the rest of the model is
// filled in. `file_type`: that the weights have until then. Throws ResultError.
void place_weights(Model* model, const std::vector<WeightSpec>& specs, WeightType wanted, DType file_type);

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

struct PlannedPass {
    OwnedPlan plan;
    std::vector<OwnedBindings> bindings;  // prefill: one for each slot
};

struct Session {
    const Model* model = nullptr;
    SessionOptions options;
    std::unique_ptr<States> states;
    OwnedHostBuffer hidden;  // what the prompt's last chunk left for the head
    std::array<OwnedHostBuffer, static_cast<size_t>(SessionBuffer::count)> buffers;
    OwnedHostBuffer workspace;
    PlannedPass prefill, prompt_logits, every_logits, decode;  // last, so that they go first

    const HostBuffer& buffer(SessionBuffer which) const { return buffers[static_cast<size_t>(which)].get(); }
};

}  // namespace scandium

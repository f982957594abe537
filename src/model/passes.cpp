#include "model/passes.h"

#include <algorithm>

namespace scandium {
namespace {

void bind(const BoundTensors& tensors, BufferView workspace, uint32_t slots, PlannedPass* pass) {
    const uint32_t count = tensors.per_slot.empty() ? 1 : slots;
    for (uint32_t slot = 0; slot < count; ++slot) {
        std::vector<Binding> views = tensors.bindings;
        for (const BoundTensors::PerSlot& each : tensors.per_slot) views[each.binding].view.offset += slot * each.bytes;
        Bindings* bindings = nullptr;
        require(create_bindings(pass->plan.get(), {views.data(), views.size()}, workspace, &bindings));
        pass->bindings.emplace_back(bindings);
    }
}

}  // namespace

OwnedHostBuffer make_passes(const Model& model, std::vector<Draft> drafts, uint32_t slots) {
    VkDeviceSize size = 0;
    for (Draft& draft : drafts) {
        Plan* plan = nullptr;
        require(create_plan(draft.graph.graph.get(), PlanOptions(), &plan));
        draft.pass->plan.reset(plan);
        draft.graph.graph.reset();
        size = std::max(size, workspace_info(plan).size);
    }
    OwnedHostBuffer workspace;
    if (size) workspace = allocate(model.host, size, model.buffer_usage());
    const BufferView view = size ? workspace.get().view : BufferView();
    for (const Draft& draft : drafts) bind(draft.graph.tensors, view, slots, draft.pass);
    return workspace;
}

SessionPass pass_of(const PlannedPass& pass, size_t index) {
    if (index >= pass.bindings.size()) return {};
    return {pass.plan.get(), pass.bindings[index].get()};
}

}  // namespace scandium

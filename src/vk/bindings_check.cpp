// What is wrong with a set of bindings: all that the GPU would not notice.
#include <cstdio>

#include "vk/plan_vk.h"

namespace scandium {
namespace {

using Number = unsigned long long;  // what %llu takes on every platform

bool is_written(const Plan& plan, TensorId tensor) {
    for (const ScheduledDispatch& scheduled : plan.schedule.dispatches)
        for (uint32_t i = 0; i < scheduled.dispatch.argument_count; ++i)
            if (scheduled.dispatch.arguments[i].view.tensor == tensor && writes(scheduled.dispatch.arguments[i].access)) return true;
    return false;
}

// `needed` bytes of `view` are used.
Result check_view(const Diagnostics& diagnostics, const char* name, const BufferView& view, uint64_t needed, uint64_t alignment) {
    if (!view.buffer) return diagnostics.fail(Result::invalid_argument, "create_bindings: the buffer of %s is null", name);
    if (view.offset % alignment != 0)
        return diagnostics.fail(Result::invalid_argument, "create_bindings: the offset %llu of %s is not a multiple of %llu",
                                Number(view.offset), name, Number(alignment));
    if (view.size % 4 != 0)
        return diagnostics.fail(Result::invalid_argument, "create_bindings: the size %llu of %s is not a multiple of 4", Number(view.size),
                                name);
    if (view.offset + view.size < view.offset)
        return diagnostics.fail(Result::invalid_argument, "create_bindings: offset %llu and size %llu of %s exceed 64 bits",
                                Number(view.offset), Number(view.size), name);
    if (view.size < needed)
        return diagnostics.fail(Result::invalid_argument, "create_bindings: %s has %llu bytes, but needs %llu", name, Number(view.size),
                                Number(needed));
    return Result::ok;
}

Result check_binding(const Plan& plan, const Binding& binding, size_t index, Array<BufferView>* views) {
    const Diagnostics& diagnostics = plan.device->diagnostics;
    if (binding.tensor >= plan.schedule.graph_tensor_count)
        return diagnostics.fail(Result::invalid_argument, "create_bindings: binding %zu names tensor %u, but the graph has %u", index,
                                binding.tensor, plan.schedule.graph_tensor_count);
    const Tensor& tensor = plan.schedule.tensors[binding.tensor];
    if (tensor.whole != kNoTensor)
        return diagnostics.fail(Result::invalid_argument, "create_bindings: tensor %s is a view; what is bound is tensor %s", tensor.name,
                                plan.schedule.tensors[tensor.whole].name);
    if (tensor.transient)
        return diagnostics.fail(Result::invalid_argument, "create_bindings: tensor %s is transient and lives in the workspace",
                                tensor.name);
    BufferView& view = (*views)[binding.tensor];
    if (view.buffer) return diagnostics.fail(Result::invalid_argument, "create_bindings: tensor %s is bound twice", tensor.name);
    char name[48];
    std::snprintf(name, sizeof name, "tensor %s", tensor.name);
    if (Result result = check_view(diagnostics, name, binding.view, tensor.bytes, tensor.alignment); result != Result::ok) return result;
    view = binding.view;
    view.size = tensor.bytes;
    return Result::ok;
}

Result check_all_bound(const Plan& plan, const Array<BufferView>& views) {
    for (TensorId id = 0; id < plan.schedule.graph_tensor_count; ++id)
        if (!plan.schedule.tensors[id].transient && plan.schedule.tensors[id].whole == kNoTensor && !views[id].buffer)
            return plan.device->diagnostics.fail(Result::invalid_argument, "create_bindings: tensor %s is not bound",
                                                 plan.schedule.tensors[id].name);
    return Result::ok;
}

bool overlap(const BufferView& a, const BufferView& b) {
    return a.buffer == b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

// Between the views of external tensors, and with the workspace, which is always written.
Result check_overlaps(const Plan& plan, const Array<BufferView>& views, const BufferView& workspace) {
    const Diagnostics& diagnostics = plan.device->diagnostics;
    const Array<Tensor>& tensors = plan.schedule.tensors;
    for (TensorId a = 0; a < plan.schedule.graph_tensor_count; ++a) {
        if (tensors[a].transient) continue;
        if (overlap(views[a], workspace))
            return diagnostics.fail(Result::invalid_argument, "create_bindings: tensor %s overlaps the workspace", tensors[a].name);
        for (TensorId b = 0; b < a; ++b)
            if (!tensors[b].transient && overlap(views[a], views[b]) && (is_written(plan, a) || is_written(plan, b)))
                return diagnostics.fail(Result::invalid_argument, "create_bindings: tensors %s and %s overlap, and one of them is written",
                                        tensors[b].name, tensors[a].name);
    }
    return Result::ok;
}

}  // namespace

Result check_bindings(const Plan& plan, Span<Binding> tensors, const BufferView& workspace, Array<BufferView>* views) {
    const Diagnostics& diagnostics = plan.device->diagnostics;
    const Schedule& schedule = plan.schedule;
    if (!views->resize(schedule.tensors.size())) return diagnostics.fail(Result::out_of_host_memory, "create_bindings: out of host memory");
    for (size_t i = 0; i < tensors.size; ++i)
        if (Result result = check_binding(plan, tensors.data[i], i, views); result != Result::ok) return result;
    if (Result result = check_all_bound(plan, *views); result != Result::ok) return result;
    if (schedule.workspace_size == 0) return check_overlaps(plan, *views, BufferView());
    if (Result result = check_view(diagnostics, "the workspace", workspace, schedule.workspace_size, schedule.workspace_alignment);
        result != Result::ok)
        return result;
    for (TensorId id = 0; id < schedule.tensors.size(); ++id)
        if (schedule.tensors[id].transient && schedule.tensors[id].whole == kNoTensor)
            (*views)[id] = {workspace.buffer, workspace.offset + schedule.workspace_offset[id], schedule.tensors[id].bytes};
    return check_overlaps(plan, *views, {workspace.buffer, workspace.offset, schedule.workspace_size});
}

}  // namespace scandium

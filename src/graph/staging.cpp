// Fits every dispatch to the few storage buffers that a stage may bind: workspace tensors share one
// binding, and of the external tensors the largest keep their own. The others pass through the
// workspace: inputs are copied in before the dispatch, outputs copied out after it.
#include <cstdio>
#include <cstring>

#include "graph/schedule.h"

namespace scandium {
namespace {

class Staging {
public:
    Staging(const Graph& graph, Schedule* schedule) : graph_(graph), schedule_(*schedule) {}

    Result run() {
        Array<ScheduledDispatch> before;
        if (!before.assign(schedule_.dispatches) || !schedule_.dispatches.resize(0)) return out_of_memory();
        for (const ScheduledDispatch& scheduled : before)
            if (Result r = stage(scheduled.dispatch); r != Result::ok) return r;
        return Result::ok;
    }

private:
    Result out_of_memory() { return graph_.diagnostics().fail(Result::out_of_host_memory, "operand staging: out of host memory"); }

    bool is_external(const Argument& argument) const {
        return argument.access != Access::none && !schedule_.tensors[argument.view.tensor].transient;
    }

    // The external argument that is cheapest to copy, or kMaxArguments if those left fit.
    uint32_t next_to_stage(const Dispatch& dispatch) const {
        uint32_t count = 0, smallest = kMaxArguments;
        for (uint32_t i = 0; i < dispatch.argument_count; ++i) {
            if (!is_external(dispatch.arguments[i])) continue;
            ++count;
            if (smallest == kMaxArguments || dispatch.arguments[i].view.bytes() < dispatch.arguments[smallest].view.bytes()) smallest = i;
        }
        return count > kDescriptorSlots - 1 ? smallest : kMaxArguments;
    }

    // A packed tensor in the workspace for what `view` reaches. Copies convert, so inputs are kept in f32 where the
    // dispatch does not read their bits; what is written keeps its type, since elements that the dispatch leaves alone must
    // come back with the bits that they had.
    bool add_transient(const View& view, bool keep_type, View* out) {
        Tensor tensor;
        std::snprintf(tensor.name, sizeof tensor.name, "staged_%.20s", schedule_.tensors[view.tensor].name);
        tensor.dtype = view.dtype == DType::i32 || keep_type ? view.dtype : DType::f32;
        tensor.rank = view.rank;
        tensor.transient = true;
        uint64_t elements = 1;
        for (uint32_t i = view.rank; i-- > 0;) {
            tensor.shape[i] = view.shape[i];
            tensor.stride[i] = elements;
            elements *= view.shape[i];
        }
        tensor.bytes = (elements * size_of(tensor.dtype) + 3) & ~uint64_t(3);
        if (!schedule_.tensors.push(tensor)) return false;
        *out = {};
        out->tensor = TensorId(schedule_.tensors.size() - 1);
        out->dtype = tensor.dtype;
        out->rank = tensor.rank;
        std::memcpy(out->shape, tensor.shape, sizeof out->shape);
        std::memcpy(out->stride, tensor.stride, sizeof out->stride);
        return true;
    }

    bool emit(const Dispatch& dispatch) {
        ScheduledDispatch scheduled;
        scheduled.dispatch = dispatch;
        uint32_t next = 1;
        for (uint32_t i = 0; i < dispatch.argument_count; ++i) {
            if (!is_external(dispatch.arguments[i])) continue;
            scheduled.slot[i] = uint8_t(next++);
        }
        return schedule_.dispatches.push(scheduled);
    }

    Result stage(Dispatch dispatch) {
        Dispatch copies_out[kMaxArguments];
        uint32_t copy_out_count = 0;
        for (uint32_t i = next_to_stage(dispatch); i != kMaxArguments; i = next_to_stage(dispatch)) {
            Argument& argument = dispatch.arguments[i];
            const View original = argument.view;
            View staged;
            if (!add_transient(original, dispatch.keeps_types || writes(argument.access), &staged)) return out_of_memory();
            // A write may leave elements untouched (fewer tokens recorded), so outputs are copied in as well.
            if (!emit(make_copy(graph_.caps(), original, staged))) return out_of_memory();
            if (writes(argument.access)) copies_out[copy_out_count++] = make_copy(graph_.caps(), staged, original);
            argument.view = staged;
        }
        if (!emit(dispatch)) return out_of_memory();
        for (uint32_t i = 0; i < copy_out_count; ++i)
            if (!emit(copies_out[i])) return out_of_memory();
        return Result::ok;
    }

    const Graph& graph_;
    Schedule& schedule_;
};

}  // namespace

Result stage_operands(const Graph& graph, Schedule* schedule) { return Staging(graph, schedule).run(); }

}  // namespace scandium

#include "graph/schedule.h"

namespace scandium {
namespace {

// A shader indexes with 32 bits, and a descriptor reaches only so far.
Result check_ranges(const Graph& graph, const Schedule& schedule) {
    const uint64_t limit = graph.max_view_bytes();
    for (const ScheduledDispatch& scheduled : schedule.dispatches) {
        const Dispatch& dispatch = scheduled.dispatch;
        for (uint32_t i = 0; i < dispatch.argument_count; ++i) {
            const Argument& argument = dispatch.arguments[i];
            if (argument.access == Access::none || argument.view.bytes() <= limit) continue;
            return graph.diagnostics().fail(Result::unsupported, "%s: its part of tensor %s spans %llu bytes, over the limit of %llu (%s)",
                                            dispatch.name, schedule.tensors[argument.view.tensor].name,
                                            static_cast<unsigned long long>(argument.view.bytes()), static_cast<unsigned long long>(limit),
                                            schedule.access == MemoryAccess::descriptor ? "maxStorageBufferRange" : "32-bit indices");
        }
    }
    return Result::ok;
}

// What nothing has written holds whatever was there before.
Result check_transients_are_written(const Graph& graph) {
    Array<bool> written;
    if (!written.resize(graph.tensors.size(), false))
        return graph.diagnostics().fail(Result::out_of_host_memory, "create_plan: out of host memory");
    for (const Dispatch& dispatch : graph.dispatches) {
        for (uint32_t i = 0; i < dispatch.argument_count; ++i) {
            const Argument& argument = dispatch.arguments[i];
            if (!reads(argument.access) || !graph.tensors[argument.view.tensor].transient || written[argument.view.tensor]) continue;
            return graph.diagnostics().fail(Result::invalid_argument, "%s reads the transient tensor %s, which nothing has written",
                                            dispatch.name, graph.tensors[argument.view.tensor].name);
        }
        for (uint32_t i = 0; i < dispatch.argument_count; ++i)
            if (writes(dispatch.arguments[i].access)) written[dispatch.arguments[i].view.tensor] = true;
    }
    return Result::ok;
}

}  // namespace

Result make_schedule(const Graph& graph, bool alias_workspace, Schedule* out) {
    if (graph.status != Result::ok) return graph.status;
    if (Result r = check_transients_are_written(graph); r != Result::ok) return r;
    out->access = graph.access;
    out->graph_tensor_count = uint32_t(graph.tensors.size());
    bool stored = out->tensors.assign(graph.tensors);
    ScheduledDispatch scheduled;
    for (size_t i = 0; i < graph.dispatches.size() && stored; ++i) {
        scheduled.dispatch = graph.dispatches[i];
        stored = out->dispatches.push(scheduled);
    }
    if (!stored) return graph.diagnostics().fail(Result::out_of_host_memory, "create_plan: out of host memory");
    if (out->access == MemoryAccess::descriptor) {
        out->workspace_alignment = graph.caps().storage_offset_alignment;
        if (out->workspace_alignment < kWorkspaceAlignment) out->workspace_alignment = kWorkspaceAlignment;
        if (Result r = stage_operands(graph, out); r != Result::ok) return r;
    } else {
        out->workspace_alignment = kWorkspaceAlignment;
    }
    if (Result r = check_ranges(graph, *out); r != Result::ok) return r;
    place_barriers(out);
    return layout_workspace(graph, alias_workspace, out);
}

}  // namespace scandium

#include "graph/schedule.h"

namespace scandium {
namespace {

Result resolve_access(const Graph& graph, MemoryAccess wanted, MemoryAccess* out) {
    const bool has_address = graph.caps().features.buffer_device_address;
    if (wanted == MemoryAccess::address && !has_address)
        return graph.diagnostics().fail(Result::invalid_argument, "access: address needs the feature buffer_device_address");
    *out = wanted == MemoryAccess::automatic ? (has_address ? MemoryAccess::address : MemoryAccess::descriptor) : wanted;
    return Result::ok;
}

// A shader indexes with 32 bits, and a descriptor reaches only so far.
Result check_ranges(const Graph& graph, const Schedule& schedule) {
    const uint64_t limit = max_view_bytes(graph.caps(), schedule.access);
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

}  // namespace

uint64_t max_view_bytes(const Caps& caps, MemoryAccess access) {
    constexpr uint64_t kIndexed = uint64_t(1) << 31;
    if (access != MemoryAccess::descriptor) return kIndexed;
    // A binding starts at an aligned offset, which may lie before the view's first byte.
    const uint64_t range = caps.max_storage_range - caps.storage_offset_alignment;
    return range < kIndexed ? range : kIndexed;
}

Result make_schedule(const Graph& graph, MemoryAccess access, bool alias_workspace, Schedule* out) {
    if (graph.status != Result::ok) return graph.status;
    if (Result r = resolve_access(graph, access, &out->access); r != Result::ok) return r;
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
        if (Result r = stage_operands(graph, out); r != Result::ok) return r;
    } else {
        out->workspace_alignment = 16;  // the widest load of a shader
    }
    if (Result r = check_ranges(graph, *out); r != Result::ok) return r;
    place_barriers(out);
    return layout_workspace(graph, alias_workspace, out);
}

}  // namespace scandium

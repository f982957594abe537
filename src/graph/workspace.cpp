// Layout of transient tensors in the workspace. Time is counted in epochs, the spans between barriers:
// two tensors may share memory if their epochs do not meet, so sharing never asks for another barrier.
#include "graph/schedule.h"

namespace scandium {
namespace {

struct Placed {
    TensorId tensor;
    uint32_t first_epoch, last_epoch;
    uint64_t offset, bytes;
};

uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// The lowest offset at which `item` meets nothing that lives at the same time.
uint64_t lowest_fit(const Array<Placed>& placed, const Placed& item, bool alias) {
    uint64_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (const Placed& other : placed) {
            const bool together = !alias || (item.first_epoch <= other.last_epoch && other.first_epoch <= item.last_epoch);
            if (together && offset < other.offset + other.bytes && other.offset < offset + item.bytes) {
                offset = other.offset + other.bytes;
                moved = true;
            }
        }
    }
    return offset;
}

// The transient tensors that any dispatch touches, with the epochs of the first and the last that does.
bool find_lifetimes(const Schedule& schedule, uint64_t alignment, Array<Placed>* out) {
    constexpr size_t kNowhere = ~size_t(0);
    Array<size_t> place;  // in `out`, of every tensor
    if (!place.resize(schedule.tensors.size(), kNowhere)) return false;
    uint32_t epoch = 0;
    for (const ScheduledDispatch& scheduled : schedule.dispatches) {
        if (scheduled.barrier_before) ++epoch;
        for (uint32_t i = 0; i < scheduled.dispatch.argument_count; ++i) {
            const TensorId id = scheduled.dispatch.arguments[i].view.tensor;
            if (id == kNoTensor || !schedule.tensors[id].transient) continue;
            if (place[id] == kNowhere) {
                place[id] = out->size();
                if (!out->push({id, epoch, epoch, 0, round_up(schedule.tensors[id].bytes, alignment)})) return false;
            }
            (*out)[place[id]].last_epoch = epoch;
        }
    }
    return true;
}

}  // namespace

Result layout_workspace(const Graph& graph, bool alias, Schedule* schedule) {
    const Diagnostics& diagnostics = graph.diagnostics();
    const uint64_t alignment = schedule->workspace_alignment;
    Array<Placed> waiting, placed;
    if (!schedule->workspace_offset.resize(schedule->tensors.size(), 0) || !find_lifetimes(*schedule, alignment, &waiting) ||
        !placed.reserve(waiting.size()))
        return diagnostics.fail(Result::out_of_host_memory, "workspace layout: out of host memory");
    // Largest first leaves the fewest gaps.
    for (size_t n = 0; n < waiting.size(); ++n) {
        size_t largest = n;
        for (size_t i = n + 1; i < waiting.size(); ++i)
            if (waiting[i].bytes > waiting[largest].bytes) largest = i;
        const Placed swap = waiting[n];
        waiting[n] = waiting[largest];
        waiting[largest] = swap;
        waiting[n].offset = lowest_fit(placed, waiting[n], alias);
        if (!placed.push(waiting[n])) return diagnostics.fail(Result::out_of_host_memory, "workspace layout: out of host memory");
        schedule->workspace_offset[waiting[n].tensor] = waiting[n].offset;
        const uint64_t end = waiting[n].offset + waiting[n].bytes;
        if (end > schedule->workspace_size) schedule->workspace_size = end;
    }
    if (schedule->access == MemoryAccess::descriptor && schedule->workspace_size > graph.caps().max_storage_range)
        return diagnostics.fail(
            Result::unsupported, "workspace of %llu bytes exceeds maxStorageBufferRange %llu and descriptors bind it in one piece",
            static_cast<unsigned long long>(schedule->workspace_size), static_cast<unsigned long long>(graph.caps().max_storage_range));
    return Result::ok;
}

}  // namespace scandium

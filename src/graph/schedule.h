// From a graph's list of dispatches to one that can be recorded: operands staged where bindings are few,
// barriers placed, transient tensors laid out. Pure: no Vulkan call.
#pragma once

#include "graph/graph_state.h"

namespace scandium {

// Storage buffer descriptors that a shader of the `descriptor` kind has: slot 0 is the workspace, and the
// other slots one external tensor each. Vulkan promises 4 to a stage.
inline constexpr uint32_t kDescriptorSlots = 4;

struct ScheduledDispatch {
    Dispatch dispatch;
    bool barrier_before = false;
    uint8_t slot[kMaxArguments] = {};  // with descriptors: of each argument; 0 is the workspace
};

struct Schedule {
    MemoryAccess access = MemoryAccess::address;
    Array<Tensor> tensors;            // the graph's, and those that staging added
    uint32_t graph_tensor_count = 0;  // the first of them are the graph's
    Array<ScheduledDispatch> dispatches;
    Array<uint64_t> workspace_offset;  // bytes, of every transient tensor
    uint64_t workspace_size = 0;       // bytes
    uint64_t workspace_alignment = 4;  // bytes
};

// Errors: the graph's own, unsupported (workspace or view beyond what the device can bind), out_of_host_memory.
Result make_schedule(const Graph& graph, bool alias_workspace, Schedule* out);

// The steps, each tested alone.
Result stage_operands(const Graph& graph, Schedule* schedule);  // at most kDescriptorSlots buffers a dispatch
void place_barriers(Schedule* schedule);                        // as few as the reads and writes allow
Result layout_workspace(const Graph& graph, bool alias, Schedule* schedule);

// Whether two boxes of one tensor can share an element. Boxes that do not have the tensor's strides are compared by the memory
// that they span.
bool boxes_meet(const Tensor& tensor, const View& a, const View& b);

// A dispatch that copies `from` to `to` (same shape), converting between element types.
Dispatch make_copy(const Caps& caps, const View& from, const View& to);

}  // namespace scandium

// The inside of a Plan and of its Bindings.
#pragma once

#include "graph/schedule.h"
#include "scandium/plan.h"
#include "shared/layout.h"
#include "vk/device_vk.h"

namespace scandium {

static_assert(HEADER_WORDS == kHeaderWords && MAX_ARGUMENTS == kMaxArguments && DESCRIPTOR_SLOTS == kDescriptorSlots,
              "shaders and dispatches must agree");

inline constexpr uint32_t kPushConstantBytes = 128;  // what every Vulkan device has, so nobody asks
inline constexpr uint32_t kPushConstantWords = kPushConstantBytes / 4;
static_assert(HEADER_WORDS + 2 * MAX_ARGUMENTS <= kPushConstantWords, "an address is two words");

struct PlannedPipeline {
    VkPipeline handle = VK_NULL_HANDLE;
    const KernelCode* code = nullptr;
};

struct Plan {
    const DeviceVk* device = nullptr;
    Schedule schedule;
    VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;  // with descriptors only
    VkPipelineLayout layout = VK_NULL_HANDLE;
    Array<PlannedPipeline> pipelines;  // each once
    Array<uint32_t> pipeline_index;    // of every dispatch
    bool has_statistics = false;

    const PlannedPipeline& pipeline(size_t dispatch) const { return pipelines[pipeline_index[dispatch]]; }
    bool uses_descriptors() const { return schedule.access == MemoryAccess::descriptor; }
};

// Fills plan->pipelines and plan->pipeline_index.
Result create_pipelines(Plan* plan);

struct PushConstants {
    uint32_t words[kPushConstantWords];
};

struct Bindings {
    const Plan* plan = nullptr;
    Array<PushConstants> push_constants;  // of every dispatch, for all its tokens
    VkDescriptorPool pool = VK_NULL_HANDLE;
    Array<VkDescriptorSet> sets;  // of every dispatch; empty with addresses
};

// Checks what create_bindings is given. `views` gets the memory of every tensor of the schedule, in a
// transient one's case a part of the workspace.
Result check_bindings(const Plan& plan, Span<Binding> tensors, const BufferView& workspace, Array<BufferView>* views);

}  // namespace scandium

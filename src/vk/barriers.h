// Memory barriers with names: what was written by whom, and who may touch it afterwards. One global
// VkMemoryBarrier each, since a plan's dispatches share the workspace and drivers gain nothing from ranges.
#pragma once

#include <vulkan/vulkan_core.h>

namespace scandium {

struct BarrierScope {
    VkPipelineStageFlags stages;
    VkAccessFlags access;
};

inline void memory_barrier(PFN_vkCmdPipelineBarrier cmd_pipeline_barrier, VkCommandBuffer commands, BarrierScope before,
                           BarrierScope after) {
    VkMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = before.access;
    barrier.dstAccessMask = after.access;
    cmd_pipeline_barrier(commands, before.stages, after.stages, 0, 1, &barrier, 0, nullptr, 0, nullptr);
}

// Between dispatches. Covers reading what was written, writing what was written, and writing what was read.
inline void barrier_compute_to_compute(PFN_vkCmdPipelineBarrier cmd_pipeline_barrier, VkCommandBuffer commands) {
    memory_barrier(cmd_pipeline_barrier, commands, {VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT},
                   {VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT});
}

}  // namespace scandium

// The Vulkan entry points that the core uses, loaded through the host's own vkGetInstanceProcAddr.
//
// Not volk, which src/context/ uses: volkLoadDeviceTable goes through volk's process-wide pointers, which
// belong to a host that links volk itself, and the core has no process-wide state.
#pragma once

#include "scandium/types.h"

namespace scandium {

// X(name without vk): must be there.
#define SCANDIUM_INSTANCE_ENTRY_POINTS(X) \
    X(GetDeviceProcAddr)                  \
    X(EnumerateDeviceExtensionProperties) \
    X(GetPhysicalDeviceProperties)        \
    X(GetPhysicalDeviceProperties2)       \
    X(GetPhysicalDeviceFeatures2)

#define SCANDIUM_DEVICE_ENTRY_POINTS(X) \
    X(CreateShaderModule)               \
    X(DestroyShaderModule)              \
    X(CreateDescriptorSetLayout)        \
    X(DestroyDescriptorSetLayout)       \
    X(CreatePipelineLayout)             \
    X(DestroyPipelineLayout)            \
    X(CreatePipelineCache)              \
    X(DestroyPipelineCache)             \
    X(GetPipelineCacheData)             \
    X(CreateComputePipelines)           \
    X(DestroyPipeline)                  \
    X(CreateDescriptorPool)             \
    X(DestroyDescriptorPool)            \
    X(AllocateDescriptorSets)           \
    X(UpdateDescriptorSets)             \
    X(CmdPipelineBarrier)               \
    X(CmdBindPipeline)                  \
    X(CmdBindDescriptorSets)            \
    X(CmdPushConstants)                 \
    X(CmdDispatch)                      \
    X(CmdWriteTimestamp)

// May be null: used only where the feature or extension behind them is enabled.
#define SCANDIUM_OPTIONAL_INSTANCE_ENTRY_POINTS(X) X(GetPhysicalDeviceCooperativeMatrixPropertiesKHR)

#define SCANDIUM_OPTIONAL_DEVICE_ENTRY_POINTS(X) \
    X(GetPipelineExecutablePropertiesKHR)        \
    X(GetPipelineExecutableStatisticsKHR)        \
    X(CmdBeginDebugUtilsLabelEXT)                \
    X(CmdEndDebugUtilsLabelEXT)

#define SCANDIUM_MEMBER(name) PFN_vk##name name = nullptr;

struct InstanceApi {
    SCANDIUM_INSTANCE_ENTRY_POINTS(SCANDIUM_MEMBER)
    SCANDIUM_OPTIONAL_INSTANCE_ENTRY_POINTS(SCANDIUM_MEMBER)

    // Null, or the name of an entry point that is missing.
    const char* load(PFN_vkGetInstanceProcAddr get, VkInstance instance);
};

struct DeviceApi {
    SCANDIUM_DEVICE_ENTRY_POINTS(SCANDIUM_MEMBER)
    SCANDIUM_OPTIONAL_DEVICE_ENTRY_POINTS(SCANDIUM_MEMBER)
    PFN_vkGetBufferDeviceAddress GetBufferDeviceAddress = nullptr;  // optional; of Vulkan 1.2 or the extension

    // `version`: the Vulkan version in use on the device. Null, or the name of an entry point that is missing.
    const char* load(PFN_vkGetDeviceProcAddr get, VkDevice device, uint32_t version);
};

#undef SCANDIUM_MEMBER

}  // namespace scandium

// What src/vk/ keeps of a device beyond the pure part.
#pragma once

#include "core/device_state.h"
#include "vk/api.h"

namespace scandium {

// Limits that only pipeline creation looks at.
struct PipelineLimits {
    uint32_t max_workgroup_subgroups = 0;  // with a required subgroup size; 0: none can be required
};

struct DeviceVk : Device {
    DeviceApi api;
    VkDevice handle = VK_NULL_HANDLE;
    VkPipelineCache pipeline_cache = VK_NULL_HANDLE;
    const VkAllocationCallbacks* allocation_callbacks = nullptr;
    uint32_t version = VK_API_VERSION_1_1;  // in use: the lower of the host's and the device's
    PipelineLimits limits;
};

// A Device that the public interface hands out is always one that wrap_device made.
inline const DeviceVk& as_vk(const Device* device) { return *static_cast<const DeviceVk*>(device); }

// What query_caps leaves out.
struct BesideCaps {
    uint32_t version = 0;  // in use
    Features offered;      // each for itself; those of Caps also have what Scandium needs beside them
    PipelineLimits limits;
};
Result query_device(const InstanceApi& api, VkPhysicalDevice physical_device, uint32_t api_version, Caps* caps, BesideCaps* beside);

}  // namespace scandium

// What src/vk/ keeps of a device beyond the pure part.
#pragma once

#include "core/device_state.h"
#include "core/kept_pipelines.h"
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
    bool keeps_pipelines = false;  // then the pipeline cache is ours
    PipelineOrigin origin;         // of kept pipelines
    Parallel parallel;
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
    uint8_t pipeline_cache_uuid[VK_UUID_SIZE] = {};
};
Result query_device(const InstanceApi& api, VkPhysicalDevice physical_device, uint32_t api_version, Caps* caps, BesideCaps* beside);

// The pipeline cache of a device that keeps its pipelines.
Result create_pipeline_cache(Span<uint8_t> kept, const uint8_t* cache_uuid, DeviceVk* device);
void destroy_pipeline_cache(DeviceVk* device);

}  // namespace scandium

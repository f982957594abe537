// The handle made from a host's device.
#include <new>

#include "core/features.h"
#include "vk/device_vk.h"

namespace scandium {
namespace {

Result check_desc(const DeviceDesc& desc, const Diagnostics& diagnostics) {
    const char* missing = nullptr;
    if (!desc.get_instance_proc_addr) missing = "get_instance_proc_addr";
    if (!desc.device) missing = "device";
    if (!desc.physical_device) missing = "physical_device";
    if (!desc.instance) missing = "instance";
    if (missing) return diagnostics.fail(Result::invalid_argument, "wrap_device: DeviceDesc::%s is null", missing);
    if (desc.api_version < VK_API_VERSION_1_1)
        return diagnostics.fail(Result::invalid_argument, "wrap_device: DeviceDesc::api_version is %u.%u, under the least of 1.1",
                                VK_API_VERSION_MAJOR(desc.api_version), VK_API_VERSION_MINOR(desc.api_version));
    if (desc.pipeline_cache && desc.keep_pipelines)
        return diagnostics.fail(Result::invalid_argument, "wrap_device: DeviceDesc::keep_pipelines is set, but pipeline_cache too");
    return Result::ok;
}

Result missing_entry_point(const Diagnostics& diagnostics, const char* name) {
    return diagnostics.fail(Result::internal_error, "wrap_device: entry point %s is missing", name);
}

// Leaves of the features that can be used those that the host enabled, and what follows from them. One that the host
// enabled for itself, without what Scandium needs beside it, is no mistake.
Result apply_enabled(const Features& enabled, const Features& offered, DeviceVk* device) {
    Caps& caps = device->caps;
    for (const FeatureMember& feature : kFeatureMembers)
        if (enabled.*feature.member && !(offered.*feature.member))
            return device->diagnostics.fail(Result::invalid_argument,
                                            "wrap_device: DeviceDesc::enabled.%s is set, but %s lacks it with Vulkan %u.%u", feature.name,
                                            caps.device_name, VK_API_VERSION_MAJOR(device->version), VK_API_VERSION_MINOR(device->version));
    caps.features = common(enabled, caps.features);
    // The kernels with cooperative matrices are in the Vulkan memory model and have 16-bit storage.
    if (!caps.features.vulkan_memory_model || !caps.features.storage_buffer_16bit) caps.features.cooperative_matrix = false;
    if (!caps.features.cooperative_matrix) {
        caps.features.bfloat16_cooperative_matrix = caps.features.cooperative_matrix_conversions = false;
        caps.cooperative_matrix_count = 0;
    }
    if (!caps.features.subgroup_size_control) caps.can_require_subgroup_size = false;
    return Result::ok;
}

Result load_entry_points(PFN_vkGetDeviceProcAddr get, DeviceVk* device) {
    const DeviceApi& api = device->api;
    if (const char* missing = device->api.load(get, device->handle, device->version); missing)
        return missing_entry_point(device->diagnostics, missing);
    const Features& features = device->caps.features;
    if (features.buffer_device_address && !api.GetBufferDeviceAddress)
        return missing_entry_point(device->diagnostics, "vkGetBufferDeviceAddress");
    if (features.pipeline_executable_info && (!api.GetPipelineExecutablePropertiesKHR || !api.GetPipelineExecutableStatisticsKHR))
        return missing_entry_point(device->diagnostics, "vkGetPipelineExecutableStatisticsKHR");
    return Result::ok;
}

Result fill(const DeviceDesc& desc, DeviceVk* device) {
    const Diagnostics& diagnostics = device->diagnostics;
    InstanceApi api;
    if (const char* missing = api.load(desc.get_instance_proc_addr, desc.instance); missing)
        return missing_entry_point(diagnostics, missing);
    BesideCaps beside;
    const Result queried = query_device(api, desc.physical_device, desc.api_version, &device->caps, &beside);
    if (queried == Result::unsupported) return diagnostics.fail(queried, "wrap_device: the physical device is under Vulkan 1.1");
    if (queried != Result::ok) return diagnostics.fail(queried, "wrap_device: the physical device could not be queried");
    device->version = beside.version;
    device->limits = beside.limits;
    if (Result result = apply_enabled(desc.enabled, beside.offered, device); result != Result::ok) return result;
    if (Result result = load_entry_points(api.GetDeviceProcAddr, device); result != Result::ok) return result;
    return desc.keep_pipelines ? create_pipeline_cache(desc.kept_pipelines, beside.pipeline_cache_uuid, device) : Result::ok;
}

}  // namespace

Result wrap_device(const DeviceDesc& desc, Device** out) noexcept {
    const Diagnostics diagnostics{desc.diagnostics, desc.diagnostics_user};
    if (!out) return diagnostics.fail(Result::invalid_argument, "wrap_device: out is null");
    *out = nullptr;
    if (Result result = check_desc(desc, diagnostics); result != Result::ok) return result;
    DeviceVk* device = new (std::nothrow) DeviceVk;
    if (!device) return diagnostics.fail(Result::out_of_host_memory, "wrap_device: out of host memory");
    device->diagnostics = diagnostics;
    device->handle = desc.device;
    device->pipeline_cache = desc.pipeline_cache;
    device->parallel = desc.parallel;
    device->allocation_callbacks = desc.allocation_callbacks;
    if (Result result = fill(desc, device); result != Result::ok) {
        delete device;
        return result;
    }
    *out = device;
    return Result::ok;
}

void destroy_device(Device* device) noexcept {
    if (!device) return;
    DeviceVk* wrapped = static_cast<DeviceVk*>(device);
    destroy_pipeline_cache(wrapped);
    delete wrapped;
}

const Caps& device_caps(const Device* device) noexcept { return device->caps; }

}  // namespace scandium

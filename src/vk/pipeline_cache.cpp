// A pipeline cache of a Device's own, and its way to the host's files.
#include "core/array.h"
#include "core/hash.h"
#include "kernels.h"
#include "scandium/scandium.h"
#include "vk/device_vk.h"

namespace scandium {
namespace {

// A driver keys pipelines by their code, so that old kernels do no harm; but they would be kept for ever.
uint64_t hash_kernels() {
    size_t count = 0;
    const KernelCode* codes = kernel_codes(&count);
    uint64_t hash = 0;
    for (size_t i = 0; i < count; ++i) hash = hash_bytes(codes[i].words, codes[i].bytes, hash);
    return hash;
}

PipelineOrigin origin_of(const Caps& caps, const uint8_t* cache_uuid) {
    PipelineOrigin origin;
    origin.library_version = VK_MAKE_API_VERSION(0, SCANDIUM_VERSION_MAJOR, SCANDIUM_VERSION_MINOR, SCANDIUM_VERSION_PATCH);
    origin.kernels = hash_kernels();
    origin.vendor_id = caps.vendor_id;
    origin.device_id = caps.device_id;
    origin.driver_version = caps.driver_version;
    std::memcpy(origin.cache_uuid, cache_uuid, sizeof origin.cache_uuid);
    return origin;
}

VkResult create(DeviceVk* device, Span<uint8_t> payload) {
    VkPipelineCacheCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
    info.initialDataSize = payload.size;
    info.pInitialData = payload.data;
    return device->api.CreatePipelineCache(device->handle, &info, device->allocation_callbacks, &device->pipeline_cache);
}

// Other threads may make pipelines meanwhile, so that the size grows between the two calls.
Result read_cache(const DeviceVk& device, Array<uint8_t>* bytes) {
    VkResult vk = VK_INCOMPLETE;
    while (vk == VK_INCOMPLETE) {
        size_t size = 0;
        vk = device.api.GetPipelineCacheData(device.handle, device.pipeline_cache, &size, nullptr);
        if (vk != VK_SUCCESS) break;
        if (!bytes->resize(kKeptHeaderBytes + size))
            return device.diagnostics.fail(Result::out_of_host_memory, "save_pipelines: out of host memory");
        vk = device.api.GetPipelineCacheData(device.handle, device.pipeline_cache, &size, bytes->data() + kKeptHeaderBytes);
        if (vk == VK_SUCCESS && !bytes->resize(kKeptHeaderBytes + size)) return Result::out_of_host_memory;
    }
    return vk == VK_SUCCESS ? Result::ok : device.diagnostics.fail_vk(vk, "vkGetPipelineCacheData");
}

}  // namespace

Result create_pipeline_cache(Span<uint8_t> kept, const uint8_t* cache_uuid, DeviceVk* device) {
    const Diagnostics& diagnostics = device->diagnostics;
    device->keeps_pipelines = true;
    device->origin = origin_of(device->caps, cache_uuid);
    if (kept.size != 0) {
        const KeptPipelines read = read_kept(device->origin, kept);
        if (!read.fault && create(device, read.payload) == VK_SUCCESS) return Result::ok;
        diagnostics.fail(Result::ok, "wrap_device: DeviceDesc::kept_pipelines %s: pipelines are compiled anew",
                         read.fault ? read.fault : "are refused by the driver");
        device->pipeline_cache = VK_NULL_HANDLE;
    }
    const VkResult vk = create(device, {});
    return vk == VK_SUCCESS ? Result::ok : diagnostics.fail_vk(vk, "vkCreatePipelineCache");
}

void destroy_pipeline_cache(DeviceVk* device) {
    if (device->keeps_pipelines) device->api.DestroyPipelineCache(device->handle, device->pipeline_cache, device->allocation_callbacks);
}

Result save_pipelines(const Device* device, PipelineSink sink, void* user) noexcept {
    if (!device) return Result::invalid_argument;
    const DeviceVk& wrapped = as_vk(device);
    if (!sink) return wrapped.diagnostics.fail(Result::invalid_argument, "save_pipelines: sink is null");
    if (!wrapped.keeps_pipelines)
        return wrapped.diagnostics.fail(Result::invalid_argument, "save_pipelines: the Device was made without DeviceDesc::keep_pipelines");
    Array<uint8_t> bytes;
    if (Result result = read_cache(wrapped, &bytes); result != Result::ok) return result;
    write_kept_header(wrapped.origin, {bytes.data() + kKeptHeaderBytes, bytes.size() - kKeptHeaderBytes}, bytes.data());
    sink(user, {bytes.data(), bytes.size()});
    return Result::ok;
}

}  // namespace scandium

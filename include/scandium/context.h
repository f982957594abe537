// Scandium: a device of one's own, for programs without an engine: samples, tests, the command line.
// An engine wants device.h instead; nothing else in the library needs this header.
//
// Thin: one instance, one device, one compute queue, buffers through VulkanMemoryAllocator, and calls
// that block until the work is done.
#pragma once

#include "scandium/plan.h"

namespace scandium {

struct Context;

struct ContextOptions {
    const char* device = nullptr;  // index, or part of the name without regard to case; null or "": the best one
    bool validation = false;       // VK_LAYER_KHRONOS_validation with synchronization validation, messages to diagnostics;
                                   // unsupported if the layer is not installed
    Features* features = nullptr;  // if set, only these features are enabled, of those that the device has
    DiagnosticsCallback diagnostics = nullptr;
    void* diagnostics_user = nullptr;
};

struct DeviceEntry {
    uint32_t index = 0;
    Caps caps;
};

// Calls `each` for every Vulkan 1.1 device, in the loader's order.
//   Errors: unsupported (no Vulkan loader or driver).
[[nodiscard]] SCANDIUM_API Result list_devices(void (*each)(void* user, const DeviceEntry& entry), void* user,
                                               DiagnosticsCallback diagnostics = nullptr, void* diagnostics_user = nullptr) noexcept;

// The best device is a discrete GPU, else an integrated one, else any other; among equals the first.
//   Errors: unsupported (no loader, no device, none of that name), out_of_host_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result create_context(const ContextOptions& options, Context** out) noexcept;
SCANDIUM_API void destroy_context(Context* context) noexcept;

SCANDIUM_API Device* context_device(const Context* context) noexcept;

// Validation messages seen so far (errors and warnings); 0 without ContextOptions::validation.
SCANDIUM_API uint32_t validation_message_count(const Context* context) noexcept;

struct Buffer;

// Device memory, for tensors and workspaces. `size` is rounded up to 4 bytes. Contents are undefined.
[[nodiscard]] SCANDIUM_API Result create_buffer(Context* context, VkDeviceSize size, Buffer** out) noexcept;
SCANDIUM_API void destroy_buffer(Context* context, Buffer* buffer) noexcept;
SCANDIUM_API BufferView view(const Buffer* buffer) noexcept;

//   Errors: invalid_argument (range outside the buffer), out_of_device_memory, device_lost.
[[nodiscard]] SCANDIUM_API Result upload(Context* context, Buffer* buffer, VkDeviceSize offset, const void* data, VkDeviceSize size) noexcept;
[[nodiscard]] SCANDIUM_API Result download(Context* context, const Buffer* buffer, VkDeviceSize offset, void* data, VkDeviceSize size) noexcept;

struct RunOptions {
    uint64_t seqlen = 0;       // as in RecordOptions
    uint32_t repeat = 1;       // times in one command buffer, with barriers between
    double* stage_us = nullptr;  // if set: dispatch_count(plan) microseconds, of the last repeat, from GPU timestamps;
                                 // negative where the device has none
};

// Records, submits and waits.
//   Errors: out_of_host_memory, out_of_device_memory, device_lost.
[[nodiscard]] SCANDIUM_API Result run(Context* context, const Plan* plan, const Bindings* bindings, const RunOptions& options = RunOptions()) noexcept;

}  // namespace scandium

// Scandium: a device of one's own, for programs without an engine: samples, tests, the command line.
// An engine wants device.h instead; nothing else in the library needs this header.
//
// Thin: one instance, one device, one compute queue, buffers through VulkanMemoryAllocator, and calls
// that block until the work is done. A Context and what is made from it serve one thread at a time.
#pragma once

#include "scandium/plan.h"

namespace scandium {

struct Context;

struct ContextOptions {
    const char* device = nullptr;          // index (that of list_devices, one or two digits), or else part of the name without
                                           // regard to case; null or "": the best one
    bool validation = false;               // VK_LAYER_KHRONOS_validation with synchronization validation, messages to diagnostics;
                                           // unsupported if the layer is not installed
    const char* pipeline_cache = nullptr;  // a file that keeps pipelines between runs, or with a slash at its end a folder that is
                                           // there, with such a file for each device; null or "": nothing is kept. See create_context
    Parallel parallel = {};                // as in DeviceDesc
    const Features* features = nullptr;    // if set, only these features are enabled, of those that the device has
    DiagnosticsCallback diagnostics = nullptr;
    void* diagnostics_user = nullptr;
};

struct DeviceEntry {
    uint32_t index = 0;  // for ContextOptions::device
    Caps caps;
};

// Calls `each` for every Vulkan 1.1 device, in the loader's order. One that cannot be queried is left out and told to
// `diagnostics`; it is an error only if no other is left.
//   Errors: invalid_argument (`each` is null), unsupported (no Vulkan loader or driver), out_of_host_memory,
//   out_of_device_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result list_devices(void (*each)(void* user, const DeviceEntry& entry), void* user,
                                               DiagnosticsCallback diagnostics = nullptr, void* diagnostics_user = nullptr) noexcept;

// ContextOptions::pipeline_cache: read here, and written anew by destroy_context if it has changed, in one step, so that any
// number of programs may share it. A file that cannot be read or written, or is no use (DeviceDesc::kept_pipelines), is no error:
// diagnostics is told with Result::ok. Keep it where no one else can write: a file made to deceive is not recognized.
// The best device is a discrete GPU, else an integrated one, else any other; among equals the first.
//   Errors: invalid_argument (`out` is null), unsupported (no loader, no device, none of that name, no validation layer),
//   out_of_host_memory, out_of_device_memory, device_lost, internal_error.
[[nodiscard]] SCANDIUM_API Result create_context(const ContextOptions& options, Context** out) noexcept;
SCANDIUM_API void destroy_context(Context* context) noexcept;

SCANDIUM_API Device* context_device(const Context* context) noexcept;

// Validation messages seen so far (errors and warnings); 0 without ContextOptions::validation.
SCANDIUM_API uint32_t validation_message_count(const Context* context) noexcept;

struct Buffer;

// Device memory, for tensors and workspaces. `size` is rounded up to 4 bytes. Contents are undefined.
//   Errors: invalid_argument (null argument, size over 64 bits), out_of_host_memory, out_of_device_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result create_buffer(Context* context, VkDeviceSize size, Buffer** out) noexcept;
SCANDIUM_API void destroy_buffer(Context* context, Buffer* buffer) noexcept;
SCANDIUM_API BufferView view(const Buffer* buffer) noexcept;

//   Errors: invalid_argument (null argument, range outside the buffer), out_of_host_memory, out_of_device_memory,
//   device_lost, internal_error.
[[nodiscard]] SCANDIUM_API Result upload(Context* context, Buffer* buffer, VkDeviceSize offset, const void* data,
                                         VkDeviceSize size) noexcept;
[[nodiscard]] SCANDIUM_API Result download(Context* context, const Buffer* buffer, VkDeviceSize offset, void* data,
                                           VkDeviceSize size) noexcept;

struct RunOptions {
    uint64_t seqlen = 0;         // as in RecordOptions
    uint32_t repeat = 1;         // times in one command buffer, with barriers between
    double* stage_us = nullptr;  // if set: dispatch_count(plan) microseconds, of the last repeat, from GPU timestamps;
                                 // negative where the device has none
    double* total_us = nullptr;  // if set: microseconds of all repeats together, likewise
};

// Records, submits and waits.
//   Errors: invalid_argument (null argument, bindings of another plan, repeat is 0), out_of_host_memory,
//   out_of_device_memory, device_lost, internal_error.
[[nodiscard]] SCANDIUM_API Result run(Context* context, const Plan* plan, const Bindings* bindings,
                                      const RunOptions& options = RunOptions()) noexcept;

// The same, but the repeats take the bindings in turn: with enough of them no cache holds what the next repeat reads.
//   Errors: also invalid_argument (no bindings).
[[nodiscard]] SCANDIUM_API Result run(Context* context, const Plan* plan, Span<const Bindings*> bindings,
                                      const RunOptions& options = RunOptions()) noexcept;

// Between buffers on the device, all in one submission. No region may meet another that is written.
struct BufferCopy {
    const Buffer* from = nullptr;
    VkDeviceSize from_offset = 0;
    Buffer* to = nullptr;
    VkDeviceSize to_offset = 0;
    VkDeviceSize size = 0;
};
//   Errors: as of upload.
[[nodiscard]] SCANDIUM_API Result copy(Context* context, Span<BufferCopy> regions) noexcept;

// Work that is recorded once and then submitted again and again, with what it reads from the host and what the host reads
// of it, all in one command buffer.
struct Recording;

struct RecordingStep {
    const Plan* plan = nullptr;
    const Bindings* bindings = nullptr;
};
struct HostTransfer {
    Buffer* buffer = nullptr;
    VkDeviceSize offset = 0;
    VkDeviceSize size = 0;
};
struct RecordingDesc {
    Span<HostTransfer> inputs;   // copied from recording_input() before the steps
    Span<RecordingStep> steps;   // one after the other
    Span<HostTransfer> outputs;  // copied to recording_output() after them
    uint64_t seqlen = 0;         // as in RecordOptions, of every step
    bool timed = false;          // also write timestamps, for recording_us()
};

// Plans, bindings and buffers have to outlive it.
//   Errors: invalid_argument (null argument, bindings of another plan, range outside a buffer), out_of_host_memory,
//   out_of_device_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result create_recording(Context* context, const RecordingDesc& desc, Recording** out) noexcept;
SCANDIUM_API void destroy_recording(Context* context, Recording* recording) noexcept;
// Memory of the host's, of the transfer's size, that the next run() reads; what the last run() gave.
SCANDIUM_API void* recording_input(const Recording* recording, size_t index) noexcept;
SCANDIUM_API const void* recording_output(const Recording* recording, size_t index) noexcept;

// Microseconds that the device took for the last run() of a recording that is timed, transfers included, from GPU timestamps;
// negative where the device has none, and before the first run.
//   Errors: invalid_argument (null argument, a recording that is not timed), device_lost, internal_error.
[[nodiscard]] SCANDIUM_API Result recording_us(Context* context, const Recording* recording, double* us) noexcept;

// Submits and waits. Allocates nothing.
//   Errors: invalid_argument (null argument), out_of_host_memory, out_of_device_memory, device_lost, internal_error.
[[nodiscard]] SCANDIUM_API Result run(Context* context, const Recording* recording) noexcept;

}  // namespace scandium

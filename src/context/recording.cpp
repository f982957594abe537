// Work that is recorded once: copies from the host, plans, copies to the host.
#include <new>

#include "context/context_state.h"

namespace scandium {

// Transfers go through one buffer that stays mapped: first what the host writes, then what it reads.
struct Recording {
    Buffer staging;
    char* mapped = nullptr;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    Array<VkDeviceSize> inputs, outputs;  // where each lies in `staging`
    bool timed = false;
    VkQueryPool timestamps = VK_NULL_HANDLE;  // before and after all; null where the device has none
    mutable bool ran = false;
};

namespace {

constexpr VkDeviceSize kAlignment = 64;

Result check_transfers(Context* context, Span<HostTransfer> transfers) {
    for (size_t i = 0; i < transfers.size; ++i) {
        const HostTransfer& transfer = transfers.data[i];
        if (Result result = check_range(context, "create_recording", transfer.buffer, transfer.offset, transfer.size); result != Result::ok)
            return result;
        if (transfer.size == 0) return context->diagnostics().fail(Result::invalid_argument, "create_recording: a transfer has no bytes");
    }
    return Result::ok;
}

Result check_steps(Context* context, Span<RecordingStep> steps) {
    const Diagnostics& diagnostics = context->diagnostics();
    for (size_t i = 0; i < steps.size; ++i) {
        if (!steps.data[i].plan || !steps.data[i].bindings)
            return diagnostics.fail(Result::invalid_argument, "create_recording: step %zu lacks a plan or bindings", i);
        if (plan_of(steps.data[i].bindings) != steps.data[i].plan)
            return diagnostics.fail(Result::invalid_argument, "create_recording: the bindings of step %zu are of another plan", i);
    }
    return Result::ok;
}

bool place(Span<HostTransfer> transfers, Array<VkDeviceSize>* places, VkDeviceSize* size) {
    for (size_t i = 0; i < transfers.size; ++i) {
        if (!places->push(*size)) return false;
        *size += (transfers.data[i].size + kAlignment - 1) / kAlignment * kAlignment;
    }
    return true;
}

Result make_staging(Context* context, VkDeviceSize size, Recording* recording) {
    VmaAllocationCreateInfo memory{};
    memory.requiredFlags = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    memory.preferredFlags = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    if (Result result = allocate(context, buffer_info(size, 0), memory, &recording->staging); result != Result::ok) return result;
    void* mapped = nullptr;
    const VkResult vk = vmaMapMemory(context->allocator, recording->staging.allocation, &mapped);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkMapMemory");
    recording->mapped = static_cast<char*>(mapped);
    std::memset(mapped, 0, size);
    return Result::ok;
}

void write_timestamp(Context* context, const Recording* recording, VkPipelineStageFlagBits stage, uint32_t query) {
    if (recording->timestamps) context->api.vkCmdWriteTimestamp(recording->commands, stage, recording->timestamps, query);
}

Result record_all(Context* context, const RecordingDesc& desc, Recording* recording) {
    const VolkDeviceTable& api = context->api;
    VkCommandBufferAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = context->command_pool;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    const VkResult vk = api.vkAllocateCommandBuffers(context->handle, &info, &recording->commands);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkAllocateCommandBuffers");
    if (Result result = begin(context, recording->commands, 0); result != Result::ok) return result;
    if (recording->timestamps) api.vkCmdResetQueryPool(recording->commands, recording->timestamps, 0, 2);
    write_timestamp(context, recording, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, 0);
    for (size_t i = 0; i < desc.inputs.size; ++i) {
        const HostTransfer& to = desc.inputs.data[i];
        const VkBufferCopy region = {recording->inputs[i], to.offset, to.size};
        api.vkCmdCopyBuffer(recording->commands, recording->staging.handle, to.buffer->handle, 1, &region);
    }
    RecordOptions options;
    options.seqlen = desc.seqlen;
    for (size_t i = 0; i < desc.steps.size; ++i) {
        order_writes(context, recording->commands);
        record(recording->commands, desc.steps.data[i].plan, desc.steps.data[i].bindings, options);
    }
    order_writes(context, recording->commands);
    for (size_t i = 0; i < desc.outputs.size; ++i) {
        const HostTransfer& from = desc.outputs.data[i];
        const VkBufferCopy region = {from.offset, recording->outputs[i], from.size};
        api.vkCmdCopyBuffer(recording->commands, from.buffer->handle, recording->staging.handle, 1, &region);
    }
    write_timestamp(context, recording, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 1);
    return end(context, recording->commands);
}

Result fill(Context* context, const RecordingDesc& desc, Recording* recording) {
    if (Result result = check_transfers(context, desc.inputs); result != Result::ok) return result;
    if (Result result = check_transfers(context, desc.outputs); result != Result::ok) return result;
    if (Result result = check_steps(context, desc.steps); result != Result::ok) return result;
    VkDeviceSize size = 0;
    if (!place(desc.inputs, &recording->inputs, &size) || !place(desc.outputs, &recording->outputs, &size))
        return context->diagnostics().fail(Result::out_of_host_memory, "create_recording: out of host memory");
    if (Result result = make_staging(context, size ? size : kAlignment, recording); result != Result::ok) return result;
    recording->timed = desc.timed;
    if (desc.timed && has_timestamps(context))
        if (Result result = make_timestamps(context, 2, &recording->timestamps); result != Result::ok) return result;
    return record_all(context, desc, recording);
}

}  // namespace

Result create_recording(Context* context, const RecordingDesc& desc, Recording** out) noexcept {
    if (!context) return Result::invalid_argument;
    if (!out) return context->diagnostics().fail(Result::invalid_argument, "create_recording: out is null");
    *out = nullptr;
    Recording* recording = new (std::nothrow) Recording;
    if (!recording) return context->diagnostics().fail(Result::out_of_host_memory, "create_recording: out of host memory");
    if (Result result = fill(context, desc, recording); result != Result::ok) {
        destroy_recording(context, recording);
        return result;
    }
    *out = recording;
    return Result::ok;
}

void destroy_recording(Context* context, Recording* recording) noexcept {
    if (!recording) return;
    if (recording->commands) context->api.vkFreeCommandBuffers(context->handle, context->command_pool, 1, &recording->commands);
    if (recording->timestamps) context->api.vkDestroyQueryPool(context->handle, recording->timestamps, nullptr);
    if (recording->mapped) vmaUnmapMemory(context->allocator, recording->staging.allocation);
    if (recording->staging.handle) vmaDestroyBuffer(context->allocator, recording->staging.handle, recording->staging.allocation);
    delete recording;
}

void* recording_input(const Recording* recording, size_t index) noexcept {
    return recording && index < recording->inputs.size() ? recording->mapped + recording->inputs[index] : nullptr;
}

const void* recording_output(const Recording* recording, size_t index) noexcept {
    return recording && index < recording->outputs.size() ? recording->mapped + recording->outputs[index] : nullptr;
}

Result run(Context* context, const Recording* recording) noexcept {
    if (!context) return Result::invalid_argument;
    if (!recording) return context->diagnostics().fail(Result::invalid_argument, "run: recording is null");
    const Result result = submit_and_wait(context, recording->commands);
    if (result == Result::ok) recording->ran = true;
    return result;
}

Result recording_us(Context* context, const Recording* recording, double* us) noexcept {
    if (!context) return Result::invalid_argument;
    const Diagnostics& diagnostics = context->diagnostics();
    if (!recording || !us) return diagnostics.fail(Result::invalid_argument, "recording_us: %s is null", recording ? "us" : "recording");
    if (!recording->timed) return diagnostics.fail(Result::invalid_argument, "recording_us: the recording is not timed");
    *us = -1;
    if (!recording->timestamps || !recording->ran) return Result::ok;
    uint64_t ticks[2] = {};
    if (Result result = read_timestamps(context, recording->timestamps, 0, 2, ticks); result != Result::ok) return result;
    *us = microseconds(context, ticks[0], ticks[1]);
    return Result::ok;
}

}  // namespace scandium

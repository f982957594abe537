// Buffers, and moving bytes between them and the host.
#include <new>

#include "context/context_state.h"

namespace scandium {
namespace {

// Bounds what a transfer through staging costs in host memory; larger ones go in pieces.
constexpr VkDeviceSize kStagingBytes = VkDeviceSize(16) << 20;

Result ensure_staging(Context* context) {
    if (context->staging.handle) return Result::ok;
    VmaAllocationCreateInfo memory{};
    memory.requiredFlags = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    memory.preferredFlags = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    return allocate(context, buffer_info(kStagingBytes, 0), memory, &context->staging);
}

Result write_mapped(Context* context, const Buffer& buffer, VkDeviceSize offset, const void* data, VkDeviceSize size) {
    void* mapped = nullptr;
    VkResult vk = vmaMapMemory(context->allocator, buffer.allocation, &mapped);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkMapMemory");
    std::memcpy(static_cast<char*>(mapped) + offset, data, size);
    vk = vmaFlushAllocation(context->allocator, buffer.allocation, offset, size);
    vmaUnmapMemory(context->allocator, buffer.allocation);
    return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkFlushMappedMemoryRanges");
}

Result read_mapped(Context* context, const Buffer& buffer, VkDeviceSize offset, void* data, VkDeviceSize size) {
    void* mapped = nullptr;
    VkResult vk = vmaMapMemory(context->allocator, buffer.allocation, &mapped);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkMapMemory");
    vk = vmaInvalidateAllocation(context->allocator, buffer.allocation, offset, size);
    if (vk == VK_SUCCESS) std::memcpy(data, static_cast<const char*>(mapped) + offset, size);
    vmaUnmapMemory(context->allocator, buffer.allocation);
    return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkInvalidateMappedMemoryRanges");
}

Result copy(Context* context, VkBuffer from, VkDeviceSize from_offset, VkBuffer to, VkDeviceSize to_offset, VkDeviceSize size) {
    if (Result result = begin_commands(context); result != Result::ok) return result;
    const VkBufferCopy region = {from_offset, to_offset, size};
    context->api.vkCmdCopyBuffer(context->commands, from, to, 1, &region);
    return submit_and_wait(context);
}

VkDeviceSize piece(VkDeviceSize left) { return left < kStagingBytes ? left : kStagingBytes; }

}  // namespace

Result allocate(Context* context, const VkBufferCreateInfo& info, const VmaAllocationCreateInfo& memory, Buffer* buffer) {
    const VkResult vk = vmaCreateBuffer(context->allocator, &info, &memory, &buffer->handle, &buffer->allocation, nullptr);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vmaCreateBuffer");
    VkMemoryPropertyFlags properties = 0;
    vmaGetAllocationMemoryProperties(context->allocator, buffer->allocation, &properties);
    buffer->host_visible = properties & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    buffer->size = info.size;
    return Result::ok;
}

VkBufferCreateInfo buffer_info(VkDeviceSize size, VkBufferUsageFlags usage) {
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = size;
    info.usage = usage | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    return info;
}

Result check_range(const Context* context, const char* call, const Buffer* buffer, VkDeviceSize offset, VkDeviceSize size) {
    const Diagnostics& diagnostics = context->diagnostics();
    if (!buffer) return diagnostics.fail(Result::invalid_argument, "%s: buffer is null", call);
    if (offset > buffer->size || size > buffer->size - offset)
        return diagnostics.fail(Result::invalid_argument, "%s: %llu bytes at offset %llu exceed the buffer's %llu", call,
                                static_cast<unsigned long long>(size), static_cast<unsigned long long>(offset),
                                static_cast<unsigned long long>(buffer->size));
    return Result::ok;
}

void destroy_staging(Context* context) {
    if (context->staging.handle) vmaDestroyBuffer(context->allocator, context->staging.handle, context->staging.allocation);
}

Result create_buffer(Context* context, VkDeviceSize size, Buffer** out) noexcept {
    if (!context) return Result::invalid_argument;
    if (!out) return context->diagnostics().fail(Result::invalid_argument, "create_buffer: out is null");
    *out = nullptr;
    if (size > ~VkDeviceSize(0) - 3) return context->diagnostics().fail(Result::invalid_argument, "create_buffer: size exceeds 64 bits");
    Buffer* buffer = new (std::nothrow) Buffer;
    if (!buffer) return context->diagnostics().fail(Result::out_of_host_memory, "create_buffer: out of host memory");
    const VkDeviceSize rounded = size == 0 ? 4 : (size + 3) & ~VkDeviceSize(3);
    VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    if (context->enabled.buffer_device_address) usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    VmaAllocationCreateInfo memory{};
    memory.preferredFlags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    if (Result result = allocate(context, buffer_info(rounded, usage), memory, buffer); result != Result::ok) {
        delete buffer;
        return result;
    }
    *out = buffer;
    return Result::ok;
}

void destroy_buffer(Context* context, Buffer* buffer) noexcept {
    if (!buffer) return;
    vmaDestroyBuffer(context->allocator, buffer->handle, buffer->allocation);
    delete buffer;
}

BufferView view(const Buffer* buffer) noexcept {
    BufferView view;
    if (!buffer) return view;
    view.buffer = buffer->handle;
    view.size = buffer->size;
    return view;
}

Result upload(Context* context, Buffer* buffer, VkDeviceSize offset, const void* data, VkDeviceSize size) noexcept {
    if (!context) return Result::invalid_argument;
    if (!data && size) return context->diagnostics().fail(Result::invalid_argument, "upload: data is null");
    if (Result result = check_range(context, "upload", buffer, offset, size); result != Result::ok) return result;
    if (size == 0) return Result::ok;
    if (buffer->host_visible) return write_mapped(context, *buffer, offset, data, size);
    if (Result result = ensure_staging(context); result != Result::ok) return result;
    for (VkDeviceSize done = 0; done < size; done += piece(size - done)) {
        const VkDeviceSize count = piece(size - done);
        Result result = write_mapped(context, context->staging, 0, static_cast<const char*>(data) + done, count);
        if (result == Result::ok) result = copy(context, context->staging.handle, 0, buffer->handle, offset + done, count);
        if (result != Result::ok) return result;
    }
    return Result::ok;
}

Result download(Context* context, const Buffer* buffer, VkDeviceSize offset, void* data, VkDeviceSize size) noexcept {
    if (!context) return Result::invalid_argument;
    if (!data && size) return context->diagnostics().fail(Result::invalid_argument, "download: data is null");
    if (Result result = check_range(context, "download", buffer, offset, size); result != Result::ok) return result;
    if (size == 0) return Result::ok;
    if (buffer->host_visible) return read_mapped(context, *buffer, offset, data, size);
    if (Result result = ensure_staging(context); result != Result::ok) return result;
    for (VkDeviceSize done = 0; done < size; done += piece(size - done)) {
        const VkDeviceSize count = piece(size - done);
        Result result = copy(context, buffer->handle, offset + done, context->staging.handle, 0, count);
        if (result == Result::ok) result = read_mapped(context, context->staging, 0, static_cast<char*>(data) + done, count);
        if (result != Result::ok) return result;
    }
    return Result::ok;
}

Result copy(Context* context, Span<BufferCopy> regions) noexcept {
    if (!context) return Result::invalid_argument;
    for (size_t i = 0; i < regions.size; ++i) {
        const BufferCopy& region = regions.data[i];
        if (Result result = check_range(context, "copy", region.from, region.from_offset, region.size); result != Result::ok) return result;
        if (Result result = check_range(context, "copy", region.to, region.to_offset, region.size); result != Result::ok) return result;
    }
    if (regions.size == 0) return Result::ok;
    if (Result result = begin_commands(context); result != Result::ok) return result;
    for (size_t i = 0; i < regions.size; ++i) {
        const BufferCopy& region = regions.data[i];
        const VkBufferCopy range = {region.from_offset, region.to_offset, region.size};
        if (region.size) context->api.vkCmdCopyBuffer(context->commands, region.from->handle, region.to->handle, 1, &range);
    }
    return submit_and_wait(context);
}

}  // namespace scandium

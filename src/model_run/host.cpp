// A model's memory, from a context.
#include "core/array.h"
#include "scandium/model_run.h"

namespace scandium {
namespace {

Context* context_of(void* user) { return static_cast<Context*>(user); }
Buffer* buffer_of(const HostBuffer& buffer) { return static_cast<Buffer*>(buffer.handle); }

Result host_allocate(void* user, VkDeviceSize size, VkBufferUsageFlags, HostBuffer* out) {
    Buffer* buffer = nullptr;
    if (Result result = create_buffer(context_of(user), size, &buffer); result != Result::ok) return result;
    out->handle = buffer;
    out->view = view(buffer);
    return Result::ok;
}

void host_release(void* user, const HostBuffer& buffer) { destroy_buffer(context_of(user), buffer_of(buffer)); }

Result host_upload(void* user, const HostBuffer& to, VkDeviceSize offset, const void* data, VkDeviceSize size) {
    return upload(context_of(user), buffer_of(to), offset, data, size);
}

Result host_download(void* user, const HostBuffer& from, VkDeviceSize offset, void* data, VkDeviceSize size) {
    return download(context_of(user), buffer_of(from), offset, data, size);
}

Result host_copy(void* user, Span<HostBufferCopy> regions) {
    Array<BufferCopy> copies;
    if (!copies.reserve(regions.size)) return Result::out_of_host_memory;
    for (size_t i = 0; i < regions.size; ++i) {
        const HostBufferCopy& region = regions.data[i];
        if (!copies.push({buffer_of(region.from), region.from_offset, buffer_of(region.to), region.to_offset, region.size}))
            return Result::out_of_host_memory;
    }
    return copy(context_of(user), {copies.data(), copies.size()});
}

}  // namespace

ModelHost model_host(Context* context) noexcept {
    ModelHost host;
    host.user = context;
    host.allocate = host_allocate;
    host.release = host_release;
    host.upload = host_upload;
    host.download = host_download;
    host.copy = host_copy;
    return host;
}

}  // namespace scandium

// A model's memory, on a device that is the test's own.
#pragma once

#include <cstring>
#include <list>

#include "scandium/model.h"
#include "support/vulkan_host.h"

namespace scandium::test {

// Memory that both sides see.
class HostMemory {
public:
    explicit HostMemory(VulkanHost& host) : host_(host) {}

    ModelHost functions() {
        ModelHost functions;
        functions.user = this;
        functions.allocate = [](void* user, VkDeviceSize size, VkBufferUsageFlags usage, scandium::HostBuffer* out) {
            HostMemory& memory = *static_cast<HostMemory*>(user);
            memory.buffers_.push_back(memory.host_.make_buffer((size + 3) & ~VkDeviceSize(3), usage));
            ++memory.live;
            *out = {&memory.buffers_.back(), memory.buffers_.back().view()};
            return Result::ok;
        };
        functions.release = [](void* user, const scandium::HostBuffer&) { --static_cast<HostMemory*>(user)->live; };
        functions.upload = [](void*, const scandium::HostBuffer& to, VkDeviceSize offset, const void* data, VkDeviceSize size) {
            std::memcpy(bytes(to) + offset, data, size);
            return Result::ok;
        };
        functions.download = [](void*, const scandium::HostBuffer& from, VkDeviceSize offset, void* data, VkDeviceSize size) {
            std::memcpy(data, bytes(from) + offset, size);
            return Result::ok;
        };
        functions.copy = [](void*, Span<HostBufferCopy> regions) {
            for (size_t i = 0; i < regions.size; ++i) {
                const HostBufferCopy& region = regions.data[i];
                std::memcpy(bytes(region.to) + region.to_offset, bytes(region.from) + region.from_offset, region.size);
            }
            return Result::ok;
        };
        return functions;
    }

    static uint8_t* bytes(const scandium::HostBuffer& buffer) { return static_cast<HostBuffer*>(buffer.handle)->data; }

    int live = 0;

private:
    VulkanHost& host_;
    std::list<HostBuffer> buffers_;  // which stay where they are
};

}  // namespace scandium::test

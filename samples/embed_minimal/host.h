// What stands for an engine in this sample: it owns the Vulkan instance, device, queue, command buffer and
// memory, and knows nothing of Scandium.
#pragma once

#include <volk.h>

#include <vector>

namespace host {

inline constexpr uint32_t kApiVersion = VK_API_VERSION_1_3;

struct MappedBuffer {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize size = 0;
    float* data = nullptr;
};

struct Host {
    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice gpu = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    uint32_t queue_family = 0;
    VkQueue queue = VK_NULL_HANDLE;
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    std::vector<MappedBuffer> buffers;

    // False if this machine has no Vulkan 1.1 device with a compute queue.
    bool make_instance();

    // `features` is the chain for VkDeviceCreateInfo::pNext; an engine adds its own.
    void make_device(const char* const* extensions, uint32_t extension_count, const void* features);

    // Memory that the host reads and writes directly; lives as long as the Host.
    MappedBuffer make_buffer(VkDeviceSize size, VkBufferUsageFlags usage);

    VkCommandBuffer begin_commands();

    // Ends the command buffer, with a barrier that makes what was written readable by the host, and waits for it.
    void submit_and_wait(VkPipelineStageFlags written_in, VkAccessFlags written_by);

    ~Host();
};

}  // namespace host

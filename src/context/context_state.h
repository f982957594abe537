// The inside of a Context.
#pragma once

#include <vk_mem_alloc.h>

#include "context/instance.h"
#include "context/pipeline_file.h"
#include "core/array.h"
#include "scandium/context.h"

namespace scandium {

struct Buffer {
    VkBuffer handle = VK_NULL_HANDLE;
    VmaAllocation allocation = nullptr;
    VkDeviceSize size = 0;
    bool host_visible = false;
};

struct Context {
    Instance instance;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    VkDevice handle = VK_NULL_HANDLE;
    VolkDeviceTable api{};
    Features enabled;
    uint32_t queue_family = 0;
    uint32_t timestamp_bits = 0;
    VkQueue queue = VK_NULL_HANDLE;
    Device* device = nullptr;
    PipelineFile pipeline_file;
    VmaAllocator allocator = nullptr;
    VkCommandPool command_pool = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkFence fence = VK_NULL_HANDLE;
    Buffer staging;     // made when first needed
    bool lost = false;  // nothing can be submitted any more

    const Diagnostics& diagnostics() const { return instance.diagnostics; }
};

// The Vulkan 1.1 devices, in the loader's order.
Result list_physical_devices(const Instance& instance, Array<VkPhysicalDevice>* out);
// The one that ContextOptions::device names.
Result select_device(const Instance& instance, const char* name, VkPhysicalDevice* out);

// Between these two, commands are recorded to context->commands. They see what earlier submissions wrote, and the
// host sees what they wrote.
Result begin_commands(Context* context);
Result submit_and_wait(Context* context);

void destroy_staging(Context* context);

// Their halves, for commands of one's own.
Result begin(Context* context, VkCommandBuffer commands, VkCommandBufferUsageFlags usage);
Result end(Context* context, VkCommandBuffer commands);
Result submit_and_wait(Context* context, VkCommandBuffer commands);
// What comes after sees what kernels and copies before wrote.
void order_writes(Context* context, VkCommandBuffer commands);

// Timestamps: whether the device has them, a pool of them, and what lies between two.
bool has_timestamps(const Context* context);
Result make_timestamps(Context* context, uint32_t count, VkQueryPool* pool);
Result read_timestamps(Context* context, VkQueryPool pool, uint32_t first, uint32_t count, uint64_t* ticks);
double microseconds(const Context* context, uint64_t before, uint64_t after);

// A buffer of VMA's; told and returned what failed.
Result allocate(Context* context, const VkBufferCreateInfo& info, const VmaAllocationCreateInfo& memory, Buffer* buffer);
VkBufferCreateInfo buffer_info(VkDeviceSize size, VkBufferUsageFlags usage);
Result check_range(const Context* context, const char* call, const Buffer* buffer, VkDeviceSize offset, VkDeviceSize size);

}  // namespace scandium

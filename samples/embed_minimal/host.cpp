#define VOLK_IMPLEMENTATION
#include "host.h"

#include <cstdio>
#include <cstdlib>

namespace host {
namespace {

void check(VkResult result, const char* what) {
    if (result == VK_SUCCESS) return;
    std::fprintf(stderr, "%s failed with VkResult %d\n", what, int(result));
    std::exit(1);
}

// The first family with compute, or a count of families if there is none.
uint32_t compute_family(VkPhysicalDevice gpu, uint32_t* count) {
    vkGetPhysicalDeviceQueueFamilyProperties(gpu, count, nullptr);
    std::vector<VkQueueFamilyProperties> families(*count);
    vkGetPhysicalDeviceQueueFamilyProperties(gpu, count, families.data());
    uint32_t family = 0;
    while (family < *count && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT)) ++family;
    return family;
}

uint32_t host_visible_type(VkPhysicalDevice gpu, uint32_t allowed) {
    constexpr VkMemoryPropertyFlags kWanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(gpu, &memory);
    uint32_t type = 0;  // Vulkan promises one that fits
    while (!(allowed >> type & 1) || (memory.memoryTypes[type].propertyFlags & kWanted) != kWanted) ++type;
    return type;
}

}  // namespace

bool Host::make_instance() {
    if (volkInitialize() != VK_SUCCESS) return false;
    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = kApiVersion;
    VkInstanceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    if (vkCreateInstance(&info, nullptr, &instance) != VK_SUCCESS) return false;
    volkLoadInstanceOnly(instance);

    uint32_t count = 0;
    vkEnumeratePhysicalDevices(instance, &count, nullptr);
    std::vector<VkPhysicalDevice> gpus(count);
    vkEnumeratePhysicalDevices(instance, &count, gpus.data());
    for (VkPhysicalDevice candidate : gpus) {
        VkPhysicalDeviceProperties properties;
        vkGetPhysicalDeviceProperties(candidate, &properties);
        uint32_t families = 0;
        queue_family = compute_family(candidate, &families);
        if (properties.apiVersion < VK_API_VERSION_1_1 || queue_family == families) continue;
        gpu = candidate;
        return true;
    }
    return false;
}

void Host::make_device(const char* const* extensions, uint32_t extension_count, const void* features) {
    const float priority = 1;
    VkDeviceQueueCreateInfo queue_info{};
    queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue_info.queueFamilyIndex = queue_family;
    queue_info.queueCount = 1;
    queue_info.pQueuePriorities = &priority;
    VkDeviceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = features;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue_info;
    info.enabledExtensionCount = extension_count;
    info.ppEnabledExtensionNames = extensions;
    check(vkCreateDevice(gpu, &info, nullptr, &device), "vkCreateDevice");
    volkLoadDevice(device);
    vkGetDeviceQueue(device, queue_family, 0, &queue);
}

MappedBuffer Host::make_buffer(VkDeviceSize size, VkBufferUsageFlags usage) {
    MappedBuffer made;
    made.size = size;
    if (size == 0) return made;
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = size;
    info.usage = usage;
    check(vkCreateBuffer(device, &info, nullptr, &made.buffer), "vkCreateBuffer");

    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(device, made.buffer, &needs);
    VkMemoryAllocateFlagsInfo flags{};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkMemoryAllocateInfo allocation{};
    allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    allocation.pNext = usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT ? &flags : nullptr;
    allocation.allocationSize = needs.size;
    allocation.memoryTypeIndex = host_visible_type(gpu, needs.memoryTypeBits);
    check(vkAllocateMemory(device, &allocation, nullptr, &made.memory), "vkAllocateMemory");
    check(vkBindBufferMemory(device, made.buffer, made.memory, 0), "vkBindBufferMemory");
    void* data = nullptr;
    check(vkMapMemory(device, made.memory, 0, VK_WHOLE_SIZE, 0, &data), "vkMapMemory");
    made.data = static_cast<float*>(data);
    buffers.push_back(made);
    return made;
}

VkCommandBuffer Host::begin_commands() {
    VkCommandPoolCreateInfo pool_info{};
    pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool_info.queueFamilyIndex = queue_family;
    check(vkCreateCommandPool(device, &pool_info, nullptr, &pool), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo allocation{};
    allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocation.commandPool = pool;
    allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocation.commandBufferCount = 1;
    check(vkAllocateCommandBuffers(device, &allocation, &commands), "vkAllocateCommandBuffers");
    VkCommandBufferBeginInfo begin{};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
    return commands;
}

void Host::submit_and_wait(VkPipelineStageFlags written_in, VkAccessFlags written_by) {
    VkMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = written_by;
    barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    vkCmdPipelineBarrier(commands, written_in, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, nullptr, 0, nullptr);
    check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
    VkSubmitInfo submit{};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    check(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit");
    check(vkQueueWaitIdle(queue), "vkQueueWaitIdle");
}

Host::~Host() {
    for (const MappedBuffer& made : buffers) {
        vkDestroyBuffer(device, made.buffer, nullptr);
        vkFreeMemory(device, made.memory, nullptr);
    }
    if (pool) vkDestroyCommandPool(device, pool, nullptr);
    if (device) vkDestroyDevice(device, nullptr);
    if (instance) vkDestroyInstance(instance, nullptr);
}

}  // namespace host

#include "support/vulkan_host.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

#include "support/test_device.h"

namespace scandium::test {
namespace {

void check(VkResult result, const char* call) {
    if (result != VK_SUCCESS) throw std::runtime_error(std::string(call) + " gave VkResult " + std::to_string(result));
}

std::map<std::string, PFN_vkVoidFunction>& replaced() {
    static std::map<std::string, PFN_vkVoidFunction> functions;
    return functions;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_entry_point(VkDevice device, const char* name) {
    const auto found = replaced().find(name);
    return found != replaced().end() ? found->second : vkGetDeviceProcAddr(device, name);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_entry_point(VkInstance instance, const char* name) {
    if (std::strcmp(name, "vkGetDeviceProcAddr") == 0) return entry_point(get_device_entry_point);
    const auto found = replaced().find(name);
    return found != replaced().end() ? found->second : vkGetInstanceProcAddr(instance, name);
}

}  // namespace

ReplacedEntryPoint::ReplacedEntryPoint(const char* name, PFN_vkVoidFunction function) : name_(name) { replaced()[name_] = function; }
ReplacedEntryPoint::~ReplacedEntryPoint() { replaced().erase(name_); }

VulkanHost::VulkanHost() {
    enabled_ = TestDevice::get().caps().features;
    make_instance();
    make_messenger();
    find_physical_device();
    find_queue_family();
    make_device();
}

VulkanHost::~VulkanHost() {
    if (device_) {
        api_.vkDeviceWaitIdle(device_);
        for (const HostBuffer& made : buffers_) {
            api_.vkDestroyBuffer(device_, made.buffer, nullptr);
            api_.vkFreeMemory(device_, made.memory, nullptr);
        }
        for (VkQueryPool pool : query_pools_) api_.vkDestroyQueryPool(device_, pool, nullptr);
        for (VkCommandPool pool : command_pools_) api_.vkDestroyCommandPool(device_, pool, nullptr);
        api_.vkDestroyDevice(device_, nullptr);
    }
    CHECK(take_messages() == "");
    if (messenger_) vkDestroyDebugUtilsMessengerEXT(instance_, messenger_, nullptr);
    if (instance_) vkDestroyInstance(instance_, nullptr);
}

void VulkanHost::make_instance() {
    check(volkInitialize(), "volkInitialize");
    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = kApiVersion;
    VkInstanceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    const char* layer = "VK_LAYER_KHRONOS_validation";
    const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    info.ppEnabledLayerNames = &layer;
    info.ppEnabledExtensionNames = &extension;
    info.enabledLayerCount = info.enabledExtensionCount = TestDevice::get().validates() ? 1 : 0;
    check(vkCreateInstance(&info, nullptr, &instance_), "vkCreateInstance");
    volkLoadInstanceOnly(instance_);
}

void VulkanHost::make_messenger() {
    if (!TestDevice::get().validates()) return;
    VkDebugUtilsMessengerCreateInfoEXT info{};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
    info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
    info.pUserData = this;
    info.pfnUserCallback = [](VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                              const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) -> VkBool32 {
        static_cast<VulkanHost*>(user)->add_message(data->pMessage);
        return VK_FALSE;
    };
    check(vkCreateDebugUtilsMessengerEXT(instance_, &info, nullptr, &messenger_), "vkCreateDebugUtilsMessengerEXT");
}

void VulkanHost::find_physical_device() {
    const Caps& wanted = TestDevice::get().caps();
    uint32_t count = 0;
    check(vkEnumeratePhysicalDevices(instance_, &count, nullptr), "vkEnumeratePhysicalDevices");
    std::vector<VkPhysicalDevice> candidates(count);
    check(vkEnumeratePhysicalDevices(instance_, &count, candidates.data()), "vkEnumeratePhysicalDevices");
    for (VkPhysicalDevice candidate : candidates) {
        VkPhysicalDeviceProperties properties;
        vkGetPhysicalDeviceProperties(candidate, &properties);
        if (std::strcmp(properties.deviceName, wanted.device_name) == 0 && properties.vendorID == wanted.vendor_id &&
            properties.deviceID == wanted.device_id && properties.driverVersion == wanted.driver_version) {
            physical_device_ = candidate;
            return;
        }
    }
    throw std::runtime_error("the device of the tests is gone");
}

void VulkanHost::find_queue_family() {
    uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(physical_device_, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical_device_, &count, families.data());
    queue_family_ = count;
    for (uint32_t i = 0; i < count && !has_timestamps_; ++i) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
        has_timestamps_ = families[i].timestampValidBits != 0;
        if (queue_family_ == count || has_timestamps_) queue_family_ = i;
    }
    if (queue_family_ == count) throw std::runtime_error("no queue family with compute");
}

void VulkanHost::make_device() {
    Requirements need;
    if (query_requirements(vkGetInstanceProcAddr, instance_, physical_device_, kApiVersion, &need) != Result::ok)
        throw std::runtime_error("query_requirements failed");
    FeatureChain chain;
    const float priority = 1;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = queue_family_;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = fill_feature_chain(enabled_, &chain);
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.enabledExtensionCount = need.extension_count;
    info.ppEnabledExtensionNames = need.extensions;
    check(vkCreateDevice(physical_device_, &info, nullptr, &device_), "vkCreateDevice");
    volkLoadDeviceTable(&api_, device_);
    api_.vkGetDeviceQueue(device_, queue_family_, 0, &queue_);
}

DeviceDesc VulkanHost::desc() {
    DeviceDesc out;
    out.instance = instance_;
    out.physical_device = physical_device_;
    out.device = device_;
    out.get_instance_proc_addr = get_instance_entry_point;
    out.api_version = kApiVersion;
    out.enabled = enabled_;
    out.diagnostics_user = this;
    out.diagnostics = [](void* user, Result result, VkResult, const char* message) {
        static_cast<VulkanHost*>(user)->add_message(std::string(to_string(result)) + ": " + message);
    };
    return out;
}

DevicePtr VulkanHost::wrap(const DeviceDesc& desc) {
    Device* wrapped = nullptr;
    if (wrap_device(desc, &wrapped) != Result::ok) throw std::runtime_error("wrap_device: " + take_messages());
    return DevicePtr(wrapped);
}

uint32_t VulkanHost::shared_memory_type(uint32_t allowed) const {
    constexpr VkMemoryPropertyFlags kWanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(physical_device_, &memory);
    for (uint32_t type = 0; type < memory.memoryTypeCount; ++type)
        if ((allowed >> type & 1) && (memory.memoryTypes[type].propertyFlags & kWanted) == kWanted) return type;
    throw std::runtime_error("no memory that both sides see");
}

HostBuffer VulkanHost::make_buffer(VkDeviceSize size, VkBufferUsageFlags usage) {
    HostBuffer made;
    made.size = size;
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = size;
    info.usage = usage;
    check(api_.vkCreateBuffer(device_, &info, nullptr, &made.buffer), "vkCreateBuffer");
    VkMemoryRequirements needs;
    api_.vkGetBufferMemoryRequirements(device_, made.buffer, &needs);
    VkMemoryAllocateFlagsInfo flags{};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkMemoryAllocateInfo allocation{};
    allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    if (usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT) allocation.pNext = &flags;
    allocation.allocationSize = needs.size;
    allocation.memoryTypeIndex = shared_memory_type(needs.memoryTypeBits);
    check(api_.vkAllocateMemory(device_, &allocation, nullptr, &made.memory), "vkAllocateMemory");
    check(api_.vkBindBufferMemory(device_, made.buffer, made.memory, 0), "vkBindBufferMemory");
    void* data = nullptr;
    check(api_.vkMapMemory(device_, made.memory, 0, VK_WHOLE_SIZE, 0, &data), "vkMapMemory");
    made.data = static_cast<uint8_t*>(data);
    buffers_.push_back(made);
    return made;
}

VkCommandBuffer VulkanHost::make_commands() {
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = queue_family_;
    command_pools_.push_back(VK_NULL_HANDLE);
    check(api_.vkCreateCommandPool(device_, &pool, nullptr, &command_pools_.back()), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo allocation{};
    allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocation.commandPool = command_pools_.back();
    allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocation.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    check(api_.vkAllocateCommandBuffers(device_, &allocation, &commands), "vkAllocateCommandBuffers");
    return commands;
}

void VulkanHost::begin(VkCommandBuffer commands) const {
    VkCommandBufferBeginInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    check(api_.vkBeginCommandBuffer(commands, &info), "vkBeginCommandBuffer");
}

void VulkanHost::end(VkCommandBuffer commands) const {
    VkMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    api_.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, nullptr, 0,
                              nullptr);
    check(api_.vkEndCommandBuffer(commands), "vkEndCommandBuffer");
}

void VulkanHost::submit(const std::vector<VkCommandBuffer>& commands) const {
    VkSubmitInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.commandBufferCount = uint32_t(commands.size());
    info.pCommandBuffers = commands.data();
    check(api_.vkQueueSubmit(queue_, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit");
    check(api_.vkQueueWaitIdle(queue_), "vkQueueWaitIdle");
}

void VulkanHost::run(const std::function<void(VkCommandBuffer)>& record) {
    const VkCommandBuffer commands = make_commands();
    begin(commands);
    record(commands);
    end(commands);
    submit({commands});
}

VkQueryPool VulkanHost::make_timestamps(uint32_t count) {
    if (!has_timestamps_) return VK_NULL_HANDLE;
    VkQueryPoolCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
    info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    info.queryCount = count;
    query_pools_.push_back(VK_NULL_HANDLE);
    check(api_.vkCreateQueryPool(device_, &info, nullptr, &query_pools_.back()), "vkCreateQueryPool");
    return query_pools_.back();
}

void VulkanHost::add_message(const std::string& text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    messages_ += text + "\n";
}

std::string VulkanHost::take_messages() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(messages_, std::string());
}

}  // namespace scandium::test

// A Vulkan device of the test's own, for what a host has and Context hides: command buffers, allocation callbacks, the
// entry points themselves. It is made on the physical device of TestDevice, with the same features enabled.
#pragma once

#include <volk.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "support/owned.h"

namespace scandium::test {

struct HostBuffer {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize size = 0;
    uint8_t* data = nullptr;

    BufferView view() const { return {buffer, 0, size}; }
};

class VulkanHost {
public:
    static constexpr uint32_t kApiVersion = VK_API_VERSION_1_3;

    // Throws std::runtime_error if Vulkan refuses something, as the other members do.
    VulkanHost();
    ~VulkanHost();
    VulkanHost(const VulkanHost&) = delete;
    VulkanHost& operator=(const VulkanHost&) = delete;

    VkDevice device() const { return device_; }
    const VolkDeviceTable& api() const { return api_; }

    // What is true of it, for wrap_device.
    DeviceDesc desc();
    // wrap_device, which has to succeed.
    DevicePtr wrap(const DeviceDesc& desc);
    DevicePtr wrap() { return wrap(desc()); }

    // Memory that both sides see, as long as the host lives.
    HostBuffer make_buffer(VkDeviceSize size, VkBufferUsageFlags usage);

    // A command buffer with a pool of its own.
    VkCommandBuffer make_commands();
    // Between these two it is recorded; what it writes is visible on this side once it has run.
    void begin(VkCommandBuffer commands) const;
    void end(VkCommandBuffer commands) const;
    void submit(const std::vector<VkCommandBuffer>& commands) const;
    // All of the above, with one command buffer.
    void run(const std::function<void(VkCommandBuffer)>& record);

    // Null where the queue has no timestamps.
    VkQueryPool make_timestamps(uint32_t count);

    // What the library and the validation layers reported since the last call, one a line. What is never taken fails the
    // test when the host goes.
    std::string take_messages();

private:
    void make_instance();
    void make_messenger();
    void find_physical_device();
    void find_queue_family();
    void make_device();
    uint32_t shared_memory_type(uint32_t allowed) const;
    void add_message(const std::string& text);

    VkInstance instance_ = VK_NULL_HANDLE;
    VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
    VkPhysicalDevice physical_device_ = VK_NULL_HANDLE;
    Features enabled_;
    uint32_t queue_family_ = 0;
    bool has_timestamps_ = false;
    VkDevice device_ = VK_NULL_HANDLE;
    VolkDeviceTable api_{};
    VkQueue queue_ = VK_NULL_HANDLE;
    std::vector<VkCommandPool> command_pools_;
    std::vector<VkQueryPool> query_pools_;
    std::vector<HostBuffer> buffers_;
    std::mutex mutex_;  // of messages_
    std::string messages_;
};

// While it lives, a host's DeviceDesc::get_instance_proc_addr, and the vkGetDeviceProcAddr that it gives, hand out
// `function` under this name. Null: the entry point is missing.
class ReplacedEntryPoint {
public:
    ReplacedEntryPoint(const char* name, PFN_vkVoidFunction function);
    ~ReplacedEntryPoint();
    ReplacedEntryPoint(const ReplacedEntryPoint&) = delete;
    ReplacedEntryPoint& operator=(const ReplacedEntryPoint&) = delete;

private:
    std::string name_;
};

template <class Function>
PFN_vkVoidFunction entry_point(Function* function) {
    return reinterpret_cast<PFN_vkVoidFunction>(function);
}

}  // namespace scandium::test

// Shared by the hosts: an instance, a physical device and a device with what Scandium asks for. The functions
// of Vulkan are those that the includer sees: the loader's own or volk's.
#pragma once

#include <scandium/device.h>

struct BareDevice {
    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice gpu = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    scandium::Requirements need;
};

inline VkInstance make_instance() {
    VkApplicationInfo application{};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = VK_API_VERSION_1_1;
    VkInstanceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    VkInstance instance = VK_NULL_HANDLE;
    return vkCreateInstance(&info, nullptr, &instance) == VK_SUCCESS ? instance : VK_NULL_HANDLE;
}

// False if there is no device; `out->instance` is given.
inline bool make_device(BareDevice* out) {
    uint32_t count = 1;
    if (vkEnumeratePhysicalDevices(out->instance, &count, &out->gpu) < 0 || count == 0) return false;
    if (query_requirements(vkGetInstanceProcAddr, out->instance, out->gpu, VK_API_VERSION_1_1, &out->need) != scandium::Result::ok)
        return false;
    const float priority = 1;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    scandium::FeatureChain chain;
    VkDeviceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = scandium::fill_feature_chain(out->need.features, &chain);
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.enabledExtensionCount = out->need.extension_count;
    info.ppEnabledExtensionNames = out->need.extensions;
    return vkCreateDevice(out->gpu, &info, nullptr, &out->device) == VK_SUCCESS;
}

inline scandium::DeviceDesc describe(const BareDevice& made) {
    scandium::DeviceDesc desc;
    desc.instance = made.instance;
    desc.physical_device = made.gpu;
    desc.device = made.device;
    desc.get_instance_proc_addr = vkGetInstanceProcAddr;
    desc.api_version = VK_API_VERSION_1_1;
    desc.enabled = made.need.features;
    return desc;
}

// The Vulkan loader and an instance of our own.
//
// volk keeps its function pointers in process-wide variables, which a second context would overwrite. So
// they are touched in instance.cpp only, under a lock, and what a context uses is its own copy: the pointers
// in Instance and the table that load_device_table fills.
#pragma once

#include <volk.h>

#include <atomic>

#include "core/diagnostics.h"

namespace scandium {

struct Instance {
    Diagnostics diagnostics;
    VkInstance handle = VK_NULL_HANDLE;
    uint32_t api_version = 0;  // the one asked for
    VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
    std::atomic<uint32_t> validation_messages{0};

    PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
    PFN_vkGetDeviceProcAddr GetDeviceProcAddr = nullptr;
    PFN_vkDestroyInstance DestroyInstance = nullptr;
    PFN_vkEnumeratePhysicalDevices EnumeratePhysicalDevices = nullptr;
    PFN_vkGetPhysicalDeviceProperties GetPhysicalDeviceProperties = nullptr;
    PFN_vkGetPhysicalDeviceQueueFamilyProperties GetPhysicalDeviceQueueFamilyProperties = nullptr;
    PFN_vkCreateDevice CreateDevice = nullptr;
    PFN_vkDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessengerEXT = nullptr;
};

// `instance->diagnostics` is set by the caller; `instance` must not move afterwards.
Result create_instance(bool validation, Instance* instance);
void destroy_instance(Instance* instance);

void load_device_table(const Instance& instance, VkDevice device, VolkDeviceTable* table);

}  // namespace scandium

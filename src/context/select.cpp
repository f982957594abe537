// Which device to use.
#include "context/context_state.h"

namespace scandium {
namespace {

Caps caps_of(const Instance& instance, VkPhysicalDevice device, Result* result) {
    Caps caps;
    *result = query_caps(instance.GetInstanceProcAddr, instance.handle, device, instance.api_version, &caps);
    return caps;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }

bool contains(const char* text, const char* part) {
    for (; *text; ++text) {
        size_t i = 0;
        while (part[i] && lower(text[i]) == lower(part[i])) ++i;
        if (!part[i]) return true;
    }
    return false;
}

// True if `text` is a number of one or two digits, which is then in `out`. Longer ones are parts of names, as 4090 is.
bool parse_index(const char* text, size_t* out) {
    *out = 0;
    for (const char* c = text; *c; ++c) {
        if (*c < '0' || *c > '9' || c - text >= 2) return false;
        *out = *out * 10 + size_t(*c - '0');
    }
    return *text != 0;
}

// Fails only if none of several devices can be queried.
Result report_devices(const Instance& instance, const Array<VkPhysicalDevice>& devices, void (*each)(void* user, const DeviceEntry& entry),
                      void* user) {
    Result failure = Result::ok;
    bool found = false;
    for (uint32_t i = 0; i < devices.size(); ++i) {
        DeviceEntry entry;
        entry.index = i;
        Result result = Result::ok;
        entry.caps = caps_of(instance, devices[i], &result);
        if (result != Result::ok) {
            failure = instance.diagnostics.fail(result, "list_devices: device %u could not be queried", i);
            continue;
        }
        found = true;
        each(user, entry);
    }
    return found ? Result::ok : failure;
}

int rank(VkPhysicalDeviceType type) {
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return 4;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return 1;
    default: return 0;
    }
}

}  // namespace

Result list_physical_devices(const Instance& instance, Array<VkPhysicalDevice>* out) {
    uint32_t count = 0;
    VkResult vk = instance.EnumeratePhysicalDevices(instance.handle, &count, nullptr);
    if (vk < VK_SUCCESS) return instance.diagnostics.fail_vk(vk, "vkEnumeratePhysicalDevices");
    Array<VkPhysicalDevice> all;
    if (!all.resize(count, VK_NULL_HANDLE) || !out->reserve(count))
        return instance.diagnostics.fail(Result::out_of_host_memory, "list of devices: out of host memory");
    vk = instance.EnumeratePhysicalDevices(instance.handle, &count, all.data());
    if (vk < VK_SUCCESS) return instance.diagnostics.fail_vk(vk, "vkEnumeratePhysicalDevices");
    for (uint32_t i = 0; i < count; ++i) {
        VkPhysicalDeviceProperties properties{};
        instance.GetPhysicalDeviceProperties(all[i], &properties);
        if (properties.apiVersion >= VK_API_VERSION_1_1 && !out->push(all[i]))
            return instance.diagnostics.fail(Result::out_of_host_memory, "list of devices: out of host memory");
    }
    return Result::ok;
}

Result select_device(const Instance& instance, const char* name, VkPhysicalDevice* out) {
    Array<VkPhysicalDevice> devices;
    if (Result result = list_physical_devices(instance, &devices); result != Result::ok) return result;
    if (devices.size() == 0) return instance.diagnostics.fail(Result::unsupported, "create_context: there is no Vulkan 1.1 device");
    size_t index = 0;
    if (name && parse_index(name, &index)) {
        if (index >= devices.size())
            return instance.diagnostics.fail(Result::unsupported, "create_context: there is no device %zu; there are %zu, from 0 on", index,
                                             devices.size());
        *out = devices[index];
        return Result::ok;
    }
    int best = -1;
    for (VkPhysicalDevice device : devices) {
        VkPhysicalDeviceProperties properties{};
        instance.GetPhysicalDeviceProperties(device, &properties);
        if ((name && *name && !contains(properties.deviceName, name)) || rank(properties.deviceType) <= best) continue;
        best = rank(properties.deviceType);
        *out = device;
    }
    if (best < 0)
        return instance.diagnostics.fail(Result::unsupported, "create_context: none of %zu devices has \"%s\" in its name", devices.size(),
                                         name);
    return Result::ok;
}

Result list_devices(void (*each)(void* user, const DeviceEntry& entry), void* user, DiagnosticsCallback diagnostics,
                    void* diagnostics_user) noexcept {
    Instance instance;
    instance.diagnostics = {diagnostics, diagnostics_user};
    if (!each) return instance.diagnostics.fail(Result::invalid_argument, "list_devices: each is null");
    Array<VkPhysicalDevice> devices;
    Result result = create_instance(false, &instance);
    if (result == Result::ok) result = list_physical_devices(instance, &devices);
    if (result == Result::ok) result = report_devices(instance, devices, each, user);
    destroy_instance(&instance);
    return result;
}

}  // namespace scandium

#include "context/instance.h"

#include <cstring>
#include <mutex>

#include "core/array.h"

namespace scandium {
namespace {

constexpr uint32_t kNewestVersion = VK_MAKE_API_VERSION(0, 1, 4, 0);
constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

std::mutex& volk_mutex() {
    static std::mutex mutex;
    return mutex;
}

bool lists(const Array<VkExtensionProperties>& extensions, const char* name) {
    for (const VkExtensionProperties& extension : extensions)
        if (std::strcmp(extension.extensionName, name) == 0) return true;
    return false;
}

// Appends those of the loader and its drivers, or with `layer` those of a layer.
Result append_extensions(const Diagnostics& diagnostics, const char* layer, Array<VkExtensionProperties>* out) {
    uint32_t count = 0;
    VkResult vk = vkEnumerateInstanceExtensionProperties(layer, &count, nullptr);
    if (vk < VK_SUCCESS) return diagnostics.fail_vk(vk, "vkEnumerateInstanceExtensionProperties");
    const size_t before = out->size();
    if (!out->resize(before + count)) return diagnostics.fail(Result::out_of_host_memory, "create_context: out of host memory");
    vk = vkEnumerateInstanceExtensionProperties(layer, &count, out->data() + before);
    if (vk < VK_SUCCESS) return diagnostics.fail_vk(vk, "vkEnumerateInstanceExtensionProperties");
    return out->resize(before + count) ? Result::ok : Result::out_of_host_memory;
}

Result find_layer(const Diagnostics& diagnostics) {
    uint32_t count = 0;
    VkResult vk = vkEnumerateInstanceLayerProperties(&count, nullptr);
    if (vk < VK_SUCCESS) return diagnostics.fail_vk(vk, "vkEnumerateInstanceLayerProperties");
    Array<VkLayerProperties> layers;
    if (!layers.resize(count)) return diagnostics.fail(Result::out_of_host_memory, "create_context: out of host memory");
    vk = vkEnumerateInstanceLayerProperties(&count, layers.data());
    if (vk < VK_SUCCESS) return diagnostics.fail_vk(vk, "vkEnumerateInstanceLayerProperties");
    for (const VkLayerProperties& layer : layers)
        if (std::strcmp(layer.layerName, kValidationLayer) == 0) return Result::ok;
    return diagnostics.fail(Result::unsupported, "create_context: validation needs the layer %s, which is not installed", kValidationLayer);
}

VKAPI_ATTR VkBool32 VKAPI_CALL on_validation_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT,
                                                     const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) {
    Instance& instance = *static_cast<Instance*>(user);
    ++instance.validation_messages;
    const bool is_error = severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    if (instance.diagnostics.callback)
        instance.diagnostics.callback(instance.diagnostics.user, is_error ? Result::internal_error : Result::ok, VK_SUCCESS,
                                      data->pMessage);
    return VK_FALSE;
}

// What vkCreateInstance is given. Its members point at each other.
struct InstanceInfo {
    VkApplicationInfo application{};
    VkInstanceCreateInfo create{};
    VkDebugUtilsMessengerCreateInfoEXT messenger{};
    VkLayerSettingEXT setting{};
    VkLayerSettingsCreateInfoEXT settings{};
    VkValidationFeaturesEXT validation{};
    const char* extensions[4] = {};
    VkBool32 yes = VK_TRUE;
    VkValidationFeatureEnableEXT synchronization = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;

    void add_extension(const char* name) {
        extensions[create.enabledExtensionCount++] = name;
        create.ppEnabledExtensionNames = extensions;
    }
    void chain(const void* structure) { create.pNext = structure; }
};

void add_messenger(Instance* instance, InstanceInfo* info) {
    info->add_extension(VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
    VkDebugUtilsMessengerCreateInfoEXT& messenger = info->messenger;
    messenger.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
    messenger.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    // Not "general": in it loader and drivers speak of the machine, not of our calls.
    messenger.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
    messenger.pfnUserCallback = on_validation_message;
    messenger.pUserData = instance;
    info->chain(&messenger);
}

// Two ways to ask for it: layers before 1.3.272 know only the second, which newer ones call deprecated.
void add_synchronization_validation(const Array<VkExtensionProperties>& layer_extensions, InstanceInfo* info) {
    if (lists(layer_extensions, VK_EXT_LAYER_SETTINGS_EXTENSION_NAME)) {
        info->add_extension(VK_EXT_LAYER_SETTINGS_EXTENSION_NAME);
        info->setting = {kValidationLayer, "validate_sync", VK_LAYER_SETTING_TYPE_BOOL32_EXT, 1, &info->yes};
        info->settings.sType = VK_STRUCTURE_TYPE_LAYER_SETTINGS_CREATE_INFO_EXT;
        info->settings.pNext = info->create.pNext;
        info->settings.settingCount = 1;
        info->settings.pSettings = &info->setting;
        info->chain(&info->settings);
    } else if (lists(layer_extensions, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME)) {
        info->add_extension(VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME);
        info->validation.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT;
        info->validation.pNext = info->create.pNext;
        info->validation.enabledValidationFeatureCount = 1;
        info->validation.pEnabledValidationFeatures = &info->synchronization;
        info->chain(&info->validation);
    }
}

Result add_validation(Instance* instance, InstanceInfo* info) {
    if (Result result = find_layer(instance->diagnostics); result != Result::ok) return result;
    Array<VkExtensionProperties> extensions;
    if (Result result = append_extensions(instance->diagnostics, kValidationLayer, &extensions); result != Result::ok) return result;
    info->create.enabledLayerCount = 1;
    info->create.ppEnabledLayerNames = &kValidationLayer;
    add_messenger(instance, info);
    add_synchronization_validation(extensions, info);
    return Result::ok;
}

Result create_handle(bool validation, Instance* instance) {
    Array<VkExtensionProperties> extensions;
    if (Result result = append_extensions(instance->diagnostics, nullptr, &extensions); result != Result::ok) return result;
    InstanceInfo info;
    info.application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    info.application.pEngineName = "scandium";
    info.application.apiVersion = instance->api_version;
    info.create.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.create.pApplicationInfo = &info.application;
    if (lists(extensions, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
        info.add_extension(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
        info.create.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    if (validation)
        if (Result result = add_validation(instance, &info); result != Result::ok) return result;
    VkResult vk = vkCreateInstance(&info.create, nullptr, &instance->handle);
    if (vk == VK_ERROR_INCOMPATIBLE_DRIVER) return instance->diagnostics.fail(Result::unsupported, "no Vulkan driver is installed");
    if (vk != VK_SUCCESS) return instance->diagnostics.fail_vk(vk, "vkCreateInstance");
    volkLoadInstanceOnly(instance->handle);
    if (!validation) return Result::ok;
    vk = vkCreateDebugUtilsMessengerEXT(instance->handle, &info.messenger, nullptr, &instance->messenger);
    return vk == VK_SUCCESS ? Result::ok : instance->diagnostics.fail_vk(vk, "vkCreateDebugUtilsMessengerEXT");
}

void copy_entry_points(Instance* instance) {
    instance->GetInstanceProcAddr = vkGetInstanceProcAddr;
    instance->GetDeviceProcAddr = vkGetDeviceProcAddr;
    instance->DestroyInstance = vkDestroyInstance;
    instance->EnumeratePhysicalDevices = vkEnumeratePhysicalDevices;
    instance->GetPhysicalDeviceProperties = vkGetPhysicalDeviceProperties;
    instance->GetPhysicalDeviceQueueFamilyProperties = vkGetPhysicalDeviceQueueFamilyProperties;
    instance->CreateDevice = vkCreateDevice;
    instance->DestroyDebugUtilsMessengerEXT = vkDestroyDebugUtilsMessengerEXT;
}

}  // namespace

Result create_instance(bool validation, Instance* instance) {
    const std::lock_guard<std::mutex> lock(volk_mutex());
    if (!vkGetInstanceProcAddr && volkInitialize() != VK_SUCCESS)
        return instance->diagnostics.fail(Result::unsupported, "no Vulkan loader is installed");
    const uint32_t offered = volkGetInstanceVersion();
    if (offered < VK_API_VERSION_1_1)
        return instance->diagnostics.fail(Result::unsupported, "the Vulkan loader offers %u.%u, under the least of 1.1",
                                          VK_API_VERSION_MAJOR(offered), VK_API_VERSION_MINOR(offered));
    instance->api_version = offered < kNewestVersion ? offered : kNewestVersion;
    const Result result = create_handle(validation, instance);
    if (instance->handle) copy_entry_points(instance);
    return result;
}

void destroy_instance(Instance* instance) {
    if (!instance->handle) return;
    if (instance->messenger) instance->DestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, nullptr);
    instance->DestroyInstance(instance->handle, nullptr);
    instance->handle = VK_NULL_HANDLE;
}

void load_device_table(const Instance& instance, VkDevice device, VolkDeviceTable* table) {
    const std::lock_guard<std::mutex> lock(volk_mutex());
    volkLoadInstanceOnly(instance.handle);  // volk asks for the table through its pointer to vkGetDeviceProcAddr
    volkLoadDeviceTable(table, device);
}

}  // namespace scandium

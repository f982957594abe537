#include "vk/api.h"

namespace scandium {

#define SCANDIUM_LOAD(name) name = reinterpret_cast<PFN_vk##name>(get(handle, "vk" #name));
#define SCANDIUM_LOAD_REQUIRED(name) \
    SCANDIUM_LOAD(name)              \
    if (!name) return "vk" #name;

const char* InstanceApi::load(PFN_vkGetInstanceProcAddr get, VkInstance handle) {
    SCANDIUM_INSTANCE_ENTRY_POINTS(SCANDIUM_LOAD_REQUIRED)
    SCANDIUM_OPTIONAL_INSTANCE_ENTRY_POINTS(SCANDIUM_LOAD)
    return nullptr;
}

const char* DeviceApi::load(PFN_vkGetDeviceProcAddr get, VkDevice handle, uint32_t version) {
    SCANDIUM_DEVICE_ENTRY_POINTS(SCANDIUM_LOAD_REQUIRED)
    SCANDIUM_OPTIONAL_DEVICE_ENTRY_POINTS(SCANDIUM_LOAD)
    const char* address_name = version >= VK_API_VERSION_1_2 ? "vkGetBufferDeviceAddress" : "vkGetBufferDeviceAddressKHR";
    GetBufferDeviceAddress = reinterpret_cast<PFN_vkGetBufferDeviceAddress>(get(handle, address_name));
    return nullptr;
}

#undef SCANDIUM_LOAD
#undef SCANDIUM_LOAD_REQUIRED

}  // namespace scandium

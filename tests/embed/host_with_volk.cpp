// A host that has its own volk, two devices, and neither exceptions nor RTTI. volk's pointers are process-wide
// and belong to the host's first device: Scandium on the second must leave them alone.
// Exit status: 0, 1, or 77 without a device.
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include "bare_device.h"
#include "plan_something.h"

int main() {
    BareDevice first, second;
    if (volkInitialize() == VK_SUCCESS) first.instance = make_instance();
    if (first.instance) volkLoadInstanceOnly(first.instance);
    second.instance = first.instance;
    if (!first.instance || !make_device(&first) || !make_device(&second)) {
        std::printf("skipped: no Vulkan 1.1 device\n");
        return 77;
    }
    volkLoadDevice(first.device);
    const PFN_vkCreateBuffer create_buffer = vkCreateBuffer;
    const PFN_vkCmdDispatch dispatch = vkCmdDispatch;

    scandium::DeviceDesc desc = describe(second);
    desc.diagnostics = print_message;
    scandium::Device* device = nullptr;
    const bool planned = wrap_device(desc, &device) == scandium::Result::ok && plan_something(device);
    destroy_device(device);

    const bool untouched = vkCreateBuffer == create_buffer && vkCmdDispatch == dispatch && volkGetLoadedDevice() == first.device;
    if (!untouched) std::printf("the host's volk was changed\n");
    PFN_vkDestroyDevice destroy_second = PFN_vkDestroyDevice(vkGetDeviceProcAddr(second.device, "vkDestroyDevice"));
    destroy_second(second.device, nullptr);
    vkDestroyDevice(first.device, nullptr);
    vkDestroyInstance(first.instance, nullptr);
    return planned && untouched ? 0 : 1;
}

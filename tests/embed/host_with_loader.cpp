// A host that links the Vulkan loader and asks for Vulkan 1.1 only. Exit status: 0, 1, or 77 without a device.
#include <scandium/scandium.h>

#include "bare_device.h"
#include "plan_something.h"

int main() {
    BareDevice host;
    host.instance = make_instance();
    if (!host.instance || !make_device(&host)) {
        std::printf("skipped: no Vulkan 1.1 device\n");
        return 77;
    }
    scandium::DeviceDesc desc = describe(host);
    desc.diagnostics = print_message;
    scandium::Device* device = nullptr;
    const bool planned = wrap_device(desc, &device) == scandium::Result::ok && plan_something(device);
    destroy_device(device);
    vkDestroyDevice(host.device, nullptr);
    vkDestroyInstance(host.instance, nullptr);
    return planned ? 0 : 1;
}

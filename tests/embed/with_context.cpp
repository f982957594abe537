// A program without an engine, on the convenience layer. Exit status: 0, 1, or 77 without a device.
#include <scandium/context.h>

#include <cstdio>
#include <cstring>

#include "plan_something.h"

int main() {
    scandium::ContextOptions options;
    options.diagnostics = print_message;
    scandium::Context* context = nullptr;
    const scandium::Result result = create_context(options, &context);
    if (result == scandium::Result::unsupported) {
        std::printf("skipped: no Vulkan 1.1 device\n");
        return 77;
    }
    if (result != scandium::Result::ok) return 1;
    const char sent[] = "there and back";
    char received[sizeof sent] = {};
    scandium::Buffer* buffer = nullptr;
    const bool moved = create_buffer(context, sizeof sent, &buffer) == scandium::Result::ok &&
                       upload(context, buffer, 0, sent, sizeof sent) == scandium::Result::ok &&
                       download(context, buffer, 0, received, sizeof sent) == scandium::Result::ok &&
                       !std::memcmp(sent, received, sizeof sent);
    destroy_buffer(context, buffer);
    const bool planned = plan_something(context_device(context));
    destroy_context(context);
    return moved && planned ? 0 : 1;
}

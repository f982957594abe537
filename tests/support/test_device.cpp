#include "support/test_device.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

namespace scandium::test {
namespace {

std::unique_ptr<TestDevice>& instance() {
    static std::unique_ptr<TestDevice> device;
    return device;
}

bool environment_is(const char* name, const char* value) {
    const char* found = std::getenv(name);
    return found && std::strcmp(found, value) == 0;
}

Features features_named(const std::string& name) {
    if (name == "none") return {};
    if (name == "buffer_device_address") return {.buffer_device_address = true};
    if (name == "khr_matrices")
        return {.storage_buffer_16bit = true,
                .shader_float16 = true,
                .buffer_device_address = true,
                .subgroup_size_control = true,
                .compute_full_subgroups = true,
                .vulkan_memory_model = true,
                .cooperative_matrix = true,
                .bfloat16_cooperative_matrix = true};
    throw std::runtime_error("SCANDIUM_TEST_FEATURES is " + name);
}

}  // namespace

TestDevice::TestDevice() {
    ContextOptions options;
    options.device = std::getenv("SCANDIUM_TEST_DEVICE");
    options.validation = validates_ = environment_is("SCANDIUM_TEST_VALIDATION", "1");
    if (const char* only = std::getenv("SCANDIUM_TEST_FEATURES")) {
        features_ = features_named(only);
        options.features = &features_;
    }
    options.diagnostics_user = &messages_;
    options.diagnostics = [](void* user, Result result, VkResult vk, const char* message) {
        const std::string suffix = vk == VK_SUCCESS ? std::string() : " (VkResult " + std::to_string(vk) + ")";
        static_cast<std::vector<Message>*>(user)->push_back({result, message + suffix});
    };
    if (const Result result = create_context(options, &context_); result != Result::ok)
        throw std::runtime_error(std::string("no device to test on: ") + to_string(result) + "\n" + to_text(messages_));
}

TestDevice& TestDevice::get() {
    if (!instance()) instance().reset(new TestDevice);
    return *instance();
}

std::vector<Message> TestDevice::close() {
    if (!instance()) return {};
    destroy_context(instance()->context_);
    std::vector<Message> left = instance()->take_messages();
    instance().reset();
    return left;
}

std::vector<Message> TestDevice::take_messages() { return std::exchange(messages_, {}); }

bool few_paths_wanted() { return environment_is("SCANDIUM_TEST_PATHS", "few"); }

std::string to_text(const std::vector<Message>& messages) {
    std::string text;
    for (const Message& message : messages) text += std::string(to_string(message.result)) + ": " + message.text + "\n";
    return text;
}

}  // namespace scandium::test

// The device that the whole test program runs on, and what the library said while it did.
//   SCANDIUM_TEST_DEVICE       index or part of the name; unset: the best one
//   SCANDIUM_TEST_VALIDATION   1: validation layers, and every message fails the test that caused it
//   SCANDIUM_TEST_FEATURES     "none": enable no optional feature, as on a plain Vulkan 1.1 device;
//                              "buffer_device_address": only that one; "khr_matrices": all but conversions of cooperative
//                              matrices; unset: all
//   SCANDIUM_TEST_PATHS        "few": each variant by one way to memory only; unset: by every way
#pragma once

#include <string>
#include <vector>

#include "scandium/context.h"

namespace scandium::test {

struct Message {
    Result result = Result::ok;
    std::string text;
};

class TestDevice {
public:
    // Makes the device on first use; throws std::runtime_error with the library's reason if there is none.
    static TestDevice& get();
    // Destroys the device. Returns the messages that this brought.
    static std::vector<Message> close();

    Context* context() const { return context_; }
    const Device* device() const { return context_device(context_); }
    const Caps& caps() const { return device_caps(device()); }
    bool validates() const { return validates_; }

    // What was reported since the last call.
    std::vector<Message> take_messages();

private:
    TestDevice();

    Context* context_ = nullptr;
    bool validates_ = false;
    Features features_;  // of SCANDIUM_TEST_FEATURES
    std::vector<Message> messages_;
};

// Of SCANDIUM_TEST_PATHS: for a further device of a kind that is tested by every path already.
bool few_paths_wanted();

std::string to_text(const std::vector<Message>& messages);

}  // namespace scandium::test

// Names and sizes of the basic types, and the way a failure is told.
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "scandium/ops/ssd_scan.h"

namespace scandium {
namespace {

struct Told {
    Result result;
    VkResult vk;
    std::string message;
};

Diagnostics listening(std::vector<Told>* told) {
    Diagnostics diagnostics;
    diagnostics.user = told;
    diagnostics.callback = [](void* user, Result result, VkResult vk, const char* message) {
        static_cast<std::vector<Told>*>(user)->push_back({result, vk, message});
    };
    return diagnostics;
}

template <class Enum>
std::set<std::string> names(std::initializer_list<Enum> values) {
    std::set<std::string> out;
    for (Enum value : values) out.insert(to_string(value));
    return out;
}

TEST_CASE("types: sizes of elements") {
    CHECK(size_of(DType::none) == 0);
    CHECK(size_of(DType::f32) == 4);
    CHECK(size_of(DType::f16) == 2);
    CHECK(size_of(DType::bf16) == 2);
    CHECK(size_of(DType::i32) == 4);
    CHECK(size_of(DType(99)) == 0);
}

TEST_CASE("types: every value has a name of its own") {
    CHECK(names({Result::ok, Result::invalid_argument, Result::unsupported, Result::out_of_host_memory, Result::out_of_device_memory,
                 Result::device_lost, Result::internal_error, Result(99)})
              .size() == 8);
    CHECK(names({DType::none, DType::f32, DType::f16, DType::bf16, DType::i32, DType(99)}).size() == 6);
    CHECK(names({Variant::automatic, Variant::scalar, Variant::subgroup, Variant::coopmat, Variant(99)}).size() == 5);
    CHECK(names({MemoryAccess::automatic, MemoryAccess::address, MemoryAccess::descriptor, MemoryAccess(99)}).size() == 4);
    CHECK(names({SsdAlgorithm::automatic, SsdAlgorithm::chunked, SsdAlgorithm::recurrent}).size() == 3);
}

TEST_CASE("diagnostics: a failure is told once, and returned") {
    std::vector<Told> told;
    CHECK(listening(&told).fail(Result::unsupported, "tensor %s: %u is too much", "x", 7u) == Result::unsupported);
    REQUIRE(told.size() == 1);
    CHECK(told[0].result == Result::unsupported);
    CHECK(told[0].vk == VK_SUCCESS);
    CHECK(told[0].message == "tensor x: 7 is too much");
}

TEST_CASE("diagnostics: a long sentence is cut, not overrun") {
    std::vector<Told> told;
    const std::string name(2000, 'n');
    CHECK(listening(&told).fail(Result::invalid_argument, "tensor %s", name.c_str()) == Result::invalid_argument);
    REQUIRE(told.size() == 1);
    CHECK(told[0].message.size() < 600);
    CHECK(told[0].message.substr(0, 10) == "tensor nnn");
}

TEST_CASE("diagnostics: without a callback the result is all there is") {
    CHECK(Diagnostics().fail(Result::internal_error, "%d", 1) == Result::internal_error);
    CHECK(Diagnostics().fail_vk(VK_ERROR_DEVICE_LOST, "vkQueueSubmit") == Result::device_lost);
}

TEST_CASE("diagnostics: what Vulkan returned becomes a Result, and names the call") {
    std::vector<Told> told;
    const Diagnostics diagnostics = listening(&told);
    CHECK(diagnostics.fail_vk(VK_ERROR_OUT_OF_HOST_MEMORY, "a") == Result::out_of_host_memory);
    CHECK(diagnostics.fail_vk(VK_ERROR_OUT_OF_DEVICE_MEMORY, "b") == Result::out_of_device_memory);
    CHECK(diagnostics.fail_vk(VK_ERROR_OUT_OF_POOL_MEMORY, "c") == Result::out_of_device_memory);
    CHECK(diagnostics.fail_vk(VK_ERROR_DEVICE_LOST, "d") == Result::device_lost);
    CHECK(diagnostics.fail_vk(VK_ERROR_FORMAT_NOT_SUPPORTED, "vkCreateThing") == Result::internal_error);
    REQUIRE(told.size() == 5);
    CHECK(told[4].vk == VK_ERROR_FORMAT_NOT_SUPPORTED);
    CHECK(told[4].message.find("vkCreateThing") != std::string::npos);
}

}  // namespace
}  // namespace scandium

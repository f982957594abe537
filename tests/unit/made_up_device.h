// Devices that no driver has to offer, and graphs on them.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <vector>

#include "graph/graph_state.h"

namespace scandium::test {

using Shape = std::vector<uint64_t>;

inline Caps gpu_caps(uint32_t subgroup_size) {
    Caps caps;
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = subgroup_size;
    caps.subgroup_arithmetic = caps.subgroup_shuffle = true;
    caps.max_invocations = caps.max_workgroup_size_x = 1024;
    caps.shared_memory = 49152;
    caps.features.storage_buffer_16bit = caps.features.buffer_device_address = true;
    caps.features.subgroup_size_control = caps.features.compute_full_subgroups = true;
    return caps;
}

inline TensorDesc desc(const char* name, DType dtype, const Shape& shape) {
    TensorDesc out;
    out.name = name;
    out.dtype = dtype;
    out.rank = uint32_t(shape.size());
    for (size_t i = 0; i < shape.size(); ++i) out.shape[i] = shape[i];
    return out;
}

// A graph whose operator may be asked for once, and what it said.
class Setup {
public:
    explicit Setup(const Caps& caps = Caps(), MemoryAccess access = MemoryAccess::automatic) {
        device_.caps = caps;
        device_.diagnostics.user = &told;
        device_.diagnostics.callback = [](void* user, Result, VkResult, const char* message) {
            static_cast<std::vector<std::string>*>(user)->push_back(message);
        };
        REQUIRE(create_graph(&device_, access, &graph) == Result::ok);
    }
    ~Setup() { destroy_graph(graph); }

    TensorId tensor(const char* name, const Shape& shape, DType dtype = DType::f32) { return add_tensor(graph, desc(name, dtype, shape)); }

    // Entries along the first axis of argument `index`, over all dispatches: how often each is in one.
    std::vector<uint32_t> covered(uint32_t index, uint64_t entries) const {
        std::vector<uint32_t> count(entries, 0);
        for (const Dispatch& d : graph->dispatches) {
            const View& view = d.arguments[index].view;
            if (view.tensor == kNoTensor) continue;
            const uint64_t first = view.offset / view.stride[0];
            for (uint64_t i = first; i < first + view.shape[0]; ++i) ++count[i];
            CHECK(view.bytes() <= graph->max_view_bytes());
        }
        return count;
    }

    void check_refused(Result result, Result want, const std::string& name) const {
        CHECK(result == want);
        REQUIRE(told.size() == 1);
        CHECK_THAT(told[0], Catch::Matchers::ContainsSubstring(name));
        CHECK(graph->dispatches.size() == 0);
    }

    Graph* graph = nullptr;
    std::vector<std::string> told;

private:
    Device device_;
};

}  // namespace scandium::test

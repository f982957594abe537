// What ssd_scan appends to a graph, on devices that are made up: its stages, and its cuts where a device binds little.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph_state.h"
#include "support/ssd_case.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

struct GraphDeleter {
    void operator()(Graph* graph) const { destroy_graph(graph); }
};

struct Built {
    Result result = Result::ok;
    std::vector<std::string> told;
    std::unique_ptr<Graph, GraphDeleter> graph;

    std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const Dispatch& dispatch : graph->dispatches) out.push_back(dispatch.name);
        return out;
    }
};

// `device` has to outlive the answer.
Built build(Device* device, const SsdCase& c) {
    Built out;
    device->diagnostics.user = &out.told;
    device->diagnostics.callback = [](void* user, Result, VkResult, const char* message) {
        static_cast<std::vector<std::string>*>(user)->push_back(message);
    };
    Graph* graph = nullptr;
    REQUIRE(create_graph(device, c.access, &graph) == Result::ok);
    out.graph.reset(graph);
    SsdScan op = options_of(c);
    for (const auto& [name, tensor] : place_tensors(c)) member(op, name) = add_tensor(graph, tensor.desc());
    out.result = ssd_scan(graph, op);
    device->diagnostics = Diagnostics();
    return out;
}

SsdCase long_case(SsdAlgorithm algorithm) {
    SsdCase c;
    c.shape = {4, 4096, 8, 64, 2, 64};
    c.algorithm = algorithm;
    c.access = MemoryAccess::descriptor;
    c.chunk_size = 64;
    c.initial_states = c.z = true;
    c.D = SsdD::per_head;
    return c;
}

// Elements of `tensor` that some dispatch writes, counted as often as they are written.
uint64_t written(const Graph& graph, const char* name) {
    uint64_t count = 0;
    for (const Dispatch& dispatch : graph.dispatches)
        for (uint32_t i = 0; i < dispatch.argument_count; ++i) {
            const Argument& argument = dispatch.arguments[i];
            if (argument.view.tensor == kNoTensor || !writes(argument.access)) continue;
            if (std::string(graph.tensors[argument.view.tensor].name) != name) continue;
            uint64_t elements = 1;
            for (uint32_t axis = 0; axis < argument.view.rank; ++axis) elements *= argument.view.shape[axis];
            count += elements;
        }
    return count;
}

TEST_CASE("ssd_scan graph: the stages of each algorithm, in order") {
    Device device;
    SsdCase c;
    c.algorithm = SsdAlgorithm::recurrent;
    CHECK(build(&device, c).names() == std::vector<std::string>{"ssd_recurrent"});
    c.algorithm = SsdAlgorithm::chunked;
    const std::vector<std::string> five = {"ssd_chunk_cumsum", "ssd_bmm_chunk", "ssd_chunk_state", "ssd_state_passing", "ssd_chunk_scan"};
    CHECK(build(&device, c).names() == five);
    c.cu_seqlens = {0, 10, 40};
    std::vector<std::string> packed = five;
    packed.insert(packed.begin(), "ssd_chunk_table");
    CHECK(build(&device, c).names() == packed);
    c.cu_seqlens.clear();
    c.seq_idx.assign(40, 0);
    c.max_sequences = 1;
    packed.insert(packed.begin(), "ssd_sequence_starts");
    CHECK(build(&device, c).names() == packed);
}

TEST_CASE("ssd_scan graph: no dispatch is given more than the device binds, and y is written once and whole") {
    const SsdAlgorithm algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    const uint64_t limit = GENERATE(128u << 20, 16u << 20, 1u << 20);
    Device device;
    device.caps.max_storage_range = limit;
    const SsdCase c = long_case(algorithm);
    const Built built = build(&device, c);
    CAPTURE(limit, built.told);
    REQUIRE(built.result == Result::ok);
    for (const Dispatch& dispatch : built.graph->dispatches)
        for (uint32_t i = 0; i < dispatch.argument_count; ++i)
            if (dispatch.arguments[i].view.tensor != kNoTensor) CHECK(dispatch.arguments[i].view.bytes() <= limit);
    CHECK(written(*built.graph, "y") == c.shape.batch * c.shape.seqlen * c.shape.nheads * c.shape.headdim);
    CHECK(written(*built.graph, "final_states") == c.shape.batch * c.shape.nheads * c.shape.headdim * c.shape.dstate);
}

TEST_CASE("ssd_scan graph: with addresses nothing is cut before 2 GiB") {
    const SsdAlgorithm algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    Device device;
    device.caps.features.buffer_device_address = true;
    device.caps.max_storage_range = 1 << 20;
    SsdCase c = long_case(algorithm);
    c.access = MemoryAccess::address;
    CHECK(build(&device, c).names().size() == (algorithm == SsdAlgorithm::chunked ? 5 : 1));
}

TEST_CASE("ssd_scan graph: offsets past 4 GiB are kept whole") {
    Device device;
    device.caps.features.buffer_device_address = true;
    SsdCase c;
    c.access = MemoryAccess::address;
    c.algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    c.shape = {16, 16, 1, 16, 1, 16};
    c.x_layout.slowest_stride = uint64_t(1) << 30;  // 4 GiB a row
    const Built built = build(&device, c);
    REQUIRE(built.result == Result::ok);
    uint64_t furthest = 0;
    for (const Dispatch& dispatch : built.graph->dispatches)
        for (uint32_t i = 0; i < dispatch.argument_count; ++i) {
            const View& view = dispatch.arguments[i].view;
            if (view.tensor == kNoTensor) continue;
            CHECK(view.bytes() <= uint64_t(1) << 31);
            if (std::string(built.graph->tensors[view.tensor].name) == "x" && view.offset > furthest) furthest = view.offset;
        }
    CHECK(furthest == 15 * (uint64_t(1) << 30));
    CHECK(written(*built.graph, "y") == 16 * 16 * 16);
}

TEST_CASE("ssd_scan graph: what cannot be cut small enough is unsupported, and the sentence has the limit") {
    Device device;
    device.caps.max_storage_range = 4096;
    device.caps.storage_offset_alignment = 256;
    SsdCase c;
    c.access = MemoryAccess::descriptor;
    c.algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    c.shape = {1, 64, 1, 64, 1, 64};  // one state alone is 16 KiB
    const Built built = build(&device, c);
    CHECK(built.result == Result::unsupported);
    REQUIRE(built.told.size() == 1);
    CHECK_THAT(built.told[0], ContainsSubstring("ssd_scan") && ContainsSubstring("maxStorageBufferRange") && ContainsSubstring("3840"));
}

TEST_CASE("ssd_scan graph: grids stay within what the device counts to") {
    const SsdAlgorithm algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    Device device;
    device.caps.features.buffer_device_address = true;
    SsdCase c;
    c.access = MemoryAccess::address;
    c.algorithm = algorithm;
    SECTION("many chunks") { c.shape = {1, 16 * 70000, 1, 1, 1, 1}; }
    SECTION("many rows") { c.shape = {70000, 16, 1, 1, 1, 1}; }
    SECTION("many heads") { c.shape = {1, 16, 70000, 1, 1, 1}; }
    const Built built = build(&device, c);
    CAPTURE(built.told);
    REQUIRE(built.result == Result::ok);
    for (const Dispatch& dispatch : built.graph->dispatches)
        for (uint32_t axis = 0; axis < 3; ++axis) CHECK(dispatch.groups[axis] <= device.caps.max_workgroups[axis]);
    CHECK(written(*built.graph, "y") == c.shape.batch * c.shape.seqlen * c.shape.nheads);
}

}  // namespace
}  // namespace scandium::test

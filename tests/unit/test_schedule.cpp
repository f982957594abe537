// The planner on dispatch lists made by hand: no Vulkan driver is needed.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <vector>

#include "graph/schedule.h"
#include "scandium/ops/elementwise.h"

using namespace scandium;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Planner {
    explicit Planner(MemoryAccess access) {
        device.caps.features.buffer_device_address = access == MemoryAccess::address;
        device.diagnostics = {[](void* user, Result, VkResult, const char* text) { *static_cast<std::string*>(user) = text; }, &message};
        REQUIRE(create_graph(&device, access, &graph) == Result::ok);
    }
    ~Planner() { destroy_graph(graph); }

    TensorId tensor(uint64_t elements, bool transient = false) {
        const TensorDesc desc{"t", DType::f32, 1, {elements}, {}};
        return transient ? add_transient(graph, desc) : add_tensor(graph, desc);
    }
    TensorId transient(uint64_t elements) { return tensor(elements, true); }

    // A dispatch that reads and writes whole tensors.
    void dispatch(const std::vector<TensorId>& reads, const std::vector<TensorId>& writes) {
        Dispatch d;
        d.name = "test";
        uint32_t index = 0;
        for (TensorId id : reads) d.argument(index++, graph->view(id), Access::read);
        for (TensorId id : writes) d.argument(index++, graph->view(id), Access::write);
        REQUIRE(graph->append(d) == Result::ok);
    }

    Result plan(bool alias = true) { return make_schedule(*graph, alias, &schedule); }

    std::vector<bool> barriers() const {
        std::vector<bool> out;
        for (const ScheduledDispatch& s : schedule.dispatches) out.push_back(s.barrier_before);
        return out;
    }

    std::string message;
    Device device;
    Graph* graph = nullptr;
    Schedule schedule;
};

using Barriers = std::vector<bool>;

}  // namespace

TEST_CASE("a barrier stands where a dispatch meets what was touched since the last one, and nowhere else") {
    Planner p(MemoryAccess::address);
    const TensorId in = p.tensor(64), a = p.transient(64), b = p.transient(64), out = p.tensor(64);
    SECTION("read after write") {
        p.dispatch({in}, {a});
        p.dispatch({a}, {out});
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, true});
    }
    SECTION("write after read and write after write") {
        const TensorId c = p.tensor(64), d = p.tensor(64);
        p.dispatch({in}, {out});
        p.dispatch({c}, {in});
        p.dispatch({d}, {in});
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, true, true});
    }
    SECTION("independent dispatches share an epoch, and one barrier serves both") {
        p.dispatch({in}, {a});
        p.dispatch({in}, {b});
        p.dispatch({a, b}, {out});
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, false, true});
    }
    SECTION("reading twice needs none") {
        p.dispatch({in}, {a});
        p.dispatch({in}, {out});
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, false});
    }
    SECTION("a hazard before the last barrier is already served") {
        p.dispatch({in}, {a});
        p.dispatch({a}, {b});
        p.dispatch({a}, {out});
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, true, false});
    }
}

TEST_CASE("a graph takes no more dispatches than can be planned in reasonable time") {
    const MemoryAccess access = GENERATE(MemoryAccess::address, MemoryAccess::descriptor);
    Planner p(access);
    SECTION("an operator on a tensor of many parts is refused") {
        // Every row is as long as what a dispatch reaches, so each would take a dispatch.
        const TensorDesc rows{"rows", DType::f32, 2, {1u << 18, 2}, {uint64_t(1) << 28, 1}};
        Activation op;
        op.x = add_tensor(p.graph, rows);
        op.y = add_tensor(p.graph, rows);
        CHECK(silu(p.graph, op) == Result::unsupported);
        CHECK_THAT(p.message, ContainsSubstring("silu: the graph would have more than 8192 dispatches"));
        CHECK(p.plan() == Result::unsupported);
    }
    SECTION("the most that it takes are planned, with operands staged") {
        std::vector<TensorId> in;
        for (int i = 0; i < 5; ++i) in.push_back(p.tensor(64));
        const TensorId out = p.tensor(64);
        for (uint32_t i = 0; i < kMaxDispatches; ++i) p.dispatch(in, {out});
        CHECK(p.plan() == Result::ok);
        CHECK(p.schedule.dispatches.size() >= kMaxDispatches);
    }
}

TEST_CASE("boxes of one tensor conflict only where they meet") {
    Planner p(MemoryAccess::address);
    const TensorId t = add_tensor(p.graph, {"grid", DType::f32, 2, {8, 16}, {}});
    const View whole = p.graph->view(t);
    const auto write = [&](const View& view) {
        Dispatch d;
        d.argument(0, view, Access::write);
        REQUIRE(p.graph->append(d) == Result::ok);
    };
    SECTION("columns side by side interleave in memory and do not meet") {
        write(whole.slice(1, 0, 8));
        write(whole.slice(1, 8, 8));
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, false});
    }
    SECTION("columns that overlap by one do") {
        write(whole.slice(1, 0, 9));
        write(whole.slice(1, 8, 8));
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, true});
    }
    SECTION("rows below each other do not meet") {
        write(whole.slice(0, 0, 4));
        write(whole.slice(0, 4, 4));
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, false});
    }
    SECTION("a block and the row through it do") {
        write(whole.slice(0, 2, 4).slice(1, 3, 5));
        write(whole.slice(0, 5, 1));
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.barriers() == Barriers{false, true});
    }
}

TEST_CASE("transient tensors share memory only if no epoch has both") {
    Planner p(MemoryAccess::address);
    const TensorId in = p.tensor(64), a = p.transient(1024), b = p.transient(1024), c = p.transient(1024), out = p.tensor(64);
    p.dispatch({in}, {a});
    p.dispatch({a}, {b});
    p.dispatch({b}, {c});
    p.dispatch({c}, {out});
    const auto offset = [&](TensorId id) { return p.schedule.workspace_offset[id]; };
    SECTION("a chain needs two places for three tensors") {
        REQUIRE(p.plan() == Result::ok);
        CHECK(p.schedule.workspace_size == 2 * 4096);
        CHECK(offset(a) == offset(c));
        CHECK(offset(a) != offset(b));
        CHECK(offset(b) != offset(c));
        CHECK(p.barriers() == Barriers{false, true, true, true});
    }
    SECTION("aliasing can be turned off") {
        REQUIRE(p.plan(false) == Result::ok);
        CHECK(p.schedule.workspace_size == 3 * 4096);
    }
}

TEST_CASE("tensors of one epoch never share, although no dispatch uses both") {
    Planner p(MemoryAccess::address);
    const TensorId in = p.tensor(64), a = p.transient(1024), b = p.transient(1024), out = p.tensor(64), out2 = p.tensor(64);
    p.dispatch({in}, {a});
    p.dispatch({in}, {b});
    p.dispatch({a}, {out});
    p.dispatch({b}, {out2});
    REQUIRE(p.plan() == Result::ok);
    CHECK(p.barriers() == Barriers{false, false, true, false});
    CHECK(p.schedule.workspace_size == 2 * 4096);
}

TEST_CASE("offsets keep the alignment and stay apart for odd sizes") {
    Planner p(MemoryAccess::descriptor);
    p.device.caps.storage_offset_alignment = 256;
    const TensorId in = p.tensor(64), a = p.transient(3), b = p.transient(1001), out = p.tensor(64);
    p.dispatch({in}, {a});
    p.dispatch({in}, {b});
    p.dispatch({a, b}, {out});
    REQUIRE(p.plan() == Result::ok);
    CHECK(p.schedule.workspace_offset[a] % 256 == 0);
    CHECK(p.schedule.workspace_offset[b] % 256 == 0);
    CHECK(p.schedule.workspace_size == 4096 + 256);
}

TEST_CASE("with descriptors no dispatch binds more than three external tensors") {
    Planner p(MemoryAccess::descriptor);
    std::vector<TensorId> inputs;
    for (uint64_t size : {600, 10, 500, 20, 30}) inputs.push_back(p.tensor(size));
    const TensorId scratch = p.transient(8), out = p.tensor(700);
    p.dispatch(inputs, {scratch, out});
    REQUIRE(p.plan() == Result::ok);

    // The three small inputs are copied first, together; then comes the dispatch itself.
    REQUIRE(p.schedule.dispatches.size() == 4);
    CHECK(p.barriers() == Barriers{false, false, false, true});
    for (const ScheduledDispatch& s : p.schedule.dispatches) {
        uint32_t external = 0;
        for (uint32_t i = 0; i < s.dispatch.argument_count; ++i) {
            const bool transient = p.schedule.tensors[s.dispatch.arguments[i].view.tensor].transient;
            external += transient ? 0 : 1;
            CHECK((s.slot[i] == 0) == transient);
        }
        CHECK(external <= 3);
    }
    const Dispatch& last = p.schedule.dispatches[3].dispatch;
    CHECK(last.arguments[0].view.tensor == inputs[0]);  // the largest stay where they are
    CHECK(last.arguments[2].view.tensor == inputs[2]);
    CHECK(last.arguments[6].view.tensor == out);
    CHECK(last.arguments[1].view.tensor != inputs[1]);
    CHECK(last.arguments[1].view.dtype == DType::f32);
}

TEST_CASE("a staged output is copied in before and out after") {
    Planner p(MemoryAccess::descriptor);
    std::vector<TensorId> inputs;
    for (uint64_t size : {600, 500, 400}) inputs.push_back(p.tensor(size));
    const TensorId out = p.tensor(5);
    p.dispatch(inputs, {out});
    REQUIRE(p.plan() == Result::ok);
    REQUIRE(p.schedule.dispatches.size() == 3);
    CHECK(p.barriers() == Barriers{false, true, true});
    CHECK(p.schedule.dispatches[0].dispatch.arguments[0].view.tensor == out);
    CHECK(p.schedule.dispatches[2].dispatch.arguments[1].view.tensor == out);
    CHECK(writes(p.schedule.dispatches[2].dispatch.arguments[1].access));
}

TEST_CASE("a staged output keeps its element type") {
    Planner p(MemoryAccess::descriptor);
    std::vector<TensorId> inputs;
    for (uint64_t size : {600, 500, 400}) inputs.push_back(p.tensor(size));
    const TensorId out = add_tensor(p.graph, {"out", DType::bf16, 1, {5}, {}});
    p.dispatch(inputs, {out});
    REQUIRE(p.plan() == Result::ok);
    REQUIRE(p.schedule.dispatches.size() == 3);
    const View& staged = p.schedule.dispatches[1].dispatch.arguments[3].view;
    CHECK(staged.tensor != out);
    CHECK(staged.dtype == DType::bf16);
    CHECK(p.schedule.tensors[staged.tensor].bytes == 12);
}

TEST_CASE("what a device cannot bind is an error that names the limit") {
    Planner p(MemoryAccess::descriptor);
    const TensorId in = p.tensor(64), out = p.tensor(64);
    SECTION("workspace") {
        const TensorId a = p.transient(20u << 20), b = p.transient(20u << 20);
        p.dispatch({in}, {a, b});
        p.dispatch({a, b}, {out});
        CHECK(p.plan() == Result::unsupported);
        CHECK(p.message.find("maxStorageBufferRange") != std::string::npos);
    }
    SECTION("one tensor") {
        const TensorId large = p.tensor(40u << 20);
        p.dispatch({large}, {out});
        CHECK(p.plan() == Result::unsupported);
        CHECK(p.message.find("maxStorageBufferRange") != std::string::npos);
    }
}

TEST_CASE("a transient tensor that is read before anything wrote it is refused by name") {
    Planner p(MemoryAccess::address);
    const TensorId a = add_transient(p.graph, {"scratch", DType::f32, 1, {64}, {}}), out = p.tensor(64);
    p.dispatch({a}, {out});
    CHECK(p.plan() == Result::invalid_argument);
    CHECK(p.message.find("scratch") != std::string::npos);
}

TEST_CASE("a graph's first failure is what its plan returns") {
    Planner p(MemoryAccess::address);
    CHECK(add_tensor(p.graph, {"bad", DType::f32, 9, {1}, {}}) == kNoTensor);
    CHECK(p.message.find("bad") != std::string::npos);
    CHECK(add_tensor(p.graph, {"good", DType::f32, 1, {1}, {}}) == kNoTensor);
    CHECK(p.plan() == Result::invalid_argument);
}

TEST_CASE("wide accesses are only allowed where every row starts at a multiple of them") {
    Planner p(MemoryAccess::address);
    const auto width = [&](const TensorDesc& desc, uint64_t first_row = 0, uint64_t first_column = 0) {
        const TensorId id = add_tensor(p.graph, desc);
        REQUIRE(id != kNoTensor);
        const View view = p.graph->view(id).slice(0, first_row, 1).slice(1, first_column, 1);
        View whole = p.graph->view(id);
        whole.offset = view.offset;
        return vector_width(p.graph->tensors[id], whole);
    };
    CHECK(width({"t", DType::f32, 2, {4, 16}, {}}) == 8);
    CHECK(width({"t", DType::f16, 2, {4, 16}, {}}) == 8);
    CHECK(width({"t", DType::f32, 2, {4, 12}, {}}) == 4);
    CHECK(width({"t", DType::f32, 2, {4, 6}, {}}) == 1);
    CHECK(width({"t", DType::f32, 2, {1, 6}, {}}) == 8);         // a single row may be of any length
    CHECK(width({"t", DType::f32, 2, {4, 8}, {16, 2}}) == 1);    // the last axis is not packed
    CHECK(width({"t", DType::f32, 2, {4, 6}, {8, 1}}) == 8);     // padded rows
    CHECK(width({"t", DType::f32, 2, {4, 16}, {}}, 1, 4) == 4);  // a slice that starts inside a row
    CHECK(width({"t", DType::f32, 2, {4, 16}, {}}, 0, 3) == 1);
    CHECK(width({"t", DType::f32, 2, {4, 16}, {}, 4}) == 1);  // the host promises too little
    CHECK(width({"t", DType::f16, 2, {4, 16}, {}, 8}) == 4);
}

TEST_CASE("a view is a part of its tensor: barriers and lifetimes are the tensor's") {
    Planner p(MemoryAccess::address);
    const TensorId in = p.tensor(64), out = p.tensor(64), rows = add_transient(p.graph, {"rows", DType::f32, 2, {4, 16}, {}});
    const TensorId left = add_view(p.graph, {"left", rows, 0, 2, {4, 6}, {16, 1}}),
                   right = add_view(p.graph, {"right", rows, 6, 2, {4, 10}, {16, 1}});
    const TensorId corner = add_view(p.graph, {"corner", right, 32, 1, {10}, {1}});
    REQUIRE(graph_status(p.graph) == Result::ok);
    const View view = p.graph->view(corner);
    CHECK(view.tensor == rows);
    CHECK(view.offset == 38);
    CHECK(view.rank == 1);
    p.dispatch({in}, {left});
    p.dispatch({in}, {right});
    p.dispatch({left}, {out});
    REQUIRE(p.plan() == Result::ok);
    CHECK(p.barriers() == Barriers{false, false, true});
    CHECK(p.schedule.workspace_size == 4 * 16 * sizeof(float));
}

TEST_CASE("a view that reaches beyond its tensor, or is of none, is refused") {
    Planner p(MemoryAccess::address);
    const TensorId rows = add_tensor(p.graph, {"rows", DType::f32, 2, {4, 16}, {}});
    SECTION("too long") { CHECK(add_view(p.graph, {"v", rows, 0, 1, {65}, {1}}) == kNoTensor); }
    SECTION("too far") { CHECK(add_view(p.graph, {"v", rows, 33, 1, {32}, {1}}) == kNoTensor); }
    SECTION("stride") { CHECK(add_view(p.graph, {"v", rows, 0, 2, {4, 16}, {17, 1}}) == kNoTensor); }
    SECTION("rank") { CHECK(add_view(p.graph, {"v", rows, 0, 0, {}, {}}) == kNoTensor); }
    SECTION("tensor") { CHECK(add_view(p.graph, {"v", 7, 0, 1, {1}, {1}}) == kNoTensor); }
    CHECK(graph_status(p.graph) == Result::invalid_argument);
    CHECK_THAT(p.message, ContainsSubstring(" v"));
}

TEST_CASE("an output that may share elements with another tensor of the operator is refused, side by side is fine") {
    Planner p(MemoryAccess::address);
    const TensorId rows = add_tensor(p.graph, {"rows", DType::f32, 2, {4, 16}, {}}),
                   b = add_tensor(p.graph, {"b", DType::f32, 2, {4, 8}, {}});
    const TensorId left = add_view(p.graph, {"left", rows, 0, 2, {4, 8}, {16, 1}}),
                   right = add_view(p.graph, {"right", rows, 8, 2, {4, 8}, {16, 1}}),
                   middle = add_view(p.graph, {"middle", rows, 4, 2, {4, 8}, {16, 1}});
    CHECK(add(p.graph, {left, b, right}) == Result::ok);
    CHECK(add(p.graph, {left, b, left}) == Result::ok);
    CHECK(add(p.graph, {left, b, middle}) == Result::invalid_argument);
    CHECK_THAT(p.message, ContainsSubstring("rows"));
}

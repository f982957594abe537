// Misuse of graphs, plans, bindings and the context, and what they tell of themselves.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <functional>

#include "scandium/ops/elementwise.h"
#include "support/ssd_case.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

void check_told(Result expected, const std::string& words) {
    const std::vector<Message> messages = TestDevice::get().take_messages();
    INFO(to_text(messages));
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].result == expected);
    CHECK_THAT(messages[0].text, ContainsSubstring(words));
}

struct Owner {
    Graph* graph = nullptr;
    Plan* plan = nullptr;
    Bindings* bindings = nullptr;
    std::vector<Buffer*> buffers;

    ~Owner() {
        destroy_bindings(bindings);
        destroy_plan(plan);
        destroy_graph(graph);
        for (Buffer* buffer : buffers) destroy_buffer(TestDevice::get().context(), buffer);
    }
    BufferView buffer(uint64_t bytes) {
        buffers.push_back(nullptr);
        REQUIRE(create_buffer(TestDevice::get().context(), bytes, &buffers.back()) == Result::ok);
        return view(buffers.back());
    }
};

TEST_CASE("create_graph: null arguments, and addresses without the feature") {
    TestDevice& device = TestDevice::get();
    Owner own;
    CHECK(create_graph(nullptr, MemoryAccess::automatic, &own.graph) == Result::invalid_argument);
    device.take_messages();
    CHECK(create_graph(device.device(), MemoryAccess::automatic, nullptr) == Result::invalid_argument);
    check_told(Result::invalid_argument, "out");
    for (uint32_t access : {3u, 0xffffffffu}) {
        own.graph = reinterpret_cast<Graph*>(16);
        CHECK(create_graph(device.device(), MemoryAccess(access), &own.graph) == Result::invalid_argument);
        CHECK(own.graph == nullptr);
        check_told(Result::invalid_argument, "access");
    }
    if (device.caps().features.buffer_device_address) SKIP("the device has buffer device addresses");
    CHECK(create_graph(device.device(), MemoryAccess::address, &own.graph) == Result::invalid_argument);
    check_told(Result::invalid_argument, "address");
}

TEST_CASE("add_tensor: each part of the description") {
    struct Fault {
        const char* word;
        void (*change)(TensorDesc&);
    };
    const Fault fault = GENERATE(Fault{"dtype", [](TensorDesc& d) { d.dtype = DType::none; }},  //
                                 Fault{"dtype", [](TensorDesc& d) { d.dtype = DType(77); }},    //
                                 Fault{"rank", [](TensorDesc& d) { d.rank = 0; }},              //
                                 Fault{"rank", [](TensorDesc& d) { d.rank = kMaxRank + 1; }},   //
                                 Fault{"axis 1", [](TensorDesc& d) { d.shape[1] = 0; }},        //
                                 Fault{"axis 0", [](TensorDesc& d) { d.shape[0] = ~uint64_t(0); }},
                                 Fault{"elements", [](TensorDesc& d) { d.shape[0] = d.shape[1] = uint64_t(1) << 40; }},
                                 Fault{"alignment", [](TensorDesc& d) { d.alignment = 0; }},   //
                                 Fault{"alignment", [](TensorDesc& d) { d.alignment = 2; }},   //
                                 Fault{"alignment", [](TensorDesc& d) { d.alignment = 24; }},  //
                                 Fault{"stride of axis 1", [](TensorDesc& d) { d.stride[0] = 3; }},
                                 Fault{"elements", [](TensorDesc& d) { d.stride[0] = uint64_t(1) << 62, d.stride[1] = 1; }});
    TestDevice& device = TestDevice::get();
    Owner own;
    REQUIRE(create_graph(device.device(), MemoryAccess::automatic, &own.graph) == Result::ok);
    TensorDesc desc;
    desc.name = "weights";
    desc.dtype = DType::f32;
    desc.rank = 2;
    desc.shape[0] = 4;
    desc.shape[1] = 3;
    fault.change(desc);
    CHECK(add_tensor(own.graph, desc) == kNoTensor);
    const std::vector<Message> messages = device.take_messages();
    REQUIRE(messages.size() == 1);
    CHECK_THAT(messages[0].text, ContainsSubstring("weights") && ContainsSubstring(fault.word));
    CHECK(graph_status(own.graph) == Result::invalid_argument);
}

TEST_CASE("create_plan: null arguments") {
    TestDevice& device = TestDevice::get();
    Owner own;
    CHECK(create_plan(nullptr, PlanOptions(), &own.plan) == Result::invalid_argument);
    device.take_messages();
    REQUIRE(create_graph(device.device(), MemoryAccess::automatic, &own.graph) == Result::ok);
    CHECK(create_plan(own.graph, PlanOptions(), nullptr) == Result::invalid_argument);
    check_told(Result::invalid_argument, "out");
}

TEST_CASE("null is ignored where something is destroyed") {
    destroy_graph(nullptr);
    destroy_plan(nullptr);
    destroy_bindings(nullptr);
    destroy_buffer(TestDevice::get().context(), nullptr);
    destroy_context(nullptr);
    destroy_device(nullptr);
    CHECK(TestDevice::get().take_messages().empty());
}

// A plan of one small ssd_scan, and bindings that fit it.
struct Bound : Owner {
    std::vector<Binding> bindings_list;
    std::map<std::string, size_t> index;
    BufferView workspace;

    explicit Bound(const SsdCase& c) {
        TestDevice& device = TestDevice::get();
        REQUIRE(create_graph(device.device(), c.access, &graph) == Result::ok);
        SsdScan op = options_of(c);
        for (const auto& [name, tensor] : place_tensors(c)) {
            const TensorId id = member(op, name) = add_tensor(graph, tensor.desc());
            index[name] = bindings_list.size();
            bindings_list.push_back({id, buffer(tensor.bytes() + 16)});
            bindings_list.back().view.size = tensor.bytes();
        }
        REQUIRE(ssd_scan(graph, op) == Result::ok);
        REQUIRE(create_plan(graph, PlanOptions(), &plan) == Result::ok);
        if (const WorkspaceInfo info = workspace_info(plan); info.size > 0) workspace = buffer(info.size);
        device.take_messages();
    }
    Result bind() { return create_bindings(plan, Span<Binding>(bindings_list.data(), bindings_list.size()), workspace, &bindings); }
    BufferView& view_of(const std::string& name) { return bindings_list[index.at(name)].view; }
};

SsdCase small_case(MemoryAccess access) {
    SsdCase c;
    c.algorithm = SsdAlgorithm::chunked;
    c.variant = Variant::scalar;
    c.access = access;
    return c;
}

TEST_CASE("create_bindings: each mistake names the tensor") {
    const MemoryAccess access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    Bound bound(small_case(access));
    const char* words = "";
    SECTION("nothing wrong") {
        CHECK(bound.bind() == Result::ok);
        CHECK(TestDevice::get().take_messages().empty());
        return;
    }
    SECTION("a tensor is missing") {
        words = "dt";
        bound.bindings_list.erase(bound.bindings_list.begin() + ptrdiff_t(bound.index.at("dt")));
    }
    SECTION("a tensor is unknown") {
        words = "4711";
        bound.bindings_list.push_back({4711, bound.view_of("x")});
    }
    SECTION("a tensor has no buffer") {
        words = "B";
        bound.view_of("B").buffer = VK_NULL_HANDLE;
    }
    SECTION("a view is too small") {
        words = "C";
        bound.view_of("C").size -= 4;
    }
    SECTION("a view begins between words") {
        words = "x";
        bound.view_of("x").offset += 2;
    }
    SECTION("a view begins between multiples of its tensor's alignment") {
        words = "x";
        bound.view_of("x").offset += 4;
    }
    SECTION("an output lies over an input") {
        words = "y";
        bound.view_of("y") = bound.view_of("x");
    }
    SECTION("an output lies over part of an output") {
        words = "y";
        BufferView both = bound.buffer(1 << 20);
        bound.view_of("y").buffer = bound.view_of("final_states").buffer = both.buffer;
        bound.view_of("y").offset = 0;
        bound.view_of("final_states").offset = bound.view_of("y").size - 16;
    }
    SECTION("the workspace lies over an input") {
        words = "workspace";
        bound.view_of("x") = bound.workspace;
    }
    SECTION("the workspace is missing") {
        words = "workspace";
        bound.workspace = BufferView();
    }
    SECTION("the workspace is too small") {
        words = "workspace";
        bound.workspace.size -= 4;
    }
    SECTION("the workspace begins between words") {
        words = "workspace";
        bound.workspace.offset += 2;
    }
    CHECK(bound.bind() == Result::invalid_argument);
    check_told(Result::invalid_argument, words);
}

TEST_CASE("bindings of another plan are not run, nor a dispatch that is not there recorded") {
    Context* context = TestDevice::get().context();
    Bound one(small_case(MemoryAccess::automatic)), other(small_case(MemoryAccess::automatic));
    REQUIRE(one.bind() == Result::ok);
    CHECK(plan_of(one.bindings) == one.plan);
    std::vector<double> microseconds(dispatch_count(other.plan));
    RunOptions options;
    options.stage_us = microseconds.data();
    CHECK(run(context, other.plan, one.bindings, options) == Result::invalid_argument);
    check_told(Result::invalid_argument, "another plan");
    // A call that recorded something would crash.
    record(VK_NULL_HANDLE, other.plan, one.bindings);
    check_told(Result::invalid_argument, "another plan");
    record_dispatch(VK_NULL_HANDLE, other.plan, one.bindings, 0);
    check_told(Result::invalid_argument, "another plan");
    record_dispatch(VK_NULL_HANDLE, one.plan, one.bindings, dispatch_count(one.plan));
    check_told(Result::invalid_argument, "index");
}

TEST_CASE("there is nothing to say of null") {
    CHECK(workspace_info(nullptr).size == 0);
    CHECK(buffer_usage(nullptr) == 0);
    CHECK(dispatch_count(nullptr) == 0);
    CHECK(plan_of(nullptr) == nullptr);
    CHECK(view(nullptr).buffer == VK_NULL_HANDLE);
    CHECK(context_device(nullptr) == nullptr);
    CHECK(validation_message_count(nullptr) == 0);
}

TEST_CASE("the alignment of a transient tensor is no business of the host's") {
    const MemoryAccess access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    TestDevice& device = TestDevice::get();
    Owner own;
    REQUIRE(create_graph(device.device(), access, &own.graph) == Result::ok);
    const TensorId in = add_tensor(own.graph, {"in", DType::f32, 1, {64}, {}}),
                   out = add_tensor(own.graph, {"out", DType::f32, 1, {64}, {}});
    const TensorId between = add_transient(own.graph, {"between", DType::f32, 1, {64}, {}, 1u << 31});
    Activation op;
    op.x = in;
    op.y = between;
    REQUIRE(silu(own.graph, op) == Result::ok);
    op.x = between;
    op.y = out;
    REQUIRE(silu(own.graph, op) == Result::ok);
    REQUIRE(create_plan(own.graph, PlanOptions(), &own.plan) == Result::ok);
    const Binding list[] = {{in, own.buffer(256)}, {out, own.buffer(256)}};
    const WorkspaceInfo info = workspace_info(own.plan);
    BufferView workspace = own.buffer(info.size + info.alignment);
    workspace.offset = info.alignment;
    workspace.size = info.size;
    CHECK(create_bindings(own.plan, list, workspace, &own.bindings) == Result::ok);
    CHECK(to_text(device.take_messages()) == "");
}

TEST_CASE("inputs may share memory") {
    Bound bound(small_case(MemoryAccess::automatic));
    bound.view_of("B") = bound.view_of("C");
    CHECK(bound.bind() == Result::ok);
}

TEST_CASE("a plan tells of its dispatches, workspace and synchronization") {
    const MemoryAccess access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    Bound bound(small_case(access));
    const char* stages[] = {"ssd_chunk_cumsum", "ssd_chunk_state", "ssd_state_passing", "ssd_bmm_chunk", "ssd_chunk_scan"};
    std::map<std::string, uint32_t> found;
    for (uint32_t i = 0; i < dispatch_count(bound.plan); ++i) {
        DispatchInfo info;
        REQUIRE(describe(bound.plan, i, &info) == Result::ok);
        ++found[info.name];
        CAPTURE(info.name, info.kernel);
        CHECK(info.pipeline != VK_NULL_HANDLE);
        CHECK(info.variant == Variant::scalar);
        CHECK(info.groups[0] * info.groups[1] * info.groups[2] > 0);
        CHECK(info.local_size > 0);
        CHECK(info.local_size <= 128);
        CHECK(info.shared_memory <= 16384);
        CHECK(info.tensor_count > 0);
        for (uint32_t t = 0; t < info.tensor_count; ++t) {
            CHECK(info.tensors[t].bytes > 0);
            CHECK((info.tensors[t].reads || info.tensors[t].writes));
        }
    }
    for (const char* stage : stages) {
        CAPTURE(stage);
        CHECK(found[stage] == 1);
    }
    DispatchInfo info;
    CHECK(describe(bound.plan, dispatch_count(bound.plan), &info) == Result::invalid_argument);
    check_told(Result::invalid_argument, "index");

    CHECK(workspace_info(bound.plan).size > 0);
    CHECK((workspace_info(bound.plan).usage & VK_BUFFER_USAGE_STORAGE_BUFFER_BIT) != 0);
    CHECK((buffer_usage(bound.plan) & VK_BUFFER_USAGE_STORAGE_BUFFER_BIT) != 0);
    const bool addresses = access != MemoryAccess::descriptor && TestDevice::get().caps().features.buffer_device_address;
    CHECK(((buffer_usage(bound.plan) & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT) != 0) == addresses);
    const SyncInfo sync = sync_info(bound.plan);
    CHECK((sync.first_stage & VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT) != 0);
    CHECK((sync.first_access & VK_ACCESS_SHADER_READ_BIT) != 0);
    CHECK((sync.last_stage & VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT) != 0);
    CHECK((sync.last_access & VK_ACCESS_SHADER_WRITE_BIT) != 0);
}

TEST_CASE("pipeline_statistics without capture is unsupported") {
    Bound bound(small_case(MemoryAccess::automatic));
    const auto ignore = [](void*, const char*, double) {};
    CHECK(pipeline_statistics(bound.plan, 0, ignore, nullptr) == Result::unsupported);
    check_told(Result::unsupported, "capture_statistics");
}

TEST_CASE("a run gives the time of each dispatch") {
    Bound bound(small_case(MemoryAccess::automatic));
    REQUIRE(bound.bind() == Result::ok);
    std::vector<double> microseconds(dispatch_count(bound.plan) + 1, -7.0);
    RunOptions options;
    options.repeat = 2;
    options.stage_us = microseconds.data();
    REQUIRE(run(TestDevice::get().context(), bound.plan, bound.bindings, options) == Result::ok);
    const bool has_timestamps = TestDevice::get().caps().timestamp_period > 0;
    for (size_t i = 0; i + 1 < microseconds.size(); ++i) {
        if (has_timestamps)
            CHECK(microseconds[i] >= 0);
        else
            CHECK(microseconds[i] < 0);
    }
    CHECK(microseconds.back() == -7.0);
}

TEST_CASE("context: ranges outside a buffer") {
    Context* context = TestDevice::get().context();
    Buffer* buffer = nullptr;
    REQUIRE(create_buffer(context, 10, &buffer) == Result::ok);
    uint8_t bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    CHECK(upload(context, buffer, 0, bytes, 10) == Result::ok);
    CHECK(TestDevice::get().take_messages().empty());
    CHECK(upload(context, buffer, 8, bytes, 8) == Result::invalid_argument);
    check_told(Result::invalid_argument, "upload");
    CHECK(download(context, buffer, ~VkDeviceSize(0) - 1, bytes, 8) == Result::invalid_argument);
    check_told(Result::invalid_argument, "download");
    uint8_t back[4] = {};
    CHECK(download(context, buffer, 3, back, 4) == Result::ok);
    CHECK(back[0] == 4);
    CHECK(back[3] == 7);
    destroy_buffer(context, buffer);
}

TEST_CASE("context: a number of three digits and more is looked for in the names") {
    const std::string name = TestDevice::get().caps().device_name;
    std::string number;
    for (size_t i = 0; i <= name.size(); ++i) {
        if (i < name.size() && name[i] >= '0' && name[i] <= '9')
            number += name[i];
        else if (number.size() >= 3)
            break;
        else
            number.clear();
    }
    if (number.empty()) SKIP("no such number in " + name);
    CAPTURE(name, number);
    ContextOptions options;
    options.device = number.c_str();
    Context* context = nullptr;
    REQUIRE(create_context(options, &context) == Result::ok);
    CHECK_THAT(device_caps(context_device(context)).device_name, ContainsSubstring(number));
    destroy_context(context);
}

TEST_CASE("context: devices that are not there") {
    std::vector<Message> messages;
    ContextOptions options;
    options.device = GENERATE("no device has such a name", "4711");
    options.diagnostics_user = &messages;
    options.diagnostics = [](void* user, Result result, VkResult, const char* message) {
        static_cast<std::vector<Message>*>(user)->push_back({result, message});
    };
    Context* context = nullptr;
    CHECK(create_context(options, &context) == Result::unsupported);
    REQUIRE(messages.size() == 1);
    CHECK_THAT(messages[0].text, ContainsSubstring(options.device));
    CHECK(context == nullptr);

    uint32_t count = 0;
    const auto each = [](void* user, const DeviceEntry& entry) { CHECK(entry.index == (*static_cast<uint32_t*>(user))++); };
    CHECK(list_devices(each, &count) == Result::ok);
    CHECK(count >= 1);
}

}  // namespace
}  // namespace scandium::test

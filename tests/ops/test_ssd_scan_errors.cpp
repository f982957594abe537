// Misuse of ssd_scan: each mistake gives its Result and one sentence that names the argument.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <functional>
#include <limits>

#include "support/ssd_case.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Tensors = std::map<std::string, PlacedTensor>;

struct Answer {
    Result result = Result::ok;
    std::vector<Message> messages;
};

// Every tensor that the operator knows but for cu_seqlens, which excludes others.
SsdCase full_case() {
    SsdCase c;
    c.with_everything();
    c.shape = {2, 40, 4, 16, 2, 24};
    return c;
}

Answer ask(const SsdCase& c, const std::function<void(Tensors&)>& change_tensors, const std::function<void(SsdScan&)>& change_options) {
    TestDevice& device = TestDevice::get();
    device.take_messages();
    Graph* graph = nullptr;
    REQUIRE(create_graph(device.device(), MemoryAccess::automatic, &graph) == Result::ok);
    Tensors tensors = place_tensors(c);
    change_tensors(tensors);
    SsdScan op = options_of(c);
    for (const auto& [name, tensor] : tensors) member(op, name) = add_tensor(graph, tensor.desc());
    REQUIRE(graph_status(graph) == Result::ok);
    change_options(op);
    Answer answer;
    answer.result = ssd_scan(graph, op);
    answer.messages = device.take_messages();
    // The failure sticks, and a plan tells it again without more words of its own.
    CHECK(graph_status(graph) == answer.result);
    Plan* plan = nullptr;
    if (answer.result != Result::ok) CHECK(create_plan(graph, PlanOptions(), &plan) == answer.result);
    destroy_plan(plan);
    destroy_graph(graph);
    return answer;
}

void check_answer(const Answer& answer, Result result, const std::string& name) {
    INFO(to_text(answer.messages));
    CHECK(answer.result == result);
    REQUIRE(answer.messages.size() == 1);
    CHECK(answer.messages[0].result == result);
    CHECK_THAT(answer.messages[0].text, ContainsSubstring(name));
}

void nothing(Tensors&) {}
void no_option(SsdScan&) {}

TEST_CASE("the case that the mistakes are made in is right itself") {
    const Answer answer = ask(full_case(), nothing, no_option);
    INFO(to_text(answer.messages));
    CHECK(answer.result == Result::ok);
    CHECK(answer.messages.empty());
}

TEST_CASE("a required tensor is missing or unknown") {
    const std::string name = GENERATE("x", "dt", "A", "B", "C", "y");
    const TensorId id = GENERATE(kNoTensor, 4711u);
    check_answer(ask(full_case(), nothing, [&](SsdScan& op) { member(op, name) = id; }), Result::invalid_argument, name);
}

TEST_CASE("an optional tensor is unknown") {
    const std::string name = GENERATE("D", "z", "dt_bias", "initial_states", "seq_idx", "cu_seqlens", "final_states", "states");
    check_answer(ask(full_case(), nothing, [&](SsdScan& op) { member(op, name) = 4711; }), Result::invalid_argument, name);
}

TEST_CASE("a tensor has the wrong rank") {
    const std::string name = GENERATE("x", "dt", "A", "B", "C", "D", "z", "dt_bias", "initial_states", "y", "final_states");
    const auto change = [&](Tensors& tensors) {
        PlacedTensor& tensor = tensors.at(name);
        std::vector<uint64_t> shape = tensor.shape;
        if (shape.size() == kMaxRank - 1)
            shape.pop_back();
        else
            shape.insert(shape.end(), name == "D" ? 2 : 1, 1);
        tensor = place(name, tensor.dtype, shape);
    };
    check_answer(ask(full_case(), change, no_option), Result::invalid_argument, name);
}

struct Axis {
    const char* name;
    uint32_t axis;
};

TEST_CASE("an axis has the wrong size") {
    const Axis wrong =
        GENERATE(Axis{"dt", 0}, Axis{"dt", 1}, Axis{"dt", 2}, Axis{"A", 0}, Axis{"B", 0}, Axis{"B", 1}, Axis{"C", 0}, Axis{"C", 1},
                 Axis{"C", 2}, Axis{"C", 3}, Axis{"D", 0}, Axis{"z", 0}, Axis{"z", 1}, Axis{"z", 2}, Axis{"z", 3}, Axis{"dt_bias", 0},
                 Axis{"initial_states", 0}, Axis{"initial_states", 1}, Axis{"initial_states", 2}, Axis{"initial_states", 3}, Axis{"y", 0},
                 Axis{"y", 1}, Axis{"y", 2}, Axis{"y", 3}, Axis{"final_states", 0}, Axis{"final_states", 1}, Axis{"final_states", 2},
                 Axis{"final_states", 3}, Axis{"states", 0}, Axis{"states", 1}, Axis{"states", 2}, Axis{"states", 3}, Axis{"states", 4});
    SsdCase c = full_case();
    c.states = std::string(wrong.name) == "states";
    const auto change = [&](Tensors& tensors) {
        PlacedTensor& tensor = tensors.at(wrong.name);
        std::vector<uint64_t> shape = tensor.shape;
        shape[wrong.axis] += 1;
        tensor = place(wrong.name, tensor.dtype, shape);
    };
    CAPTURE(wrong.name, wrong.axis);
    check_answer(ask(c, change, no_option), Result::invalid_argument, wrong.name);
}

TEST_CASE("D has one value for each head and one for each of its elements, nothing else") {
    const auto change = [](Tensors& tensors) { tensors["D"] = place("D", DType::f32, {4, 17}); };
    check_answer(ask(full_case(), change, no_option), Result::invalid_argument, "D");
}

TEST_CASE("a tensor has the wrong element type") {
    const auto [name, dtype] =
        GENERATE(std::pair("x", DType::i32), std::pair("dt", DType::i32), std::pair("A", DType::f16), std::pair("A", DType::i32),
                 std::pair("B", DType::i32), std::pair("C", DType::i32), std::pair("D", DType::f16), std::pair("z", DType::i32),
                 std::pair("dt_bias", DType::bf16), std::pair("initial_states", DType::i32), std::pair("y", DType::i32),
                 std::pair("final_states", DType::i32), std::pair("states", DType::i32), std::pair("seq_idx", DType::f32));
    SsdCase c = full_case();
    c.states = std::string(name) == "states";
    if (std::string(name) == "seq_idx") c.seq_idx.assign(80, 0);
    const auto change = [&, tensor = std::string(name), type = dtype](Tensors& tensors) { tensors.at(tensor).dtype = type; };
    CAPTURE(name, to_string(dtype));
    check_answer(ask(c, change, no_option), Result::invalid_argument, name);
}

TEST_CASE("a size is beyond the limits of the operator") {
    SsdCase c;
    c.shape = {1, 4, 6, 8, 1, 8};
    std::string limit;
    SECTION("headdim") {
        c.shape.headdim = 1025;
        limit = "1024";
    }
    SECTION("dstate") {
        c.shape.dstate = 513;
        limit = "512";
    }
    SECTION("ngroups") {
        c.shape.ngroups = 4;
        limit = "6";
    }
    const Answer answer = ask(c, nothing, no_option);
    INFO(to_text(answer.messages));
    CHECK(answer.result == Result::invalid_argument);
    REQUIRE(answer.messages.size() == 1);
    CHECK_THAT(answer.messages[0].text, ContainsSubstring(limit));
}

TEST_CASE("an option is out of range") {
    constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    struct Fault {
        const char* name;
        void (*change)(SsdScan&);
    };
    const Fault fault = GENERATE(Fault{"dt_min", [](SsdScan& op) { op.dt_min = -0.5f; }},          //
                                 Fault{"dt_min", [](SsdScan& op) { op.dt_min = kNaN; }},           //
                                 Fault{"dt_min", [](SsdScan& op) { op.dt_min = INFINITY; }},       //
                                 Fault{"dt_max", [](SsdScan& op) { op.dt_max = kNaN; }},           //
                                 Fault{"dt_max", [](SsdScan& op) { op.dt_max = op.dt_min / 2; }},  //
                                 Fault{"chunk_size", [](SsdScan& op) { op.chunk_size = 8; }},      //
                                 Fault{"chunk_size", [](SsdScan& op) { op.chunk_size = 40; }},     //
                                 Fault{"chunk_size", [](SsdScan& op) { op.chunk_size = 272; }},    //
                                 Fault{"chunk_states_dtype", [](SsdScan& op) { op.chunk_states_dtype = DType::i32; }},
                                 Fault{"chunk_states_dtype", [](SsdScan& op) { op.chunk_states_dtype = DType::none; }},
                                 Fault{"algorithm", [](SsdScan& op) { op.algorithm = SsdAlgorithm(7); }},
                                 Fault{"variant", [](SsdScan& op) { op.variant = Variant(7); }});
    CAPTURE(fault.name);
    check_answer(ask(full_case(), nothing, fault.change), Result::invalid_argument, fault.name);
}

TEST_CASE("states need a chunk_size and no packing") {
    SsdCase c;
    c.states = true;
    std::string name = "states";
    SECTION("no chunk_size") {
        check_answer(ask(c, nothing, [](SsdScan& op) { op.chunk_size = 0; }), Result::invalid_argument, "chunk_size");
        return;
    }
    SECTION("seq_idx") { c.seq_idx.assign(40, 0); }
    SECTION("cu_seqlens") { c.cu_seqlens = {0, 40}; }
    check_answer(ask(c, nothing, no_option), Result::invalid_argument, name);
}

TEST_CASE("packing in ways that exclude each other") {
    SsdCase c;
    SECTION("cu_seqlens and a batch") {
        c.shape.batch = 2;
        c.cu_seqlens = {0, 40};
    }
    SECTION("cu_seqlens and seq_idx") {
        c.cu_seqlens = {0, 40};
        c.seq_idx.assign(40, 0);
    }
    SECTION("cu_seqlens of no sequence") { c.cu_seqlens = {0}; }
    Tensors none;
    const auto change = [&](Tensors& tensors) {
        // With no sequence the states would have no shape.
        if (c.cu_seqlens.size() == 1) tensors.erase("final_states");
    };
    if (c.cu_seqlens.size() == 1) c.final_states = false;
    check_answer(ask(c, change, no_option), Result::invalid_argument, "cu_seqlens");
}

TEST_CASE("the chunked algorithm needs to know how many sequences seq_idx has") {
    SsdCase c;
    c.seq_idx.assign(40, 0);
    c.algorithm = SsdAlgorithm::chunked;
    check_answer(ask(c, nothing, no_option), Result::unsupported, "max_sequences");
}

TEST_CASE("without max_sequences the library takes the recurrent algorithm") {
    SsdCase c;
    c.shape.seqlen = 300;
    for (int32_t t = 0; t < 300; ++t) c.seq_idx.push_back(t / 70);
    const SsdInputs in = make_inputs(c);
    const SsdRun run = run_ok(c, in);
    check_outputs(c, run, expected(c, in));
    for (const SsdStage& stage : run.stages) CHECK_THAT(stage.name, !ContainsSubstring("chunk"));
}

TEST_CASE("an output whose elements share a place") {
    const std::string name = GENERATE("y", "final_states", "states");
    SsdCase c = full_case();
    c.states = true;
    const auto change = [&](Tensors& tensors) {
        PlacedTensor& tensor = tensors.at(name);
        tensor.stride[0] = tensor.stride[1];
    };
    check_answer(ask(c, change, no_option), Result::invalid_argument, name);
}

TEST_CASE("a tensor that is written may not be another of the operator") {
    SECTION("y over x") {
        check_answer(ask(full_case(), nothing, [](SsdScan& op) { op.y = op.x; }), Result::invalid_argument, "y");
    }
    SECTION("states over initial_states") {
        SsdCase c = full_case();
        c.states = true;
        check_answer(ask(c, nothing, [](SsdScan& op) { op.final_states = op.states; }), Result::invalid_argument, "states");
    }
}

TEST_CASE("a variant that this device lacks") {
    const SsdPath path = GENERATE(SsdPath{SsdAlgorithm::automatic, Variant::subgroup, MemoryAccess::automatic},
                                  SsdPath{SsdAlgorithm::automatic, Variant::coopmat, MemoryAccess::automatic},
                                  SsdPath{SsdAlgorithm::recurrent, Variant::coopmat, MemoryAccess::automatic});
    if (missing(path).empty()) SKIP(to_text(path) << " is there");
    check_answer(ask(on_path(SsdCase(), path), nothing, no_option), Result::unsupported, to_string(path.variant));
}

TEST_CASE("cooperative matrices cannot keep the precision of f32") {
    const SsdPath path{SsdAlgorithm::chunked, Variant::coopmat, MemoryAccess::automatic};
    check_answer(ask(on_path(SsdCase(), path), nothing, no_option), Result::unsupported, "coopmat");
}

TEST_CASE("a graph that has failed stays so") {
    SsdCase c;
    TestDevice& device = TestDevice::get();
    Graph* graph = nullptr;
    REQUIRE(create_graph(device.device(), MemoryAccess::automatic, &graph) == Result::ok);
    CHECK(ssd_scan(graph, SsdScan()) == Result::invalid_argument);
    device.take_messages();
    CHECK(add_tensor(graph, place("x", DType::f32, {2, 3}).desc()) == kNoTensor);
    CHECK(add_transient(graph, place("x", DType::f32, {2, 3}).desc()) == kNoTensor);
    CHECK(ssd_scan(graph, options_of(c)) == Result::invalid_argument);
    CHECK(graph_status(graph) == Result::invalid_argument);
    CHECK(device.take_messages().empty());
    destroy_graph(graph);
}

}  // namespace
}  // namespace scandium::test

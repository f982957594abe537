// How linear runs on devices that are made up, what it refuses, how it is cut, and the integers that its weights may be.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "graph/schedule.h"
#include "ops/linear_choose.h"
#include "ref/linear_ref.h"
#include "scandium/scandium.h"
#include "shared/linear.h"
#include "support/float16.h"
#include "support/random.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

Caps gpu_caps(uint32_t subgroup_size = 32, uint32_t invocations = 1024) {
    Caps caps;
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = subgroup_size;
    caps.subgroup_arithmetic = caps.subgroup_shuffle = true;
    caps.max_invocations = caps.max_workgroup_size_x = invocations;
    caps.shared_memory = 48 << 10;
    return caps;
}

Caps matrix_caps(uint32_t m = 16, uint32_t n = 16, uint32_t k = 16) {
    Caps caps = gpu_caps();
    caps.features.cooperative_matrix = caps.features.storage_buffer_16bit = caps.features.shader_float16 = true;
    caps.cooperative_matrix_count = 1;
    caps.cooperative_matrices[0] = {m, n, k, DType::f16, DType::f16, DType::f32, DType::f32};
    return caps;
}

LinearProblem problem_of(uint64_t rows, uint32_t in, uint32_t out, DType io = DType::f16) {
    LinearProblem problem;
    problem.rows = rows;
    problem.in_features = in;
    problem.out_features = out;
    problem.x = problem.weight = io;
    return problem;
}

LinearChoice choose(const Caps& caps, const LinearProblem& problem) {
    LinearChoice choice;
    REQUIRE(choose_linear(caps, Diagnostics(), problem, &choice) == Result::ok);
    CHECK(std::string(choice.reason) != "");
    return choice;
}

// ---- the choice -----------------------------------------------------------------------------------------------------

TEST_CASE("linear choice: large products take large tiles of matrices, small ones smaller tiles") {
    const LinearChoice large = choose(matrix_caps(), problem_of(4096, 4096, 4096));
    CHECK(large.variant == Variant::coopmat);
    CHECK(large.flavour == Flavour::coopmat_f16);
    CHECK(large.tile_rows == 128);
    CHECK(large.tile_outs == 128);
    CHECK(choose(matrix_caps(), problem_of(512, 1024, 2048)).tile_outs == 64);
    CHECK(choose(matrix_caps(), problem_of(16, 1024, 512)).tile_rows == 32);
    // Matrices of 8 rows are those of devices whose registers hold no 16 of them.
    const LinearChoice small = choose(matrix_caps(8, 16, 16), problem_of(4096, 4096, 4096));
    CHECK(small.mats_m * small.mats_n <= 4);
}

// So that a row is summed in the same order alone and beside others.
TEST_CASE("linear choice: as many lanes share a result whatever the number of rows") {
    for (DType io : {DType::f32, DType::f16})
        for (uint32_t out : {40u, 700u, 10576u}) {
            const LinearChoice one = choose(matrix_caps(), problem_of(1, 2560, out, io));
            for (uint64_t rows = 2; rows <= 8; ++rows) CHECK(choose(matrix_caps(), problem_of(rows, 2560, out, io)).lanes == one.lanes);
        }
}

TEST_CASE("linear choice: tiles fit whatever the device has") {
    const uint32_t shared = GENERATE(16384, 20480, 32768, 49152);
    const uint32_t invocations = GENERATE(128, 256, 1024);
    const uint32_t subgroup = GENERATE(8, 32, 64);
    for (uint64_t rows : {1, 8, 9, 33, 5000})
        for (uint32_t out : {1u, 130u, 10000u})
            for (DType io : {DType::f32, DType::f16})
                for (Variant variant : {Variant::automatic, Variant::scalar, Variant::subgroup}) {
                    Caps caps = matrix_caps();
                    caps.shared_memory = shared;
                    caps.max_invocations = caps.max_workgroup_size_x = uint32_t(invocations);
                    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = subgroup;
                    LinearProblem problem = problem_of(rows, 2048, out, io);
                    problem.variant = variant;
                    const LinearChoice c = choose(caps, problem);
                    CAPTURE(rows, out, shared, invocations, subgroup, c.reason);
                    CHECK(c.shared_memory <= caps.shared_memory);
                    CHECK(c.local_size <= caps.max_invocations);
                    if (c.variant != Variant::scalar) CHECK(c.local_size % subgroup == 0);
                    if (c.kernel == Kernel::linear_few) {
                        CHECK(rows <= 8);
                        CHECK(c.rows == rows);
                        CHECK(c.local_size % c.lanes == 0);
                        CHECK(c.tile_outs == c.local_size / c.lanes * c.outs);
                        if (c.variant == Variant::subgroup) CHECK(c.lanes % subgroup == 0);
                    } else {
                        CHECK(rows > 8);
                    }
                    if (c.kernel == Kernel::linear_matrices) CHECK(c.local_size == c.subs_m * c.subs_n * subgroup);
                    if (io == DType::f32 || variant != Variant::automatic) CHECK(c.variant != Variant::coopmat);
                }
}

TEST_CASE("linear choice: a floor device runs everything with 128 invocations and 16 KiB") {
    const uint64_t rows = GENERATE(1, 8, 9, 1000);
    for (WeightFormat format : {WeightFormat::dense, WeightFormat::q8, WeightFormat::q4}) {
        LinearProblem problem = problem_of(rows, 4096, 4096, DType::f32);
        problem.format = format;
        const LinearChoice c = choose(Caps(), problem);
        CHECK(c.variant == Variant::scalar);
        CHECK(c.local_size <= 128);
        CHECK(c.shared_memory <= 16384);
    }
}

TEST_CASE("linear choice: a CPU with subgroups of 8 reads words side by side, if it has addresses and rows begin at words") {
    Caps caps = matrix_caps();
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = 8;
    LinearProblem problem = problem_of(GENERATE(1, 3, 100), 768, 3352);
    problem.words_by_address = true;
    const LinearChoice c = choose(caps, problem);
    CHECK(c.kernel == Kernel::linear_words);
    CHECK(c.local_size == 8);
    CHECK(c.tile_rows == (problem.rows < 4 ? problem.rows : 4));
    CHECK(c.tile_outs == (problem.rows == 1 ? 8 : 4));
    problem.format = WeightFormat::q4;
    CHECK(choose(caps, problem).tile_outs == (problem.rows == 1 ? 16 : 4));
    problem.format = WeightFormat::dense;
    problem.words_by_address = false;
    CHECK(choose(caps, problem).kernel != Kernel::linear_words);
    problem.words_by_address = true;
    problem.variant = Variant::scalar;
    CHECK(choose(caps, problem).variant == Variant::scalar);
    problem.variant = Variant::automatic;
    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = 4;
    CHECK(choose(caps, problem).kernel != Kernel::linear_words);
}

TEST_CASE("linear choice: narrow layers share a row among more lanes") {
    const LinearChoice wide = choose(gpu_caps(), problem_of(1, 4096, 50000)), narrow = choose(gpu_caps(), problem_of(1, 4096, 512));
    CHECK(wide.lanes == 32);
    CHECK(narrow.lanes > 32);
}

TEST_CASE("linear choice: what a device lacks is the reason, and is refused when forced") {
    Caps caps = matrix_caps();
    LinearProblem problem = problem_of(100, 64, 64);
    std::string why;
    SECTION("feature") {
        caps.features.cooperative_matrix = false;
        why = "cooperative_matrix";
    }
    SECTION("crash") {
        caps.bug_cooperative_matrix_crash = true;
        why = "crashes";
    }
    SECTION("f32") {
        problem.x = DType::f32;
        why = "f32";
    }
    SECTION("float16") {
        caps.features.shader_float16 = false;
        why = "shader_float16";
    }
    SECTION("bf16") {
        problem.x = DType::bf16;
        why = "bfloat16";
    }
    SECTION("shape") {
        caps.cooperative_matrices[0].m = 32;
        why = "shapes";
    }
    SECTION("subgroup size") {
        caps.min_subgroup_size = 8;
        why = "not fixed";
    }
    SECTION("shared memory") {
        caps.shared_memory = 4096;
        why = "exceed";
    }
    const LinearChoice choice = choose(caps, problem);
    CHECK(choice.variant == Variant::scalar);
    CHECK_THAT(choice.reason, ContainsSubstring(why));
    problem.variant = Variant::coopmat;
    LinearChoice refused;
    CHECK(choose_linear(caps, Diagnostics(), problem, &refused) == Result::unsupported);
}

TEST_CASE("linear choice: subgroups are refused where there are none") {
    Caps caps = gpu_caps();
    caps.subgroup_arithmetic = false;
    LinearProblem problem = problem_of(GENERATE(4, 40), 64, 64);
    CHECK(choose(caps, problem).variant == Variant::scalar);
    problem.variant = Variant::subgroup;
    LinearChoice refused;
    CHECK(choose_linear(caps, Diagnostics(), problem, &refused) == Result::unsupported);
}

// ---- graphs ---------------------------------------------------------------------------------------------------------

struct GraphDeleter {
    void operator()(Graph* graph) const { destroy_graph(graph); }
};

struct Built {
    Device device;
    std::vector<std::string> told;
    std::unique_ptr<Graph, GraphDeleter> graph;

    explicit Built(uint64_t limit = 1u << 30, uint32_t most_groups = 65535) {
        device.caps.max_storage_range = limit + device.caps.storage_offset_alignment;
        for (uint32_t& groups : device.caps.max_workgroups) groups = most_groups;
        device.diagnostics.user = &told;
        device.diagnostics.callback = [](void* user, Result, VkResult, const char* message) {
            static_cast<std::vector<std::string>*>(user)->push_back(message);
        };
        Graph* made = nullptr;
        REQUIRE(create_graph(&device, MemoryAccess::descriptor, &made) == Result::ok);
        graph.reset(made);
    }

    TensorId add(const char* name, DType dtype, const std::vector<uint64_t>& shape, uint64_t last_stride = 0) {
        TensorDesc desc;
        desc.name = name;
        desc.dtype = dtype;
        desc.rank = uint32_t(shape.size());
        uint64_t stride = last_stride;
        for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
            desc.shape[i] = shape[i];
            desc.stride[i] = stride;
        }
        return add_tensor(graph.get(), desc);
    }
};

TEST_CASE("linear cuts: rows and out_features that cannot be bound at once are written once each") {
    const uint64_t limit = GENERATE(1u << 30, 1u << 18, 1u << 16);
    const WeightFormat format = GENERATE(WeightFormat::dense, WeightFormat::q4);
    const uint64_t rows = GENERATE(3, 300);
    Built built(limit, GENERATE(65535u, 20u));
    Linear op;
    op.format = format;
    op.x = built.add("x", DType::bf16, {2, rows, 512});
    op.weight = format == WeightFormat::dense ? built.add("weight", DType::bf16, {1111, 512}) : built.add("weight", DType::i32, {1111, 64});
    if (format != WeightFormat::dense) op.scales = built.add("scales", DType::f16, {1111, 16});
    op.bias = built.add("bias", DType::f32, {1111});
    op.y = built.add("y", DType::f32, {2, rows, 1111});
    CAPTURE(limit, built.told);
    REQUIRE(linear(built.graph.get(), op) == Result::ok);
    uint64_t written = 0;
    for (const Dispatch& dispatch : built.graph->dispatches) {
        for (uint32_t i = 0; i < 3; ++i) CHECK(dispatch.groups[i] <= built.device.caps.max_workgroups[i]);
        for (uint32_t i = 0; i < dispatch.argument_count; ++i)
            if (dispatch.arguments[i].view.tensor != kNoTensor) CHECK(dispatch.arguments[i].view.bytes() <= built.graph->max_view_bytes());
        const View& y = dispatch.arguments[LINEAR_Y].view;
        CHECK(y.shape[2] == dispatch.arguments[LINEAR_WEIGHT].view.shape[0]);
        CHECK(y.shape[2] == dispatch.header[HEADER_OUTS]);
        CHECK(y.offset % 1111 % 8 == 0);  // stores of eight stay possible
        written += y.shape[0] * y.shape[1] * y.shape[2];
    }
    CHECK(written == 2 * rows * 1111);
    if (limit == 1u << 16) CHECK(built.graph->dispatches.size() > 1);
}

TEST_CASE("linear cuts: a row that cannot be bound is refused with the limit") {
    Built built(4096);
    Linear op;
    op.x = built.add("x", DType::f32, {4, 2048});
    op.weight = built.add("weight", DType::f32, {4, 2048});
    op.y = built.add("y", DType::f32, {4, 4});
    CHECK(linear(built.graph.get(), op) == Result::unsupported);
    REQUIRE(built.told.size() == 1);
    CHECK_THAT(built.told[0], ContainsSubstring("8192") && ContainsSubstring("4096"));
}

// ---- misuse -----------------------------------------------------------------------------------------------------------

// A problem that is right but for what `change` does to it.
void check_refused(const std::function<void(Built&, Linear&)>& change, const std::string& word) {
    Built built;
    Linear op;
    op.x = built.add("x", DType::f32, {4, 64});
    op.weight = built.add("weight", DType::f32, {6, 64});
    op.y = built.add("y", DType::f32, {4, 6});
    change(built, op);
    CHECK(linear(built.graph.get(), op) == Result::invalid_argument);
    REQUIRE(built.told.size() == 1);
    CHECK_THAT(built.told[0], ContainsSubstring("linear: ") && ContainsSubstring(word));
}

void make_q8(Built& built, Linear& op) {
    op.format = WeightFormat::q8;
    op.weight = built.add("words", DType::i32, {6, 16});
    op.scales = built.add("scales", DType::f16, {6, 2});
}

TEST_CASE("linear errors: tensors that are missing or do not fit are named") {
    check_refused([](Built&, Linear& op) { op.x = kNoTensor; }, "x is missing");
    check_refused([](Built&, Linear& op) { op.weight = kNoTensor; }, "weight is missing");
    check_refused([](Built&, Linear& op) { op.y = kNoTensor; }, "y is missing");
    check_refused([](Built& b, Linear& op) { op.x = b.add("x", DType::f32, {64}); }, "x has rank 1");
    check_refused([](Built& b, Linear& op) { op.x = b.add("x", DType::i32, {4, 64}); }, "x is i32");
    check_refused([](Built& b, Linear& op) { op.weight = b.add("w", DType::f32, {6, 63}); }, "axis 1 of weight is 63, not 64");
    check_refused([](Built& b, Linear& op) { op.weight = b.add("w", DType::i32, {6, 64}); }, "weight is i32");
    check_refused([](Built& b, Linear& op) { op.y = b.add("y", DType::f32, {4, 7}); }, "axis 1 of y is 7, not 6");
    check_refused([](Built& b, Linear& op) { op.bias = b.add("bias", DType::f32, {4}); }, "axis 0 of bias is 4, not 6");
    check_refused([](Built&, Linear& op) { op.y = op.x; }, "y");
    check_refused([](Built& b, Linear& op) { op.x = b.add("x", DType::f32, {4, 64}, 2); }, "last axis of x has stride 2");
    check_refused([](Built& b, Linear& op) { op.weight = b.add("w", DType::f32, {6, 64}, 3); }, "last axis of weight has stride 3");
    check_refused([](Built& b, Linear& op) { op.y = b.add("y", DType::f32, {4, 6}, 2); }, "last axis of y has stride 2");
}

TEST_CASE("linear errors: formats and their tensors") {
    check_refused([](Built&, Linear& op) { op.format = WeightFormat(3); }, "format");
    check_refused([](Built&, Linear& op) { op.variant = Variant(9); }, "variant");
    check_refused([](Built& b, Linear& op) { op.scales = b.add("s", DType::f16, {6, 2}); }, "scales is given, but format is dense");
    check_refused(
        [](Built& b, Linear& op) {
            make_q8(b, op);
            op.scales = kNoTensor;
        },
        "scales is missing");
    check_refused(
        [](Built& b, Linear& op) {
            make_q8(b, op);
            op.format = WeightFormat::q4;
        },
        "axis 1 of weight is 16, not 8");
    check_refused(
        [](Built& b, Linear& op) {
            make_q8(b, op);
            op.scales = b.add("s", DType::f16, {6, 1});
        },
        "axis 1 of scales is 1, not 2");
    check_refused(
        [](Built& b, Linear& op) {
            make_q8(b, op);
            op.x = b.add("x", DType::f32, {4, 48});
        },
        "in_features is 48");
}

// ---- integers of blocks -----------------------------------------------------------------------------------------------

TEST_CASE("quantize: every weight is within half a scale, whatever type the scales have") {
    const bool q4 = GENERATE(false, true);
    const DType scale_type = GENERATE(DType::f32, DType::f16, DType::bf16);
    Random random(3);
    std::vector<float> weights;
    for (int i = 0; i < 320; ++i) weights.push_back(float(random.normal() * (i < 160 ? 1e-3 : 50)));
    const WeightFormat format = q4 ? WeightFormat::q4 : WeightFormat::q8;
    std::vector<uint32_t> words(quantized_words(format, weights.size()), 0xffffffffu);
    std::vector<float> scales(weights.size() / kQuantBlock), back(weights.size());
    const auto quantize = q4 ? quantize_q4 : quantize_q8;
    REQUIRE(quantize({weights.data(), weights.size()}, scale_type, words.data(), scales.data()) == Result::ok);
    REQUIRE(dequantize(format, words.data(), scale_type, scales.data(), back.size(), back.data()) == Result::ok);
    for (size_t i = 0; i < weights.size(); ++i) {
        float largest = 0;
        for (size_t j = i / kQuantBlock * kQuantBlock; j < (i / kQuantBlock + 1) * kQuantBlock; ++j)
            largest = std::fmax(largest, std::fabs(weights[j]));
        const float scale = largest / (q4 ? 8 : 127);
        // A rounded scale moves the ends of what the integers reach.
        CHECK(std::fabs(back[i] - weights[i]) <=
              scale * (q4 ? 1.0f : 0.5f) * 1.01f + largest * (scale_type == DType::bf16 ? 0.004f : 0.0005f));
        const int q = integer_of(words.data(), i, q4);
        CHECK(q >= (q4 ? -8 : -127));
        if (scale_type == DType::f32) CHECK(back[i] == scales[i / kQuantBlock] * float(q));
    }
}

TEST_CASE("quantize: bits lie where the header says") {
    std::vector<float> weights(64, 0);
    for (int i = 0; i < 32; ++i) weights[size_t(i)] = float(i - 8 < 8 ? i - 8 : 0);  // -8 to 7, then zeros
    weights[33] = 127;
    weights[34] = -1;
    uint32_t words[16] = {};
    uint16_t scales[2] = {};
    REQUIRE(quantize_q4({weights.data(), 32}, DType::f16, words, scales) == Result::ok);
    CHECK(scales[0] == to_f16(1));
    CHECK(words[0] == 0x76543210u);
    CHECK(words[1] == 0xfedcba98u);
    CHECK(words[2] == 0x88888888u);
    REQUIRE(quantize_q8({weights.data() + 32, 32}, DType::bf16, words, scales) == Result::ok);
    CHECK(scales[0] == to_bf16(1));
    CHECK(words[0] == 0x00ff7f00u);
    CHECK(words[1] == 0);
}

TEST_CASE("quantize: the extreme of a q4 block is met, of either sign; a block of zeros stays zeros") {
    for (float extreme : {-3.5f, 3.5f, 0.0f}) {
        std::vector<float> weights(32, 0), back(32, 1);
        weights[9] = extreme;
        uint32_t words[4];
        float scale;
        REQUIRE(quantize_q4({weights.data(), 32}, DType::f32, words, &scale) == Result::ok);
        REQUIRE(dequantize(WeightFormat::q4, words, DType::f32, &scale, 32, back.data()) == Result::ok);
        CHECK(back[9] == extreme);
        CHECK(back[8] == 0);
    }
}

TEST_CASE("quantize: scales are rounded to nearest even, subnormal ones too") {
    for (float largest : {0.25f, 1.0f, 127 * 1.0009765f, 127 * 3e-6f, 127 * 6e-8f, 127 * 60000.0f}) {
        std::vector<float> weights(32, largest);
        uint32_t words[8];
        uint16_t f16 = 0, bf16 = 0;
        REQUIRE(quantize_q8({weights.data(), 32}, DType::f16, words, &f16) == Result::ok);
        REQUIRE(quantize_q8({weights.data(), 32}, DType::bf16, words, &bf16) == Result::ok);
        CHECK(f16 == to_f16(largest / 127));
        CHECK(bf16 == to_bf16(largest / 127));
        float back[32];
        REQUIRE(dequantize(WeightFormat::q8, words, DType::bf16, &bf16, 32, back) == Result::ok);
        CHECK(back[0] == from_bf16(bf16) * float(integer_of(words, 0, false)));
    }
}

TEST_CASE("quantize: what cannot be quantised is refused") {
    std::vector<float> weights(64, 1), back(64);
    uint32_t words[16];
    float scales[2];
    const Span<float> all(weights.data(), weights.size());
    CHECK(quantize_q8({weights.data(), 40}, DType::f32, words, scales) == Result::invalid_argument);
    CHECK(quantize_q8(all, DType::i32, words, scales) == Result::invalid_argument);
    CHECK(quantize_q8(Span<float>(), DType::f32, words, scales) == Result::invalid_argument);
    CHECK(quantize_q4(all, DType::f32, nullptr, scales) == Result::invalid_argument);
    CHECK(quantize_q4(all, DType::f32, words, nullptr) == Result::invalid_argument);
    CHECK(dequantize(WeightFormat::dense, words, DType::f32, scales, 64, back.data()) == Result::invalid_argument);
    CHECK(dequantize(WeightFormat::q4, words, DType::f32, scales, 63, back.data()) == Result::invalid_argument);
    weights[40] = std::numeric_limits<float>::infinity();
    CHECK(quantize_q8(all, DType::f32, words, scales) == Result::invalid_argument);
    weights[40] = std::numeric_limits<float>::quiet_NaN();
    CHECK(quantize_q4(all, DType::f32, words, scales) == Result::invalid_argument);
    weights[40] = 1e9f;  // its scale exceeds f16
    CHECK(quantize_q4(all, DType::f16, words, scales) == Result::invalid_argument);
    CHECK(quantize_q4(all, DType::f32, words, scales) == Result::ok);
}

}  // namespace
}  // namespace scandium::test

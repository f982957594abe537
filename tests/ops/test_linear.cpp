// linear on every path: sizes, types, formats of weights, layouts.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "ref/linear_ref.h"
#include "scandium/quantize.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

struct LinearCase {
    std::vector<uint64_t> shape{9, 96};  // of x: (rows, in) or (batch, seqlen, in)
    uint64_t outs = 40;
    DType x = DType::f32, weight = DType::f32, scales = DType::f16, bias = DType::f32, y = DType::f32;
    WeightFormat format = WeightFormat::dense;
    bool has_bias = false;
    Layout layout;  // of x and y
    uint64_t weight_padding = 0;
    uint64_t record_seqlen = 0;

    uint64_t in() const { return shape.back(); }
    uint64_t rows() const {
        uint64_t n = 1;
        for (size_t axis = 0; axis + 1 < shape.size(); ++axis) n *= shape[axis];
        return n;
    }
    std::vector<uint64_t> y_shape() const {
        std::vector<uint64_t> out = shape;
        out.back() = outs;
        return out;
    }
    LinearCase& with_io(DType dtype) {
        x = weight = y = dtype;
        return *this;
    }
    LinearCase& sized(uint64_t rows, uint64_t in, uint64_t out) {
        shape = {rows, in};
        outs = out;
        return *this;
    }
};

struct LinearInputs {
    std::vector<double> x, weight, bias;  // weight: as the reference sees it
    std::vector<double> words, scales;
};

LinearInputs make_inputs(const LinearCase& c, uint64_t seed = 1) {
    Random random(seed);
    LinearInputs in;
    in.x = random.normals(c.rows() * c.in(), c.x);
    in.weight = random.normals(c.outs * c.in(), c.format == WeightFormat::dense ? c.weight : DType::f32);
    if (c.has_bias) in.bias = random.normals(c.outs, c.bias);
    if (c.format == WeightFormat::dense) return in;
    // The integers are any, with all bits in use; the scales are like those of weights.
    const bool q4 = c.format == WeightFormat::q4;
    std::vector<uint32_t> words(quantized_words(c.format, in.weight.size()));
    for (uint32_t& word : words) {
        word = uint32_t(random.uniform(0, 0x1p32));
        in.words.push_back(double(int32_t(word)));
    }
    in.scales = random.uniforms(in.weight.size() / kQuantBlock, 0.001, 0.01, c.scales);
    for (uint64_t i = 0; i < in.weight.size(); ++i) in.weight[i] = in.scales[i / kQuantBlock] * integer_of(words.data(), i, q4);
    return in;
}

OpSetup make_setup(const LinearCase& c, const LinearInputs& in, const OpPath& path) {
    OpSetup setup;
    setup.access = path.access;
    setup.alignment = path.alignment;
    setup.record_seqlen = c.record_seqlen;
    setup.add("x", c.x, c.shape, in.x, false, c.layout);
    const uint64_t of_word = c.format == WeightFormat::q4 ? 8 : 4;
    Layout padded;
    padded.padding = c.weight_padding;
    if (c.format == WeightFormat::dense) {
        setup.add("weight", c.weight, {c.outs, c.in()}, in.weight, false, padded);
    } else {
        setup.add("weight", DType::i32, {c.outs, c.in() / of_word}, in.words, false, padded);
        setup.add("scales", c.scales, {c.outs, c.in() / kQuantBlock}, in.scales);
    }
    if (c.has_bias) setup.add("bias", c.bias, {c.outs}, in.bias);
    OpTensor& y = setup.add("y", c.y, c.y_shape(), {}, true, c.layout);
    if (c.record_seqlen)
        for (uint64_t i = 0; i < c.rows() * c.outs; ++i) y.writable.push_back(i / c.outs % c.shape[1] < c.record_seqlen);
    setup.append = [c, path](Graph* graph, const std::function<TensorId(const std::string&)>& id) {
        Linear op;
        op.x = id("x");
        op.weight = id("weight");
        op.scales = id("scales");
        op.bias = id("bias");
        op.y = id("y");
        op.format = c.format;
        op.variant = path.variant;
        return linear(graph, op);
    };
    return setup;
}

// Beside y's own rounding there is that of weights which are not of the matrices' type.
double tolerance_of(const LinearCase& c, bool by_matrices) {
    const DType coarsest = by_matrices && c.y != DType::bf16 ? c.x : c.y;
    if (coarsest == DType::f32) return 1e-5;
    return coarsest == DType::f16 ? 1e-3 : 4e-3;
}

template <class T>
std::vector<T> kept(const LinearCase& c, const std::vector<T>& values) {
    if (!c.record_seqlen) return values;
    std::vector<T> out;
    for (uint64_t i = 0; i < values.size(); ++i)
        if (i / c.outs % c.shape[1] < c.record_seqlen) out.push_back(values[i]);
    return out;
}

void check_case(const LinearCase& c, const OpPath& path, uint64_t seed = 1) {
    INFO(to_text(path) << " rows " << c.rows() << " in " << c.in() << " out " << c.outs << " x " << to_string(c.x) << " weight "
                       << to_string(c.weight) << " format " << int(c.format));
    const LinearInputs in = make_inputs(c, seed);
    const OpRun run = run_op_ok(make_setup(c, in, path));
    bool by_matrices = false;
    for (const OpStage& stage : run.stages) {
        if (stage.name != "linear") continue;
        by_matrices = stage.variant == Variant::coopmat;
        CHECK(stage.reason != "");
        if (path.variant == Variant::scalar || path.variant == Variant::coopmat) CHECK(stage.variant == path.variant);
    }
    CHECK(relative_rms(kept(c, run.out.at("y")), kept(c, linear_ref(in.x, in.weight, in.bias, c.in()))) <= tolerance_of(c, by_matrices));
}

bool has_matrices(DType type) {
    if (type == DType::f32) return false;
    const Caps& caps = TestDevice::get().caps();
    if (!caps.features.cooperative_matrix || !caps.features.storage_buffer_16bit || caps.bug_cooperative_matrix_crash) return false;
    if (type == DType::f16 ? !caps.features.shader_float16 : !caps.features.bfloat16_cooperative_matrix) return false;
    for (uint32_t i = 0; i < caps.cooperative_matrix_count; ++i)
        if (caps.cooperative_matrices[i].a == type && caps.cooperative_matrices[i].c == DType::f32) return true;
    return false;
}

// The library's own choice and the floor; matrices too, which a CPU that has them does not take by itself.
std::vector<OpPath> few_paths(const LinearCase& c) {
    std::vector<OpPath> paths = main_op_paths();
    if (c.rows() > 8 && has_matrices(c.x)) paths.push_back({Variant::coopmat, MemoryAccess::automatic, 16});
    return paths;
}

void check_few(const LinearCase& c) {
    for (const OpPath& path : few_paths(c)) check_case(c, path);
}

TEST_CASE("linear: rows that fill no tile") {
    const auto [io, rows] =
        GENERATE(std::pair(DType::f16, 1), std::pair(DType::f16, 2), std::pair(DType::f16, 7), std::pair(DType::f16, 8),
                 std::pair(DType::f16, 9), std::pair(DType::f16, 130), std::pair(DType::bf16, 5), std::pair(DType::bf16, 33),
                 std::pair(DType::f32, 1), std::pair(DType::f32, 8), std::pair(DType::f32, 130));
    check_few(LinearCase().sized(uint64_t(rows), 96, 70).with_io(io));
}

TEST_CASE("linear: in_features that fill no step") {
    const auto [io, in] =
        GENERATE(std::pair(DType::f16, 1), std::pair(DType::f16, 31), std::pair(DType::f16, 416), std::pair(DType::f16, 1000),
                 std::pair(DType::bf16, 31), std::pair(DType::f32, 31), std::pair(DType::f32, 1000));
    const uint64_t rows = GENERATE(3, 20);
    check_few(LinearCase().sized(rows, uint64_t(in), 24).with_io(io));
}

TEST_CASE("linear: out_features that fill no tile") {
    const auto [io, out] = GENERATE(std::pair(DType::f16, 1), std::pair(DType::f16, 5), std::pair(DType::f16, 130),
                                    std::pair(DType::bf16, 512), std::pair(DType::f32, 5), std::pair(DType::f32, 130));
    const uint64_t rows = GENERATE(1, 17);
    check_few(LinearCase().sized(rows, 64, uint64_t(out)).with_io(io));
}

TEST_CASE("linear: each way to multiply by each way to memory") {
    const auto [io, format] = GENERATE(std::pair(DType::f32, WeightFormat::dense), std::pair(DType::f32, WeightFormat::q4),
                                       std::pair(DType::f16, WeightFormat::dense), std::pair(DType::f16, WeightFormat::q8),
                                       std::pair(DType::bf16, WeightFormat::q4));
    LinearCase c;
    c.with_io(io);
    c.format = format;
    c.has_bias = true;
    for (OpPath path : op_paths()) {
        const bool usual = (path.access == MemoryAccess::address) == (path.alignment == 16);
        if (format != WeightFormat::dense && !usual) continue;
        c.sized(2, 160, 50);
        check_case(c, path);
        if (path.variant == Variant::subgroup) continue;  // tiles have no such flavour
        c.sized(40, 160, 50);
        check_case(c, path);
        path.variant = Variant::coopmat;
        if (has_matrices(io)) check_case(c, path);
    }
}

TEST_CASE("linear: matrices serve few rows too, when they are forced") {
    const DType io = GENERATE(DType::f16, DType::bf16);
    LinearCase c;
    c.sized(3, 72, 20).with_io(io);
    if (has_matrices(io)) check_case(c, {Variant::coopmat, MemoryAccess::automatic, 16});
}

TEST_CASE("linear: integers with scales of each type") {
    const WeightFormat format = GENERATE(WeightFormat::q8, WeightFormat::q4);
    const DType scales = GENERATE(DType::f32, DType::f16, DType::bf16);
    const uint64_t rows = GENERATE(1, 12);
    LinearCase c;
    c.sized(rows, 1056, 35);
    c.format = format;
    c.scales = scales;
    check_few(c);
    c.x = DType::bf16;
    check_case(c, OpPath());
}

TEST_CASE("linear: element types, each tensor for itself") {
    const int which = GENERATE(range(0, 5));
    const uint64_t rows = GENERATE(4, 19);
    LinearCase c;
    c.sized(rows, 120, 45);
    c.has_bias = true;
    if (which == 0) c.x = DType::f16;
    if (which == 1) c.x = DType::bf16, c.weight = DType::f16, c.bias = DType::bf16;
    if (which == 2) c.x = DType::f16, c.weight = DType::bf16, c.y = DType::bf16;
    if (which == 3) c.weight = c.bias = DType::f16, c.y = DType::bf16;
    if (which == 4) c.x = DType::bf16, c.y = DType::f16;
    CAPTURE(which);
    check_few(c);
}

TEST_CASE("linear: rows apart in memory") {
    const int layout = GENERATE(range(0, 4));
    const auto [io, seqlen] = GENERATE(std::pair(DType::f32, 5), std::pair(DType::f16, 11));
    LinearCase c;
    c.with_io(io);
    c.shape = {2, uint64_t(seqlen), 72};
    if (layout == 0) c.layout.padding = c.weight_padding = 8;
    if (layout == 1) c.layout.padding = c.weight_padding = 3;
    if (layout == 2) c.layout.order = {1, 0, 2};
    if (layout == 3) c.layout.padding = 4, c.shape[2] = 71;
    CAPTURE(layout);
    check_few(c);
}

TEST_CASE("linear: batches of tokens, and fewer than planned") {
    const auto [io, seqlen] = GENERATE(std::pair(DType::f32, 6), std::pair(DType::bf16, 37));
    const uint64_t tokens = GENERATE(0, 1, 4, 35);
    LinearCase c;
    c.with_io(io);
    c.shape = {3, uint64_t(seqlen), 40};
    c.has_bias = true;
    c.record_seqlen = tokens < uint64_t(seqlen) ? tokens : uint64_t(seqlen);
    check_few(c);
}

TEST_CASE("linear: a batch of single tokens") {
    const uint64_t batch = GENERATE(5, 21);
    LinearCase c;
    c.shape = {batch, 1, 64};
    check_few(c);
}

TEST_CASE("linear: reruns agree bit for bit, and a row alone with the row among others") {
    const DType io = GENERATE(DType::f32, DType::f16);
    LinearCase c;
    c.sized(12, 352, 48).with_io(io);
    const LinearInputs in = make_inputs(c);
    for (const OpPath& path : few_paths(c)) {
        CAPTURE(to_text(path));
        const std::vector<float> y = run_op_ok(make_setup(c, in, path)).out.at("y");
        CHECK(differing_bits(y, run_op_ok(make_setup(c, in, path)).out.at("y")) == 0);
        LinearCase alone = c;
        alone.shape[0] = 1;
        LinearInputs last = in;
        last.x.assign(in.x.end() - int64_t(c.in()), in.x.end());
        const std::vector<float> among(y.end() - int64_t(c.outs), y.end());
        CHECK(relative_rms(run_op_ok(make_setup(alone, last, path)).out.at("y"), among) <= (io == DType::f32 ? 1e-6 : 5e-4));
    }
}

// A one in each row of x picks a column of the weight: every index is told apart, and nothing is rounded.
TEST_CASE("linear: ones in x pick weights, bit for bit") {
    const WeightFormat format = GENERATE(WeightFormat::dense, WeightFormat::q8, WeightFormat::q4);
    const uint64_t rows = GENERATE(4, 96);
    LinearCase c;
    c.sized(rows, 96, 70).with_io(DType::f16);
    c.format = format;
    LinearInputs in = make_inputs(c);
    for (uint64_t i = 0; i < in.weight.size(); ++i)
        if (format != WeightFormat::dense) in.weight[i] = 0.25 * std::nearbyint(in.weight[i] / in.scales[i / kQuantBlock]);
    for (double& scale : in.scales) scale = 0.25;
    for (uint64_t r = 0; r < rows; ++r)
        for (uint64_t k = 0; k < c.in(); ++k) in.x[r * c.in() + k] = k == r * 29 % c.in() ? 1 : 0;
    std::vector<float> want;
    for (uint64_t r = 0; r < rows; ++r)
        for (uint64_t o = 0; o < c.outs; ++o) want.push_back(float(in.weight[o * c.in() + r * 29 % c.in()]));
    for (const OpPath& path : few_paths(c)) {
        CAPTURE(to_text(path), rows, int(format));
        const std::vector<float> y = run_op_ok(make_setup(c, in, path)).out.at("y");
        // Sums of what a q4 or q8 lane multiplies by zero may leave a rounding of f32 behind.
        CHECK(relative_rms(y, want) <= (format == WeightFormat::dense ? 0 : 1e-6));
    }
}

TEST_CASE("linear: what exceeds f16 becomes infinite, what does not is rounded to nearest even") {
    LinearCase c;
    c.sized(16, 32, 16).with_io(DType::f16);
    LinearInputs in = make_inputs(c);
    for (double& v : in.x) v = 0;
    for (double& v : in.weight) v = 0;
    for (uint64_t r = 0; r < 16; ++r) in.x[r * 32] = 1, in.x[r * 32 + 1] = 1;
    for (uint64_t o = 0; o < 16; ++o) in.weight[o * 32] = o < 8 ? 65504 : 2048, in.weight[o * 32 + 1] = o < 8 ? 16 : 1 + double(o % 8);
    for (const OpPath& path : few_paths(c)) {
        CAPTURE(to_text(path));
        const std::vector<float> y = run_op_ok(make_setup(c, in, path)).out.at("y");
        for (uint64_t i = 0; i < y.size(); ++i) {
            const double sum = in.weight[i % 16 * 32] + in.weight[i % 16 * 32 + 1];
            CHECK(y[i] == (i % 16 < 8 ? INFINITY : float(rounded(sum, DType::f16))));
        }
    }
}

// ---- the choice and misuse -------------------------------------------------------------------------------------------

TEST_CASE("linear: a variant that cannot be had is refused with a sentence") {
    const Caps& caps = TestDevice::get().caps();
    const DType io = GENERATE(DType::f32, DType::f16, DType::bf16);
    const LinearCase c = LinearCase().sized(16, 64, 64).with_io(io);
    if (!has_matrices(io)) {
        const OpRun run = run_op(make_setup(c, make_inputs(c), {Variant::coopmat, MemoryAccess::automatic, 16}));
        CHECK(run.result == Result::unsupported);
        CHECK_THAT(run.message, Catch::Matchers::ContainsSubstring("linear: variant coopmat: "));
    }
    if (!caps.subgroup_arithmetic || !caps.subgroup_shuffle) {
        const OpRun run = run_op(make_setup(c, make_inputs(c), {Variant::subgroup, MemoryAccess::automatic, 16}));
        CHECK(run.result == Result::unsupported);
        CHECK_THAT(run.message, Catch::Matchers::ContainsSubstring("linear: variant subgroup: "));
    }
}

}  // namespace
}  // namespace scandium::test

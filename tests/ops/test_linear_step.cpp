// What linear does beside the product: a residual with any number of rows; a norm before it and a convolution after it with few.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "ref/causal_conv1d_ref.h"
#include "ref/linear_ref.h"
#include "ref/rms_norm_gated_ref.h"
#include "scandium/ops/linear.h"
#include "scandium/quantize.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Values = std::vector<double>;

struct StepCase {
    uint64_t rows = 3, in = 96, outs = 70;
    DType io = DType::f32, weight = DType::f32;
    WeightFormat format = WeightFormat::dense;
    bool norm = false, bias = false, residual = false, residual_is_y = false;
    // The convolution; no channels: none.
    uint64_t channels = 0, first = 0, taps = 4, slots = 5;
    bool conv_bias = true, silu = true;
    std::vector<double> from, to;  // slots; empty: none given
};

struct StepInputs {
    Values x, weight, words, scales, bias, residual, norm_weight, conv_weight, conv_bias, conv_state;
};

StepInputs make_inputs(const StepCase& c) {
    Random random(7);
    StepInputs in;
    in.x = random.normals(c.rows * c.in, c.io);
    in.weight = random.normals(c.outs * c.in, c.weight);
    if (c.format != WeightFormat::dense) {
        std::vector<uint32_t> words(quantized_words(c.format, in.weight.size()));
        for (uint32_t& word : words) {
            word = uint32_t(random.uniform(0, 0x1p32));
            in.words.push_back(double(int32_t(word)));
        }
        in.scales = random.uniforms(in.weight.size() / kQuantBlock, 0.001, 0.01, DType::f16);
        for (uint64_t i = 0; i < in.weight.size(); ++i)
            in.weight[i] = in.scales[i / kQuantBlock] * integer_of(words.data(), i, c.format == WeightFormat::q4);
    }
    if (c.bias) in.bias = random.normals(c.outs, DType::f32);
    if (c.residual || c.residual_is_y) in.residual = random.normals(c.rows * c.outs, c.io);
    if (c.norm) in.norm_weight = random.normals(c.in, DType::f32);
    if (c.channels == 0) return in;
    in.conv_weight = random.normals(c.channels * c.taps, DType::f32);
    if (c.conv_bias) in.conv_bias = random.normals(c.channels, DType::f32);
    in.conv_state = random.normals(c.slots * c.channels * (c.taps - 1), DType::f32);
    return in;
}

OpSetup make_setup(const StepCase& c, const StepInputs& in, const OpPath& path) {
    OpSetup setup;
    setup.access = path.access;
    setup.alignment = path.alignment;
    setup.add("x", c.io, {c.rows, c.in}, in.x);
    if (c.format == WeightFormat::dense) {
        setup.add("weight", c.weight, {c.outs, c.in}, in.weight);
    } else {
        setup.add("weight", DType::i32, {c.outs, c.in / (c.format == WeightFormat::q4 ? 8 : 4)}, in.words);
        setup.add("scales", DType::f16, {c.outs, c.in / kQuantBlock}, in.scales);
    }
    if (c.bias) setup.add("bias", DType::f32, {c.outs}, in.bias);
    if (c.residual) setup.add("residual", c.io, {c.rows, c.outs}, in.residual);
    setup.add("y", c.io, {c.rows, c.outs}, c.residual_is_y ? in.residual : Values(), true);
    if (c.norm) setup.add("norm_weight", DType::f32, {c.in}, in.norm_weight);
    if (c.channels != 0) {
        setup.add("conv_weight", DType::f32, {c.channels, c.taps}, in.conv_weight);
        if (c.conv_bias) setup.add("conv_bias", DType::f32, {c.channels}, in.conv_bias);
        setup.add("conv_state", DType::f32, {c.slots, c.channels, c.taps - 1}, in.conv_state, true);
        if (!c.from.empty()) setup.add("from", DType::i32, {c.rows}, c.from);
        if (!c.to.empty()) setup.add("to", DType::i32, {c.rows}, c.to);
    }
    setup.append = [c, path](Graph* graph, const std::function<TensorId(const std::string&)>& id) {
        Linear op;
        op.x = id("x");
        op.weight = id("weight");
        op.scales = id("scales");
        op.bias = id("bias");
        op.residual = c.residual_is_y ? id("y") : id("residual");
        op.y = id("y");
        op.norm_weight = id("norm_weight");
        op.conv_weight = id("conv_weight");
        op.conv_bias = id("conv_bias");
        op.conv_state = id("conv_state");
        op.state_batch_indices = id("from");
        op.state_indices_out = id("to");
        op.conv_first = c.first;
        op.conv_silu = c.silu;
        op.format = c.format;
        op.variant = path.variant;
        return linear(graph, op);
    };
    return setup;
}

struct StepOutputs {
    Values y, conv_state;
};

StepOutputs reference(const StepCase& c, const StepInputs& in) {
    Values x = in.x;
    if (c.norm) {
        NormInputs norm;
        norm.rows = c.rows;
        norm.dim = norm.group_size = c.in;
        norm.x = in.x;
        norm.weight = in.norm_weight;
        x = rms_norm_gated_ref(norm).y;
    }
    StepOutputs out{linear_ref(x, in.weight, in.bias, c.in), in.conv_state};
    for (size_t i = 0; i < in.residual.size(); ++i) out.y[i] += in.residual[i];
    const uint64_t state = c.channels * (c.taps - 1);
    for (uint64_t r = 0; c.channels != 0 && r < c.rows; ++r) {
        const int64_t from = c.from.empty() ? int64_t(r) : int64_t(c.from[r]), to = c.to.empty() ? from : int64_t(c.to[r]);
        if (from < 0 || to < 0 || from >= int64_t(c.slots) || to >= int64_t(c.slots)) continue;
        ConvInputs conv;
        conv.shape = {1, 1, c.channels, c.taps};
        const auto inputs = out.y.begin() + int64_t(r * c.outs + c.first);
        conv.x.assign(inputs, inputs + int64_t(c.channels));
        conv.weight = in.conv_weight;
        conv.bias = in.conv_bias;
        conv.initial_states.assign(in.conv_state.begin() + from * int64_t(state), in.conv_state.begin() + (from + 1) * int64_t(state));
        conv.silu = c.silu;
        const ConvOutputs done = causal_conv1d_ref(conv);
        std::copy(done.y.begin(), done.y.end(), inputs);
        std::copy(done.final_states.begin(), done.final_states.end(), out.conv_state.begin() + to * int64_t(state));
    }
    return out;
}

void check_case(const StepCase& c, const OpPath& path) {
    INFO(to_text(path) << " rows " << c.rows << " in " << c.in << " out " << c.outs << ' ' << to_string(c.io) << " weight "
                       << to_string(c.weight) << " format " << int(c.format));
    const StepInputs in = make_inputs(c);
    const OpRun run = run_op_ok(make_setup(c, in, path));
    const StepOutputs want = reference(c, in);
    const double most = c.io == DType::f32 ? 1e-5 : c.io == DType::f16 ? 1e-3 : 4e-3;
    CHECK(relative_rms(run.out.at("y"), want.y) <= most);
    if (c.channels != 0) CHECK(relative_rms(run.out.at("conv_state"), want.conv_state) <= 1e-5);
}

TEST_CASE("linear: a residual, of few rows and of many, apart from y and in its place") {
    const DType io = GENERATE(DType::f32, DType::f16, DType::bf16);
    const uint64_t rows = GENERATE(1, 8, 40);
    StepCase c;
    c.rows = rows;
    c.io = c.weight = io;
    c.bias = true;
    for (const OpPath& path : main_op_paths()) {
        c.residual_is_y = path.variant == Variant::scalar;
        c.residual = !c.residual_is_y;
        check_case(c, path);
    }
}

TEST_CASE("linear: a norm of x, with weights of each format and units that do not fill the lanes") {
    const auto [weight, format] = GENERATE(std::pair(DType::f32, WeightFormat::dense), std::pair(DType::bf16, WeightFormat::dense),
                                           std::pair(DType::f32, WeightFormat::q8), std::pair(DType::f32, WeightFormat::q4));
    const uint64_t in = GENERATE(1056, 1001);
    if (format != WeightFormat::dense && in % 32 != 0) return;
    StepCase c;
    c.weight = weight;
    c.format = format;
    c.in = in;
    c.outs = 21;
    c.norm = true;
    for (uint64_t rows : {1, 5}) {
        c.rows = rows;
        c.bias = c.residual_is_y = rows > 1;
        for (const OpPath& path : main_op_paths()) check_case(c, path);
    }
    c.io = DType::bf16;
    check_case(c, OpPath());
}

TEST_CASE("linear: norm and convolution by each way to memory") {
    StepCase c;
    c.weight = GENERATE(DType::f32, DType::f16);
    c.norm = c.bias = c.residual = true;
    c.first = 9;
    c.channels = 50;
    c.from = {4, 0, 2};
    for (const OpPath& path : op_paths()) check_case(c, path);
}

TEST_CASE("linear: a convolution of some columns, with slots that rows name") {
    const int which = GENERATE(range(0, 7));
    StepCase c;
    c.rows = 4;
    c.channels = 40;
    c.first = 30;
    if (which == 0) c.slots = c.rows;                             // each row its own
    if (which == 1) c.from = {3, 1, 4, 0}, c.conv_bias = false;   // not all slots
    if (which == 2) c.from = {3, -1, 4, 5};                       // rows that are left out
    if (which == 3) c.from = {1, 1, 1, 4}, c.to = {0, 2, 3, 4};   // forks
    if (which == 4) c.from = {1, 2, 0, 3}, c.to = {1, -1, 7, 3};  // left out by where they go
    if (which == 5) c.rows = 1, c.from = {2}, c.first = 0, c.channels = 70, c.taps = 8, c.silu = false;
    if (which == 6) c.rows = 8, c.slots = 8, c.channels = 1, c.taps = 2, c.first = 69;
    CAPTURE(which);
    for (const OpPath& path : main_op_paths()) check_case(c, path);
}

TEST_CASE("linear: with norm and convolution a row has the same bits alone and among others") {
    StepCase c;
    c.rows = 6;
    c.outs = 20;
    c.in = 416;
    c.weight = GENERATE(DType::f32, DType::bf16);
    c.norm = true;
    c.channels = c.outs;
    c.slots = 6;
    const StepInputs in = make_inputs(c);
    for (const OpPath& path : main_op_paths()) {
        CAPTURE(to_text(path));
        const std::vector<float> y = run_op_ok(make_setup(c, in, path)).out.at("y");
        CHECK(differing_bits(y, run_op_ok(make_setup(c, in, path)).out.at("y")) == 0);
        StepCase alone = c;
        alone.rows = 1;
        alone.from = {5};
        StepInputs last = in;
        last.x.assign(in.x.end() - int64_t(c.in), in.x.end());
        const std::vector<float> among(y.end() - int64_t(c.outs), y.end());
        CHECK(relative_rms(run_op_ok(make_setup(alone, last, path)).out.at("y"), among) <= 1e-6);
    }
}

TEST_CASE("linear: a norm of more rows than the kernels for few rows take is refused") {
    StepCase c;
    c.rows = 9;
    c.norm = true;
    const OpRun run = run_op(make_setup(c, make_inputs(c), {Variant::scalar, MemoryAccess::automatic, 16}));
    CHECK(run.result == Result::unsupported);
    CHECK_THAT(run.message, Catch::Matchers::ContainsSubstring("linear: a norm or a convolution goes with up to 8 rows"));
}

}  // namespace
}  // namespace scandium::test

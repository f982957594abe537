// bench of causal_conv1d and causal_conv1d_update as Mamba-2 has them: channel-last, with bias and SiLU.
#include "bench.h"
#include "check.h"
#include "ref/causal_conv1d_ref.h"
#include "scandium/ops/causal_conv1d.h"

namespace scandium::program {
namespace {

struct Shape {
    uint64_t batch, seqlen, channels, width;
};

BenchProblem make(Sizes sizes, const BenchChoices& choices) {
    const Shape n = {sizes[0], sizes[1], sizes[2], sizes[3]};
    BenchProblem problem;
    problem.input("x", choices.dtype, {n.batch, n.seqlen, n.channels});
    problem.input("weight", choices.dtype, {n.channels, n.width});
    problem.input("bias", choices.dtype, {n.channels});
    problem.output("y", choices.dtype, {n.batch, n.seqlen, n.channels});
    problem.tokens = n.batch * n.seqlen;
    problem.append = [choices](Graph* graph, const auto& id) {
        CausalConv1d op;
        op.x = id("x");
        op.weight = id("weight");
        op.bias = id("bias");
        op.y = id("y");
        op.silu = true;
        op.variant = choices.variant;
        return causal_conv1d(graph, op);
    };
    problem.check = [n, choices](const BenchData& data) {
        SampledError error("y", default_tolerance(choices.dtype));
        for (uint64_t c : some_of(n.channels, 8)) {
            const uint64_t b = c % n.batch;
            test::ConvInputs in;
            in.shape = {1, n.seqlen, 1, n.width};
            in.silu = true;
            in.bias = {data.input("bias", c)};
            for (uint64_t k = 0; k < n.width; ++k) in.weight.push_back(data.input("weight", c * n.width + k));
            for (uint64_t t = 0; t < n.seqlen; ++t) in.x.push_back(data.input("x", (b * n.seqlen + t) * n.channels + c));
            const test::ConvOutputs expected = test::causal_conv1d_ref(in);
            for (uint64_t t = 0; t < n.seqlen; ++t) error.add(data.output("y", (b * n.seqlen + t) * n.channels + c), expected.y[t]);
        }
        return std::vector<SampledError>{error};
    };
    return problem;
}

struct Step {
    uint64_t batch, channels, width;
};

// The row's state and its new input, as the tokens of a convolution; its last output is the step's.
void check_channel(const Step& n, const BenchData& data, uint64_t b, uint64_t c, SampledError* y, SampledError* state) {
    const uint64_t at = b * n.channels + c, before = n.width - 1;
    test::ConvInputs in;
    in.shape = {1, 1, 1, n.width};
    in.silu = true;
    in.x = {data.input("x", at)};
    in.bias = {data.input("bias", c)};
    for (uint64_t k = 0; k < n.width; ++k) in.weight.push_back(data.input("weight", c * n.width + k));
    for (uint64_t k = 0; k < before; ++k) in.initial_states.push_back(data.input("conv_state", at * before + k));
    const test::ConvOutputs expected = test::causal_conv1d_ref(in);
    y->add(data.output("y", at), expected.y[0]);
    for (uint64_t k = 0; k < before; ++k) state->add(data.output("conv_state", at * before + k), expected.final_states[k]);
}

BenchProblem make_update(Sizes sizes, const BenchChoices& choices) {
    const Step n = {sizes[0], sizes[1], sizes[2]};
    BenchProblem problem;
    problem.input("conv_state", choices.state_dtype, {n.batch, n.channels, n.width - 1});
    problem.tensors.back().output = true;
    problem.input("x", choices.dtype, {n.batch, n.channels});
    problem.input("weight", choices.dtype, {n.channels, n.width});
    problem.input("bias", choices.dtype, {n.channels});
    problem.output("y", choices.dtype, {n.batch, n.channels});
    problem.tokens = n.batch;
    problem.append = [choices](Graph* graph, const auto& id) {
        CausalConv1dUpdate op;
        op.x = id("x");
        op.weight = id("weight");
        op.bias = id("bias");
        op.conv_state = id("conv_state");
        op.y = id("y");
        op.silu = true;
        op.variant = choices.variant;
        return causal_conv1d_update(graph, op);
    };
    problem.check = [n, choices](const BenchData& data) {
        std::vector<SampledError> errors = {{"y", default_tolerance(choices.dtype)},
                                            {"conv_state", default_tolerance(choices.state_dtype)}};
        for (uint64_t b : some_of(n.batch, 8))
            for (uint64_t c : some_of(n.channels, 199)) check_channel(n, data, b, c, &errors[0], &errors[1]);
        return errors;
    };
    return problem;
}

}  // namespace

void add_bench_causal_conv1d(std::vector<BenchOp>* ops) {
    ops->push_back({"causal_conv1d", "BATCHxSEQLEN,CHANNELS,WIDTH", {"1x2048,1792,4", "8x4096,5376,4"}, make});
    ops->push_back({"causal_conv1d_update", "BATCH,CHANNELS,WIDTH", {"1,1792,4", "64,5376,4"}, make_update});
}

}  // namespace scandium::program

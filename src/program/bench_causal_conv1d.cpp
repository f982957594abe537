// bench of causal_conv1d as Mamba-2 has it: channel-last, with bias and SiLU.
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

}  // namespace

void add_bench_causal_conv1d(std::vector<BenchOp>* ops) {
    ops->push_back({"causal_conv1d", "BATCHxSEQLEN,CHANNELS,WIDTH", {"1x2048,1792,4", "8x4096,5376,4"}, make});
}

}  // namespace scandium::program

// bench of selective_scan, with the tensors of a Mamba-1 layer: softplus and dt_bias inside, D, no gate.
#include "bench.h"
#include "check.h"
#include "ref/selective_scan_ref.h"
#include "scandium/ops/selective_scan.h"

namespace scandium::program {
namespace {

struct Shape {
    uint64_t batch, channels, seqlen, dstate;
};

void check_channel(const Shape& n, const BenchData& data, uint64_t b, uint64_t c, SampledError* y) {
    test::SelectiveInputs in;
    in.shape = {1, 1, n.seqlen, 1, n.dstate};
    in.dt_softplus = true;
    in.D = {data.input("D", c)};
    in.dt_bias = {data.input("dt_bias", c)};
    for (uint64_t s = 0; s < n.dstate; ++s) in.A.push_back(data.input("A", c * n.dstate + s));
    for (uint64_t t = 0; t < n.seqlen; ++t) in.x.push_back(data.input("x", (b * n.channels + c) * n.seqlen + t));
    for (uint64_t t = 0; t < n.seqlen; ++t) in.dt.push_back(data.input("dt", (b * n.channels + c) * n.seqlen + t));
    for (uint64_t i = 0; i < n.dstate * n.seqlen; ++i) in.B.push_back(data.input("B", b * n.dstate * n.seqlen + i));
    for (uint64_t i = 0; i < n.dstate * n.seqlen; ++i) in.C.push_back(data.input("C", b * n.dstate * n.seqlen + i));
    const test::SelectiveOutputs expected = test::selective_scan_ref(in);
    for (uint64_t t = 0; t < n.seqlen; ++t) y->add(data.output("y", (b * n.channels + c) * n.seqlen + t), expected.y[t]);
}

BenchProblem make(Sizes sizes, const BenchChoices& choices) {
    const Shape n = {sizes[0], sizes[1], sizes[2], sizes[3]};
    BenchProblem problem;
    problem.input("x", choices.dtype, {n.batch, n.channels, n.seqlen});
    problem.input("dt", choices.dtype, {n.batch, n.channels, n.seqlen}, -6, -2);
    problem.input("A", DType::f32, {n.channels, n.dstate}, -16, -1);
    problem.input("B", choices.dtype, {n.batch, n.dstate, n.seqlen});
    problem.input("C", choices.dtype, {n.batch, n.dstate, n.seqlen});
    problem.input("D", DType::f32, {n.channels});
    problem.input("dt_bias", DType::f32, {n.channels});
    problem.output("y", choices.dtype, {n.batch, n.channels, n.seqlen});
    problem.tokens = n.batch * n.seqlen;
    problem.append = [choices](Graph* graph, const auto& id) {
        SelectiveScan op;
        op.x = id("x");
        op.dt = id("dt");
        op.A = id("A");
        op.B = id("B");
        op.C = id("C");
        op.D = id("D");
        op.dt_bias = id("dt_bias");
        op.y = id("y");
        op.dt_softplus = true;
        op.segments = choices.segments;
        op.variant = choices.variant;
        return selective_scan(graph, op);
    };
    problem.check = [n, choices](const BenchData& data) {
        SampledError error("y", default_tolerance(choices.dtype));
        for (uint64_t c : some_of(n.channels, 6)) check_channel(n, data, c % n.batch, c, &error);
        return std::vector<SampledError>{error};
    };
    return problem;
}

}  // namespace

void add_bench_selective_scan(std::vector<BenchOp>* ops) {
    ops->push_back({"selective_scan", "BATCHxCHANNELSxSEQLEN,DSTATE", {"1x1536x2048,16"}, make});
}

}  // namespace scandium::program

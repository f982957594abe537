// bench of selective_state_update: Mamba-2's step of one token, state in place.
#include <algorithm>

#include "bench.h"
#include "check.h"
#include "ref/selective_state_update_ref.h"
#include "scandium/ops/selective_state_update.h"

namespace scandium::program {
namespace {

struct Shape {
    uint64_t batch, nheads, headdim, ngroups, dstate;
};

void check_head(const Shape& n, const BenchData& data, uint64_t b, uint64_t h, SampledError* y, SampledError* state) {
    const uint64_t g = h / (n.nheads / n.ngroups), at = b * n.nheads + h;
    test::UpdateInputs in;
    in.shape = {1, 1, 1, n.headdim, 1, n.dstate};
    in.per_head = in.dt_softplus = true;
    in.dt = {data.input("dt", at)};
    in.A = {data.input("A", h)};
    in.D = {data.input("D", h)};
    in.dt_bias = {data.input("dt_bias", h)};
    for (uint64_t i = 0; i < n.headdim * n.dstate; ++i) in.state.push_back(data.input("state", at * n.headdim * n.dstate + i));
    for (uint64_t p = 0; p < n.headdim; ++p) in.x.push_back(data.input("x", at * n.headdim + p));
    for (uint64_t s = 0; s < n.dstate; ++s) in.B.push_back(data.input("B", (b * n.ngroups + g) * n.dstate + s));
    for (uint64_t s = 0; s < n.dstate; ++s) in.C.push_back(data.input("C", (b * n.ngroups + g) * n.dstate + s));
    const test::UpdateOutputs expected = test::selective_state_update_ref(in);
    for (uint64_t p = 0; p < n.headdim; ++p) y->add(data.output("y", at * n.headdim + p), expected.y[p]);
    for (uint64_t i = 0; i < n.headdim * n.dstate; ++i) state->add(data.output("state", at * n.headdim * n.dstate + i), expected.state[i]);
}

BenchProblem make(Sizes sizes, const BenchChoices& choices) {
    const Shape n = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
    BenchProblem problem;
    problem.input("state", choices.state_dtype, {n.batch, n.nheads, n.headdim, n.dstate});
    problem.tensors.back().output = true;
    problem.input("x", choices.dtype, {n.batch, n.nheads, n.headdim});
    problem.input("dt", choices.dtype, {n.batch, n.nheads}, -4, 0);
    problem.input("A", DType::f32, {n.nheads}, -16, -1);
    problem.input("B", choices.dtype, {n.batch, n.ngroups, n.dstate});
    problem.input("C", choices.dtype, {n.batch, n.ngroups, n.dstate});
    problem.input("D", DType::f32, {n.nheads});
    problem.input("dt_bias", DType::f32, {n.nheads});
    problem.output("y", choices.dtype, {n.batch, n.nheads, n.headdim});
    problem.tokens = n.batch;
    problem.operations = static_cast<double>(n.batch * n.nheads * n.headdim) * 5 * static_cast<double>(n.dstate);
    problem.append = [choices](Graph* graph, const auto& id) {
        SelectiveStateUpdate op;
        op.state = id("state");
        op.x = id("x");
        op.dt = id("dt");
        op.A = id("A");
        op.B = id("B");
        op.C = id("C");
        op.D = id("D");
        op.dt_bias = id("dt_bias");
        op.y = id("y");
        op.dt_softplus = true;
        op.variant = choices.variant;
        return selective_state_update(graph, op);
    };
    problem.check = [n, choices](const BenchData& data) {
        std::vector<SampledError> errors = {{"y", default_tolerance(choices.dtype)}, {"state", default_tolerance(choices.state_dtype)}};
        const std::vector<uint64_t> batches = some_of(n.batch, 8), heads = some_of(n.nheads, 8);
        for (size_t i = 0; i < std::max(batches.size(), heads.size()); ++i)
            check_head(n, data, batches[i % batches.size()], heads[i % heads.size()], &errors[0], &errors[1]);
        return errors;
    };
    return problem;
}

}  // namespace

void add_bench_selective_state_update(std::vector<BenchOp>* ops) {
    ops->push_back({"selective_state_update", "BATCH,NHEADSxHEADDIM,NGROUPS,DSTATE", {"1,24x64,1,128", "64,24x64,1,128"}, make});
}

}  // namespace scandium::program

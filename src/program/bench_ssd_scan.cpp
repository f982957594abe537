// bench of ssd_scan, with the tensors of a Mamba-2 layer: dt that softplus made, A from -16 to -1, D, final states.
#include <algorithm>
#include <limits>

#include "bench.h"
#include "check.h"
#include "ref/ssd_scan_ref.h"

namespace scandium::program {
namespace {

struct Shape {
    uint64_t batch, seqlen, nheads, headdim, ngroups, dstate;
};

// One head of one batch row, and a few of its rows of headdim, through the reference.
void check_head(const Shape& n, const BenchData& data, uint64_t b, uint64_t h, SampledError* y, SampledError* states) {
    const uint64_t g = h / (n.nheads / n.ngroups);
    const std::vector<uint64_t> rows = some_of(n.headdim, 8);
    test::SsdInputs in;
    in.shape = {1, n.seqlen, 1, rows.size(), 1, n.dstate};
    in.A = {data.input("A", h)};
    in.D = {data.input("D", h)};
    for (uint64_t t = b * n.seqlen; t < (b + 1) * n.seqlen; ++t) {
        in.dt.push_back(data.input("dt", t * n.nheads + h));
        for (uint64_t p : rows) in.x.push_back(data.input("x", (t * n.nheads + h) * n.headdim + p));
        for (uint64_t s = 0; s < n.dstate; ++s) in.B.push_back(data.input("B", (t * n.ngroups + g) * n.dstate + s));
        for (uint64_t s = 0; s < n.dstate; ++s) in.C.push_back(data.input("C", (t * n.ngroups + g) * n.dstate + s));
    }
    const test::SsdOutputs expected = test::ssd_scan_ref(in);
    for (uint64_t t = 0; t < n.seqlen; ++t)
        for (size_t i = 0; i < rows.size(); ++i)
            y->add(data.output("y", ((b * n.seqlen + t) * n.nheads + h) * n.headdim + rows[i]), expected.y[t * rows.size() + i]);
    for (size_t i = 0; i < rows.size(); ++i)
        for (uint64_t s = 0; s < n.dstate; ++s)
            states->add(data.output("final_states", ((b * n.nheads + h) * n.headdim + rows[i]) * n.dstate + s),
                        expected.final_states[i * n.dstate + s]);
}

BenchProblem make(Sizes sizes, const BenchChoices& choices) {
    const Shape n = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
    BenchProblem problem;
    problem.input("x", choices.dtype, {n.batch, n.seqlen, n.nheads, n.headdim});
    problem.input("dt", DType::f32, {n.batch, n.seqlen, n.nheads}, 0.001, 0.1);
    problem.input("A", DType::f32, {n.nheads}, -16, -1);
    problem.input("B", choices.dtype, {n.batch, n.seqlen, n.ngroups, n.dstate});
    problem.input("C", choices.dtype, {n.batch, n.seqlen, n.ngroups, n.dstate});
    problem.input("D", DType::f32, {n.nheads});
    problem.output("y", choices.dtype, {n.batch, n.seqlen, n.nheads, n.headdim});
    problem.output("final_states", choices.state_dtype, {n.batch, n.nheads, n.headdim, n.dstate});
    // Per element of x: B x into the state and C out of it, a multiplication and an addition for each of dstate.
    problem.tokens = n.batch * n.seqlen;
    problem.operations = static_cast<double>(problem.tokens * n.nheads * n.headdim) * 4 * static_cast<double>(n.dstate);
    problem.append = [choices](Graph* graph, const auto& id) {
        SsdScan op;
        op.x = id("x");
        op.dt = id("dt");
        op.A = id("A");
        op.B = id("B");
        op.C = id("C");
        op.D = id("D");
        op.y = id("y");
        op.final_states = id("final_states");
        op.algorithm = choices.algorithm;
        op.variant = choices.variant;
        op.chunk_size = choices.chunk_size;
        op.segments = choices.segments;
        return ssd_scan(graph, op);
    };
    problem.check = [n, choices](const BenchData& data) {
        const double tolerance = default_tolerance(choices.dtype);
        std::vector<SampledError> errors = {{"y", tolerance},
                                            {"final_states", std::max(tolerance, default_tolerance(choices.state_dtype))}};
        const std::vector<uint64_t> batches = some_of(n.batch, 3), heads = some_of(n.nheads, 3);
        for (size_t i = 0; i < std::max(batches.size(), heads.size()); ++i)
            check_head(n, data, batches[i % batches.size()], heads[i % heads.size()], &errors[0], &errors[1]);
        return errors;
    };
    return problem;
}

}  // namespace

void add_bench_ssd_scan(std::vector<BenchOp>* ops) {
    ops->push_back({"ssd_scan", "BATCHxSEQLEN,NHEADSxHEADDIM,NGROUPS,DSTATE", {"1x512,24x64,1,128", "1x2048,24x64,1,128"}, make});
}

}  // namespace scandium::program

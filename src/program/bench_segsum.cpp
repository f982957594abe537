// bench of segsum. What it writes is a whole sequence for each element that it reads.
#include <cmath>
#include <limits>

#include "bench.h"
#include "check.h"
#include "ref/elementwise_ref.h"
#include "scandium/ops/segsum.h"

namespace scandium::program {
namespace {

BenchProblem make(Sizes sizes, const BenchChoices& choices) {
    const uint64_t rows = sizes[0], seqlen = sizes[1];
    BenchProblem problem;
    problem.input("x", choices.dtype, {rows, seqlen});
    problem.output("out", DType::f32, {rows, seqlen, seqlen});
    problem.tokens = rows * seqlen;
    problem.append = [](Graph* graph, const auto& id) { return segsum(graph, Segsum{id("x"), id("out")}); };
    problem.check = [rows, seqlen](const BenchData& data) {
        SampledError error("out", default_tolerance(DType::f32));
        for (uint64_t row : some_of(rows, 8)) {
            std::vector<double> x(seqlen);
            for (uint64_t i = 0; i < seqlen; ++i) x[i] = data.input("x", row * seqlen + i);
            const std::vector<double> expected = test::segsum_ref(x, seqlen);
            for (uint64_t i = 0; i < expected.size(); ++i) {
                const double got = data.output("out", row * seqlen * seqlen + i);
                if (std::isfinite(expected[i]))
                    error.add(got, expected[i]);
                else  // the mask, where nothing but -infinity is right
                    error.add(got == expected[i] ? 0 : std::numeric_limits<double>::quiet_NaN(), 0);
            }
        }
        return std::vector<SampledError>{error};
    };
    return problem;
}

}  // namespace

void add_bench_segsum(std::vector<BenchOp>* ops) { ops->push_back({"segsum", "ROWSxSEQLEN", {"768x64", "2560x256"}, make}); }

}  // namespace scandium::program

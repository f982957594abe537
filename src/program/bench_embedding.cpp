// bench of embedding: rows of a table, by random ids.
#include <cmath>

#include "bench.h"
#include "scandium/ops/embedding.h"

namespace scandium::program {
namespace {

struct Shape {
    uint64_t tokens, dim, vocab;
};

// How many rows so many random ids are expected to hit, each counted once.
double rows_hit(const Shape& n) {
    const double vocab = static_cast<double>(n.vocab);
    return -vocab * std::expm1(static_cast<double>(n.tokens) * std::log1p(-1 / vocab));
}

BenchProblem make(Sizes sizes, const BenchChoices& choices) {
    const Shape n = {sizes[0], sizes[1], sizes[2]};
    BenchProblem problem;
    problem.indices("ids", {n.tokens}, n.vocab);
    problem.input("table", choices.dtype, {n.vocab, n.dim});
    problem.tensors.back().touched = static_cast<uint64_t>(std::llround(rows_hit(n) * static_cast<double>(n.dim * size_of(choices.dtype))));
    problem.output("out", choices.dtype, {n.tokens, n.dim});
    problem.tokens = n.tokens;
    problem.append = [](Graph* graph, const auto& id) { return embedding(graph, Embedding{id("ids"), id("table"), id("out")}); };
    problem.check = [n](const BenchData& data) {
        SampledError error("out", 0);  // rows are copied as they are
        for (uint64_t token : some_of(n.tokens, 16)) {
            const uint64_t row = static_cast<uint64_t>(data.input("ids", token));
            for (uint64_t i = 0; i < n.dim; ++i) error.add(data.output("out", token * n.dim + i), data.input("table", row * n.dim + i));
        }
        return std::vector<SampledError>{error};
    };
    return problem;
}

}  // namespace

void add_bench_embedding(std::vector<BenchOp>* ops) {
    ops->push_back({"embedding", "TOKENSxDIM,VOCAB", {"2048x768,50288", "32768x2560,50288"}, make});
}

}  // namespace scandium::program

// bench of linear: y = x weight^T, with the weights' type that --weights names.
#include "bench.h"
#include "check.h"
#include "commands.h"
#include "files/text.h"
#include "ref/linear_ref.h"
#include "scandium/ops/linear.h"
#include "words.h"

namespace scandium::program {
namespace {

constexpr uint64_t kBlock = 32;  // integers with one scale

struct Shape {
    uint64_t rows, in, out;
};

constexpr Word<WeightFormat> kFormats[] = {{"dense", WeightFormat::dense}, {"q8", WeightFormat::q8}, {"q4", WeightFormat::q4}};

// Row `o` of the weights as numbers.
std::vector<double> weight_row(const Shape& n, WeightFormat format, const BenchData& data, uint64_t o) {
    std::vector<double> values(n.in);
    if (format == WeightFormat::dense) {
        for (uint64_t k = 0; k < n.in; ++k) values[k] = data.input("weight", o * n.in + k);
        return values;
    }
    const bool q4 = format == WeightFormat::q4;
    std::vector<uint32_t> words(n.in / (q4 ? 8 : 4));
    for (size_t i = 0; i < words.size(); ++i)
        words[i] = static_cast<uint32_t>(static_cast<int64_t>(data.input("weight", o * words.size() + i)));
    for (uint64_t k = 0; k < n.in; ++k) values[k] = test::integer_of(words.data(), k, q4) * data.input("scales", (o * n.in + k) / kBlock);
    return values;
}

std::vector<SampledError> check(const Shape& n, WeightFormat format, DType dtype, const BenchData& data) {
    SampledError error("y", dtype == DType::f32 ? 1e-5 : dtype == DType::f16 ? 1e-3 : 4e-3);
    const std::vector<uint64_t> rows = some_of(n.rows, 8);
    std::vector<double> x;
    for (uint64_t row : rows)
        for (uint64_t k = 0; k < n.in; ++k) x.push_back(data.input("x", row * n.in + k));
    for (uint64_t o : some_of(n.out, 37)) {
        const std::vector<double> expected = test::linear_ref(x, weight_row(n, format, data, o), {}, n.in);
        for (size_t i = 0; i < rows.size(); ++i) error.add(data.output("y", rows[i] * n.out + o), expected[i]);
    }
    return {error};
}

BenchProblem make(Sizes sizes, const BenchChoices& choices) {
    const Shape n = {sizes[0], sizes[1], sizes[2]};
    const WeightFormat format = choose("--weights", choices.weights, kFormats);
    BenchProblem problem;
    problem.input("x", choices.dtype, {n.rows, n.in});
    if (format == WeightFormat::dense) {
        problem.input("weight", choices.dtype, {n.out, n.in});
    } else {
        if (n.in % kBlock != 0) throw UsageError("--shape: with --weights q8 or q4 the input features are a multiple of 32");
        problem.input("weight", DType::i32, {n.out, n.in / (format == WeightFormat::q4 ? 8 : 4)});
        problem.input("scales", DType::f16, {n.out, n.in / kBlock}, 0.01, 0.1);
    }
    problem.output("y", choices.dtype, {n.rows, n.out});
    problem.tokens = n.rows;
    problem.operations = 2.0 * static_cast<double>(n.rows) * static_cast<double>(n.in) * static_cast<double>(n.out);
    problem.append = [choices, format](Graph* graph, const auto& id) {
        Linear op;
        op.x = id("x");
        op.weight = id("weight");
        if (format != WeightFormat::dense) op.scales = id("scales");
        op.y = id("y");
        op.format = format;
        op.variant = choices.variant;
        return linear(graph, op);
    };
    problem.check = [n, format, dtype = choices.dtype](const BenchData& data) { return check(n, format, dtype, data); };
    return problem;
}

}  // namespace

void add_bench_linear(std::vector<BenchOp>* ops) { ops->push_back({"linear", "ROWSxIN,OUT", {"1x2560,10576", "4096x4096,4096"}, make}); }

}  // namespace scandium::program

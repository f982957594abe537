// bench of the operators over rows: rms_norm_gated, swiglu, silu, softplus, add. All are bound by memory.
#include "bench.h"
#include "check.h"
#include "ref/elementwise_ref.h"
#include "ref/rms_norm_gated_ref.h"
#include "scandium/ops/elementwise.h"
#include "scandium/ops/rms_norm_gated.h"
#include "scandium/ops/swiglu.h"

namespace scandium::program {
namespace {

constexpr uint64_t kRowsChecked = 16;

std::vector<double> row_of(const BenchData& data, const char* name, uint64_t row, uint64_t length) {
    std::vector<double> values(length);
    for (uint64_t i = 0; i < length; ++i) values[i] = data.input(name, row * length + i);
    return values;
}

// Compares a few rows of y, of `length` elements each, with what `expected` makes of them.
auto check_rows(uint64_t rows, uint64_t length, DType dtype, std::function<std::vector<double>(const BenchData&, uint64_t row)> expected) {
    return [=](const BenchData& data) {
        SampledError error("y", default_tolerance(dtype));
        for (uint64_t row : some_of(rows, kRowsChecked)) {
            const std::vector<double> wanted = expected(data, row);
            for (uint64_t i = 0; i < length; ++i) error.add(data.output("y", row * length + i), wanted[i]);
        }
        return std::vector<SampledError>{error};
    };
}

// Mamba-2's: gate, then norm.
BenchProblem make_norm(Sizes sizes, const BenchChoices& choices) {
    const uint64_t rows = sizes[0], dim = sizes[1];
    BenchProblem problem;
    problem.input("x", choices.dtype, {rows, dim});
    problem.input("z", choices.dtype, {rows, dim});
    problem.input("weight", DType::f32, {dim});
    problem.output("y", choices.dtype, {rows, dim});
    problem.tokens = rows;
    problem.append = [choices](Graph* graph, const auto& id) {
        RmsNormGated op;
        op.x = id("x");
        op.z = id("z");
        op.weight = id("weight");
        op.y = id("y");
        op.variant = choices.variant;
        return rms_norm_gated(graph, op);
    };
    problem.check = check_rows(rows, dim, choices.dtype, [dim](const BenchData& data, uint64_t row) {
        test::NormInputs in;
        in.dim = in.group_size = dim;
        in.x = row_of(data, "x", row, dim);
        in.z = row_of(data, "z", row, dim);
        in.weight = row_of(data, "weight", 0, dim);
        return test::rms_norm_gated_ref(in).y;
    });
    return problem;
}

BenchProblem make_swiglu(Sizes sizes, const BenchChoices& choices) {
    const uint64_t rows = sizes[0], dim = sizes[1];
    BenchProblem problem;
    problem.input("x", choices.dtype, {rows, 2 * dim});
    problem.output("y", choices.dtype, {rows, dim});
    problem.tokens = rows;
    problem.append = [](Graph* graph, const auto& id) { return swiglu(graph, Swiglu{id("x"), id("y")}); };
    problem.check = check_rows(rows, dim, choices.dtype, [dim](const BenchData& data, uint64_t row) {
        return test::swiglu_ref(row_of(data, "x", row, 2 * dim), dim);
    });
    return problem;
}

// silu and softplus.
template <Result (*append)(Graph*, const Activation&) noexcept, double (*expected)(double)>
BenchProblem make_activation(Sizes sizes, const BenchChoices& choices) {
    const uint64_t rows = sizes[0], dim = sizes[1];
    BenchProblem problem;
    problem.input("x", choices.dtype, {rows, dim}, -8, 8);
    problem.output("y", choices.dtype, {rows, dim});
    problem.tokens = rows;
    problem.append = [](Graph* graph, const auto& id) { return append(graph, Activation{id("x"), id("y")}); };
    problem.check = check_rows(rows, dim, choices.dtype, [dim](const BenchData& data, uint64_t row) {
        std::vector<double> values = row_of(data, "x", row, dim);
        for (double& value : values) value = expected(value);
        return values;
    });
    return problem;
}

BenchProblem make_add(Sizes sizes, const BenchChoices& choices) {
    const uint64_t rows = sizes[0], dim = sizes[1];
    BenchProblem problem;
    problem.input("a", choices.dtype, {rows, dim});
    problem.input("b", choices.dtype, {rows, dim});
    problem.output("y", choices.dtype, {rows, dim});
    problem.tokens = rows;
    problem.append = [](Graph* graph, const auto& id) { return add(graph, Add{id("a"), id("b"), id("y")}); };
    problem.check = check_rows(rows, dim, choices.dtype, [dim](const BenchData& data, uint64_t row) {
        std::vector<double> values = row_of(data, "a", row, dim);
        const std::vector<double> other = row_of(data, "b", row, dim);
        for (uint64_t i = 0; i < dim; ++i) values[i] += other[i];
        return values;
    });
    return problem;
}

}  // namespace

void add_bench_rows(std::vector<BenchOp>* ops) {
    const std::vector<std::string> shapes = {"2048x1536", "32768x5120"};
    ops->push_back({"rms_norm_gated", "ROWSxDIM", shapes, make_norm});
    ops->push_back({"swiglu", "ROWSxDIM", shapes, make_swiglu});
    ops->push_back({"silu", "ROWSxDIM", shapes, make_activation<silu, test::silu>});
    ops->push_back({"softplus", "ROWSxDIM", shapes, make_activation<softplus, test::softplus>});
    ops->push_back({"add", "ROWSxDIM", shapes, make_add});
}

}  // namespace scandium::program

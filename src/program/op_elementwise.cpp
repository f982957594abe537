// ops `silu`, `softplus`, `add` and `swiglu`.
#include "scandium/ops/elementwise.h"

#include "check.h"
#include "files/text.h"
#include "problem.h"
#include "scandium/ops/swiglu.h"

namespace scandium::program {
namespace {

constexpr Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
constexpr Problem::Axes kRows = {"rows", "dim"}, kTokens = {"batch", "seqlen", "dim"};
constexpr Problem::Axes kPairedRows = {"rows", "2 * dim"}, kPairedTokens = {"batch", "seqlen", "2 * dim"};

bool has_batch(const Problem& problem, const char* name) {
    const SafetensorsEntry* entry = problem.source().file().find(name);
    return entry && entry->shape.size() == 3;
}

// y of the type that the first input has.
void add_output(Problem& problem, Problem::Axes axes) {
    const DType dtype = problem.inputs().front().dtype;
    const DType io_dtype = problem.source().dtype("io_dtype", dtype);
    if (io_dtype != dtype) problem.source().fail("option io_dtype is %s, but the inputs are %s", to_string(io_dtype), to_string(dtype));
    problem.output("y", io_dtype, axes, default_tolerance(io_dtype));
    problem.summary = to_string(io_dtype);
    for (const char* axis : axes) problem.summary += format(", %s %llu", axis, static_cast<unsigned long long>(problem.axis(axis)));
}

void prepare_activation(Problem& problem, Result (*append)(Graph*, const Activation&) noexcept) {
    const bool batch = has_batch(problem, "x");
    problem.require("x", kFloats, batch ? kTokens : kRows);
    add_output(problem, batch ? kTokens : kRows);
    problem.append = [append, batch](Graph* graph, const TensorIds& ids) {
        Activation op;
        op.x = ids.in("x");
        op.y = ids.out("y");
        if (batch) op.token_axis = 1;
        return append(graph, op);
    };
}

}  // namespace

void prepare_silu(Problem& problem, const Choices&) { prepare_activation(problem, silu); }
void prepare_softplus(Problem& problem, const Choices&) { prepare_activation(problem, softplus); }

void prepare_add(Problem& problem, const Choices&) {
    const bool batch = has_batch(problem, "a");
    problem.require("a", kFloats, batch ? kTokens : kRows);
    problem.require("b", kFloats, batch ? kTokens : kRows);
    add_output(problem, batch ? kTokens : kRows);
    problem.append = [batch](Graph* graph, const TensorIds& ids) {
        Add op;
        op.a = ids.in("a");
        op.b = ids.in("b");
        op.y = ids.out("y");
        if (batch) op.token_axis = 1;
        return add(graph, op);
    };
}

void prepare_swiglu(Problem& problem, const Choices&) {
    const bool batch = has_batch(problem, "x");
    problem.require("x", kFloats, batch ? kPairedTokens : kPairedRows);
    const uint64_t both = problem.axis("2 * dim");
    if (both % 2 != 0)
        problem.source().fail("tensor 'x' has rows of %llu elements; they must be two halves", static_cast<unsigned long long>(both));
    problem.set_axis("dim", both / 2, "by 'x'");
    add_output(problem, batch ? kTokens : kRows);
    problem.append = [](Graph* graph, const TensorIds& ids) {
        Swiglu op;
        op.x = ids.in("x");
        op.y = ids.out("y");
        return swiglu(graph, op);
    };
}

}  // namespace scandium::program

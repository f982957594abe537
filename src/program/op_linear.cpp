// op `linear`: a linear layer.
#include "scandium/ops/linear.h"

#include "check.h"
#include "files/text.h"
#include "problem.h"
#include "scandium/quantize.h"

namespace scandium::program {
namespace {

constexpr Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
constexpr Problem::Axes kRows = {"rows", "in_features"}, kTokens = {"batch", "seqlen", "in_features"};
constexpr Problem::Axes kRowsOut = {"rows", "out_features"}, kTokensOut = {"batch", "seqlen", "out_features"};

WeightFormat read_format(const Case& source) {
    const std::string name = source.choice("format", {"dense", "q8", "q4"}, "dense");
    return name == "q8" ? WeightFormat::q8 : name == "q4" ? WeightFormat::q4 : WeightFormat::dense;
}

// Declares weight and scales. Words and blocks of a row follow from in_features.
void require_weight(Problem& problem, WeightFormat format) {
    if (format == WeightFormat::dense) {
        problem.require("weight", kFloats, {"out_features", "in_features"});
        return;
    }
    const uint64_t in = problem.axis("in_features");
    if (in % kQuantBlock != 0)
        problem.source().fail("in_features is %llu, which blocks of %u integers do not divide", static_cast<unsigned long long>(in),
                              kQuantBlock);
    problem.set_axis("words", quantized_words(format, in), "by in_features and format");
    problem.set_axis("blocks", in / kQuantBlock, "by in_features");
    problem.require("weight", {DType::i32}, {"out_features", "words"});
    problem.require("scales", kFloats, {"out_features", "blocks"});
}

std::string summary_of(const Problem& problem, const char* axis) {
    return format(", %s %llu", axis, static_cast<unsigned long long>(problem.axis(axis)));
}

}  // namespace

void prepare_linear(Problem& problem, const Choices& choices) {
    const SafetensorsEntry* x = problem.source().file().find("x");
    const bool batch = x && x->shape.size() == 3;
    problem.require("x", kFloats, batch ? kTokens : kRows);
    const DType x_dtype = problem.inputs().front().dtype;
    const WeightFormat weight_format = read_format(problem.source());
    require_weight(problem, weight_format);
    problem.optional("bias", kFloats, {"out_features"});
    const DType io_dtype = problem.source().dtype("io_dtype", x_dtype);
    problem.output("y", io_dtype, batch ? kTokensOut : kRowsOut, default_tolerance(io_dtype));
    problem.summary = to_string(io_dtype);
    for (const char* axis : batch ? kTokensOut : kRowsOut) problem.summary += summary_of(problem, axis);
    problem.summary += summary_of(problem, "in_features");
    if (weight_format != WeightFormat::dense) problem.summary += weight_format == WeightFormat::q8 ? ", q8" : ", q4";

    problem.append = [weight_format, variant = choices.variant](Graph* graph, const TensorIds& ids) {
        Linear op;
        op.x = ids.in("x");
        op.weight = ids.in("weight");
        op.scales = ids.in("scales");
        op.bias = ids.in("bias");
        op.y = ids.out("y");
        op.format = weight_format;
        op.variant = variant;
        return linear(graph, op);
    };
}

}  // namespace scandium::program

// op `rms_norm_gated`: RMSNorm or LayerNorm with a gate and a residual.
#include "scandium/ops/rms_norm_gated.h"

#include <limits>

#include "check.h"
#include "files/text.h"
#include "problem.h"

namespace scandium::program {
namespace {

constexpr Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
constexpr Problem::Axes kRows = {"rows", "dim"}, kTokens = {"batch", "seqlen", "dim"};

RmsNormGated read_options(const Problem& problem, const Choices& choices) {
    const Case& source = problem.source();
    RmsNormGated op;
    op.kind = source.flag("layer_norm", false) ? NormKind::layer : NormKind::rms;
    op.norm_before_gate = source.flag("norm_before_gate", false);
    const double eps = source.real("eps", 1e-5);
    if (eps > static_cast<double>(std::numeric_limits<float>::max())) source.fail("option eps is %g, which is beyond f32", eps);
    op.eps = static_cast<float>(eps);
    op.group_size = source.integer("group_size", 0);
    if (op.group_size != 0 && problem.axis("dim") % op.group_size != 0)
        source.fail("option group_size is %llu, which does not divide dim, %llu", static_cast<unsigned long long>(op.group_size),
                    static_cast<unsigned long long>(problem.axis("dim")));
    op.variant = choices.variant;
    return op;
}

}  // namespace

void prepare_rms_norm_gated(Problem& problem, const Choices& choices) {
    const SafetensorsEntry* x = problem.source().file().find("x");
    const Problem::Axes axes = x && x->shape.size() == 3 ? kTokens : kRows;
    problem.require("x", kFloats, axes);
    problem.optional("z", kFloats, axes);
    problem.require("weight", kFloats, {"dim"});
    problem.optional("bias", kFloats, {"dim"});
    const bool has_residual = problem.optional("residual", kFloats, axes) != nullptr;
    const RmsNormGated op = read_options(problem, choices);

    const DType x_dtype = problem.inputs().front().dtype, io_dtype = problem.source().dtype("io_dtype", x_dtype);
    if (io_dtype != x_dtype) problem.source().fail("option io_dtype is %s, but tensor 'x' is %s", to_string(io_dtype), to_string(x_dtype));
    problem.output("y", io_dtype, axes, default_tolerance(io_dtype));
    if (has_residual) problem.output("residual_out", io_dtype, axes, default_tolerance(io_dtype));
    problem.summary = to_string(io_dtype);
    for (const char* axis : axes) problem.summary += format(", %s %llu", axis, static_cast<unsigned long long>(problem.axis(axis)));
    if (op.group_size) problem.summary += format(", group_size %llu", static_cast<unsigned long long>(op.group_size));

    problem.append = [op](Graph* graph, const TensorIds& ids) {
        RmsNormGated filled = op;
        filled.x = ids.in("x");
        filled.z = ids.in("z");
        filled.weight = ids.in("weight");
        filled.bias = ids.in("bias");
        filled.residual = ids.in("residual");
        filled.y = ids.out("y");
        filled.residual_out = ids.out("residual_out");
        return rms_norm_gated(graph, filled);
    };
}

}  // namespace scandium::program

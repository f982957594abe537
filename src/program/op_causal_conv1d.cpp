// op `causal_conv1d`.
#include "check.h"
#include "files/text.h"
#include "problem.h"
#include "scandium/ops/causal_conv1d.h"

namespace scandium::program {

void prepare_causal_conv1d(Problem& problem, const Choices& choices) {
    const Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
    const Case& source = problem.source();
    problem.require("x", kFloats, {"batch", "seqlen", "channels"});
    problem.require("weight", kFloats, {"channels", "width"});
    if (problem.axis("width") < 2 || problem.axis("width") > 8)
        source.fail("tensor 'weight' has a width of %llu; it must be 2 to 8", static_cast<unsigned long long>(problem.axis("width")));
    problem.set_axis("width - 1", problem.axis("width") - 1, "by 'weight'");
    problem.optional("bias", kFloats, {"channels"});
    problem.optional("initial_states", kFloats, {"batch", "channels", "width - 1"});
    problem.optional("seq_idx", {DType::i32}, {"batch", "seqlen"});

    CausalConv1d op;
    op.silu = source.choice("activation", {"none", "silu"}, "none") == "silu";
    op.variant = choices.variant;
    const DType io_dtype = problem.inputs().front().dtype, state_dtype = source.dtype("state_dtype", io_dtype);
    problem.output("y", io_dtype, {"batch", "seqlen", "channels"}, default_tolerance(io_dtype));
    problem.output("final_states", state_dtype, {"batch", "channels", "width - 1"}, default_tolerance(state_dtype));
    problem.summary = to_string(io_dtype);
    for (const char* axis : {"batch", "seqlen", "channels", "width"})
        problem.summary += format(", %s %llu", axis, static_cast<unsigned long long>(problem.axis(axis)));
    if (op.silu) problem.summary += ", SiLU";

    problem.append = [op](Graph* graph, const TensorIds& ids) {
        CausalConv1d filled = op;
        filled.x = ids.in("x");
        filled.weight = ids.in("weight");
        filled.bias = ids.in("bias");
        filled.initial_states = ids.in("initial_states");
        filled.seq_idx = ids.in("seq_idx");
        filled.y = ids.out("y");
        filled.final_states = ids.out("final_states");
        return causal_conv1d(graph, filled);
    };
}

}  // namespace scandium::program

// ops `ssd_step` and `selective_scan_step`: selective_state_update in Mamba-2's form and in Mamba-1's.
#include <algorithm>

#include "check.h"
#include "files/text.h"
#include "problem.h"
#include "scandium/ops/selective_state_update.h"

namespace scandium::program {
namespace {

constexpr Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
constexpr Problem::Types kF32 = {DType::f32};

SelectiveStateUpdate read_options(const Case& source, const Choices& choices) {
    SelectiveStateUpdate op;
    op.dt_softplus = source.flag("dt_softplus", false);
    const Case::Limits dt = source.dt_limits();
    op.dt_min = dt.min;
    op.dt_max = dt.max;
    op.variant = choices.variant;
    return op;
}

// The new state is written beside the one that was read, so that repeated runs do the same.
void finish(Problem& problem, const Choices& choices, Problem::Axes y, Problem::Axes state, std::initializer_list<const char*> sizes) {
    const SelectiveStateUpdate op = read_options(problem.source(), choices);
    const DType state_dtype = problem.inputs()[0].dtype, io_dtype = problem.inputs()[1].dtype;
    const double tolerance = default_tolerance(io_dtype);
    problem.output("y", io_dtype, y, tolerance);
    problem.output("state", state_dtype, state, std::max(tolerance, default_tolerance(state_dtype)));
    problem.summary = format("%s, state %s", to_string(io_dtype), to_string(state_dtype));
    for (const char* axis : sizes) problem.summary += format(", %s %llu", axis, static_cast<unsigned long long>(problem.axis(axis)));
    problem.append = [op](Graph* graph, const TensorIds& ids) {
        SelectiveStateUpdate filled = op;
        filled.state = ids.in("state");
        filled.x = ids.in("x");
        filled.dt = ids.in("dt");
        filled.A = ids.in("A");
        filled.B = ids.in("B");
        filled.C = ids.in("C");
        filled.D = ids.in("D");
        filled.z = ids.in("z");
        filled.dt_bias = ids.in("dt_bias");
        filled.state_out = ids.out("state");
        filled.y = ids.out("y");
        return selective_state_update(graph, filled);
    };
}

}  // namespace

void prepare_ssd_step(Problem& problem, const Choices& choices) {
    const Problem::Axes kState = {"batch", "nheads", "headdim", "dstate"}, kX = {"batch", "nheads", "headdim"};
    problem.require("state", kFloats, kState);
    problem.require("x", kFloats, kX);
    problem.require("dt", kFloats, {"batch", "nheads"});
    problem.require("A", kF32, {"nheads"});
    problem.require("B", kFloats, {"batch", "ngroups", "dstate"});
    problem.require("C", kFloats, {"batch", "ngroups", "dstate"});
    problem.optional("D", kF32, {"nheads"});
    problem.optional("z", kFloats, kX);
    problem.optional("dt_bias", kF32, {"nheads"});
    if (problem.axis("nheads") % problem.axis("ngroups") != 0)
        problem.source().fail("tensor 'B' has %llu groups, which do not divide the %llu heads of 'x'",
                              static_cast<unsigned long long>(problem.axis("ngroups")),
                              static_cast<unsigned long long>(problem.axis("nheads")));
    finish(problem, choices, kX, kState, {"batch", "nheads", "headdim", "ngroups", "dstate"});
}

// One head of as many elements as there are channels.
void prepare_selective_scan_step(Problem& problem, const Choices& choices) {
    const Problem::Axes kState = {"batch", "1", "channels", "dstate"}, kX = {"batch", "1", "channels"};
    problem.require("state", kFloats, kState);
    problem.require("x", kFloats, kX);
    problem.require("dt", kFloats, kX);
    problem.require("A", kF32, {"1", "channels", "dstate"});
    problem.require("B", kFloats, {"batch", "1", "dstate"});
    problem.require("C", kFloats, {"batch", "1", "dstate"});
    problem.optional("D", kF32, {"1", "channels"});
    problem.optional("z", kFloats, kX);
    problem.optional("dt_bias", kF32, {"1", "channels"});
    finish(problem, choices, kX, kState, {"batch", "channels", "dstate"});
}

}  // namespace scandium::program

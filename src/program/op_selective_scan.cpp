// op `selective_scan`: the forward pass of Mamba-1's selective state space layer.
#include "scandium/ops/selective_scan.h"

#include <algorithm>

#include "check.h"
#include "files/text.h"
#include "problem.h"

namespace scandium::program {
namespace {

constexpr Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
constexpr Problem::Types kF32 = {DType::f32};

// For every token with groups or without, or the same for all tokens.
void require_projection(Problem& problem, const char* name) {
    const SafetensorsEntry* entry = problem.source().file().find(name);
    const size_t rank = entry ? entry->shape.size() : 4;
    if (rank == 2)
        problem.require(name, kFloats, {"channels", "dstate"});
    else if (rank == 3)
        problem.require(name, kFloats, {"batch", "dstate", "seqlen"});
    else
        problem.require(name, kFloats, {"batch", "ngroups", "dstate", "seqlen"});
    if (rank > 3 && problem.axis("channels") % problem.axis("ngroups") != 0)
        problem.source().fail("tensor '%s' has %llu groups, which do not divide the %llu channels of 'x'", name,
                              static_cast<unsigned long long>(problem.axis("ngroups")),
                              static_cast<unsigned long long>(problem.axis("channels")));
}

void read_inputs(Problem& problem) {
    const Problem::Axes kX = {"batch", "channels", "seqlen"};
    problem.require("x", kFloats, kX);
    problem.require("dt", kFloats, kX);
    problem.require("A", kF32, {"channels", "dstate"});
    require_projection(problem, "B");
    require_projection(problem, "C");
    problem.optional("D", kF32, {"channels"});
    problem.optional("z", kFloats, kX);
    problem.optional("dt_bias", kF32, {"channels"});
    problem.optional("initial_state", kFloats, {"batch", "channels", "dstate"});
}

SelectiveScan read_options(const Case& source, const Choices& choices) {
    SelectiveScan op;
    op.dt_softplus = source.flag("dt_softplus", false);
    const Case::Limits dt = source.dt_limits();
    op.dt_min = dt.min;
    op.dt_max = dt.max;
    op.segments = static_cast<uint32_t>(std::min<uint64_t>(source.integer("segments", 0), 1u << 31));
    op.variant = choices.variant;
    return op;
}

}  // namespace

void prepare_selective_scan(Problem& problem, const Choices& choices) {
    read_inputs(problem);
    const SelectiveScan op = read_options(problem.source(), choices);
    const DType io_dtype = problem.inputs().front().dtype;
    const double tolerance = default_tolerance(io_dtype);
    problem.output("y", io_dtype, {"batch", "channels", "seqlen"}, tolerance);
    // A state is a sum of products of inputs that are exact as they are stored.
    problem.output("final_state", DType::f32, {"batch", "channels", "dstate"}, tolerance);
    problem.summary = to_string(io_dtype);
    for (const char* axis : {"batch", "channels", "seqlen", "dstate"})
        problem.summary += format(", %s %llu", axis, static_cast<unsigned long long>(problem.axis(axis)));
    problem.append = [op](Graph* graph, const TensorIds& ids) {
        SelectiveScan filled = op;
        filled.x = ids.in("x");
        filled.dt = ids.in("dt");
        filled.A = ids.in("A");
        filled.B = ids.in("B");
        filled.C = ids.in("C");
        filled.D = ids.in("D");
        filled.z = ids.in("z");
        filled.dt_bias = ids.in("dt_bias");
        filled.initial_states = ids.in("initial_state");
        filled.y = ids.out("y");
        filled.final_states = ids.out("final_state");
        return selective_scan(graph, filled);
    };
}

}  // namespace scandium::program

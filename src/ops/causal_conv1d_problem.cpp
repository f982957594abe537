#include "ops/causal_conv1d_problem.h"

#include "ops/check.h"
#include "ops/choose.h"

namespace scandium {
namespace {

Result check_sizes(const Checker& check, TensorId x, uint32_t x_rank, TensorId weight, ConvProblem* out) {
    if (Result r = check.exists("x", x, true, x_rank); r != Result::ok) return r;
    if (Result r = check.exists("weight", weight, true, 2); r != Result::ok) return r;
    const Tensor& inputs = check.tensor(x);
    const uint64_t taps = check.tensor(weight).shape[1], channels = inputs.shape[inputs.rank - 1];
    out->batch = inputs.shape[0];
    out->tokens = inputs.rank == 3 ? inputs.shape[1] : 1;
    if (Result r = check.in_range("batch", out->batch, 1u << 24); r != Result::ok) return r;
    if (Result r = check.in_range("the number of tokens", out->tokens, 1u << 30); r != Result::ok) return r;
    if (Result r = check.in_range("channels", channels, 1u << 20); r != Result::ok) return r;
    if (taps < 2 || taps > 8) return check.fail("width (axis 1 of weight) is %llu, not 2 to 8", llu(taps));
    out->channels = uint32_t(channels);
    out->taps = uint32_t(taps);
    return Result::ok;
}

Result check_variant(const Graph& graph, const Checker& check, const char* name, Variant variant) {
    if (Result r = check.is_variant(variant); r != Result::ok) return r;
    if (variant == Variant::automatic || variant == Variant::scalar) return Result::ok;
    return graph.diagnostics().fail(Result::unsupported, "%s: variant %s: there is only scalar", name, to_string(variant));
}

}  // namespace

Result check_causal_conv1d(const Graph& graph, const CausalConv1d& op, ConvProblem* out) {
    const Checker check(graph, "causal_conv1d");
    if (Result r = check_sizes(check, op.x, 3, op.weight, out); r != Result::ok) return r;
    const ConvProblem& p = *out;
    const uint64_t before = p.taps - 1;
    const Expected expected[] = {
        {"x", op.x, kFloats, true, false, 3, {p.batch, p.tokens, p.channels}},
        {"weight", op.weight, kFloats, true, false, 2, {p.channels, p.taps}},
        {"bias", op.bias, kFloats, false, false, 1, {p.channels}},
        {"initial_states", op.initial_states, kFloats, false, false, 3, {p.batch, p.channels, before}},
        {"seq_idx", op.seq_idx, kInt32, false, false, 2, {p.batch, p.tokens}},
        {"y", op.y, kFloats, true, true, 3, {p.batch, p.tokens, p.channels}},
        {"final_states", op.final_states, kFloats, false, true, 3, {p.batch, p.channels, before}},
    };
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    out->slots = p.batch;
    return check_variant(graph, check, "causal_conv1d", op.variant);
}

Result check_causal_conv1d_update(const Graph& graph, const CausalConv1dUpdate& op, ConvProblem* out) {
    const Checker check(graph, "causal_conv1d_update");
    if (Result r = check.exists("x", op.x, true, 0); r != Result::ok) return r;
    const uint32_t rank = check.tensor(op.x).rank;
    if (rank != 2 && rank != 3) return check.fail("x has rank %u, not 2 or 3", rank);
    if (Result r = check_sizes(check, op.x, rank, op.weight, out); r != Result::ok) return r;
    if (Result r = check.in_range("ntokens", out->tokens, 1u << 16); r != Result::ok) return r;
    if (Result r = check.exists("conv_state", op.conv_state, true, 3); r != Result::ok) return r;
    const ConvProblem& p = *out;
    const bool indexed = op.state_batch_indices != kNoTensor || op.state_indices_out != kNoTensor;
    const uint64_t slots = op.state_batch_indices != kNoTensor ? check.tensor(op.conv_state).shape[0] : p.batch;
    if (Result r = check.in_range("slots", slots, 1u << 24); r != Result::ok) return r;
    Expected x = {"x", op.x, kFloats, true, false, rank, {p.batch, p.tokens, p.channels}};
    if (rank == 2) x.shape[1] = p.channels;
    Expected y = x;
    y.name = "y";
    y.id = op.y;
    y.written = true;
    const Expected expected[] = {
        x,
        {"weight", op.weight, kFloats, true, false, 2, {p.channels, p.taps}},
        {"bias", op.bias, kFloats, false, false, 1, {p.channels}},
        {"conv_state", op.conv_state, kFloats, true, true, 3, {slots, p.channels, p.taps - 1}},
        {"state_batch_indices", op.state_batch_indices, kInt32, false, false, 1, {p.batch}},
        {"state_indices_out", op.state_indices_out, kInt32, false, false, 1, {p.batch}},
        y,
    };
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    out->update = true;
    out->slots = indexed ? slots : p.batch;
    return check_variant(graph, check, "causal_conv1d_update", op.variant);
}

ConvChoice choose_causal_conv1d(const Caps& caps, const ConvProblem& problem) {
    constexpr uint64_t kEnoughInvocations = 65536;  // keep a large GPU's memory busy
    ConvChoice choice;
    const uint32_t across = problem.channels / problem.width, lanes = power_of_two_from(across);
    choice.lanes = lanes < choice.local_size ? lanes : choice.local_size;
    if (problem.update) {  // one invocation sees all tokens of its channels, so that it alone reads and writes their state
        choice.lanes = choice.local_size;
        choice.tokens = uint32_t((problem.tokens + 7) / 8 * 8);
        return choice;
    }
    choice.tokens = 64;
    while (choice.tokens > 8 && choice.tokens / 2 >= problem.tokens) choice.tokens /= 2;
    if (caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU) return choice;
    const auto invocations = [&] { return problem.batch * across * ((problem.tokens + choice.tokens - 1) / choice.tokens); };
    while (choice.tokens > 8 && invocations() < kEnoughInvocations) choice.tokens /= 2;
    return choice;
}

}  // namespace scandium

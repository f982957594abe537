#include "ops/selective_state_update_check.h"

#include "ops/check.h"

namespace scandium {
namespace {

Result read_sizes(const Checker& check, const SelectiveStateUpdate& op, UpdateProblem* out) {
    if (Result r = check.exists("state", op.state, true, 4); r != Result::ok) return r;
    if (Result r = check.exists("x", op.x, true, 0); r != Result::ok) return r;
    if (Result r = check.exists("state_out", op.state_out, false, 4); r != Result::ok) return r;
    const Tensor& x = check.tensor(op.x);
    const Tensor& state = check.tensor(op.state);
    if (x.rank != 3 && x.rank != 4) return check.fail("x has rank %u, not 3 or 4", x.rank);
    if (Result r = check.exists("B", op.B, true, x.rank); r != Result::ok) return r;
    const Tensor& B = check.tensor(op.B);
    const uint64_t nheads = state.shape[1], ngroups = B.shape[x.rank - 2];
    out->ntokens = x.rank == 4 ? x.shape[1] : 1;
    if (Result r = check.in_range("batch", x.shape[0], 1u << 24); r != Result::ok) return r;
    if (Result r = check.in_range("ntokens", out->ntokens, 1u << 16); r != Result::ok) return r;
    if (Result r = check.in_range("slots", state.shape[0], 1u << 24); r != Result::ok) return r;
    if (Result r = check.in_range("nheads", nheads, 1u << 20); r != Result::ok) return r;
    if (Result r = check.in_range("headdim", state.shape[2], 1u << 17); r != Result::ok) return r;
    if (Result r = check.in_range("dstate", state.shape[3], 512); r != Result::ok) return r;
    if (ngroups > nheads || nheads % ngroups != 0)
        return check.fail("ngroups (axis %u of B) is %llu, which does not divide nheads %llu", x.rank - 2, llu(ngroups), llu(nheads));
    out->batch = x.shape[0];
    out->slots = state.shape[0];
    out->slots_out = out->slots;
    if (op.state_out != kNoTensor && op.state_indices_out != kNoTensor) out->slots_out = check.tensor(op.state_out).shape[0];
    if (Result r = check.in_range("slots_out", out->slots_out, 1u << 24); r != Result::ok) return r;
    out->nheads = uint32_t(nheads);
    out->headdim = uint32_t(state.shape[2]);
    out->ngroups = uint32_t(ngroups);
    out->dstate = uint32_t(state.shape[3]);
    return Result::ok;
}

Result check_options(const Checker& check, const SelectiveStateUpdate& op) {
    if (Result r = check.are_dt_limits(op.dt_min, op.dt_max); r != Result::ok) return r;
    return check.is_variant(op.variant);
}

// One value for each head, or else for each element: the rank says which.
uint32_t rank_of(const Checker& check, TensorId id, uint32_t per_head, uint32_t per_element) {
    return id != kNoTensor && check.tensor(id).rank == per_head ? per_head : per_element;
}

Result check_known(const Checker& check, const SelectiveStateUpdate& op) {
    if (Result r = check.exists("dt", op.dt, true, 0); r != Result::ok) return r;
    if (Result r = check.exists("A", op.A, true, 0); r != Result::ok) return r;
    if (Result r = check.exists("D", op.D, false, 0); r != Result::ok) return r;
    return check.exists("dt_bias", op.dt_bias, false, 0);
}

// Inserts the tokens' axis, if there is one.
Expected with_tokens(Expected e, bool tokens, uint64_t ntokens) {
    if (!tokens) return e;
    ++e.rank;
    for (uint32_t i = e.rank; i-- > 2;) e.shape[i] = e.shape[i - 1];
    e.shape[1] = ntokens;
    return e;
}

}  // namespace

Result check_selective_state_update(const Graph& graph, const SelectiveStateUpdate& op, UpdateProblem* out) {
    const Checker check(graph, "selective_state_update");
    if (Result r = read_sizes(check, op, out); r != Result::ok) return r;
    if (Result r = check_options(check, op); r != Result::ok) return r;
    if (Result r = check_known(check, op); r != Result::ok) return r;

    const UpdateProblem& p = *out;
    const bool tokens = check.tensor(op.x).rank == 4;
    const uint64_t slots = op.state_batch_indices == kNoTensor ? p.batch : p.slots;
    const uint64_t slots_out = op.state_indices_out == kNoTensor ? slots : p.slots_out;
    const uint32_t dt_rank = rank_of(check, op.dt, tokens ? 3 : 2, tokens ? 4 : 3) - (tokens ? 1 : 0);
    const Expected x = {"x", op.x, kFloats, true, false, 3, {p.batch, p.nheads, p.headdim}};
    const Expected dt = {"dt", op.dt, kFloats, true, false, dt_rank, {p.batch, p.nheads, p.headdim}};
    const Expected B = {"B", op.B, kFloats, true, false, 3, {p.batch, p.ngroups, p.dstate}};
    const Expected C = {"C", op.C, kFloats, true, false, 3, {p.batch, p.ngroups, p.dstate}};
    const Expected z = {"z", op.z, kFloats, false, false, 3, {p.batch, p.nheads, p.headdim}};
    const Expected y = {"y", op.y, kFloats, true, true, 3, {p.batch, p.nheads, p.headdim}};
    const Expected expected[] = {
        {"state", op.state, kFloats, true, true, 4, {slots, p.nheads, p.headdim, p.dstate}},
        with_tokens(x, tokens, p.ntokens),
        with_tokens(dt, tokens, p.ntokens),
        {"A", op.A, kFloat32, true, false, rank_of(check, op.A, 1, 3), {p.nheads, p.headdim, p.dstate}},
        with_tokens(B, tokens, p.ntokens),
        with_tokens(C, tokens, p.ntokens),
        {"D", op.D, kFloat32, false, false, rank_of(check, op.D, 1, 2), {p.nheads, p.headdim}},
        with_tokens(z, tokens, p.ntokens),
        {"dt_bias", op.dt_bias, kFloat32, false, false, rank_of(check, op.dt_bias, 1, 2), {p.nheads, p.headdim}},
        {"state_batch_indices", op.state_batch_indices, kInt32, false, false, 1, {p.batch}},
        {"state_out", op.state_out, kFloats, false, true, 4, {slots_out, p.nheads, p.headdim, p.dstate}},
        {"state_indices_out", op.state_indices_out, kInt32, false, false, 1, {p.batch}},
        {"snapshots", op.snapshots, kFloats, false, true, 5, {p.batch, p.ntokens, p.nheads, p.headdim, p.dstate}},
        with_tokens(y, tokens, p.ntokens),
    };
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    out->variant = op.variant;
    return Result::ok;
}

}  // namespace scandium

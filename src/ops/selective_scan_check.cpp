#include "ops/selective_scan_check.h"

#include "ops/check.h"

namespace scandium {
namespace {

// B and C: (channels, dstate), (batch, dstate, seqlen) or (batch, ngroups, dstate, seqlen).
constexpr uint32_t kFixedRank = 2;

Result read_groups(const Checker& check, const char* name, TensorId id, uint32_t channels, uint32_t* groups) {
    if (Result r = check.exists(name, id, true, 0); r != Result::ok) return r;
    const Tensor& tensor = check.tensor(id);
    if (tensor.rank < 2 || tensor.rank > 4) return check.fail("%s has rank %u, not 2, 3 or 4", name, tensor.rank);
    if (tensor.rank == kFixedRank) return Result::ok;
    const uint64_t here = tensor.rank == 4 ? tensor.shape[1] : 1;
    if (here > channels || channels % here != 0)
        return check.fail("ngroups (axis 1 of %s) is %llu, which does not divide channels %u", name, llu(here), channels);
    if (*groups != 0 && here != *groups) return check.fail("ngroups of %s is %llu, not %u as in B", name, llu(here), *groups);
    *groups = uint32_t(here);
    return Result::ok;
}

Result read_sizes(const Checker& check, const SelectiveScan& op, SelectiveScanProblem* out) {
    if (Result r = check.exists("x", op.x, true, 3); r != Result::ok) return r;
    if (Result r = check.exists("A", op.A, true, 2); r != Result::ok) return r;
    const Tensor& x = check.tensor(op.x);
    const Tensor& A = check.tensor(op.A);
    if (Result r = check.in_range("batch", x.shape[0], 1u << 24); r != Result::ok) return r;
    if (Result r = check.in_range("channels", x.shape[1], 1u << 20); r != Result::ok) return r;
    if (Result r = check.in_range("seqlen", x.shape[2], 1u << 30); r != Result::ok) return r;
    if (Result r = check.in_range("dstate", A.shape[1], 256); r != Result::ok) return r;
    out->batch = x.shape[0];
    out->channels = uint32_t(x.shape[1]);
    out->seqlen = x.shape[2];
    out->dstate = uint32_t(A.shape[1]);
    uint32_t groups = 0;
    if (Result r = read_groups(check, "B", op.B, out->channels, &groups); r != Result::ok) return r;
    if (Result r = read_groups(check, "C", op.C, out->channels, &groups); r != Result::ok) return r;
    out->ngroups = groups == 0 ? 1 : groups;
    out->B_fixed = check.tensor(op.B).rank == kFixedRank;
    out->C_fixed = check.tensor(op.C).rank == kFixedRank;
    return Result::ok;
}

Result check_packing(const Checker& check, const SelectiveScan& op, SelectiveScanProblem* out) {
    if (op.seq_idx != kNoTensor && op.cu_seqlens != kNoTensor) return check.fail("seq_idx and cu_seqlens exclude each other");
    if (op.seq_idx != kNoTensor) out->packing = Packing::seq_idx;
    if (op.cu_seqlens == kNoTensor) return Result::ok;
    out->packing = Packing::cu_seqlens;
    return check.count_sequences(op.cu_seqlens, out->batch, &out->sequences);
}

Result check_options(const Checker& check, const SelectiveScan& op, const SelectiveScanProblem& problem) {
    if (Result r = check.are_dt_limits(op.dt_min, op.dt_max); r != Result::ok) return r;
    if (Result r = check.in_range("segments", op.segments, 1024); r != Result::ok) return r;
    if (op.segments > 1 && problem.packing != Packing::none)
        return check.fail("segments is %u, but packed sequences are not split", op.segments);
    return check.is_variant(op.variant);
}

Expected projection(const char* name, const Tensor& tensor, TensorId id, const SelectiveScanProblem& p) {
    if (tensor.rank == kFixedRank) return {name, id, kFloats, true, false, 2, {p.channels, p.dstate}};
    if (tensor.rank == 3) return {name, id, kFloats, true, false, 3, {p.batch, p.dstate, p.seqlen}};
    return {name, id, kFloats, true, false, 4, {p.batch, p.ngroups, p.dstate, p.seqlen}};
}

}  // namespace

Result check_selective_scan(const Graph& graph, const SelectiveScan& op, SelectiveScanProblem* out) {
    const Checker check(graph, "selective_scan");
    if (Result r = read_sizes(check, op, out); r != Result::ok) return r;
    if (Result r = check_packing(check, op, out); r != Result::ok) return r;
    if (Result r = check_options(check, op, *out); r != Result::ok) return r;

    const SelectiveScanProblem& p = *out;
    const uint64_t rows = p.packing == Packing::cu_seqlens ? p.sequences : p.batch;
    const Expected expected[] = {
        {"x", op.x, kFloats, true, false, 3, {p.batch, p.channels, p.seqlen}},
        {"dt", op.dt, kFloats, true, false, 3, {p.batch, p.channels, p.seqlen}},
        {"A", op.A, kFloat32, true, false, 2, {p.channels, p.dstate}},
        projection("B", check.tensor(op.B), op.B, p),
        projection("C", check.tensor(op.C), op.C, p),
        {"D", op.D, kFloat32, false, false, 1, {p.channels}},
        {"z", op.z, kFloats, false, false, 3, {p.batch, p.channels, p.seqlen}},
        {"dt_bias", op.dt_bias, kFloat32, false, false, 1, {p.channels}},
        {"initial_states", op.initial_states, kFloats, false, false, 3, {rows, p.channels, p.dstate}},
        {"seq_idx", op.seq_idx, kInt32, false, false, 2, {p.batch, p.seqlen}},
        {"cu_seqlens", op.cu_seqlens, kInt32, false, false, 1, {p.sequences + 1}},
        {"y", op.y, kFloats, true, true, 3, {p.batch, p.channels, p.seqlen}},
        {"final_states", op.final_states, kFloats, false, true, 3, {rows, p.channels, p.dstate}, op.initial_states},
    };
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    out->segments = op.segments;
    out->variant = op.variant;
    return Result::ok;
}

}  // namespace scandium

#include "ops/ssd_scan_check.h"

#include <initializer_list>

#include "ops/check.h"

namespace scandium {
namespace {

Result read_sizes(const Checker& check, const SsdScan& op, SsdProblem* out) {
    if (Result r = check.exists("x", op.x, true, 4); r != Result::ok) return r;
    if (Result r = check.exists("B", op.B, true, 4); r != Result::ok) return r;
    const Tensor& x = check.tensor(op.x);
    const Tensor& B = check.tensor(op.B);
    if (Result r = check.in_range("batch", x.shape[0], 1u << 24); r != Result::ok) return r;
    if (Result r = check.in_range("seqlen", x.shape[1], 1u << 30); r != Result::ok) return r;
    if (Result r = check.in_range("nheads", x.shape[2], 1u << 20); r != Result::ok) return r;
    if (Result r = check.in_range("headdim", x.shape[3], 1024); r != Result::ok) return r;
    if (Result r = check.in_range("dstate", B.shape[3], 512); r != Result::ok) return r;
    out->batch = x.shape[0];
    out->seqlen = x.shape[1];
    out->nheads = uint32_t(x.shape[2]);
    out->headdim = uint32_t(x.shape[3]);
    out->dstate = uint32_t(B.shape[3]);
    if (B.shape[2] > x.shape[2] || x.shape[2] % B.shape[2] != 0)
        return check.fail("ngroups (axis 2 of B) is %llu, which does not divide nheads %u", llu(B.shape[2]), out->nheads);
    out->ngroups = uint32_t(B.shape[2]);
    out->x = x.dtype;
    out->B = B.dtype;
    return Result::ok;
}

Result check_packing(const Checker& check, const SsdScan& op, SsdProblem* out) {
    if (op.seq_idx != kNoTensor && op.cu_seqlens != kNoTensor) return check.fail("seq_idx and cu_seqlens exclude each other");
    if (op.seq_idx != kNoTensor) {
        out->packing = Packing::seq_idx;
        out->sequences = op.max_sequences < out->seqlen ? op.max_sequences : out->seqlen;
    }
    if (op.cu_seqlens == kNoTensor) return Result::ok;
    out->packing = Packing::cu_seqlens;
    return check.count_sequences(op.cu_seqlens, out->batch, &out->sequences);
}

Result check_options(const Checker& check, const SsdScan& op) {
    if (Result r = check.are_dt_limits(op.dt_min, op.dt_max); r != Result::ok) return r;
    if (op.chunk_size != 0 && (op.chunk_size < 16 || op.chunk_size > 256 || op.chunk_size % 16 != 0))
        return check.fail("chunk_size is %u, not 0 or a multiple of 16 from 16 to 256", op.chunk_size);
    if (Result r = check.in_range("segments", op.segments, 1024); r != Result::ok) return r;
    if (!type_matches(op.chunk_states_dtype, kFloats)) return check.fail("chunk_states_dtype is not f32, f16 or bf16");
    if (uint32_t(op.algorithm) > uint32_t(SsdAlgorithm::fused)) return check.fail("algorithm is not one of SsdAlgorithm");
    return check.is_variant(op.variant);
}

Result check_states(const Checker& check, const SsdScan& op, const SsdProblem& problem) {
    if (op.states == kNoTensor) return Result::ok;
    if (op.chunk_size == 0) return check.fail("states needs a chunk_size, which says where they are taken");
    if (problem.packing != Packing::none) return check.fail("states excludes seq_idx and cu_seqlens");
    return Result::ok;
}

}  // namespace

Result check_ssd_scan(const Graph& graph, const SsdScan& op, SsdProblem* out) {
    const Checker check(graph, "ssd_scan");
    if (Result r = read_sizes(check, op, out); r != Result::ok) return r;
    if (Result r = check_packing(check, op, out); r != Result::ok) return r;
    if (Result r = check_options(check, op); r != Result::ok) return r;
    if (Result r = check_states(check, op, *out); r != Result::ok) return r;
    if (Result r = check.exists("D", op.D, false, 0); r != Result::ok) return r;

    const SsdProblem& p = *out;
    const uint64_t states_batch = p.packing == Packing::cu_seqlens ? p.sequences : p.batch;
    const uint64_t nchunks = op.chunk_size ? (p.seqlen + op.chunk_size - 1) / op.chunk_size : 0;
    const uint32_t D_rank = op.D != kNoTensor && check.tensor(op.D).rank == 1 ? 1 : 2;
    const Expected expected[] = {
        {"x", op.x, kFloats, true, false, 4, {p.batch, p.seqlen, p.nheads, p.headdim}},
        {"dt", op.dt, kFloats, true, false, 3, {p.batch, p.seqlen, p.nheads}},
        {"A", op.A, kFloat32, true, false, 1, {p.nheads}},
        {"B", op.B, kFloats, true, false, 4, {p.batch, p.seqlen, p.ngroups, p.dstate}},
        {"C", op.C, kFloats, true, false, 4, {p.batch, p.seqlen, p.ngroups, p.dstate}},
        {"D", op.D, kFloat32, false, false, D_rank, {p.nheads, p.headdim}},
        {"z", op.z, kFloats, false, false, 4, {p.batch, p.seqlen, p.nheads, p.headdim}},
        {"dt_bias", op.dt_bias, kFloat32, false, false, 1, {p.nheads}},
        {"initial_states", op.initial_states, kFloats, false, false, 4, {states_batch, p.nheads, p.headdim, p.dstate}},
        {"seq_idx", op.seq_idx, kInt32, false, false, 2, {p.batch, p.seqlen}},
        {"cu_seqlens", op.cu_seqlens, kInt32, false, false, 1, {p.sequences + 1}},
        {"y", op.y, kFloats, true, true, 4, {p.batch, p.seqlen, p.nheads, p.headdim}},
        {"final_states", op.final_states, kFloats, false, true, 4, {states_batch, p.nheads, p.headdim, p.dstate}, op.initial_states},
        {"states", op.states, kFloats, false, true, 5, {p.batch, nchunks, p.nheads, p.headdim, p.dstate}},
    };
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    out->C = check.tensor(op.C).dtype;
    out->chunk_size = op.chunk_size;
    out->segments = op.segments;
    out->algorithm = op.algorithm;
    out->variant = op.variant;
    out->has_initial = op.initial_states != kNoTensor;
    out->has_z = op.z != kNoTensor;
    out->has_D = op.D != kNoTensor;
    out->y = graph.tensors[op.y].dtype;
    out->has_states = op.states != kNoTensor;
    out->in_pieces = true;
    for (TensorId id : {op.x, op.B, op.C}) out->in_pieces = out->in_pieces && vector_width(graph.tensors[id], graph.view(id)) == 8;
    return Result::ok;
}

}  // namespace scandium

#include "ops/ssd_scan_check.h"

#include <cmath>

namespace scandium {
namespace {

using llu = unsigned long long;

enum Types : uint32_t { kFloat32 = 1, kFloats = 2, kInt32 = 4 };

struct Expected {
    const char* name;
    TensorId id;
    Types types;
    bool required;
    bool written;
    uint32_t rank;
    uint64_t shape[kMaxRank];
    TensorId in_place = kNoTensor;  // an input that this output may be
};

bool type_matches(DType dtype, Types types) {
    if (types == kFloat32) return dtype == DType::f32;
    if (types == kInt32) return dtype == DType::i32;
    return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

// Whether no two elements share a place, judged by nesting the axes from the narrowest stride out.
bool elements_are_apart(const Tensor& tensor) {
    bool done[kMaxRank] = {};
    uint64_t reach = 0;  // of the axes so far: offset of the last element
    for (uint32_t n = 0; n < tensor.rank; ++n) {
        uint32_t narrowest = kMaxRank;
        for (uint32_t i = 0; i < tensor.rank; ++i)
            if (!done[i] && (narrowest == kMaxRank || tensor.stride[i] < tensor.stride[narrowest])) narrowest = i;
        done[narrowest] = true;
        if (tensor.shape[narrowest] == 1) continue;
        if (tensor.stride[narrowest] <= reach) return false;
        reach += (tensor.shape[narrowest] - 1) * tensor.stride[narrowest];
    }
    return true;
}

class Checker {
public:
    explicit Checker(const Graph& graph) : graph_(graph) {}

    template <class... Values>
    Result fail(const char* format, Values... values) const {
        return graph_.diagnostics().fail(Result::invalid_argument, format, values...);
    }

    const Tensor& tensor(TensorId id) const { return graph_.tensors[id]; }

    Result exists(const char* name, TensorId id, bool required, uint32_t rank) const {
        if (id == kNoTensor) return required ? fail("ssd_scan: %s is missing", name) : Result::ok;
        if (!graph_.has(id)) return fail("ssd_scan: %s is tensor %u, which this graph does not have", name, id);
        if (rank != 0 && tensor(id).rank != rank) return fail("ssd_scan: %s has rank %u, not %u", name, tensor(id).rank, rank);
        return Result::ok;
    }

    Result matches(const Expected& e) const {
        if (Result r = exists(e.name, e.id, e.required, e.rank); r != Result::ok || e.id == kNoTensor) return r;
        const Tensor& t = tensor(e.id);
        if (!type_matches(t.dtype, e.types))
            return fail("ssd_scan: %s is %s, not %s", e.name, to_string(t.dtype),
                        e.types == kFloat32 ? "f32" : e.types == kInt32 ? "i32" : "f32, f16 or bf16");
        for (uint32_t i = 0; i < e.rank; ++i)
            if (t.shape[i] != e.shape[i]) return fail("ssd_scan: axis %u of %s is %llu, not %llu", i, e.name, llu(t.shape[i]), llu(e.shape[i]));
        if (e.written && !elements_are_apart(t)) return fail("ssd_scan: strides of %s make elements share a place", e.name);
        return Result::ok;
    }

private:
    const Graph& graph_;
};

Result check_range(const Checker& check, const char* name, uint64_t value, uint64_t most) {
    if (value <= most) return Result::ok;
    return check.fail("ssd_scan: %s is %llu, over the limit of %llu", name, llu(value), llu(most));
}

Result read_sizes(const Checker& check, const SsdScan& op, SsdProblem* out) {
    if (Result r = check.exists("x", op.x, true, 4); r != Result::ok) return r;
    if (Result r = check.exists("B", op.B, true, 4); r != Result::ok) return r;
    const Tensor& x = check.tensor(op.x);
    const Tensor& B = check.tensor(op.B);
    if (Result r = check_range(check, "batch", x.shape[0], 1u << 24); r != Result::ok) return r;
    if (Result r = check_range(check, "seqlen", x.shape[1], 1u << 30); r != Result::ok) return r;
    if (Result r = check_range(check, "nheads", x.shape[2], 1u << 20); r != Result::ok) return r;
    if (Result r = check_range(check, "headdim", x.shape[3], 1024); r != Result::ok) return r;
    if (Result r = check_range(check, "dstate", B.shape[3], 512); r != Result::ok) return r;
    out->batch = x.shape[0];
    out->seqlen = x.shape[1];
    out->nheads = uint32_t(x.shape[2]);
    out->headdim = uint32_t(x.shape[3]);
    out->dstate = uint32_t(B.shape[3]);
    if (B.shape[2] > x.shape[2] || x.shape[2] % B.shape[2] != 0)
        return check.fail("ssd_scan: ngroups (axis 2 of B) is %llu, which does not divide nheads %u", llu(B.shape[2]), out->nheads);
    out->ngroups = uint32_t(B.shape[2]);
    out->x = x.dtype;
    out->B = B.dtype;
    return Result::ok;
}

Result check_packing(const Checker& check, const SsdScan& op, SsdProblem* out) {
    if (op.seq_idx != kNoTensor && op.cu_seqlens != kNoTensor) return check.fail("ssd_scan: seq_idx and cu_seqlens exclude each other");
    if (op.seq_idx != kNoTensor) {
        out->packing = Packing::seq_idx;
        out->sequences = op.max_sequences < out->seqlen ? op.max_sequences : out->seqlen;
    }
    if (op.cu_seqlens == kNoTensor) return Result::ok;
    if (Result r = check.exists("cu_seqlens", op.cu_seqlens, true, 1); r != Result::ok) return r;
    const uint64_t entries = check.tensor(op.cu_seqlens).shape[0];
    if (out->batch != 1) return check.fail("ssd_scan: cu_seqlens needs batch 1, not %llu", llu(out->batch));
    if (entries < 2) return check.fail("ssd_scan: cu_seqlens has %llu entries and needs at least 2", llu(entries));
    if (Result r = check_range(check, "the number of sequences in cu_seqlens", entries - 1, 1u << 24); r != Result::ok) return r;
    out->packing = Packing::cu_seqlens;
    out->sequences = entries - 1;
    return Result::ok;
}

Result check_options(const Checker& check, const SsdScan& op) {
    if (std::isnan(op.dt_min) || op.dt_min < 0) return check.fail("ssd_scan: dt_min is %g, not >= 0", double(op.dt_min));
    if (std::isnan(op.dt_max) || op.dt_max < op.dt_min) return check.fail("ssd_scan: dt_max is %g, not >= dt_min", double(op.dt_max));
    if (std::isinf(op.dt_min)) return check.fail("ssd_scan: dt_min is infinite");
    if (op.chunk_size != 0 && (op.chunk_size < 16 || op.chunk_size > 256 || op.chunk_size % 16 != 0))
        return check.fail("ssd_scan: chunk_size is %u, not 0 or a multiple of 16 from 16 to 256", op.chunk_size);
    if (!type_matches(op.chunk_states_dtype, kFloats)) return check.fail("ssd_scan: chunk_states_dtype is not f32, f16 or bf16");
    if (uint32_t(op.algorithm) > uint32_t(SsdAlgorithm::recurrent)) return check.fail("ssd_scan: algorithm is not one of SsdAlgorithm");
    if (uint32_t(op.variant) > uint32_t(Variant::coopmat)) return check.fail("ssd_scan: variant is not one of Variant");
    return Result::ok;
}

// An output may not be an input, since other workgroups still read it; states may be updated in place.
Result check_aliases(const Checker& check, const Expected* expected, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i)
        for (uint32_t j = 0; j < count; ++j) {
            if (i == j || !expected[i].written || expected[i].id == kNoTensor || expected[i].id != expected[j].id) continue;
            if (expected[i].in_place == expected[j].id) continue;
            return check.fail("ssd_scan: %s and %s are the same tensor", expected[i].name, expected[j].name);
        }
    return Result::ok;
}

Result check_states(const Checker& check, const SsdScan& op, const SsdProblem& problem) {
    if (op.states == kNoTensor) return Result::ok;
    if (op.chunk_size == 0) return check.fail("ssd_scan: states needs a chunk_size, which says where they are taken");
    if (problem.packing != Packing::none) return check.fail("ssd_scan: states excludes seq_idx and cu_seqlens");
    return Result::ok;
}

}  // namespace

Result check_ssd_scan(const Graph& graph, const SsdScan& op, SsdProblem* out) {
    const Checker check(graph);
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
    constexpr uint32_t kCount = sizeof expected / sizeof expected[0];
    for (const Expected& e : expected)
        if (Result r = check.matches(e); r != Result::ok) return r;
    out->C = check.tensor(op.C).dtype;
    out->chunk_size = op.chunk_size;
    out->algorithm = op.algorithm;
    out->variant = op.variant;
    return check_aliases(check, expected, kCount);
}

}  // namespace scandium

// ssd_scan: types, sizes and options that lead to every kernel of its stages.
#include <scandium/ops/ssd_scan.h>

#include "plan_cases.h"

using namespace scandium;

namespace {

enum class Packing { none, seq_idx, cu_seqlens };

// What a plan is made for. `optional`: with every optional tensor, else with none.
struct Case {
    const char* name;
    DType io, dt, state;
    uint64_t nheads, headdim, ngroups, dstate;
    bool optional;
    Packing packing;
};

constexpr uint64_t kSeqlen = 384;  // more than one chunk of any size
constexpr uint64_t kSequences = 3;

constexpr Case kCases[] = {
    {"f32 64x128", DType::f32, DType::f32, DType::f32, 4, 64, 1, 128, true, Packing::none},
    {"f16 64x128", DType::f16, DType::f16, DType::f16, 4, 64, 2, 128, true, Packing::none},
    {"bf16 64x128", DType::bf16, DType::f32, DType::bf16, 4, 64, 1, 128, false, Packing::none},
    {"f32 80x16", DType::f32, DType::f32, DType::f32, 3, 80, 3, 16, false, Packing::none},
    {"f16 64x64 seq_idx", DType::f16, DType::f32, DType::f32, 4, 64, 1, 64, true, Packing::seq_idx},
    {"f32 64x64 cu_seqlens", DType::f32, DType::f32, DType::f32, 4, 64, 1, 64, true, Packing::cu_seqlens},
};

constexpr const Case& kQuickCase = kCases[1];

SsdScan declare(Graph* graph, const Case& c) {
    const uint64_t sequences = c.packing == Packing::cu_seqlens ? kSequences : 1;
    const std::vector<uint64_t> like_x = {1, kSeqlen, c.nheads, c.headdim}, like_B = {1, kSeqlen, c.ngroups, c.dstate};
    const std::vector<uint64_t> like_states = {sequences, c.nheads, c.headdim, c.dstate};
    SsdScan op;
    op.x = add(graph, "x", c.io, like_x);
    op.dt = add(graph, "dt", c.dt, {1, kSeqlen, c.nheads});
    op.A = add(graph, "A", DType::f32, {c.nheads});
    op.B = add(graph, "B", c.io, like_B);
    op.C = add(graph, "C", c.io, like_B);
    op.y = add(graph, "y", c.io, like_x);
    if (c.optional) {
        op.D = add(graph, "D", DType::f32, {c.nheads});
        op.z = add(graph, "z", c.io, like_x);
        op.dt_bias = add(graph, "dt_bias", DType::f32, {c.nheads});
        op.dt_softplus = true;
        op.initial_states = add(graph, "initial_states", c.state, like_states);
        op.final_states = add(graph, "final_states", c.state, like_states);
    }
    if (c.packing == Packing::seq_idx) {
        op.seq_idx = add(graph, "seq_idx", DType::i32, {1, kSeqlen});
        op.max_sequences = kSequences;
    }
    if (c.packing == Packing::cu_seqlens) op.cu_seqlens = add(graph, "cu_seqlens", DType::i32, {kSequences + 1});
    return op;
}

}  // namespace

// Only the chunked algorithm has products for matrix units, which take 16-bit operands. Forcing `scalar` on it where there are
// subgroups changes one small kernel of five: the first case will do.
std::vector<PlanCase> ssd_scan_cases() {
    std::vector<PlanCase> cases;
    for (const Case& c : kCases)
        for (SsdAlgorithm algorithm : {SsdAlgorithm::chunked, SsdAlgorithm::fused, SsdAlgorithm::recurrent}) {
            const bool chunked = algorithm == SsdAlgorithm::chunked, fused = algorithm == SsdAlgorithm::fused;
            if (fused && (c.io == DType::f32 || c.packing != Packing::none)) continue;
            PlanCase out;
            out.name = std::string("ssd_scan ") + c.name + ", " + to_string(algorithm);
            out.io = c.io;
            if (!fused) out.variants = {Variant::subgroup, Variant::scalar};
            if (fused || (chunked && c.io != DType::f32)) out.variants.push_back(Variant::coopmat);
            out.scalar_if_no_subgroups = chunked && &c != kCases;
            out.quick = &c == &kQuickCase;
            out.append = [&c, algorithm](Graph* graph, Variant variant) {
                SsdScan op = declare(graph, c);
                op.algorithm = algorithm;
                op.variant = variant;
                return ssd_scan(graph, op);
            };
            cases.push_back(out);
        }
    return cases;
}

// The operators beside ssd_scan, an entry for each kernel and way through it. A further operator is one entry more.
#include <scandium/scandium.h>

#include "plan_cases.h"

using namespace scandium;

namespace {

constexpr uint64_t kBatch = 2, kTokens = 5, kHeads = 4, kHeaddim = 64, kDstate = 128, kDim = 768, kWidth = 4, kSlots = 8;

// Mamba-2's form over several tokens, with states in slots.
Result update_heads(Graph* g, Variant variant) {
    const DType io = DType::bf16;
    SelectiveStateUpdate op;
    op.state = add(g, "state", DType::f16, {kSlots, kHeads, kHeaddim, kDstate});
    op.x = add(g, "x", io, {kBatch, kTokens, kHeads, kHeaddim});
    op.dt = add(g, "dt", io, {kBatch, kTokens, kHeads});
    op.A = add(g, "A", DType::f32, {kHeads});
    op.B = add(g, "B", io, {kBatch, kTokens, 1, kDstate});
    op.C = add(g, "C", io, {kBatch, kTokens, 1, kDstate});
    op.D = add(g, "D", DType::f32, {kHeads});
    op.z = add(g, "z", io, {kBatch, kTokens, kHeads, kHeaddim});
    op.dt_bias = add(g, "dt_bias", DType::f32, {kHeads});
    op.state_batch_indices = add(g, "indices", DType::i32, {kBatch});
    op.snapshots = add(g, "snapshots", DType::f16, {kBatch, kTokens, kHeads, kHeaddim, kDstate});
    op.y = add(g, "y", io, {kBatch, kTokens, kHeads, kHeaddim});
    op.dt_softplus = true;
    op.variant = variant;
    return selective_state_update(g, op);
}

// Mamba-1's: one head of many channels, A of its own for each element.
Result update_channels(Graph* g, Variant variant) {
    SelectiveStateUpdate op;
    op.state = add(g, "state", DType::f32, {kBatch, 1, kDim, 16});
    op.x = add(g, "x", DType::f32, {kBatch, 1, kDim});
    op.dt = add(g, "dt", DType::f32, {kBatch, 1, kDim});
    op.A = add(g, "A", DType::f32, {1, kDim, 16});
    op.B = add(g, "B", DType::f32, {kBatch, 1, 16});
    op.C = add(g, "C", DType::f32, {kBatch, 1, 16});
    op.y = add(g, "y", DType::f32, {kBatch, 1, kDim});
    op.variant = variant;
    return selective_state_update(g, op);
}

Result conv(Graph* g, Variant variant) {
    const DType io = DType::f16;
    CausalConv1d op;
    op.x = add(g, "x", io, {kBatch, 64, kDim});
    op.weight = add(g, "weight", io, {kDim, kWidth});
    op.bias = add(g, "bias", io, {kDim});
    op.initial_states = add(g, "initial_states", io, {kBatch, kDim, kWidth - 1});
    op.seq_idx = add(g, "seq_idx", DType::i32, {kBatch, 64});
    op.y = add(g, "y", io, {kBatch, 64, kDim});
    op.final_states = add(g, "final_states", io, {kBatch, kDim, kWidth - 1});
    op.silu = true;
    op.variant = variant;
    return causal_conv1d(g, op);
}

Result conv_update(Graph* g, Variant variant) {
    CausalConv1dUpdate op;
    op.x = add(g, "x", DType::f32, {kBatch, kDim});
    op.weight = add(g, "weight", DType::f32, {kDim, kWidth});
    op.conv_state = add(g, "conv_state", DType::f32, {kSlots, kDim, kWidth - 1});
    op.state_batch_indices = add(g, "indices", DType::i32, {kBatch});
    op.y = add(g, "y", DType::f32, {kBatch, kDim});
    op.variant = variant;
    return causal_conv1d_update(g, op);
}

// In registers, with everything that can be there; and groups too long for them.
Result norm(Graph* g, Variant variant) {
    const DType io = DType::bf16;
    RmsNormGated op;
    op.x = add(g, "x", io, {kBatch, kTokens, kDim});
    op.z = add(g, "z", io, {kBatch, kTokens, kDim});
    op.weight = add(g, "weight", DType::f32, {kDim});
    op.bias = add(g, "bias", DType::f32, {kDim});
    op.residual = add(g, "residual", DType::f32, {kBatch, kTokens, kDim});
    op.residual_out = add(g, "residual_out", DType::f32, {kBatch, kTokens, kDim});
    op.y = add(g, "y", io, {kBatch, kTokens, kDim});
    op.kind = NormKind::layer;
    op.variant = variant;
    return rms_norm_gated(g, op);
}
Result norm_of_long_rows(Graph* g, Variant variant) {
    RmsNormGated op;
    op.x = add(g, "x", DType::f32, {kBatch, 32768});
    op.weight = add(g, "weight", DType::f32, {32768});
    op.y = add(g, "y", DType::f32, {kBatch, 32768});
    op.variant = variant;
    return rms_norm_gated(g, op);
}

// Rows of x by a matrix; x's type, the format of the weights and the number of rows lead to different kernels.
template <DType io, WeightFormat format, uint64_t rows>
Result product(Graph* g, Variant variant) {
    constexpr uint64_t kIn = 256, kOut = 320;
    const bool dense = format == WeightFormat::dense;
    Linear op;
    op.x = add(g, "x", io, {rows, kIn});
    op.weight = add(g, "weight", dense ? io : DType::i32, {kOut, dense ? kIn : format == WeightFormat::q8 ? kIn / 4 : kIn / 8});
    if (!dense) op.scales = add(g, "scales", DType::f16, {kOut, kIn / 32});
    op.bias = add(g, "bias", DType::f32, {kOut});
    op.y = add(g, "y", io, {rows, kOut});
    op.format = format;
    op.variant = variant;
    return linear(g, op);
}

// Mamba-1's forward pass; `segments` more than 1 takes both of its dispatches.
template <DType io, uint32_t segments>
Result channels_scan(Graph* g, Variant variant) {
    constexpr uint64_t kSeqlen = 1024;
    SelectiveScan op;
    op.x = add(g, "x", io, {kBatch, kDim, kSeqlen});
    op.dt = add(g, "dt", io, {kBatch, kDim, kSeqlen});
    op.A = add(g, "A", DType::f32, {kDim, 16});
    op.B = add(g, "B", io, {kBatch, 16, kSeqlen});
    op.C = add(g, "C", io, {kBatch, 16, kSeqlen});
    op.D = add(g, "D", DType::f32, {kDim});
    op.z = add(g, "z", io, {kBatch, kDim, kSeqlen});
    op.y = add(g, "y", io, {kBatch, kDim, kSeqlen});
    op.final_states = add(g, "final_states", DType::f32, {kBatch, kDim, 16});
    op.dt_softplus = true;
    op.segments = segments;
    op.variant = variant;
    return selective_scan(g, op);
}

template <Result (*append)(Graph*, const Activation&) noexcept, DType io>
Result activation(Graph* g, Variant) {
    Activation op;
    op.x = add(g, "x", io, {kTokens, kDim});
    op.y = add(g, "y", io, {kTokens, kDim});
    return append(g, op);
}

Result sum(Graph* g, Variant) {
    Add op;
    op.a = add(g, "a", DType::bf16, {kBatch, kTokens, kDim});
    op.b = add(g, "b", DType::f32, {kBatch, kTokens, kDim});
    op.y = add(g, "y", DType::bf16, {kBatch, kTokens, kDim});
    op.token_axis = 1;
    return scandium::add(g, op);
}

Result gated_halves(Graph* g, Variant) {
    Swiglu op;
    op.x = add(g, "x", DType::f16, {kBatch, kTokens, 2 * kDim});
    op.y = add(g, "y", DType::f16, {kBatch, kTokens, kDim});
    return swiglu(g, op);
}

Result gather(Graph* g, Variant) {
    Embedding op;
    op.ids = add(g, "ids", DType::i32, {kBatch, kTokens});
    op.table = add(g, "table", DType::bf16, {1000, kDim});
    op.out = add(g, "out", DType::f32, {kBatch, kTokens, kDim});
    return embedding(g, op);
}

Result segments(Graph* g, Variant) {
    Segsum op;
    op.x = add(g, "x", DType::f32, {kBatch, kHeads, 64});
    op.out = add(g, "out", DType::f32, {kBatch, kHeads, 64, 64});
    return segsum(g, op);
}

}  // namespace

std::vector<PlanCase> operator_cases() {
    const std::vector<Variant> one = {Variant::scalar}, both = {Variant::subgroup, Variant::scalar};
    const std::vector<Variant> matrices = {Variant::coopmat, Variant::scalar};
    return {
        {"selective_state_update bf16, heads", DType::bf16, both, update_heads, true},
        {"selective_state_update f32, channels", DType::f32, both, update_channels},
        {"causal_conv1d f16", DType::f16, one, conv, true},
        {"causal_conv1d_update f32", DType::f32, one, conv_update},
        {"rms_norm_gated bf16", DType::bf16, both, norm, true},
        {"rms_norm_gated f32, long rows", DType::f32, both, norm_of_long_rows},
        {"linear f16, 64 rows", DType::f16, matrices, product<DType::f16, WeightFormat::dense, 64>, true},
        {"linear bf16, q4, 64 rows", DType::bf16, matrices, product<DType::bf16, WeightFormat::q4, 64>},
        {"linear f16, 1 row", DType::f16, both, product<DType::f16, WeightFormat::dense, 1>},
        {"linear f32, q8, 4 rows", DType::f32, both, product<DType::f32, WeightFormat::q8, 4>},
        {"selective_scan bf16", DType::bf16, both, channels_scan<DType::bf16, 1>, true},
        {"selective_scan f32, segments", DType::f32, both, channels_scan<DType::f32, 4>},
        {"silu f32", DType::f32, one, activation<silu, DType::f32>},
        {"softplus bf16", DType::bf16, one, activation<softplus, DType::bf16>},
        {"add bf16", DType::bf16, one, sum},
        {"swiglu f16", DType::f16, one, gated_halves, true},
        {"embedding bf16", DType::bf16, one, gather, true},
        {"segsum f32", DType::f32, one, segments, true},
    };
}

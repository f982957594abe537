// Scandium: rms_norm_gated, the normalisation of Mamba blocks: RMSNorm or LayerNorm, with a gate and a residual.
//
// For each row, v = x + residual, and for each group of group_size neighbours of it
//   gate first:  u = v * silu(z),  y = norm(u) * weight + bias
//   norm first:  y = (norm(v) * weight + bias) * silu(z)
// where norm(u) = u / sqrt(mean(u^2) + eps), or for LayerNorm (u - mean(u)) / sqrt(mean((u - mean(u))^2) + eps).
// Without z it is plain RMSNorm or LayerNorm.
// Reference: Zhang and Sennrich, "Root Mean Square Layer Normalization" (arXiv:1910.07467); the options are those of
// mamba_ssm's layernorm_gated and of its fused residual addition.
#pragma once

#include "scandium/graph.h"

namespace scandium {

enum class NormKind : uint32_t {
    rms = 0,
    layer,  // subtracts the mean
};

struct RmsNormGated {
    // Tensors; kNoTensor where optional and absent. Floats are f32, f16 or bf16, each tensor for itself; any strides.
    TensorId x = kNoTensor;             // (rows, dim) or (batch, seqlen, dim); dim 1 to 32768
    TensorId z = kNoTensor;             // optional: like x in shape
    TensorId weight = kNoTensor;        // (dim)
    TensorId bias = kNoTensor;          // optional: (dim)
    TensorId residual = kNoTensor;      // optional: like x in shape
    TensorId y = kNoTensor;             // out: like x in shape
    TensorId residual_out = kNoTensor;  // optional, out: like x in shape: x + residual, or x
    // y and residual_out may be x, z or residual, but not each other.

    NormKind kind = NormKind::rms;
    float eps = 1e-5f;                     // finite, >= 0
    uint64_t group_size = 0;               // divides dim; 0: dim
    bool norm_before_gate = false;         // Mamba-2 gates first
    Variant variant = Variant::automatic;  // scalar or subgroup forces one
};

// Appends the operator. Sums are f32. With (batch, seqlen, dim), RecordOptions::seqlen shortens seqlen; rows all run.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit, an option out of range),
//   unsupported (a forced variant that the device rules out; a row that it cannot bind), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result rms_norm_gated(Graph* graph, const RmsNormGated& op) noexcept;

}  // namespace scandium

// Scandium: linear, a linear layer: y = x weight^T + bias, with weights in floats or in blocks of small integers.
//
//   y[r, o] = sum over k of x[r, k] * w[o, k] + bias[o]
//
// Weight formats. Integers come in blocks of 32 neighbours along in_features, each with a scale; quantize_q8 and
// quantize_q4 (scandium/quantize.h) make both.
//   dense   w is weight
//   q8      w[o, k] = scales[o, k / 32] * q, where q, -128 to 127, is byte k % 4, counted from the lowest, of the word
//           weight[o, k / 4], in two's complement
//   q4      w[o, k] = scales[o, k / 32] * (n - 8), where n, 0 to 15, is bits 4 (k % 8) to 4 (k % 8) + 3 of the word
//           weight[o, k / 8]
// In memory, little-endian, that is one integer after the other; of two that share a byte the even one is in the low half.
// Blocks with a scale each are those of Dettmers et al., "8-bit Optimizers via Block-wise Quantization" (arXiv:2110.02861),
// here with equal steps and no zero point.
#pragma once

#include "scandium/graph.h"

namespace scandium {

enum class WeightFormat : uint32_t {
    dense = 0,
    q8,
    q4,
};

struct Linear {
    // Tensors; kNoTensor where optional and absent. Floats are f32, f16 or bf16, each tensor for itself. The last axis of x,
    // weight and y has stride 1; other strides are any.
    TensorId x = kNoTensor;       // (rows, in_features) or (batch, seqlen, in_features); in_features 1 to 2^20
    TensorId weight = kNoTensor;  // dense: (out_features, in_features); q8: (out_features, in_features / 4), i32; q4:
                                  // (out_features, in_features / 8), i32
    TensorId scales = kNoTensor;  // with q8 and q4: (out_features, in_features / 32), f32, f16 or bf16
    TensorId bias = kNoTensor;    // optional: (out_features)
    TensorId y = kNoTensor;       // out: (rows, out_features) or (batch, seqlen, out_features)

    WeightFormat format = WeightFormat::dense;  // q8, q4: in_features is a multiple of 32
    Variant variant = Variant::automatic;       // scalar, subgroup or coopmat forces one
};

// Appends the operator. Sums are f32, and so is the addition of the bias. With (batch, seqlen, in_features),
// RecordOptions::seqlen shortens seqlen; rows all run.
//   Cooperative matrices multiply f16 or bf16, whichever x is, and convert weights of any other type to it: with x in f16, those
//   beyond 65504 become infinite. x in f32 is never rounded, so it rules them out.
//   What exceeds f16 becomes infinite in a y of that type, as in any conversion to it.
//   Errors: invalid_argument (a missing tensor, a shape, dtype or stride that does not fit, an option out of range),
//   unsupported (a forced variant that the device or the problem rules out; a row that the device cannot bind),
//   out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result linear(Graph* graph, const Linear& op) noexcept;

}  // namespace scandium

// Scandium: operators on single elements: silu, softplus, copy and add.
#pragma once

#include "scandium/graph.h"

namespace scandium {

// y[i] = silu(x[i]) = x[i] / (1 + exp(-x[i])), softplus(x[i]) = log(1 + exp(x[i])), or x[i] itself.
struct Activation {
    TensorId x = kNoTensor;          // any shape of rank 1 to 5, f32, f16 or bf16, any strides
    TensorId y = kNoTensor;          // out: like x in shape, f32, f16 or bf16; may be x
    uint32_t token_axis = kMaxRank;  // the axis that RecordOptions::seqlen shortens; kMaxRank: none, all elements always run
};

// y[i] = a[i] + b[i]
struct Add {
    TensorId a = kNoTensor;          // any shape of rank 1 to 5, f32, f16 or bf16, any strides
    TensorId b = kNoTensor;          // like a in shape
    TensorId y = kNoTensor;          // out: like a in shape; may be a or b
    uint32_t token_axis = kMaxRank;  // as in Activation
};

// Append the operator. Arithmetic is f32; softplus keeps its relative accuracy for very negative x.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit, token_axis beyond kMaxRank or equal to
//   an axis that the tensors lack), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result silu(Graph* graph, const Activation& op) noexcept;
[[nodiscard]] SCANDIUM_API Result softplus(Graph* graph, const Activation& op) noexcept;
// Also from one element type to another.
[[nodiscard]] SCANDIUM_API Result copy(Graph* graph, const Activation& op) noexcept;
[[nodiscard]] SCANDIUM_API Result add(Graph* graph, const Add& op) noexcept;

}  // namespace scandium

// Scandium: swiglu, the gated unit of an MLP: y[r, i] = silu(x[r, i]) * x[r, dim + i].
// Reference: Shazeer, "GLU Variants Improve Transformer" (arXiv:2002.05202).
#pragma once

#include "scandium/graph.h"

namespace scandium {

struct Swiglu {
    TensorId x = kNoTensor;  // (rows, 2 * dim) or (batch, seqlen, 2 * dim), f32, f16 or bf16, any strides: gates first
    TensorId y = kNoTensor;  // out: (rows, dim) or (batch, seqlen, dim), f32, f16 or bf16
};

// Appends the operator. With (batch, seqlen, 2 * dim), RecordOptions::seqlen shortens seqlen; rows all run.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result swiglu(Graph* graph, const Swiglu& op) noexcept;

}  // namespace scandium

// Scandium: segsum, sums over every segment of a sequence: out[i, j] = x[j + 1] + ... + x[i] for i >= j, which is 0 on the
// diagonal, and -infinity above it, so that exp(out) is the causal decay matrix with zeros above its diagonal.
// Reference: Dao and Gu, "Transformers are SSMs" (arXiv:2405.21060), listing 1.
#pragma once

#include "scandium/graph.h"

namespace scandium {

struct Segsum {
    TensorId x = kNoTensor;    // (..., seqlen), rank 1 to 4, f32, f16 or bf16, any strides
    TensorId out = kNoTensor;  // out: (..., seqlen, seqlen), f32, any strides
};

// Appends the operator. Each sum is taken on its own, in f32 and from its first element on: no cumulative sums are
// subtracted, so that nothing cancels.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit), unsupported (one matrix of seqlen x
//   seqlen that the device cannot bind: over 2 GiB, or with descriptors over maxStorageBufferRange), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result segsum(Graph* graph, const Segsum& op) noexcept;

}  // namespace scandium

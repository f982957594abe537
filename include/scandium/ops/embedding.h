// Scandium: embedding, rows of a table gathered by id: out[t, :] = table[ids[t], :].
#pragma once

#include "scandium/graph.h"

namespace scandium {

struct Embedding {
    TensorId ids = kNoTensor;    // (rows) or (batch, seqlen), i32. An id under 0 or from vocab on gives a row of zeros: only
                                 // the device sees it.
    TensorId table = kNoTensor;  // (vocab, dim), f32, f16 or bf16, any strides; vocab up to 2^30, dim up to 2^20
    TensorId out = kNoTensor;    // out: (rows, dim) or (batch, seqlen, dim), f32, f16 or bf16
};

// Appends the operator. With (batch, seqlen), RecordOptions::seqlen shortens seqlen; rows all run. A table that is too
// large to bind at once is read in parts, each by a dispatch over all ids.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit), unsupported (one row of the table or of
//   out cannot be bound), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result embedding(Graph* graph, const Embedding& op) noexcept;

}  // namespace scandium

// Scandium: ssd_scan, the forward pass of Mamba-2's state space duality layer.
//
// For each batch row, head h (of group g = h / (nheads / ngroups)) and token t:
//   dt'  = clamp(softplus?(dt[t,h] + dt_bias[h]), dt_min, dt_max)
//   S    = exp(dt' * A[h]) * S + dt' * outer(x[t,h,:], B[t,g,:])          (headdim x dstate)
//   y[t] = S C[t,g,:] + D[h] * x[t,h,:],  then  y[t] *= silu(z[t,h,:])
// Reference: Dao and Gu, "Transformers are SSMs" (arXiv:2405.21060), sections 6 and 7; the options are
// those of mamba_ssm's mamba_chunk_scan_combined.
#pragma once

#include "scandium/graph.h"

namespace scandium {

enum class SsdAlgorithm : uint32_t {
    automatic = 0,
    chunked,    // chunk_cumsum, chunk_state, state_passing, bmm_chunk, chunk_scan
    recurrent,  // token by token with the state in registers
    fused,      // C B^T of all chunks, then chunk by chunk with the state in registers: 16-bit x, B and C, matrix units.
                // Its chunks are its own, whatever chunk_size says
};
SCANDIUM_API const char* to_string(SsdAlgorithm algorithm) noexcept;

struct SsdScan {
    // Tensors; kNoTensor where optional and absent. Shapes in logical order, any strides.
    TensorId x = kNoTensor;               // (batch, seqlen, nheads, headdim), f32, f16 or bf16; headdim 1 to 1024
    TensorId dt = kNoTensor;              // (batch, seqlen, nheads), f32, f16 or bf16
    TensorId A = kNoTensor;               // (nheads), f32, <= 0
    TensorId B = kNoTensor;               // (batch, seqlen, ngroups, dstate), f32, f16 or bf16; dstate 1 to 512
    TensorId C = kNoTensor;               // like B
    TensorId D = kNoTensor;               // optional: (nheads) or (nheads, headdim), f32
    TensorId z = kNoTensor;               // optional: like x
    TensorId dt_bias = kNoTensor;         // optional: (nheads), f32
    TensorId initial_states = kNoTensor;  // optional: (batch, nheads, headdim, dstate), f32, f16 or bf16;
                                          // with cu_seqlens (num_sequences, nheads, headdim, dstate)
    TensorId seq_idx = kNoTensor;         // optional: (batch, seqlen), i32: a new sequence starts where it changes; the
                                          // state restarts from zero there (initial_states serve each row's first)
    TensorId cu_seqlens = kNoTensor;      // optional: (num_sequences + 1), i32, from 0 to seqlen, never falling; batch is 1
    TensorId y = kNoTensor;               // out: like x in shape
    TensorId final_states = kNoTensor;    // optional, out: like initial_states in shape; with seq_idx that of each row's last
                                          // sequence. May be the same tensor as initial_states.
    TensorId states = kNoTensor;          // optional, out: (batch, nchunks, nheads, headdim, dstate): the state that enters each
                                          // chunk, nchunks = ceil(seqlen / chunk_size); f32, f16 or bf16; needs a chunk_size
                                          // and neither seq_idx nor cu_seqlens

    bool dt_softplus = false;
    float dt_min = 0.0f;                    // after bias and softplus; >= 0
    float dt_max = 3.402823466e+38f;        // infinity is fine
    uint32_t chunk_size = 0;                // 16 to 256, a multiple of 16; 0: the plan's choice
    uint32_t max_sequences = 0;             // with seq_idx: the most sequences in any row, so that the chunked algorithm
                                            // can be used (0: unknown, recurrent). If exceeded, the row's outputs are NaN.
    DType chunk_states_dtype = DType::f32;  // how the chunked algorithm keeps states between its stages

    uint32_t segments = 0;  // fused: parts of each sequence that run side by side, at most, at the price of computing
                            // their states twice; up to 1024. 0: the plan's choice
    SsdAlgorithm algorithm = SsdAlgorithm::automatic;
    Variant variant = Variant::automatic;  // forces one for every stage that has it
};

// Appends the operator. Accumulation is f32. For the same algorithm, variant and chunk_size the result of a sequence does
// not depend on what it is packed with, and repeats bit for bit on one device. A host that needs this across packings
// names all three: automatic choices look at the whole shape.
// A tensor that a dispatch cannot reach in one piece is cut into batch rows, then tokens, then heads. Packed rows are not
// cut along tokens: chunked, tokens / chunk_size + sequences, and recurrent, the sequences of cu_seqlens, may be at most
// the device's maxComputeWorkGroupCount (65535 on many).
// A NaN in an input gives NaN, an infinity in x, z, B, C, D or a state gives NaN or an infinity, in its own head (in B and C:
// its own group's heads) and sequence only, from its token on; chunked, one in x also before it, as far as its chunk reaches.
// In A and the states it counts from the first token.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit, an option out of range),
//   unsupported (a forced variant or algorithm that the device or the options rule out; a slice of one head,
//   one chunk and one batch row that is larger than the device can bind), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result ssd_scan(Graph* graph, const SsdScan& op) noexcept;

}  // namespace scandium

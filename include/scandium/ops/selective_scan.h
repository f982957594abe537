// Scandium: selective_scan, the forward pass of Mamba-1's selective state space layer.
//
// For each batch row, channel c (of group g = c / (channels / ngroups)) and token t:
//   dt'    = clamp(softplus?(dt[c,t] + dt_bias[c]), dt_min, dt_max)
//   h      = exp(dt' * A[c,:]) * h + dt' * x[c,t] * B[g,:,t]                  (dstate values)
//   y[c,t] = h . C[g,:,t] + D[c] * x[c,t],  then  y[c,t] *= silu(z[c,t])
// Reference: Gu and Dao, "Mamba" (arXiv:2312.00752), algorithm 2; the options are those of mamba_ssm's selective_scan_fn.
// One token on from a state is selective_state_update.
#pragma once

#include "scandium/graph.h"

namespace scandium {

struct SelectiveScan {
    // Tensors; kNoTensor where optional and absent. Shapes in logical order, any strides: (batch, seqlen, channels) in memory
    // is a matter of strides too. f32, f16 or bf16 unless said otherwise.
    TensorId x = kNoTensor;               // (batch, channels, seqlen)
    TensorId dt = kNoTensor;              // like x
    TensorId A = kNoTensor;               // (channels, dstate), f32, <= 0; dstate 1 to 256
    TensorId B = kNoTensor;               // (batch, ngroups, dstate, seqlen), or (batch, dstate, seqlen) for one group, or
                                          // (channels, dstate) for all tokens alike
    TensorId C = kNoTensor;               // as B, in any of these forms; ngroups as in B where both have it
    TensorId D = kNoTensor;               // optional: (channels), f32
    TensorId z = kNoTensor;               // optional: like x
    TensorId dt_bias = kNoTensor;         // optional: (channels), f32
    TensorId initial_states = kNoTensor;  // optional: (batch, channels, dstate); with cu_seqlens (num_sequences, channels, dstate)
    TensorId seq_idx = kNoTensor;         // optional: (batch, seqlen), i32: a new sequence starts where it changes; the
                                          // state restarts from zero there (initial_states serve each row's first)
    TensorId cu_seqlens = kNoTensor;      // optional: (num_sequences + 1), i32, from 0 to seqlen, never falling; batch is 1
    TensorId y = kNoTensor;               // out: like x in shape
    TensorId final_states = kNoTensor;    // optional, out: like initial_states in shape; with seq_idx that of each row's last
                                          // sequence. May be the same tensor as initial_states

    bool dt_softplus = false;
    float dt_min = 0.0f;              // after bias and softplus; >= 0
    float dt_max = 3.402823466e+38f;  // infinity is fine
    uint32_t segments = 0;            // parts of each sequence that run side by side, at most, at the price of computing its states
                                      // twice; 1 to 1024, 0: the plan's choice. Packed sequences are not split: 0 or 1
    Variant variant = Variant::automatic;
};

// Appends the operator. States are f32 between tokens. A packed sequence's result does not depend on what it is packed
// with, bit for bit: it has the bits of the sequence alone with segments = 1. Runs repeat bit for bit on one device.
// RecordOptions::seqlen may be less than planned: later tokens are left out, and final_states are those after the last.
// A NaN in an input gives NaN in its own channel (in B and C: its group's channels) and batch row, and nowhere else.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit, an option out of range), unsupported
//   (a forced variant that the device lacks; one channel of one batch row that is larger than the device can bind),
//   out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result selective_scan(Graph* graph, const SelectiveScan& op) noexcept;

}  // namespace scandium

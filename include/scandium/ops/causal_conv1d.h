// Scandium: causal_conv1d, the short convolution along the tokens that stands before a Mamba layer's scan, each channel
// alone, and causal_conv1d_update, its form for decoding.
//
// For each batch row, channel c and token t:
//   y[t,c] = act(bias[c] + sum over k of weight[c,k] * x[t - (width - 1) + k, c])
// where act is SiLU or nothing, and the inputs before a sequence's first are its initial states or zeros. The sum runs
// over k from 0, in f32. A state holds the last width - 1 inputs of a sequence, oldest first.
// Reference: Dao-AILab's causal_conv1d, whose options these are.
#pragma once

#include "scandium/graph.h"

namespace scandium {

struct CausalConv1d {
    // Tensors; kNoTensor where optional and absent. Shapes in logical order, any strides; wide loads need channels that
    // lie side by side. f32, f16 or bf16 unless said otherwise.
    TensorId x = kNoTensor;               // (batch, seqlen, channels)
    TensorId weight = kNoTensor;          // (channels, width); width 2 to 8
    TensorId bias = kNoTensor;            // optional: (channels)
    TensorId initial_states = kNoTensor;  // optional: (batch, channels, width - 1)
    TensorId seq_idx = kNoTensor;         // optional: (batch, seqlen), i32: a new sequence starts where it changes; what comes
                                          // before counts as zeros (initial_states serve each row's first)
    TensorId y = kNoTensor;               // out: like x in shape
    TensorId final_states = kNoTensor;    // optional, out: like initial_states in shape; with seq_idx those of each row's last
                                          // sequence. May not be the tensor initial_states

    bool silu = false;
    Variant variant = Variant::automatic;  // there is only `scalar`
};

// Appends the operator. RecordOptions::seqlen may be less than seqlen.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit), unsupported (a forced variant; one
//   row over 64 tokens that is larger than the device can bind), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result causal_conv1d(Graph* graph, const CausalConv1d& op) noexcept;

struct CausalConv1dUpdate {
    TensorId x = kNoTensor;                    // (batch, channels) or (batch, ntokens, channels)
    TensorId weight = kNoTensor;               // (channels, width); width 2 to 8
    TensorId bias = kNoTensor;                 // optional: (channels)
    TensorId conv_state = kNoTensor;           // in and out: (slots, channels, width - 1); slots is batch without state_batch_indices
    TensorId state_batch_indices = kNoTensor;  // optional: (batch), i32: the slot that each row reads. A row whose index is
                                               // pad_slot_id or no slot is skipped: its state and y stay as they were, bit
                                               // for bit
    TensorId state_indices_out = kNoTensor;    // optional: (batch), i32: the slot that each row writes; absent: the one that it
                                               // read. A row is skipped by this index too. In one run no row may write a
                                               // slot that another row reads or writes
    TensorId y = kNoTensor;                    // out: like x in shape

    int32_t pad_slot_id = -1;
    bool silu = false;
    Variant variant = Variant::automatic;  // there is only `scalar`
};

// Appends the operator. The bits of y are those of causal_conv1d over all the tokens at once, however they are divided, if
// conv_state has the type of x or f32. RecordOptions::seqlen may be less than ntokens.
//   Errors: as of causal_conv1d.
[[nodiscard]] SCANDIUM_API Result causal_conv1d_update(Graph* graph, const CausalConv1dUpdate& op) noexcept;

}  // namespace scandium

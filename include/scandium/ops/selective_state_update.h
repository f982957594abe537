// Scandium: selective_state_update, one decoding step of Mamba-1 or Mamba-2, or a few steps at once.
//
// For each batch row, head h (of group g = h / (nheads / ngroups)), element p of the head and token t:
//   dt'    = clamp(softplus?(dt[t,h,p] + dt_bias[h,p]), dt_min, dt_max)
//   S[p,:] = exp(dt' * A[h,p,:]) * S[p,:] + dt' * x[t,h,p] * B[t,g,:]          (dstate values)
//   y[t,p] = S[p,:] . C[t,g,:] + D[h,p] * x[t,h,p],  then  y[t,p] *= silu(z[t,h,p])
// S is read once and written once, in f32 between tokens.
// Mamba-2: dt, A, D and dt_bias hold one value for each head. Mamba-1: nheads 1, headdim = channels, ngroups 1, and a
// value for each channel.
// Reference: Gu and Dao, "Mamba" (arXiv:2312.00752), algorithm 2; the options are those of mamba_ssm's
// selective_state_update.
#pragma once

#include "scandium/graph.h"

namespace scandium {

struct SelectiveStateUpdate {
    // Tensors; kNoTensor where optional and absent. Shapes in logical order, any strides. f32, f16 or bf16 unless said
    // otherwise. The axis ntokens is there in all of x, dt, B, C, z and y or in none: then it counts as 1.
    TensorId state = kNoTensor;                // in, and out unless state_out is given: (slots, nheads, headdim, dstate); slots is batch
                                               // without state_batch_indices
    TensorId x = kNoTensor;                    // (batch, [ntokens,] nheads, headdim)
    TensorId dt = kNoTensor;                   // (batch, [ntokens,] nheads, headdim) or (batch, [ntokens,] nheads)
    TensorId A = kNoTensor;                    // (nheads, headdim, dstate) or (nheads), f32, <= 0
    TensorId B = kNoTensor;                    // (batch, [ntokens,] ngroups, dstate); dstate 1 to 512
    TensorId C = kNoTensor;                    // like B
    TensorId D = kNoTensor;                    // optional: (nheads, headdim) or (nheads), f32
    TensorId z = kNoTensor;                    // optional: like x
    TensorId dt_bias = kNoTensor;              // optional: (nheads, headdim) or (nheads), f32
    TensorId state_batch_indices = kNoTensor;  // optional: (batch), i32: the slot that each row reads. A row whose index is
                                               // pad_slot_id or no slot is skipped: its state, y and snapshots stay as
                                               // they were, bit for bit
    TensorId state_out = kNoTensor;            // optional, out: (slots_out, nheads, headdim, dstate): takes the new states; slots_out is
                                               // slots, or any number with state_indices_out. May not be `state`
    TensorId state_indices_out = kNoTensor;    // optional: (batch), i32: the slot that each row writes; absent: the one that it
                                               // read. A row is skipped by this index too. In one run no row may write a slot
                                               // that another row reads or writes
    TensorId snapshots = kNoTensor;            // optional, out: (batch, ntokens, nheads, headdim, dstate): the state after each token,
                                               // so that speculated ones can be taken back; without ntokens in x it is 1
    TensorId y = kNoTensor;                    // out: like x in shape

    int32_t pad_slot_id = -1;
    bool dt_softplus = false;
    float dt_min = 0.0f;              // after bias and softplus; >= 0
    float dt_max = 3.402823466e+38f;  // infinity is fine
    Variant variant = Variant::automatic;
};

// Appends the operator. RecordOptions::seqlen may be less than ntokens: later tokens are then left out, as after a
// speculation that went wrong. With an f32 state, several tokens give the same bits as one after the other.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit, an option out of range), unsupported
//   (a forced variant that the device lacks; one head of one slot that is larger than the device can bind),
//   out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result selective_state_update(Graph* graph, const SelectiveStateUpdate& op) noexcept;

}  // namespace scandium

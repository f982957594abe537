// Scandium: running a language model with a device of one's own (context.h): prompts in, logits out. For programs without an
// engine; model.h needs none of it.
#pragma once

#include "scandium/context.h"
#include "scandium/model.h"

namespace scandium {

// Memory through the context, which has to outlive what uses it.
SCANDIUM_API ModelHost model_host(Context* context) noexcept;

// Submits a session's passes and waits. Decoding is recorded once and replayed.
struct ModelRunner;

// The session must be of a model with model_host(context), and both outlive the runner.
//   Errors: invalid_argument (a null argument), out_of_host_memory, out_of_device_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result create_model_runner(Context* context, const Session* session, ModelRunner** out) noexcept;
SCANDIUM_API void destroy_model_runner(ModelRunner* runner) noexcept;

// Takes the slot's text on by these tokens, in chunks as large as the session's.
//   logits: if set, points to padded_vocab_size logits of what follows the last token, valid until the next call.
//   Errors: invalid_argument (a null argument, no tokens, a token or slot that there is not), device_lost, out_of_host_memory,
//   out_of_device_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result prefill(ModelRunner* runner, uint32_t slot, Span<int32_t> tokens, const float** logits) noexcept;

// The same, and tells the logits after every token, chunk by chunk: `count` rows of padded_vocab_size, those of the tokens from
// `first` on. Valid during the call only; false stops.
using LogitsSink = bool (*)(void* user, uint64_t first, uint64_t count, const float* logits);
//   Errors: also invalid_argument (a session without every_logits).
[[nodiscard]] SCANDIUM_API Result prefill_every(ModelRunner* runner, uint32_t slot, Span<int32_t> tokens, LogitsSink sink,
                                                void* user) noexcept;

// One token for each row of the session's batch. Allocates nothing.
//   tokens, slots: as many as the batch; a slot of -1 leaves its row out
//   logits: points to (batch, padded_vocab_size), valid until the next call
//   Errors: as of prefill; also invalid_argument (two rows of one slot; a session with batch 0).
[[nodiscard]] SCANDIUM_API Result decode(ModelRunner* runner, Span<int32_t> tokens, Span<int32_t> slots, const float** logits) noexcept;

}  // namespace scandium

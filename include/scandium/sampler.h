// Picks the next token from logits, on the CPU. The same logits, options and seed give the same tokens on every platform.
#pragma once

#include "scandium/types.h"

namespace scandium {

struct Sampler;

// Applied in the order in which they stand here, as transformers does.
struct SamplerOptions {
    float repetition_penalty = 1;  // of tokens in `history`, positive logits are divided by it and negative ones multiplied; > 0
    float temperature = 1;         // logits are divided by it; 0: the largest logit wins, whatever the next three say
    uint32_t top_k = 0;            // only the k largest; 0: all
    float top_p = 1;               // of those, only the most likely that together reach this probability, at least one; in (0, 1]
    float min_p = 0;               // of those, only what has at least this share of the likeliest's probability; in [0, 1]
    uint64_t seed = 0;
    DiagnosticsCallback diagnostics = nullptr;
    void* diagnostics_user = nullptr;
};

//   Errors: invalid_argument (`out` is null, an option out of its range), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result create_sampler(const SamplerOptions& options, Sampler** out) noexcept;
SCANDIUM_API void destroy_sampler(Sampler* sampler) noexcept;

// Each call takes one number from the generator, PCG-XSH-RR 64/32 (https://www.pcg-random.org) on a stream of its own, unless
// the temperature is 0. Of equal logits the lowest token counts as the larger.
//   Errors: invalid_argument (a null pointer; a logit is NaN or +infinity, all are -infinity, or a token of `history` has no logit),
//   out_of_host_memory. Nothing was taken from the generator then.
[[nodiscard]] SCANDIUM_API Result sample(Sampler* sampler, Span<float> logits, Span<int32_t> history, int32_t* token) noexcept;

// As after creation, with another seed.
SCANDIUM_API void reseed(Sampler* sampler, uint64_t seed) noexcept;

}  // namespace scandium

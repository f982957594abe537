// The two families of configuration files: which keys they have, and what those mean.
#pragma once

#include "files/json.h"
#include "scandium/model_config.h"

namespace scandium {

// Beyond any model there is, and small enough that no product of two of them overflows.
inline constexpr uint32_t kMaxVocabSize = 1 << 24;
inline constexpr uint32_t kMaxWidth = 1 << 20;
inline constexpr uint32_t kMaxLayers = 4096;
inline constexpr uint32_t kMaxState = 1 << 16;
inline constexpr uint32_t kMaxConvWidth = 256;

// Both throw FileError; what they leave to check_model_config is how the sizes fit together.
void read_transformers_config(const JsonView& root, ModelConfig* config);
void read_state_spaces_config(const JsonView& root, ModelConfig* config);

// Of an object's members, or `otherwise` if there is none.
uint32_t size_or(const JsonView& view, const char* key, uint32_t otherwise, uint32_t most);
bool flag_or(const JsonView& view, const char* key, bool otherwise);
float real_or(const JsonView& view, const char* key, float otherwise);

// `factor` times d_model: a whole number, or an error that names the key.
uint32_t expanded(const JsonView& view, const char* key, double otherwise, uint32_t d_model);
// A number, or "auto": a sixteenth of d_model, rounded up.
uint32_t dt_rank_of(const JsonView& view, const char* key, uint32_t d_model);
// A pair, of which the second may be infinite.
void read_dt_limit(const JsonView& view, const char* key, ModelConfig* config);

}  // namespace scandium

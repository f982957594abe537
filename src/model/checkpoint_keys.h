// What checkpoint files call a weight.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/weights.h"

namespace scandium {

// In the order of preference. `prefix` is "backbone." or, for a model saved without its head, "".
std::vector<std::string> keys_of(const ModelConfig& config, const WeightSpec& spec, const std::string& prefix);

// As the file has it: a convolution has an axis of 1 in the middle, D with D_has_headdim has one axis.
std::vector<uint64_t> file_shape(const WeightSpec& spec);

// Of a tied model: what else may hold the embedding. Kept by files that were saved with both names; ignored beside the
// embedding, as transformers does, and taken for it without.
inline constexpr std::string_view kHeadKey = "lm_head.weight";

}  // namespace scandium

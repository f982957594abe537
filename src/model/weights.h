// The weights that a model has, in an order and under names of our own, whatever a file calls them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "scandium/model_config.h"

namespace scandium {

enum class WeightRole : uint32_t {
    embedding,      // (padded_vocab_size, d_model)
    input_proj,     // sequence models, in its place: (d_model, embed_dim)
    input_bias,     // (d_model)
    norm,           // (d_model)
    in_proj,        // (d_in_proj, d_model)
    in_proj_bias,   // (d_in_proj)
    conv,           // (conv_dim, conv_width)
    conv_bias,      // (conv_dim)
    x_proj,         // mamba1: (dt_rank + 2 dstate, d_inner), rows of dt, B, C
    dt_proj,        // mamba1: (d_inner, dt_rank)
    dt_bias,        // mamba1: (d_inner); mamba2: (nheads)
    A_log,          // mamba1: (d_inner, dstate); mamba2: (nheads)
    D,              // mamba1: (d_inner); mamba2: (nheads), or (nheads, headdim) with D_has_headdim
    gated_norm,     // mamba2: (d_ssm)
    out_proj,       // (d_model, d_inner)
    out_proj_bias,  // (d_model)
    final_norm,     // (d_model)
    head,           // (padded_vocab_size, d_model); absent if it is the embedding
    head_bias,      // sequence models: (padded_vocab_size)
    count,
};

inline constexpr uint32_t kNoLayer = ~0u;

struct WeightSpec {
    WeightRole role = WeightRole::embedding;
    uint32_t layer = kNoLayer;
    uint32_t rank = 1;
    std::array<uint64_t, 2> shape = {};  // the last axis fastest, without gaps

    uint64_t elements() const { return rank == 2 ? shape[0] * shape[1] : shape[0]; }
};

// Every weight of such a model, layer after layer. The configuration has passed check_model_config.
std::vector<WeightSpec> weights_of(const ModelConfig& config);

// What a layer of it has, behind the others.
void add_layer_weights(const ModelConfig& config, uint32_t layer, std::vector<WeightSpec>* specs);

// "embedding", "layers.3.in_proj", "layers.3.in_proj.bias" ...
std::string canonical_name(const WeightSpec& spec);

// The number of weights' elements.
uint64_t parameter_count(const std::vector<WeightSpec>& specs);
uint64_t parameter_count(const ModelConfig& config);

}  // namespace scandium

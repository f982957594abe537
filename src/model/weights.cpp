#include "model/weights.h"

namespace scandium {

void add_layer_weights(const ModelConfig& c, uint32_t layer, std::vector<WeightSpec>* specs) {
    const auto vector = [&](WeightRole role, uint64_t size) { specs->push_back({role, layer, 1, {size, 0}}); };
    const auto matrix = [&](WeightRole role, uint64_t rows, uint64_t columns) { specs->push_back({role, layer, 2, {rows, columns}}); };
    vector(WeightRole::norm, c.d_model);
    matrix(WeightRole::in_proj, d_in_proj(c), c.d_model);
    if (c.proj_bias) vector(WeightRole::in_proj_bias, d_in_proj(c));
    matrix(WeightRole::conv, conv_dim(c), c.conv_width);
    if (c.conv_bias) vector(WeightRole::conv_bias, conv_dim(c));
    if (c.kind == ModelKind::mamba1) {
        matrix(WeightRole::x_proj, uint64_t(c.dt_rank) + 2 * uint64_t(c.dstate), c.d_inner);
        matrix(WeightRole::dt_proj, c.d_inner, c.dt_rank);
        vector(WeightRole::dt_bias, c.d_inner);
        matrix(WeightRole::A_log, c.d_inner, c.dstate);
        vector(WeightRole::D, c.d_inner);
    } else {
        vector(WeightRole::dt_bias, c.nheads);
        vector(WeightRole::A_log, c.nheads);
        if (c.D_has_headdim)
            matrix(WeightRole::D, c.nheads, c.headdim);
        else
            vector(WeightRole::D, c.nheads);
        if (c.gated_norm) vector(WeightRole::gated_norm, c.d_ssm);
    }
    matrix(WeightRole::out_proj, c.d_model, c.d_inner);
    if (c.proj_bias) vector(WeightRole::out_proj_bias, c.d_model);
}

namespace {

const char* role_name(WeightRole role) {
    switch (role) {
    case WeightRole::embedding: return "embedding";
    case WeightRole::input_proj: return "input_proj";
    case WeightRole::input_bias: return "input_proj.bias";
    case WeightRole::norm: return "norm";
    case WeightRole::in_proj: return "in_proj";
    case WeightRole::in_proj_bias: return "in_proj.bias";
    case WeightRole::conv: return "conv";
    case WeightRole::conv_bias: return "conv.bias";
    case WeightRole::x_proj: return "x_proj";
    case WeightRole::dt_proj: return "dt_proj";
    case WeightRole::dt_bias: return "dt_bias";
    case WeightRole::A_log: return "A_log";
    case WeightRole::D: return "D";
    case WeightRole::gated_norm: return "gated_norm";
    case WeightRole::out_proj: return "out_proj";
    case WeightRole::out_proj_bias: return "out_proj.bias";
    case WeightRole::final_norm: return "final_norm";
    case WeightRole::head: return "head";
    case WeightRole::head_bias: return "head.bias";
    case WeightRole::count: break;
    }
    return "unknown";
}

}  // namespace

std::vector<WeightSpec> weights_of(const ModelConfig& config) {
    std::vector<WeightSpec> specs;
    specs.push_back({WeightRole::embedding, kNoLayer, 2, {config.padded_vocab_size, config.d_model}});
    for (uint32_t layer = 0; layer < config.n_layer; ++layer) add_layer_weights(config, layer, &specs);
    specs.push_back({WeightRole::final_norm, kNoLayer, 1, {config.d_model, 0}});
    if (!config.tied_head) specs.push_back({WeightRole::head, kNoLayer, 2, {config.padded_vocab_size, config.d_model}});
    return specs;
}

std::string canonical_name(const WeightSpec& spec) {
    const std::string name = role_name(spec.role);
    return spec.layer == kNoLayer ? name : "layers." + std::to_string(spec.layer) + "." + name;
}

uint64_t parameter_count(const std::vector<WeightSpec>& specs) {
    uint64_t count = 0;
    for (const WeightSpec& spec : specs) count += spec.elements();
    return count;
}

uint64_t parameter_count(const ModelConfig& config) { return parameter_count(weights_of(config)); }

}  // namespace scandium

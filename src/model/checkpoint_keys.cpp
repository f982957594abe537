#include "model/checkpoint_keys.h"

namespace scandium {
namespace {

const char* mixer_key(WeightRole role, ModelKind kind) {
    switch (role) {
    case WeightRole::in_proj: return "in_proj.weight";
    case WeightRole::in_proj_bias: return "in_proj.bias";
    case WeightRole::conv: return "conv1d.weight";
    case WeightRole::conv_bias: return "conv1d.bias";
    case WeightRole::x_proj: return "x_proj.weight";
    case WeightRole::dt_proj: return "dt_proj.weight";
    case WeightRole::dt_bias: return kind == ModelKind::mamba1 ? "dt_proj.bias" : "dt_bias";
    case WeightRole::A_log: return "A_log";
    case WeightRole::D: return "D";
    case WeightRole::gated_norm: return "norm.weight";
    case WeightRole::out_proj: return "out_proj.weight";
    case WeightRole::out_proj_bias: return "out_proj.bias";
    default: return "";
    }
}

}  // namespace

std::vector<std::string> keys_of(const ModelConfig& config, const WeightSpec& spec, const std::string& prefix) {
    const std::string layer = prefix + "layers." + std::to_string(spec.layer) + ".";
    switch (spec.role) {
    case WeightRole::embedding: {
        std::vector<std::string> keys = {prefix + "embeddings.weight", prefix + "embedding.weight"};  // transformers', state-spaces'
        if (config.tied_head) keys.emplace_back(kHeadKey);
        return keys;
    }
    case WeightRole::norm: return {layer + "norm.weight"};
    case WeightRole::final_norm: return {prefix + "norm_f.weight"};
    case WeightRole::head: return {std::string(kHeadKey)};
    default: return {layer + "mixer." + mixer_key(spec.role, config.kind)};
    }
}

std::vector<uint64_t> file_shape(const WeightSpec& spec) {
    if (spec.role == WeightRole::conv) return {spec.shape[0], 1, spec.shape[1]};
    if (spec.role == WeightRole::D && spec.rank == 2) return {spec.elements()};
    return {spec.shape.begin(), spec.shape.begin() + spec.rank};
}

}  // namespace scandium

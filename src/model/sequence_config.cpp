#include "model/sequence_config.h"

#include <limits>

#include "files/text.h"
#include "model/boundary.h"
#include "model/checkpoint_keys.h"

namespace scandium {
namespace {

constexpr uint32_t kMostHeaddim = 1024, kUsualHeaddim = 64, kChunkStep = 16;

struct Range {
    const char* name;
    uint32_t value, least, most;
};

// The largest power of two up to kUsualHeaddim that divides `channels`.
uint32_t usual_headdim(uint32_t channels) {
    uint32_t size = kUsualHeaddim;
    while (channels % size) size /= 2;
    return size;
}

std::string key_of(const ModelConfig& layers, const WeightSpec& spec) {
    switch (spec.role) {
    case WeightRole::input_proj: return "input_proj.weight";
    case WeightRole::input_bias: return "input_proj.bias";
    case WeightRole::head: return "output_proj.weight";
    case WeightRole::head_bias: return "output_proj.bias";
    default: return keys_of(layers, spec, "")[0];
    }
}

std::vector<WeightSpec> specs_of(const SequenceModelConfig& config, const ModelConfig& layers) {
    std::vector<WeightSpec> specs;
    specs.push_back({WeightRole::input_proj, kNoLayer, 2, {config.hidden_size, config.embed_dim}});
    specs.push_back({WeightRole::input_bias, kNoLayer, 1, {config.hidden_size, 0}});
    for (uint32_t layer = 0; layer < config.num_layers; ++layer) add_layer_weights(layers, layer, &specs);
    specs.push_back({WeightRole::final_norm, kNoLayer, 1, {config.hidden_size, 0}});
    specs.push_back({WeightRole::head, kNoLayer, 2, {config.output_size, config.hidden_size}});
    specs.push_back({WeightRole::head_bias, kNoLayer, 1, {config.output_size, 0}});
    return specs;
}

}  // namespace

SequenceModelConfig checked(const SequenceModelConfig& config, const char* call) {
    const Range ranges[] = {
        {"embed_dim", config.embed_dim, 1, 65536},
        {"output_size", config.output_size, 1, 65536},
        {"hidden_size", config.hidden_size, 1, 4096},
        {"state_size", config.state_size, 1, 512},
        {"expand_factor", config.expand_factor, 1, 8},
        {"headdim", config.headdim, 0, kMostHeaddim},
        {"conv_size", config.conv_size, 2, 8},
        {"num_layers", config.num_layers, 1, 256},
        {"window_size", config.window_size, 1, 65536},
        {"chunk_size", config.chunk_size, kChunkStep, 256},
        {"mode", static_cast<uint32_t>(config.mode), 0, static_cast<uint32_t>(SequenceMode::recurrent)},
    };
    for (const Range& range : ranges)
        if (range.value < range.least || range.value > range.most)
            throw FileError(format("%s: %s is %u, but %u to %u is expected", call, range.name, range.value, range.least, range.most));
    if (config.chunk_size % kChunkStep)
        throw FileError(format("%s: chunk_size is %u, but a multiple of %u is expected", call, config.chunk_size, kChunkStep));
    if (!(config.norm_eps >= 0) || config.norm_eps > 1)
        throw FileError(format("%s: norm_eps is %g, but 0 to 1 is expected", call, static_cast<double>(config.norm_eps)));
    const uint32_t channels = config.hidden_size * config.expand_factor;
    SequenceModelConfig out = config;
    if (out.headdim == 0) out.headdim = usual_headdim(channels);
    if (channels % out.headdim)
        throw FileError(format("%s: headdim is %u, but a divisor of the %u channels (hidden_size * expand_factor) is expected", call,
                               out.headdim, channels));
    return out;
}

ModelConfig layers_of(const SequenceModelConfig& config) {
    ModelConfig layers;
    layers.kind = ModelKind::mamba2;
    layers.vocab_size = layers.padded_vocab_size = config.output_size;
    layers.d_model = config.hidden_size;
    layers.n_layer = config.num_layers;
    layers.d_inner = layers.d_ssm = layers.norm_group_size = config.hidden_size * config.expand_factor;
    layers.dstate = config.state_size;
    layers.conv_width = config.conv_size;
    layers.headdim = config.headdim;
    layers.nheads = layers.d_ssm / config.headdim;
    layers.ngroups = 1;
    layers.chunk_size = config.chunk_size;
    layers.gated_norm = true;
    layers.tied_head = false;
    layers.norm_eps = layers.gated_norm_eps = config.norm_eps;
    layers.dt_max = std::numeric_limits<float>::infinity();
    return layers;
}

std::vector<WantedWeight> sequence_weights(const SequenceModelConfig& config) {
    const ModelConfig layers = layers_of(config);
    std::vector<WantedWeight> wanted;
    for (const WeightSpec& spec : specs_of(config, layers)) wanted.push_back({spec, {key_of(layers, spec)}, file_shape(spec)});
    return wanted;
}

const char* to_string(SequenceMode mode) noexcept {
    switch (mode) {
    case SequenceMode::automatic: return "auto";
    case SequenceMode::chunked: return "chunked";
    case SequenceMode::recurrent: return "recurrent";
    }
    return "unknown";
}

SequenceModelConfig real_time_sequence_config(uint32_t embed_dim, uint32_t output_size) noexcept {
    SequenceModelConfig config;
    config.embed_dim = embed_dim;
    config.output_size = output_size;
    return config;
}

SequenceModelConfig throughput_sequence_config(uint32_t embed_dim, uint32_t output_size) noexcept {
    SequenceModelConfig config = real_time_sequence_config(embed_dim, output_size);
    config.mode = SequenceMode::chunked;
    config.chunk_size = 64;
    return config;
}

uint64_t sequence_param_count(const SequenceModelConfig& config) noexcept {
    uint64_t count = 0;
    const Result result = guarded(Diagnostics(), [&] {
        for (const WantedWeight& weight : sequence_weights(checked(config, "sequence_param_count"))) count += weight.spec.elements();
    });
    return result == Result::ok ? count : 0;
}

Result list_sequence_weights(const SequenceModelConfig& config, void (*each)(void* user, const SequenceWeight& weight), void* user,
                             DiagnosticsCallback callback, void* callback_user) noexcept {
    const Diagnostics diagnostics = {callback, callback_user};
    if (!each) return diagnostics.fail(Result::invalid_argument, "list_sequence_weights: each is null");
    return guarded(diagnostics, [&] {
        for (const WantedWeight& wanted : sequence_weights(checked(config, "list_sequence_weights"))) {
            SequenceWeight weight;
            weight.name = wanted.keys[0].c_str();
            for (uint64_t size : wanted.shape) weight.shape[weight.rank++] = size;
            weight.size = static_cast<size_t>(wanted.spec.elements() * sizeof(float));
            each(user, weight);
        }
    });
}

}  // namespace scandium

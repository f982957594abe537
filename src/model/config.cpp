#include "model/config.h"

#include <cmath>
#include <limits>

#include "files/json.h"
#include "files/text.h"
#include "model/config_keys.h"

namespace scandium {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

void read_token_ids(const JsonView& root, ModelConfig* config) {
    const auto read = [](const JsonView& view) { return static_cast<int32_t>(view.integer(kNoToken, kMaxVocabSize)); };
    if (root.has("bos_token_id")) config->begin_token = read(root.at("bos_token_id"));
    if (root.has("pad_token_id")) config->pad_token = read(root.at("pad_token_id"));
    if (!root.has("eos_token_id")) return;
    const JsonView end = root.at("eos_token_id");
    if (!end.is_array()) {
        config->end_tokens[0] = read(end);
        config->end_token_count = config->end_tokens[0] == kNoToken ? 0 : 1;
        return;
    }
    const std::vector<JsonView> items = end.items();
    if (items.size() > kMaxEndTokens) end.fail_expected(format("a token or a list of at most %u", kMaxEndTokens));
    for (const JsonView& item : items) config->end_tokens[config->end_token_count++] = read(item);
}

DType read_weight_type(const JsonView& root) {
    const char* key = root.has("dtype") ? "dtype" : "torch_dtype";
    if (!root.has(key)) return DType::none;
    const std::string_view name = root.at(key).text();
    if (name == "float32") return DType::f32;
    if (name == "float16") return DType::f16;
    if (name == "bfloat16") return DType::bf16;
    return DType::none;  // only a remark: the tensors say what they are
}

}  // namespace

const char* to_string(ModelKind kind) noexcept { return kind == ModelKind::mamba1 ? "mamba" : "mamba2"; }

ModelConfig read_model_config(const std::string& path) {
    const JsonFile file(path, kMaxConfigBytes);
    const JsonView root = file.root();
    root.expect_object();
    ModelConfig config;
    if (root.has("model_type") && root.at("model_type").is_string() && root.has("hidden_size")) {
        read_transformers_config(root, &config);
    } else if (root.has("d_model")) {
        read_state_spaces_config(root, &config);
    } else if (root.has("model_type")) {
        read_transformers_config(root, &config);
    } else {
        throw FileError(path + ": has neither 'model_type' nor 'd_model', so it is not the configuration of a Mamba model");
    }
    read_token_ids(root, &config);
    config.weight_type = read_weight_type(root);
    check_model_config(config, path);
    return config;
}

namespace {

struct Range {
    const char* name;
    uint32_t value, least, most;
};

void check_ranges(const ModelConfig& c, const std::string& what) {
    const bool heads = c.kind == ModelKind::mamba2;
    const Range ranges[] = {
        {"vocab_size", c.vocab_size, 1, kMaxVocabSize},
        {"padded_vocab_size", c.padded_vocab_size, c.vocab_size, kMaxVocabSize},
        {"d_model", c.d_model, 1, kMaxWidth},
        {"n_layer", c.n_layer, 1, kMaxLayers},
        {"d_inner", c.d_inner, 1, kMaxWidth},
        {"d_ssm", c.d_ssm, heads ? 1 : c.d_inner, c.d_inner},
        {"dstate", c.dstate, 1, kMaxState},
        {"conv_width", c.conv_width, 1, kMaxConvWidth},
        {"dt_rank", c.dt_rank, heads ? 0u : 1u, kMaxWidth},
        {"nheads", c.nheads, heads, heads ? kMaxWidth : 0},
        {"headdim", c.headdim, heads, heads ? kMaxWidth : 0},
        {"ngroups", c.ngroups, heads, heads ? kMaxWidth : 0},
        {"chunk_size", c.chunk_size, heads, heads ? kMaxWidth : 0},
    };
    for (const Range& range : ranges)
        if (range.value < range.least || range.value > range.most)
            throw FileError(what +
                            format(": %s is %u, but a number from %u to %u is expected", range.name, range.value, range.least, range.most));
}

void check_eps(const char* name, float value, const std::string& what) {
    if (!(value >= 0) || !std::isfinite(value)) throw FileError(what + format(": %s is %g, but a small number is expected", name, value));
}

}  // namespace

void check_model_config(const ModelConfig& c, const std::string& what) {
    check_ranges(c, what);
    check_eps("norm_eps", c.norm_eps, what);
    check_eps("gated_norm_eps", c.gated_norm_eps, what);
    check_eps("dt_B_C_norm_eps", c.dt_B_C_norm_eps, what);
    if (!(c.dt_min >= 0) || !(c.dt_max >= c.dt_min) || std::isinf(c.dt_min))
        throw FileError(what + format(": dt is limited to %g ... %g, but two numbers that are not negative are expected, the smaller first",
                                      c.dt_min, c.dt_max));
    if (c.kind == ModelKind::mamba1) return;
    if (uint64_t(c.nheads) * c.headdim != c.d_ssm)
        throw FileError(what + format(": %u heads of %u do not make the %u channels of the scan", c.nheads, c.headdim, c.d_ssm));
    if (c.nheads % c.ngroups) throw FileError(what + format(": %u heads cannot be divided among %u groups", c.nheads, c.ngroups));
    if (uint64_t(c.ngroups) * c.dstate > kMaxWidth)
        throw FileError(what + format(": %u groups of states of %u are more than %u in all", c.ngroups, c.dstate, kMaxWidth));
    if (c.gated_norm && (c.norm_group_size == 0 || c.d_ssm % c.norm_group_size))
        throw FileError(what + format(": the gated norm's groups of %u do not divide %u channels", c.norm_group_size, c.d_ssm));
}

}  // namespace scandium

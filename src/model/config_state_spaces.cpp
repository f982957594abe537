// state-spaces/mamba's own keys: arguments of its classes, written as they were given.
#include <limits>

#include "files/text.h"
#include "model/config.h"
#include "model/config_keys.h"

namespace scandium {
namespace {

[[noreturn]] void unsupported(const JsonView& root, const char* key, const char* what) {
    throw UnsupportedError(root.file() + ": " + in_quotes(key) + " asks for " + what + ", which this library does not have");
}

// Layers that are not Mamba's.
void expect_mamba_only(const JsonView& root) {
    if (root.has("d_intermediate") && root.at("d_intermediate").integer(0, kMaxWidth) != 0)
        unsupported(root, "d_intermediate", "MLP layers");
    if (root.has("attn_layer_idx") && !root.at("attn_layer_idx").items().empty()) unsupported(root, "attn_layer_idx", "attention layers");
    if (!flag_or(root, "rms_norm", true)) unsupported(root, "rms_norm", "layer norms");
}

void read_mamba1_layer(const JsonView& layer, ModelConfig* c) {
    c->kind = ModelKind::mamba1;
    c->d_ssm = c->d_inner;
    c->dstate = size_or(layer, "d_state", 16, kMaxState);
    c->dt_rank = dt_rank_of(layer, "dt_rank", c->d_model);
    c->dt_max = std::numeric_limits<float>::infinity();
}

void read_mamba2_layer(const JsonView& layer, ModelConfig* c) {
    c->kind = ModelKind::mamba2;
    c->dstate = size_or(layer, "d_state", 128, kMaxState);
    c->headdim = size_or(layer, "headdim", 64, kMaxWidth);
    c->d_ssm = size_or(layer, "d_ssm", c->d_inner, c->d_inner);
    if (c->d_ssm % c->headdim)
        throw FileError(layer.file() + format(": 'headdim' is %u, but a number that divides the %u channels of the scan is expected",
                                              c->headdim, c->d_ssm));
    c->nheads = c->d_ssm / c->headdim;
    c->ngroups = size_or(layer, "ngroups", 1, kMaxWidth);
    if (c->nheads % c->ngroups) layer.at("ngroups").fail_expected(format("a number that divides the %u heads", c->nheads));
    c->chunk_size = size_or(layer, "chunk_size", 256, kMaxWidth);
    c->D_has_headdim = flag_or(layer, "D_has_hdim", false);
    c->gated_norm = flag_or(layer, "rmsnorm", true);
    c->norm_before_gate = flag_or(layer, "norm_before_gate", false);
    c->norm_group_size = c->d_ssm / c->ngroups;
    read_dt_limit(layer, "dt_limit", c);
}

}  // namespace

void read_state_spaces_config(const JsonView& root, ModelConfig* c) {
    expect_mamba_only(root);
    c->d_model = size_or(root, "d_model", 2560, kMaxWidth);
    c->n_layer = size_or(root, "n_layer", 64, kMaxLayers);
    c->vocab_size = size_or(root, "vocab_size", 50277, kMaxVocabSize);
    const uint32_t multiple = size_or(root, "pad_vocab_size_multiple", 8, kMaxWidth);
    c->padded_vocab_size = (c->vocab_size + multiple - 1) / multiple * multiple;
    c->residual_in_f32 = flag_or(root, "residual_in_fp32", true);
    c->tied_head = flag_or(root, "tie_embeddings", true);

    static const rapidjson::Value kNothing(rapidjson::kObjectType);
    const JsonView layer = root.has("ssm_cfg") ? root.at("ssm_cfg") : JsonView(&root.file(), "ssm_cfg", &kNothing);
    layer.expect_object();
    c->d_inner = expanded(layer, "expand", 2, c->d_model);
    c->conv_width = size_or(layer, "d_conv", 4, kMaxConvWidth);
    c->proj_bias = flag_or(layer, "bias", false);
    c->conv_bias = flag_or(layer, "conv_bias", true);
    const std::string_view name = layer.has("layer") ? layer.at("layer").text() : "Mamba1";
    if (name == "Mamba1")
        read_mamba1_layer(layer, c);
    else if (name == "Mamba2")
        read_mamba2_layer(layer, c);
    else
        throw UnsupportedError(root.file() + ": 'ssm_cfg.layer' is " + in_quotes(name) + ", but 'Mamba1' or 'Mamba2' is expected");
}

}  // namespace scandium

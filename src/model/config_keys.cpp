#include "model/config_keys.h"

#include <cmath>
#include <limits>

#include "files/text.h"
#include "model/config.h"

namespace scandium {

uint32_t size_or(const JsonView& view, const char* key, uint32_t otherwise, uint32_t most) {
    return view.has(key) ? static_cast<uint32_t>(view.at(key).integer(1, most)) : otherwise;
}

bool flag_or(const JsonView& view, const char* key, bool otherwise) { return view.has(key) ? view.at(key).boolean() : otherwise; }

float real_or(const JsonView& view, const char* key, float otherwise) {
    return view.has(key) ? static_cast<float>(view.at(key).number()) : otherwise;
}

uint32_t expanded(const JsonView& view, const char* key, double otherwise, uint32_t d_model) {
    const double factor = view.has(key) ? view.at(key).number() : otherwise;
    const double width = factor * d_model;
    if (width >= 1 && width <= kMaxWidth && width == std::floor(width)) return static_cast<uint32_t>(width);
    view.at(key).fail_expected(format("a number that makes %u a whole number from 1 to %u", d_model, kMaxWidth));
}

uint32_t dt_rank_of(const JsonView& view, const char* key, uint32_t d_model) {
    if (!view.has(key)) return (d_model + 15) / 16;
    const JsonView rank = view.at(key);
    if (!rank.is_string()) return static_cast<uint32_t>(rank.integer(1, kMaxWidth));
    if (rank.text() != "auto") rank.fail_expected("a number or 'auto'");
    return (d_model + 15) / 16;
}

void read_dt_limit(const JsonView& view, const char* key, ModelConfig* config) {
    config->dt_min = 0;
    config->dt_max = std::numeric_limits<float>::infinity();
    if (!view.has(key)) return;
    const std::vector<JsonView> limits = view.at(key).items();
    if (limits.size() != 2) view.at(key).fail_expected("a list of 2");
    config->dt_min = static_cast<float>(limits[0].number());
    config->dt_max = static_cast<float>(limits[1].number());
    if (!(config->dt_min >= 0) || std::isinf(config->dt_min)) limits[0].fail_expected("a finite number that is not negative");
    if (config->dt_max < config->dt_min) limits[1].fail_expected("a number that is not less than the first");
}

namespace {

void expect_silu(const JsonView& root) {
    if (!root.has("hidden_act")) return;
    const std::string_view name = root.at("hidden_act").text();
    if (name != "silu" && name != "swish") root.at("hidden_act").fail_expected("'silu'");
}

// transformers' class of this type keeps an 'intermediate_size' that stands in the file, whatever 'expand' says: Falcon's
// files have an 'expand' of 16 beside the 2 that holds.
void read_mamba1_keys(const JsonView& root, ModelConfig* c, bool falcon) {
    c->kind = ModelKind::mamba1;
    c->d_inner = root.has("intermediate_size") ? size_or(root, "intermediate_size", 0, kMaxWidth) : expanded(root, "expand", 2, c->d_model);
    c->d_ssm = c->d_inner;
    c->dstate = size_or(root, "state_size", 16, kMaxState);
    c->dt_rank = dt_rank_of(root, "time_step_rank", c->d_model);
    c->dt_B_C_norm = falcon;
    c->dt_B_C_norm_eps = real_or(root, "mixer_rms_eps", 1e-6f);
    c->dt_max = std::numeric_limits<float>::infinity();
}

// transformers gates before the norm and has the norm whatever 'norm_before_gate' and 'rms_norm' say, and so does this:
// Codestral's file says true and its model was trained the other way round. It also takes the norm over all channels, but
// mamba_ssm, which trained the models with several groups, over each group's. 'norm_before_gate' is unknown to
// transformers' own class: files have it that were converted from mamba_ssm.
void read_mamba2_keys(const JsonView& root, ModelConfig* c) {
    c->kind = ModelKind::mamba2;
    c->d_inner = c->d_ssm = expanded(root, "expand", 2, c->d_model);
    if (root.has("intermediate_size") && size_or(root, "intermediate_size", 0, kMaxWidth) != c->d_inner)
        root.at("intermediate_size").fail_expected(format("%u, which is 'expand' times 'hidden_size',", c->d_inner));
    c->dstate = size_or(root, "state_size", 128, kMaxState);
    c->nheads = size_or(root, "num_heads", 128, kMaxWidth);
    c->headdim = size_or(root, "head_dim", 64, kMaxWidth);
    if (uint64_t(c->nheads) * c->headdim != c->d_ssm)
        throw FileError(root.file() + format(": 'num_heads' %u times 'head_dim' %u is not %u, which is 'expand' times 'hidden_size'",
                                             c->nheads, c->headdim, c->d_ssm));
    c->ngroups = size_or(root, "n_groups", 8, kMaxWidth);
    c->chunk_size = size_or(root, "chunk_size", 256, kMaxWidth);
    c->gated_norm = true;
    const bool from_mamba_ssm = root.has("norm_before_gate");
    if (c->nheads % c->ngroups) root.at("n_groups").fail_expected(format("a number that divides the %u heads", c->nheads));
    c->norm_group_size = from_mamba_ssm ? c->d_ssm / c->ngroups : c->d_ssm;
    read_dt_limit(root, "time_step_limit", c);
}

}  // namespace

void read_transformers_config(const JsonView& root, ModelConfig* c) {
    const std::string_view type = root.at("model_type").text();
    const bool mamba2 = type == "mamba2", falcon = type == "falcon_mamba";
    if (type != "mamba" && !mamba2 && !falcon)
        throw UnsupportedError(root.file() + ": 'model_type' is " + in_quotes(type) +
                               ", but 'mamba', 'mamba2' or 'falcon_mamba' is expected");
    expect_silu(root);
    c->d_model = size_or(root, "hidden_size", mamba2 ? 4096 : 768, kMaxWidth);
    c->n_layer = size_or(root, "num_hidden_layers", mamba2 ? 64 : 32, kMaxLayers);
    c->vocab_size = c->padded_vocab_size = size_or(root, "vocab_size", mamba2 ? 32768 : 50280, kMaxVocabSize);
    c->conv_width = size_or(root, "conv_kernel", 4, kMaxConvWidth);
    c->proj_bias = flag_or(root, "use_bias", false);
    c->conv_bias = flag_or(root, "use_conv_bias", true);
    c->residual_in_f32 = flag_or(root, "residual_in_fp32", true);
    c->tied_head = flag_or(root, "tie_word_embeddings", !mamba2);
    c->norm_eps = c->gated_norm_eps = real_or(root, "layer_norm_epsilon", 1e-5f);
    if (mamba2)
        read_mamba2_keys(root, c);
    else
        read_mamba1_keys(root, c, falcon);
}

}  // namespace scandium

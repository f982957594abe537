// What a Mamba language model is made of, whatever file it was read from.
#pragma once

#include "scandium/types.h"

namespace scandium {

enum class ModelKind : uint32_t {
    mamba1,
    mamba2,
};

inline constexpr uint32_t kMaxEndTokens = 8;
inline constexpr int32_t kNoToken = -1;

// Defaults are those of the state-spaces/mamba code for `kind`. A layer is
//   mamba1: h += out_proj(scan(silu(conv1d(x)), dt_proj(dt), B, C) * silu(z)),  x, z = in_proj(norm(h)), dt, B, C = x_proj(x)
//   mamba2: h += out_proj(silu(z0) * x0 | gated_norm(ssd(silu(conv1d(x | B | C)), dt), z)),
//           z0, x0, z, x | B | C, dt = in_proj(norm(h)), where z0 and x0 are the d_inner - d_ssm channels of a gated MLP
// and logits = head(final_norm(h)). All norms are RMS norms.
struct ModelConfig {
    ModelKind kind = ModelKind::mamba2;
    uint32_t vocab_size = 0;         // tokens that the tokenizer may give
    uint32_t padded_vocab_size = 0;  // rows of the embedding and of the head, so also logits; at least vocab_size
    uint32_t d_model = 0;
    uint32_t n_layer = 0;
    uint32_t d_inner = 0;
    uint32_t d_ssm = 0;  // channels of the scan; less than d_inner only in mamba2
    uint32_t dstate = 0;
    uint32_t conv_width = 4;  // taps of the convolution
    uint32_t dt_rank = 0;     // mamba1
    uint32_t nheads = 0;      // mamba2, as all of the next five
    uint32_t headdim = 0;
    uint32_t ngroups = 0;
    uint32_t chunk_size = 0;        // a hint: results hardly depend on it
    uint32_t norm_group_size = 0;   // channels that the gated norm averages over: d_ssm, or d_ssm / ngroups
    bool gated_norm = false;        // mamba2: false leaves y * silu(z)
    bool norm_before_gate = false;  // norm(y) * silu(z) instead of norm(y * silu(z))
    bool D_has_headdim = false;     // mamba2: D has an element for each channel, not for each head
    bool dt_B_C_norm = false;       // mamba1, Falcon's: RMS norms without weights of dt (before dt_proj), B and C
    bool proj_bias = false;         // in_proj and out_proj
    bool conv_bias = true;
    bool tied_head = true;        // the head's weight is the embedding's
    bool residual_in_f32 = true;  // false: h is kept in the type of the weights
    float norm_eps = 1e-5f;       // of the layers' norms and the final one
    float gated_norm_eps = 1e-5f;
    float dt_B_C_norm_eps = 1e-6f;
    float dt_min = 0;  // dt is clamped to [dt_min, dt_max] after softplus; dt_max may be infinity
    float dt_max = 0;
    DType weight_type = DType::none;  // that the file names; the tensors themselves say what they are
    int32_t begin_token = kNoToken;
    int32_t pad_token = kNoToken;
    int32_t end_tokens[kMaxEndTokens] = {};
    uint32_t end_token_count = 0;
};

// Derived sizes. in_proj has d_in_proj rows, the convolution conv_dim channels.
inline uint32_t conv_dim(const ModelConfig& c) { return c.kind == ModelKind::mamba1 ? c.d_inner : c.d_ssm + 2 * c.ngroups * c.dstate; }
inline uint32_t d_mlp(const ModelConfig& c) { return c.d_inner - c.d_ssm; }
inline uint32_t d_in_proj(const ModelConfig& c) {
    return c.kind == ModelKind::mamba1 ? 2 * c.d_inner : 2 * c.d_inner + 2 * c.ngroups * c.dstate + c.nheads;
}

SCANDIUM_API const char* to_string(ModelKind kind) noexcept;

}  // namespace scandium

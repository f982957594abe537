#include "model/layers.h"

#include <cstddef>
#include <initializer_list>

#include "scandium/ops/causal_conv1d.h"
#include "scandium/ops/elementwise.h"
#include "scandium/ops/embedding.h"
#include "scandium/ops/linear.h"
#include "scandium/ops/rms_norm_gated.h"
#include "scandium/ops/selective_scan.h"
#include "scandium/ops/selective_state_update.h"
#include "scandium/ops/ssd_scan.h"
#include "scandium/ops/swiglu.h"

namespace scandium {
namespace {

using Sizes = std::initializer_list<uint64_t>;

constexpr uint64_t kPitch = 8;  // rows begin at multiples of this many elements, so that they can be reached 16 bytes at a time

// A tensor of a row for each token.
struct Rows {
    TensorId id = kNoTensor;
    uint64_t width = 0, pitch = 0;
};

class Builder {
public:
    Builder(const Session& session, bool decodes)
        : session_(session),
          model_(*session.model),
          config_(session.model->config),
          decodes_(decodes),
          tokens_(decodes ? session.options.batch : session.options.chunk),
          type_(decodes ? DType::f32 : session.model->prefill_type) {
        Graph* graph = nullptr;
        require(create_graph(model_.device, model_.access, &graph));
        out_.graph.reset(graph);
    }

    // The hidden rows that the head takes, normalised.
    Rows layers(TensorId ids, TensorId slots, TensorId hidden);
    void head(TensorId rows, TensorId logits);
    PlannedGraph take() { return std::move(out_); }
    Graph* graph() const { return out_.graph.get(); }

    TensorId bound(const char* name, DType type, Sizes shape, const BufferView& view);
    TensorId bound_buffer(const char* name, DType type, Sizes shape, SessionBuffer which) {
        return bound(name, type, shape, session_.buffer(which).view);
    }
    TensorId transient(const char* name, DType type, Sizes shape);

private:
    void check(TensorId id) const {
        if (id == kNoTensor) throw ResultError(graph_status(graph()));
    }

    Rows rows(const char* name, uint64_t width, DType type);
    TensorId part(const char* name, const Rows& of, uint64_t first, uint32_t rank, Sizes shape, Sizes stride);
    TensorId columns(const char* name, const Rows& of, uint64_t first, uint64_t width);                         // (tokens, width)
    TensorId heads(const char* name, const Rows& of, uint64_t first, uint64_t count, uint64_t width);           // (tokens, count, width)
    TensorId channels(const char* name, const Rows& of, uint64_t first, uint64_t width, bool grouped = false);  // (width, tokens)
    TensorId weight(WeightRole role, uint32_t layer) { return weight(role, layer, {}); }
    TensorId weight(WeightRole role, uint32_t layer, Sizes shape);
    TensorId state(const char* name, const HostBuffer& memory, Sizes shape);

    void project(const Rows& x, const DeviceWeight& by, TensorId bias, TensorId y) { project(x.id, by, bias, y); }
    void project(TensorId x, const DeviceWeight& by, TensorId bias, TensorId y);
    const DeviceWeight& matrix(WeightRole role, uint32_t layer) const { return *model_.weights->find(role, layer); }
    void normalise_in_place(const char* name, const Rows& of, uint64_t first, uint64_t width);
    void convolve(uint32_t layer, TensorId x, TensorId y);
    void layer(uint32_t layer);
    void mamba1(uint32_t layer);
    void mamba2(uint32_t layer);
    void scan1(uint32_t layer, const Rows& y);
    void scan2(uint32_t layer, const Rows& y, TensorId z);

    const Session& session_;
    const Model& model_;
    const ModelConfig& config_;
    const bool decodes_;
    const uint64_t tokens_;
    const DType type_;
    PlannedGraph out_;
    TensorId slots_ = kNoTensor;
    // The same in every layer: a layer is done with them before the next begins.
    Rows normed_, projected_, convolved_, mixed_, steps_, dt_;
    TensorId conv_tail_ = kNoTensor;
};

TensorDesc describe_tensor(const char* name, DType type, Sizes shape) {
    TensorDesc desc;
    desc.name = name;
    desc.dtype = type;
    for (uint64_t size : shape) desc.shape[desc.rank++] = size;
    return desc;
}

TensorId Builder::bound(const char* name, DType type, Sizes shape, const BufferView& view) {
    const TensorId id = add_tensor(graph(), describe_tensor(name, type, shape));
    check(id);
    out_.tensors.bindings.push_back({id, view});
    return id;
}

TensorId Builder::transient(const char* name, DType type, Sizes shape) {
    const TensorId id = add_transient(graph(), describe_tensor(name, type, shape));
    check(id);
    return id;
}

Rows Builder::rows(const char* name, uint64_t width, DType type) {
    const uint64_t pitch = (width + kPitch - 1) / kPitch * kPitch;
    TensorDesc desc = decodes_ ? describe_tensor(name, type, {tokens_, width}) : describe_tensor(name, type, {1, tokens_, width});
    for (uint32_t i = 0; i < desc.rank; ++i) desc.stride[i] = i + 1 == desc.rank ? 1 : i + 2 == desc.rank ? pitch : tokens_ * pitch;
    const TensorId id = add_transient(graph(), desc);
    check(id);
    return {id, width, pitch};
}

// The last axes of a view of which all are given, since a step has fewer than a prompt.
TensorId Builder::part(const char* name, const Rows& of, uint64_t first, uint32_t rank, Sizes shape, Sizes stride) {
    ViewDesc view;
    view.name = name;
    view.tensor = of.id;
    view.offset = first;
    view.rank = rank;
    for (uint32_t i = 0; i < rank; ++i) {
        view.shape[i] = shape.end()[i - ptrdiff_t(rank)];
        view.stride[i] = stride.end()[i - ptrdiff_t(rank)];
    }
    const TensorId id = add_view(graph(), view);
    check(id);
    return id;
}

TensorId Builder::columns(const char* name, const Rows& of, uint64_t first, uint64_t width) {
    return part(name, of, first, decodes_ ? 2 : 3, {1, tokens_, width}, {tokens_ * of.pitch, of.pitch, 1});
}

TensorId Builder::heads(const char* name, const Rows& of, uint64_t first, uint64_t count, uint64_t width) {
    return part(name, of, first, decodes_ ? 3 : 4, {1, tokens_, count, width}, {tokens_ * of.pitch, of.pitch, width, 1});
}

TensorId Builder::channels(const char* name, const Rows& of, uint64_t first, uint64_t width, bool grouped) {
    const uint64_t whole = tokens_ * of.pitch;
    return part(name, of, first, grouped ? 4 : 3, {1, 1, width, tokens_}, {whole, whole, 1, of.pitch});
}

// An empty shape: the weight's own. kNoTensor if the model has none such.
TensorId Builder::weight(WeightRole role, uint32_t layer, Sizes shape) {
    const DeviceWeight* found = model_.weights->find(role, layer);
    if (!found) return kNoTensor;
    const std::string name = canonical_name(found->spec);
    const BufferView view = model_.weights->view(found->values);
    if (shape.size() != 0) return bound(name.c_str(), found->dtype, shape, view);
    if (found->spec.rank == 1) return bound(name.c_str(), found->dtype, {found->spec.shape[0]}, view);
    return bound(name.c_str(), found->dtype, {found->spec.shape[0], found->spec.shape[1]}, view);
}

// For decoding all slots, for a prompt one of them.
TensorId Builder::state(const char* name, const HostBuffer& memory, Sizes shape) {
    const VkDeviceSize bytes = memory.view.size / session_.options.slots;
    if (!decodes_) out_.tensors.per_slot.push_back({out_.tensors.bindings.size(), bytes});
    BufferView view = memory.view;
    if (!decodes_) view.size = bytes;
    return bound(name, DType::f32, shape, view);
}

void Builder::project(TensorId x, const DeviceWeight& by, TensorId bias, TensorId y) {
    const std::string name = canonical_name(by.spec);
    const uint64_t out = by.spec.shape[0], in = by.spec.shape[1];
    const DeviceWeights& weights = *model_.weights;
    Linear op;
    op.x = x;
    op.bias = bias;
    op.y = y;
    op.format = by.format;
    if (by.format == WeightFormat::dense) {
        op.weight = bound(name.c_str(), by.dtype, {out, in}, weights.view(by.values));
    } else {
        op.weight = bound(name.c_str(), DType::i32, {out, in / (by.format == WeightFormat::q8 ? 4 : 8)}, weights.view(by.values));
        op.scales = bound((name + ".scales").c_str(), by.dtype, {out, in / 32}, weights.view(by.scales));
    }
    require(linear(graph(), op));
}

void Builder::convolve(uint32_t layer, TensorId x, TensorId y) {
    const uint64_t dim = conv_dim(config_), kept = config_.conv_width - 1;
    const TensorId w = weight(WeightRole::conv, layer), bias = weight(WeightRole::conv_bias, layer);
    if (decodes_) {
        CausalConv1dUpdate op;
        op.x = x;
        op.weight = w;
        op.bias = bias;
        op.conv_state = state("conv_state", session_.layers[layer].conv.get(), {session_.options.slots, dim, kept});
        op.state_batch_indices = slots_;
        op.y = y;
        op.silu = true;
        return require(causal_conv1d_update(graph(), op));
    }
    CausalConv1d op;
    op.x = x;
    op.weight = w;
    op.bias = bias;
    op.initial_states = state("conv_state", session_.layers[layer].conv.get(), {1, dim, kept});
    op.y = y;
    op.final_states = conv_tail_;
    op.silu = true;
    require(causal_conv1d(graph(), op));
    // Not at once: workgroups of the first tokens read the state, and those of the last have its successor.
    Activation keep;
    keep.x = conv_tail_;
    keep.y = op.initial_states;
    require(copy(graph(), keep));
}

void Builder::normalise_in_place(const char* name, const Rows& of, uint64_t first, uint64_t width) {
    const DeviceWeight& ones = model_.weights->ones();
    RmsNormGated op;
    op.x = op.y = columns(name, of, first, width);
    op.weight = bound("ones", DType::f32, {width}, model_.weights->view(ones.values));
    op.eps = config_.dt_B_C_norm_eps;
    require(rms_norm_gated(graph(), op));
}

void Builder::scan1(uint32_t layer, const Rows& y) {
    const uint64_t dim = config_.d_inner, dstate = config_.dstate, rank = config_.dt_rank;
    const HostBuffer& memory = session_.layers[layer].scan.get();
    if (decodes_) {
        SelectiveStateUpdate op;
        op.state = state("scan_state", memory, {session_.options.slots, 1, dim, dstate});
        op.x = heads("x", convolved_, 0, 1, dim);
        op.dt = heads("dt", dt_, 0, 1, dim);
        op.A = weight(WeightRole::A_log, layer, {1, dim, dstate});
        op.B = heads("B", steps_, rank, 1, dstate);
        op.C = heads("C", steps_, rank + dstate, 1, dstate);
        op.D = weight(WeightRole::D, layer, {1, dim});
        op.z = heads("z", projected_, dim, 1, dim);
        op.dt_bias = weight(WeightRole::dt_bias, layer, {1, dim});
        op.state_batch_indices = slots_;
        op.y = heads("y", y, 0, 1, dim);
        op.dt_softplus = true;
        op.dt_min = config_.dt_min;
        op.dt_max = config_.dt_max;
        return require(selective_state_update(graph(), op));
    }
    SelectiveScan op;
    op.x = channels("x", convolved_, 0, dim);
    op.dt = channels("dt", dt_, 0, dim);
    op.A = weight(WeightRole::A_log, layer);
    op.B = channels("B", steps_, rank, dstate);
    op.C = channels("C", steps_, rank + dstate, dstate);
    op.D = weight(WeightRole::D, layer);
    op.z = channels("z", projected_, dim, dim);
    op.dt_bias = weight(WeightRole::dt_bias, layer);
    op.initial_states = op.final_states = state("scan_state", memory, {1, dim, dstate});
    op.y = channels("y", y, 0, dim);
    op.dt_softplus = true;
    op.dt_min = config_.dt_min;
    op.dt_max = config_.dt_max;
    require(selective_scan(graph(), op));
}

void Builder::scan2(uint32_t layer, const Rows& y, TensorId z) {
    const uint64_t nheads = config_.nheads, headdim = config_.headdim, groups = config_.ngroups, dstate = config_.dstate;
    const uint64_t dt_first = 2 * config_.d_inner + 2 * groups * dstate;
    const HostBuffer& memory = session_.layers[layer].scan.get();
    const TensorId x = heads("x", convolved_, 0, nheads, headdim), B = heads("B", convolved_, config_.d_ssm, groups, dstate),
                   C = heads("C", convolved_, config_.d_ssm + groups * dstate, groups, dstate),
                   dt = columns("dt", projected_, dt_first, nheads), to = heads("y", y, d_mlp(config_), nheads, headdim),
                   A = weight(WeightRole::A_log, layer), D = weight(WeightRole::D, layer), dt_bias = weight(WeightRole::dt_bias, layer);
    if (decodes_) {
        SelectiveStateUpdate op;
        op.state = state("scan_state", memory, {session_.options.slots, nheads, headdim, dstate});
        op.x = x;
        op.dt = dt;
        op.A = A;
        op.B = B;
        op.C = C;
        op.D = D;
        op.z = z;
        op.dt_bias = dt_bias;
        op.state_batch_indices = slots_;
        op.y = to;
        op.dt_softplus = true;
        op.dt_min = config_.dt_min;
        op.dt_max = config_.dt_max;
        return require(selective_state_update(graph(), op));
    }
    SsdScan op;
    op.x = x;
    op.dt = dt;
    op.A = A;
    op.B = B;
    op.C = C;
    op.D = D;
    op.z = z;
    op.dt_bias = dt_bias;
    op.initial_states = op.final_states = state("scan_state", memory, {1, nheads, headdim, dstate});
    op.y = to;
    op.dt_softplus = true;
    op.dt_min = config_.dt_min;
    op.dt_max = config_.dt_max;
    require(ssd_scan(graph(), op));
}

// projected_ is x | z.
void Builder::mamba1(uint32_t layer) {
    const uint64_t dim = config_.d_inner, dstate = config_.dstate, rank = config_.dt_rank;
    convolve(layer, columns("x", projected_, 0, dim), convolved_.id);
    project(convolved_, matrix(WeightRole::x_proj, layer), kNoTensor, steps_.id);
    if (config_.dt_B_C_norm) {
        normalise_in_place("dt", steps_, 0, rank);
        normalise_in_place("B", steps_, rank, dstate);
        normalise_in_place("C", steps_, rank + dstate, dstate);
    }
    project(columns("dt", steps_, 0, rank), matrix(WeightRole::dt_proj, layer), kNoTensor, dt_.id);
    const Rows y = rows("y", dim, type_);
    scan1(layer, y);
    project(y, matrix(WeightRole::out_proj, layer), weight(WeightRole::out_proj_bias, layer), mixed_.id);
}

// projected_ is z0 | x0 | z | x | B | C | dt.
void Builder::mamba2(uint32_t layer) {
    const uint64_t mlp = d_mlp(config_), ssm = config_.d_ssm;
    convolve(layer, columns("xBC", projected_, 2 * mlp + ssm, conv_dim(config_)), convolved_.id);
    const Rows y = rows("y", config_.d_inner, type_);
    scan2(layer, y, config_.gated_norm ? kNoTensor : heads("z", projected_, 2 * mlp, config_.nheads, config_.headdim));
    if (mlp != 0) {
        Swiglu op;
        op.x = columns("z0x0", projected_, 0, 2 * mlp);
        op.y = columns("y_mlp", y, 0, mlp);
        require(swiglu(graph(), op));
    }
    if (config_.gated_norm) {
        RmsNormGated op;
        op.x = op.y = columns("y_ssm", y, mlp, ssm);
        op.z = columns("z", projected_, 2 * mlp, ssm);
        op.weight = weight(WeightRole::gated_norm, layer);
        op.eps = config_.gated_norm_eps;
        op.group_size = config_.norm_group_size;
        op.norm_before_gate = config_.norm_before_gate;
        require(rms_norm_gated(graph(), op));
    }
    project(y, matrix(WeightRole::out_proj, layer), weight(WeightRole::out_proj_bias, layer), mixed_.id);
}

void Builder::layer(uint32_t layer) {
    project(normed_, matrix(WeightRole::in_proj, layer), weight(WeightRole::in_proj_bias, layer), projected_.id);
    config_.kind == ModelKind::mamba1 ? mamba1(layer) : mamba2(layer);
}

Rows Builder::layers(TensorId ids, TensorId slots, TensorId hidden) {
    slots_ = slots;
    const uint64_t dim = config_.d_model;
    const Rows residual = rows("residual", dim, DType::f32);
    normed_ = rows("normed", dim, type_);
    mixed_ = rows("mixed", dim, DType::f32);
    projected_ = rows("projected", d_in_proj(config_), type_);
    convolved_ = rows("convolved", conv_dim(config_), type_);
    if (config_.kind == ModelKind::mamba1) {
        steps_ = rows("dt_B_C", config_.dt_rank + 2 * config_.dstate, type_);
        dt_ = rows("dt", config_.d_inner, type_);
    }
    if (!decodes_) conv_tail_ = transient("conv_tail", DType::f32, {1, conv_dim(config_), config_.conv_width - 1});
    require(embedding(graph(), {ids, weight(WeightRole::embedding, kNoLayer), residual.id}));
    for (uint32_t i = 0; i <= config_.n_layer; ++i) {
        const bool last = i == config_.n_layer;
        RmsNormGated norm;
        norm.x = i == 0 ? residual.id : mixed_.id;
        if (i != 0) norm.residual = residual.id;
        if (i != 0 && !last) norm.residual_out = residual.id;
        norm.weight = last ? weight(WeightRole::final_norm, kNoLayer) : weight(WeightRole::norm, i);
        norm.y = last && hidden != kNoTensor ? hidden : normed_.id;
        norm.eps = config_.norm_eps;
        require(rms_norm_gated(graph(), norm));
        if (!last) layer(i);
    }
    return normed_;
}

void Builder::head(TensorId rows, TensorId logits) { project(rows, model_.weights->head(), kNoTensor, logits); }

}  // namespace

PlannedGraph prefill_graph(const Session& session) {
    Builder builder(session, false);
    const uint64_t chunk = session.options.chunk;
    const TensorId ids = builder.bound_buffer("prompt_tokens", DType::i32, {1, chunk}, SessionBuffer::prompt_tokens);
    const TensorId hidden =
        builder.bound("hidden", session.model->prefill_type, {1, chunk, session.model->config.d_model}, session.hidden.get().view);
    builder.layers(ids, kNoTensor, hidden);
    return builder.take();
}

PlannedGraph prompt_logits_graph(const Session& session) {
    Builder builder(session, false);
    const ModelConfig& config = session.model->config;
    const TensorId hidden =
        builder.bound("hidden", session.model->prefill_type, {session.options.chunk, config.d_model}, session.hidden.get().view);
    const TensorId row = builder.bound_buffer("prompt_row", DType::i32, {1}, SessionBuffer::prompt_row);
    const TensorId wanted = builder.transient("row", DType::f32, {1, config.d_model});
    require(embedding(builder.graph(), {row, hidden, wanted}));
    builder.head(wanted, builder.bound_buffer("prompt_logits", DType::f32, {1, config.padded_vocab_size}, SessionBuffer::prompt_logits));
    return builder.take();
}

PlannedGraph every_logits_graph(const Session& session) {
    Builder builder(session, false);
    const ModelConfig& config = session.model->config;
    const uint64_t chunk = session.options.chunk;
    const TensorId hidden = builder.bound("hidden", session.model->prefill_type, {1, chunk, config.d_model}, session.hidden.get().view);
    builder.head(hidden,
                 builder.bound_buffer("every_logits", DType::f32, {1, chunk, config.padded_vocab_size}, SessionBuffer::every_logits));
    return builder.take();
}

PlannedGraph decode_graph(const Session& session) {
    Builder builder(session, true);
    const uint64_t batch = session.options.batch;
    const TensorId ids = builder.bound_buffer("step_tokens", DType::i32, {batch}, SessionBuffer::step_tokens);
    const TensorId slots = builder.bound_buffer("step_slots", DType::i32, {batch}, SessionBuffer::step_slots);
    const Rows hidden = builder.layers(ids, slots, kNoTensor);
    builder.head(hidden.id, builder.bound_buffer("step_logits", DType::f32, {batch, session.model->config.padded_vocab_size},
                                                 SessionBuffer::step_logits));
    return builder.take();
}

}  // namespace scandium

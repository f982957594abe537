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

constexpr uint64_t kPitch = 8;  // rows begin at multiples of this many elements, so that they can be reached 16 bytes at a time

TensorDesc describe_tensor(const char* name, DType type, Layers::Sizes shape) {
    TensorDesc desc;
    desc.name = name;
    desc.dtype = type;
    for (uint64_t size : shape) desc.shape[desc.rank++] = size;
    return desc;
}

}  // namespace

Layers::Layers(const LayersDesc& desc)
    : desc_(desc),
      model_(*desc.model),
      config_(desc.model->config),
      steps_(desc.steps),
      batch_(desc.batch),
      tokens_(desc.tokens),
      type_(desc.steps ? DType::f32 : desc.model->prefill_type) {
    Graph* graph = nullptr;
    require(create_graph(model_.device, model_.access, &graph));
    out_.graph.reset(graph);
}

TensorId Layers::bound(const char* name, DType type, Sizes shape, const BufferView& view) {
    const TensorId id = add_tensor(graph(), describe_tensor(name, type, shape));
    check(id);
    out_.tensors.bindings.push_back({id, view});
    return id;
}

TensorId Layers::transient(const char* name, DType type, Sizes shape) {
    const TensorId id = add_transient(graph(), describe_tensor(name, type, shape));
    check(id);
    return id;
}

Layers::Rows Layers::rows(const char* name, uint64_t width, DType type) {
    const uint64_t pitch = (width + kPitch - 1) / kPitch * kPitch;
    TensorDesc desc = steps_ ? describe_tensor(name, type, {tokens_, width}) : describe_tensor(name, type, {batch_, tokens_, width});
    for (uint32_t i = 0; i < desc.rank; ++i) desc.stride[i] = i + 1 == desc.rank ? 1 : i + 2 == desc.rank ? pitch : tokens_ * pitch;
    const TensorId id = add_transient(graph(), desc);
    check(id);
    return {id, width, pitch};
}

// The last axes of a view of which all are given, since a step has fewer than a prompt.
TensorId Layers::part(const char* name, const Rows& of, uint64_t first, uint32_t rank, Sizes shape, Sizes stride) {
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

TensorId Layers::columns(const char* name, const Rows& of, uint64_t first, uint64_t width) {
    return part(name, of, first, steps_ ? 2 : 3, {batch_, tokens_, width}, {tokens_ * of.pitch, of.pitch, 1});
}

TensorId Layers::heads(const char* name, const Rows& of, uint64_t first, uint64_t count, uint64_t width) {
    return part(name, of, first, steps_ ? 3 : 4, {batch_, tokens_, count, width}, {tokens_ * of.pitch, of.pitch, width, 1});
}

TensorId Layers::channels(const char* name, const Rows& of, uint64_t first, uint64_t width) {
    return part(name, of, first, 3, {batch_, width, tokens_}, {tokens_ * of.pitch, 1, of.pitch});
}

TensorId Layers::last(const char* name, const Rows& of) {
    return part(name, of, (tokens_ - 1) * of.pitch, 2, {batch_, of.width}, {tokens_ * of.pitch, 1});
}

// An empty shape: the weight's own. kNoTensor if the model has none such.
TensorId Layers::weight(WeightRole role, uint32_t layer, Sizes shape) {
    const DeviceWeight* found = model_.weights->find(role, layer);
    if (!found) return kNoTensor;
    const std::string name = canonical_name(found->spec);
    const BufferView view = model_.weights->view(found->values);
    if (shape.size() != 0) return bound(name.c_str(), found->dtype, shape, view);
    if (found->spec.rank == 1) return bound(name.c_str(), found->dtype, {found->spec.shape[0]}, view);
    return bound(name.c_str(), found->dtype, {found->spec.shape[0], found->spec.shape[1]}, view);
}

// For steps all slots, for a sequence one of them.
TensorId Layers::state(const char* name, const HostBuffer& memory, Sizes shape) {
    const VkDeviceSize bytes = memory.view.size / desc_.states->slots();
    if (!steps_) out_.tensors.per_slot.push_back({out_.tensors.bindings.size(), bytes});
    BufferView view = memory.view;
    if (!steps_) view.size = bytes;
    return bound(name, DType::f32, shape, view);
}

TensorId Layers::conv_state(uint32_t layer) {
    if (!desc_.states) return kNoTensor;
    const uint64_t slots = steps_ ? desc_.states->slots() : 1;
    return state("conv_state", desc_.states->layer(layer).conv.get(), {slots, conv_dim(config_), config_.conv_width - 1});
}

TensorId Layers::scan_state(uint32_t layer) {
    if (!desc_.states) return kNoTensor;
    const HostBuffer& memory = desc_.states->layer(layer).scan.get();
    const uint64_t slots = steps_ ? desc_.states->slots() : 1, dim = config_.d_inner, dstate = config_.dstate;
    if (config_.kind == ModelKind::mamba2) return state("scan_state", memory, {slots, config_.nheads, config_.headdim, dstate});
    return steps_ ? state("scan_state", memory, {slots, 1, dim, dstate}) : state("scan_state", memory, {slots, dim, dstate});
}

void Layers::project(TensorId x, const DeviceWeight& by, TensorId bias, TensorId y) {
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

void Layers::convolve(uint32_t layer, TensorId x, TensorId y) {
    const TensorId w = weight(WeightRole::conv, layer), bias = weight(WeightRole::conv_bias, layer);
    if (steps_) {
        CausalConv1dUpdate op;
        op.x = x;
        op.weight = w;
        op.bias = bias;
        op.conv_state = conv_state(layer);
        op.state_batch_indices = slots_.from;
        op.state_indices_out = slots_.to;
        op.y = y;
        op.silu = true;
        return require(causal_conv1d_update(graph(), op));
    }
    CausalConv1d op;
    op.x = x;
    op.weight = w;
    op.bias = bias;
    op.initial_states = conv_state(layer);
    op.y = y;
    op.final_states = conv_tail_;
    op.silu = true;
    require(causal_conv1d(graph(), op));
    if (!desc_.states) return;
    // Not at once: workgroups of the first tokens read the state, and those of the last have its successor.
    Activation keep;
    keep.x = conv_tail_;
    keep.y = op.initial_states;
    require(copy(graph(), keep));
}

void Layers::normalise_in_place(const char* name, const Rows& of, uint64_t first, uint64_t width) {
    const DeviceWeight& ones = model_.weights->ones();
    RmsNormGated op;
    op.x = op.y = columns(name, of, first, width);
    op.weight = bound("ones", DType::f32, {width}, model_.weights->view(ones.values));
    op.eps = config_.dt_B_C_norm_eps;
    require(rms_norm_gated(graph(), op));
}

void Layers::scan1(uint32_t layer, const Rows& y) {
    const uint64_t dim = config_.d_inner, dstate = config_.dstate, rank = config_.dt_rank;
    if (steps_) {
        SelectiveStateUpdate op;
        op.state = scan_state(layer);
        op.x = heads("x", convolved_, 0, 1, dim);
        op.dt = heads("dt", dt_, 0, 1, dim);
        op.A = weight(WeightRole::A_log, layer, {1, dim, dstate});
        op.B = heads("B", low_, rank, 1, dstate);
        op.C = heads("C", low_, rank + dstate, 1, dstate);
        op.D = weight(WeightRole::D, layer, {1, dim});
        op.z = heads("z", projected_, dim, 1, dim);
        op.dt_bias = weight(WeightRole::dt_bias, layer, {1, dim});
        op.state_batch_indices = slots_.from;
        op.state_indices_out = slots_.to;
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
    op.B = channels("B", low_, rank, dstate);
    op.C = channels("C", low_, rank + dstate, dstate);
    op.D = weight(WeightRole::D, layer);
    op.z = channels("z", projected_, dim, dim);
    op.dt_bias = weight(WeightRole::dt_bias, layer);
    op.initial_states = op.final_states = scan_state(layer);
    op.y = channels("y", y, 0, dim);
    op.dt_softplus = true;
    op.dt_min = config_.dt_min;
    op.dt_max = config_.dt_max;
    require(selective_scan(graph(), op));
}

void Layers::scan2(uint32_t layer, const Rows& y, TensorId z) {
    const uint64_t nheads = config_.nheads, headdim = config_.headdim, groups = config_.ngroups, dstate = config_.dstate;
    const uint64_t dt_first = 2 * config_.d_inner + 2 * groups * dstate;
    const TensorId x = heads("x", convolved_, 0, nheads, headdim), B = heads("B", convolved_, config_.d_ssm, groups, dstate),
                   C = heads("C", convolved_, config_.d_ssm + groups * dstate, groups, dstate),
                   dt = columns("dt", projected_, dt_first, nheads), to = heads("y", y, d_mlp(config_), nheads, headdim),
                   A = weight(WeightRole::A_log, layer), D = weight(WeightRole::D, layer), dt_bias = weight(WeightRole::dt_bias, layer);
    if (steps_) {
        SelectiveStateUpdate op;
        op.state = scan_state(layer);
        op.x = x;
        op.dt = dt;
        op.A = A;
        op.B = B;
        op.C = C;
        op.D = D;
        op.z = z;
        op.dt_bias = dt_bias;
        op.state_batch_indices = slots_.from;
        op.state_indices_out = slots_.to;
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
    op.initial_states = op.final_states = scan_state(layer);
    op.y = to;
    op.dt_softplus = true;
    op.dt_min = config_.dt_min;
    op.dt_max = config_.dt_max;
    op.algorithm = desc_.algorithm;
    op.chunk_size = desc_.chunk_size;
    require(ssd_scan(graph(), op));
}

// projected_ is x | z.
void Layers::mamba1(uint32_t layer) {
    const uint64_t dim = config_.d_inner, dstate = config_.dstate, rank = config_.dt_rank;
    convolve(layer, columns("x", projected_, 0, dim), convolved_.id);
    project(convolved_, matrix(WeightRole::x_proj, layer), kNoTensor, low_.id);
    if (config_.dt_B_C_norm) {
        normalise_in_place("dt", low_, 0, rank);
        normalise_in_place("B", low_, rank, dstate);
        normalise_in_place("C", low_, rank + dstate, dstate);
    }
    project(columns("dt", low_, 0, rank), matrix(WeightRole::dt_proj, layer), kNoTensor, dt_.id);
    const Rows y = rows("y", dim, type_);
    scan1(layer, y);
    project(y, matrix(WeightRole::out_proj, layer), weight(WeightRole::out_proj_bias, layer), mixed_.id);
}

// projected_ is z0 | x0 | z | x | B | C | dt.
void Layers::mamba2(uint32_t layer) {
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

void Layers::layer(uint32_t layer) {
    project(normed_, matrix(WeightRole::in_proj, layer), weight(WeightRole::in_proj_bias, layer), projected_.id);
    config_.kind == ModelKind::mamba1 ? mamba1(layer) : mamba2(layer);
}

void Layers::embed(TensorId ids) {
    residual_ = rows("residual", config_.d_model, DType::f32);
    require(embedding(graph(), {ids, weight(WeightRole::embedding, kNoLayer), residual_.id}));
}

void Layers::project_features(TensorId features) {
    residual_ = rows("residual", config_.d_model, DType::f32);
    project(features, matrix(WeightRole::input_proj, kNoLayer), weight(WeightRole::input_bias, kNoLayer), residual_.id);
}

void Layers::run(StepSlots slots) {
    slots_ = slots;
    normed_ = rows("normed", config_.d_model, type_);
    mixed_ = rows("mixed", config_.d_model, DType::f32);
    projected_ = rows("projected", d_in_proj(config_), type_);
    convolved_ = rows("convolved", conv_dim(config_), type_);
    if (config_.kind == ModelKind::mamba1) {
        low_ = rows("dt_B_C", config_.dt_rank + 2 * config_.dstate, type_);
        dt_ = rows("dt", config_.d_inner, type_);
    }
    if (!steps_ && desc_.states) conv_tail_ = transient("conv_tail", DType::f32, {1, conv_dim(config_), config_.conv_width - 1});
    for (uint32_t i = 0; i < config_.n_layer; ++i) {
        RmsNormGated norm;
        norm.x = i == 0 ? residual_.id : mixed_.id;
        if (i != 0) norm.residual = norm.residual_out = residual_.id;
        norm.weight = weight(WeightRole::norm, i);
        norm.y = normed_.id;
        norm.eps = config_.norm_eps;
        require(rms_norm_gated(graph(), norm));
        layer(i);
    }
}

void Layers::final_norm(TensorId x, TensorId residual, TensorId y) {
    RmsNormGated norm;
    norm.x = x;
    norm.residual = residual;
    norm.weight = weight(WeightRole::final_norm, kNoLayer);
    norm.y = y;
    norm.eps = config_.norm_eps;
    require(rms_norm_gated(graph(), norm));
}

void Layers::normalise_to(TensorId hidden) { final_norm(mixed_.id, residual_.id, hidden); }

TensorId Layers::normalised() {
    normalise_to(normed_.id);
    return normed_.id;
}

TensorId Layers::normalised_last() {
    const TensorId y = transient("last_normed", DType::f32, {batch_, config_.d_model});
    final_norm(last("last_mixed", mixed_), last("last_residual", residual_), y);
    return y;
}

void Layers::head(TensorId rows, TensorId out) { project(rows, model_.weights->head(), weight(WeightRole::head_bias, kNoLayer), out); }

}  // namespace scandium

// The operators of a model's layers, appended to a graph: for whole sequences, or for one token each of several.
#pragma once

#include <initializer_list>
#include <vector>

#include "model/model.h"
#include "scandium/ops/ssd_scan.h"

namespace scandium {

// Tensors that the host's memory is bound to.
struct BoundTensors {
    std::vector<Binding> bindings;

    // Of those that differ from slot to slot: which binding, and how many bytes from one slot to the next.
    struct PerSlot {
        size_t binding;
        VkDeviceSize bytes;
    };
    std::vector<PerSlot> per_slot;
};

struct PlannedGraph {
    OwnedGraph graph;
    BoundTensors tensors;
};

// What a graph is for.
struct LayersDesc {
    const Model* model = nullptr;
    const States* states = nullptr;  // null: sequences begin from nothing, and leave nothing
    bool steps = false;              // one token for each of `tokens` rows, whose states lie in slots; otherwise `batch` sequences
    uint64_t batch = 1;              // more than one without states only
    uint64_t tokens = 1;
    SsdAlgorithm algorithm = SsdAlgorithm::automatic;  // of sequences, in mamba2
    uint32_t chunk_size = 0;
};

// Of each row of a step, (rows), i32: the slots that its states come from and go to. The latter may be absent: then they go
// where they came from.
struct StepSlots {
    TensorId from = kNoTensor, to = kNoTensor;
};

// Tokens go in as the residual that the first layer reads, come out normalised, and go through a head. All members throw
// ResultError; the device's diagnostics has been told.
class Layers {
public:
    using Sizes = std::initializer_list<uint64_t>;

    explicit Layers(const LayersDesc& desc);

    TensorId bound(const char* name, DType type, Sizes shape, const BufferView& view);
    TensorId transient(const char* name, DType type, Sizes shape);
    Graph* graph() const { return out_.graph.get(); }

    // In: (tokens), i32, or (batch, tokens) of sequences; or feature vectors, with one more axis.
    void embed(TensorId ids);
    void project_features(TensorId features);

    void run(StepSlots slots);

    // Out, after run(): (tokens, d_model), or (batch, tokens, d_model) of sequences.
    TensorId normalised();
    void normalise_to(TensorId hidden);
    TensorId normalised_last();  // of each sequence the last token: (batch, d_model)

    void head(TensorId rows, TensorId out);
    PlannedGraph take() { return std::move(out_); }

private:
    // A tensor of a row for each token.
    struct Rows {
        TensorId id = kNoTensor;
        uint64_t width = 0, pitch = 0;
    };

    void check(TensorId id) const {
        if (id == kNoTensor) throw ResultError(graph_status(graph()));
    }

    Rows rows(const char* name, uint64_t width, DType type);
    TensorId part(const char* name, const Rows& of, uint64_t first, uint32_t rank, Sizes shape, Sizes stride);
    TensorId columns(const char* name, const Rows& of, uint64_t first, uint64_t width);                // (tokens, width)
    TensorId heads(const char* name, const Rows& of, uint64_t first, uint64_t count, uint64_t width);  // (tokens, count, width)
    TensorId channels(const char* name, const Rows& of, uint64_t first, uint64_t width);               // (width, tokens)
    TensorId last(const char* name, const Rows& of);                                                   // (batch, width)
    TensorId weight(WeightRole role, uint32_t layer) { return weight(role, layer, {}); }
    TensorId weight(WeightRole role, uint32_t layer, Sizes shape);
    TensorId state(const char* name, const HostBuffer& memory, Sizes shape);
    TensorId conv_state(uint32_t layer);
    TensorId scan_state(uint32_t layer);

    void project(const Rows& x, const DeviceWeight& by, TensorId bias, TensorId y) { project(x.id, by, bias, y); }
    void project(TensorId x, const DeviceWeight& by, TensorId bias, TensorId y);
    const DeviceWeight& matrix(WeightRole role, uint32_t layer) const { return *model_.weights->find(role, layer); }
    void final_norm(TensorId x, TensorId residual, TensorId y);
    void normalise_in_place(const char* name, const Rows& of, uint64_t first, uint64_t width);
    void convolve(uint32_t layer, TensorId x, TensorId y);
    void layer(uint32_t layer);
    void mamba1(uint32_t layer);
    void mamba2(uint32_t layer);
    void scan1(uint32_t layer, const Rows& y);
    void scan2(uint32_t layer, const Rows& y, TensorId z);

    const LayersDesc desc_;
    const Model& model_;
    const ModelConfig& config_;
    const bool steps_;
    const uint64_t batch_, tokens_;
    const DType type_;
    PlannedGraph out_;
    StepSlots slots_;
    // The same in every layer: a layer is done with them before the next begins.
    Rows residual_, normed_, projected_, convolved_, mixed_, low_, dt_;
    TensorId conv_tail_ = kNoTensor;
};

}  // namespace scandium

// States of many texts, or of many agents (slots), of any model: on the device, copied from slot to slot, and as bytes.
#pragma once

#include <vector>

#include "model/device_weights.h"

namespace scandium {

struct Model;

// Of one layer's state, for one slot, in floats.
struct StateSizes {
    uint64_t conv = 0;  // (conv_dim, conv_width - 1)
    uint64_t scan = 0;  // mamba1: (d_inner, dstate); mamba2: (nheads, headdim, dstate)
};
StateSizes state_sizes(const ModelConfig& config);

// The states of a layer: a part for each slot, one after the other.
struct LayerState {
    OwnedHostBuffer conv, scan;
};

// With zeros, which is what a text begins from. Throws ResultError.
OwnedHostBuffer zeroed(const Model& model, VkDeviceSize size);

// All throw FileError, in which `call` begins the sentence, and ResultError.
class States {
public:
    // `model` has to outlive them.
    States(const Model& model, uint32_t slots);

    uint32_t slots() const { return slots_; }
    const LayerState& layer(uint32_t index) const { return layers_[index]; }

    void copy(uint32_t from, uint32_t to) const;
    // To each of these, which differ, in one go.
    void copy(uint32_t from, Span<uint32_t> to) const;
    void reset(uint32_t slot) const;

    size_t saved_size() const;
    void check_bytes(const char* call, const void* bytes, size_t size) const;
    void save(uint32_t slot, void* bytes) const;
    void load(const char* call, uint32_t slot, const void* bytes) const;

private:
    VkDeviceSize image_size() const;
    void move(const std::vector<HostBufferCopy>& regions) const;
    std::vector<HostBufferCopy> regions_of(uint32_t slot, bool to_image) const;

    const Model& model_;
    const uint32_t slots_;
    std::vector<LayerState> layers_;
    OwnedHostBuffer image_;  // of one slot's state, as it is saved
};

}  // namespace scandium

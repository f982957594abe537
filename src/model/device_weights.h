// A model's weights on the device: in which type each is kept, where, and how it gets there.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/boundary.h"
#include "model/checkpoint.h"
#include "scandium/model.h"
#include "scandium/ops/linear.h"

namespace scandium {

// Memory of the host's that goes with its owner.
class OwnedHostBuffer {
public:
    OwnedHostBuffer() = default;
    OwnedHostBuffer(const ModelHost& host, const HostBuffer& buffer) : host_(host), buffer_(buffer) {}
    ~OwnedHostBuffer() {
        if (buffer_.handle) host_.release(host_.user, buffer_);
    }
    OwnedHostBuffer(OwnedHostBuffer&& other) noexcept : host_(other.host_), buffer_(other.buffer_) { other.buffer_ = {}; }
    OwnedHostBuffer& operator=(OwnedHostBuffer&& other) noexcept {
        std::swap(host_, other.host_);
        std::swap(buffer_, other.buffer_);
        return *this;
    }

    const HostBuffer& get() const { return buffer_; }

private:
    ModelHost host_;
    HostBuffer buffer_;
};

OwnedHostBuffer allocate(const ModelHost& host, VkDeviceSize size, VkBufferUsageFlags usage);  // throws ResultError

struct Place {
    size_t block = 0;
    VkDeviceSize offset = 0;
    VkDeviceSize size = 0;
};

// As `linear` and the other operators take it.
struct DeviceWeight {
    WeightSpec spec;
    WeightFormat format = WeightFormat::dense;
    DType dtype = DType::f32;  // dense: of the weights; q8, q4: of the scales
    Place values, scales;
};

// Who is told how far loading has come, if anyone.
struct ProgressCallback {
    ModelProgress call = nullptr;
    void* user = nullptr;
};

class DeviceWeights {
public:
    // Decides on types and places, and allocates. `type` is not automatic. Throws ResultError.
    DeviceWeights(const std::vector<WeightSpec>& specs, WeightType type, const ModelHost& host, const Caps& caps, VkBufferUsageFlags usage);

    // Moves all weights there. Throws FileError, ResultError.
    void load(const Checkpoint& checkpoint, ProgressCallback told);

    // Random ones, as models have them before training. Throws FileError, ResultError.
    void load_random(ProgressCallback told);

    const DeviceWeight* find(WeightRole role, uint32_t layer) const;  // null if the model has none such
    // What logits are computed with: the head, or the embedding, or a copy of either in small integers.
    const DeviceWeight& head() const { return weights_[head_]; }
    const DeviceWeight& ones() const { return weights_[ones_]; }  // for norms without weights
    BufferView view(const Place& place) const;

    uint64_t bytes() const { return bytes_; }
    uint64_t step_bytes() const;

private:
    void add(const WeightSpec& spec, WeightFormat format, DType dtype);
    Place take(uint64_t bytes);
    void store(const DeviceWeight& weight, const Weight& from, const class Progress* progress);
    void store_piece(const DeviceWeight& weight, uint64_t first, std::vector<float>* values, const std::string& name);
    void put(const Place& place, VkDeviceSize offset, const void* data, VkDeviceSize size);

    const ModelHost host_;
    const VkDeviceSize alignment_;
    std::vector<DeviceWeight> weights_;
    std::map<std::pair<WeightRole, uint32_t>, size_t> by_role_;
    size_t head_ = 0, ones_ = 0;
    std::vector<VkDeviceSize> block_sizes_;
    std::vector<OwnedHostBuffer> blocks_;
    uint64_t bytes_ = 0;
};

}  // namespace scandium

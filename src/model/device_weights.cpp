#include "model/device_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/halves.h"
#include "files/text.h"
#include "model/sampler_math.h"
#include "scandium/quantize.h"

namespace scandium {

// How far loading has come, in bytes of the file.
class Progress {
public:
    Progress(ProgressCallback told, uint64_t total) : told_(told), total_(total) {}
    void add(uint64_t bytes) const {
        done_ += bytes;
        if (told_.call && !told_.call(told_.user, done_, total_)) throw FileError("loading was given up");
    }

private:
    const ProgressCallback told_;
    const uint64_t total_;
    mutable uint64_t done_ = 0;
};

namespace {

constexpr VkDeviceSize kBlockBytes = VkDeviceSize(64) << 20;  // small weights share blocks of this size
constexpr uint64_t kPieceElements = uint64_t(1) << 20;        // converted at a time
constexpr DType kScaleType = DType::f16;
constexpr size_t kMostOffset = 4099;  // random weights are parts of the same noise

bool is_matrix(WeightRole role) {
    return role == WeightRole::embedding || role == WeightRole::input_proj || role == WeightRole::in_proj || role == WeightRole::x_proj ||
           role == WeightRole::dt_proj || role == WeightRole::out_proj || role == WeightRole::head;
}

bool is_quantised(const WeightSpec& spec) {
    return is_matrix(spec.role) && spec.role != WeightRole::embedding && spec.role != WeightRole::dt_proj &&
           spec.shape[1] % kQuantBlock == 0;
}

DType dense_type(WeightType type) { return type == WeightType::f32 ? DType::f32 : type == WeightType::bf16 ? DType::bf16 : DType::f16; }

// As many as the widest norm without weights needs: those of mamba1 are of parts of what x_proj gives.
uint64_t ones_of(const std::vector<WeightSpec>& specs) {
    uint64_t ones = 1;
    for (const WeightSpec& spec : specs)
        if (spec.role == WeightRole::x_proj) ones = std::max(ones, spec.shape[0]);
    return ones;
}

uint64_t piece_of(const WeightSpec& spec) {
    const uint64_t row = spec.rank == 2 ? spec.shape[1] : spec.shape[0];
    return std::max<uint64_t>(1, kPieceElements / row) * row;
}

void read_floats(const Weight& from, uint64_t first, uint64_t count, std::vector<float>* out) {
    out->resize(count);
    const std::byte* bytes = from.data.data() + first * size_of(from.dtype);
    if (from.dtype == DType::f32) {
        std::memcpy(out->data(), bytes, count * sizeof(float));
        return;
    }
    for (uint64_t i = 0; i < count; ++i) {
        uint16_t half;
        std::memcpy(&half, bytes + 2 * i, sizeof half);
        (*out)[i] = from.dtype == DType::f16 ? f32_from_f16(half) : f32_from_bf16(half);
    }
}

// The bits of `dtype`, which are 16.
std::vector<uint16_t> to_halves(const std::vector<float>& values, DType dtype, const std::string& name) {
    std::vector<uint16_t> halves(values.size());
    for (size_t i = 0; i < values.size(); ++i) halves[i] = dtype == DType::f16 ? f16_from(values[i]) : bf16_from(values[i]);
    if (dtype != DType::f16) return halves;
    for (float value : values)
        if (std::abs(value) >= 65520) throw FileError("tensor " + in_quotes(name) + " has weights beyond the range of f16");
    return halves;
}

void check_finite(const std::vector<float>& values, const std::string& name) {
    for (float value : values)
        if (!std::isfinite(value)) throw FileError("tensor " + in_quotes(name) + " has a value that is NaN or infinite");
}

}  // namespace

OwnedHostBuffer allocate(const ModelHost& host, VkDeviceSize size, VkBufferUsageFlags usage) {
    HostBuffer buffer;
    require(host.allocate(host.user, size, usage, &buffer));
    return OwnedHostBuffer(host, buffer);
}

DeviceWeights::DeviceWeights(const std::vector<WeightSpec>& specs, WeightType type, const ModelHost& host, const Caps& caps,
                             VkBufferUsageFlags usage)
    : host_(host), alignment_(std::max<VkDeviceSize>(caps.storage_offset_alignment, 256)) {
    const bool small = type == WeightType::q8 || type == WeightType::q4;
    const WeightFormat format = type == WeightType::q8 ? WeightFormat::q8 : WeightFormat::q4;
    for (const WeightSpec& spec : specs) {
        by_role_[{spec.role, spec.layer}] = weights_.size();
        if (!is_matrix(spec.role))
            add(spec, WeightFormat::dense, DType::f32);
        else if (small && is_quantised(spec))
            add(spec, spec.role == WeightRole::head ? WeightFormat::q8 : format, kScaleType);
        else
            add(spec, WeightFormat::dense, dense_type(type));
    }
    const auto head = by_role_.find({WeightRole::head, kNoLayer});
    const bool tied = head == by_role_.end();
    head_ = tied ? by_role_.at({WeightRole::embedding, kNoLayer}) : head->second;
    if (const WeightSpec table = weights_[head_].spec; tied && small && table.shape[1] % kQuantBlock == 0) {
        head_ = weights_.size();
        add(table, WeightFormat::q8, kScaleType);
    }
    ones_ = weights_.size();
    add({WeightRole::norm, kNoLayer, 1, {ones_of(specs), 0}}, WeightFormat::dense, DType::f32);
    for (VkDeviceSize size : block_sizes_) blocks_.push_back(allocate(host_, size, usage));
}

void DeviceWeights::add(const WeightSpec& spec, WeightFormat format, DType dtype) {
    DeviceWeight weight;
    weight.spec = spec;
    weight.format = format;
    weight.dtype = dtype;
    if (format == WeightFormat::dense) {
        weight.values = take(spec.elements() * size_of(dtype));
    } else {
        weight.values = take(quantized_words(format, static_cast<size_t>(spec.elements())) * sizeof(uint32_t));
        weight.scales = take(spec.elements() / kQuantBlock * size_of(dtype));
    }
    weights_.push_back(weight);
}

Place DeviceWeights::take(uint64_t bytes) {
    const VkDeviceSize rounded = (bytes + alignment_ - 1) / alignment_ * alignment_;
    if (block_sizes_.empty() || block_sizes_.back() + rounded > kBlockBytes) block_sizes_.push_back(0);
    const Place place = {block_sizes_.size() - 1, block_sizes_.back(), (bytes + 3) & ~VkDeviceSize(3)};
    block_sizes_.back() += rounded;
    bytes_ += bytes;
    return place;
}

const DeviceWeight* DeviceWeights::find(WeightRole role, uint32_t layer) const {
    const auto place = by_role_.find({role, layer});
    return place == by_role_.end() ? nullptr : &weights_[place->second];
}

BufferView DeviceWeights::view(const Place& place) const {
    const BufferView& block = blocks_[place.block].get().view;
    return {block.buffer, block.offset + place.offset, place.size};
}

uint64_t DeviceWeights::step_bytes() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < weights_.size(); ++i) {
        if (i == ones_ || (weights_[i].spec.role == WeightRole::embedding && i != head_)) continue;
        sum += weights_[i].values.size + weights_[i].scales.size;
    }
    return sum;
}

void DeviceWeights::put(const Place& place, VkDeviceSize offset, const void* data, VkDeviceSize size) {
    require(host_.upload(host_.user, blocks_[place.block].get(), place.offset + offset, data, size));
}

// Converts the values of elements from `first` on, and moves them.
void DeviceWeights::store_piece(const DeviceWeight& weight, uint64_t first, std::vector<float>* values, const std::string& name) {
    const size_t count = values->size();
    if (weight.spec.role == WeightRole::A_log)
        for (float& value : *values) value = -std::exp(value);
    if (weight.format != WeightFormat::dense) {
        check_finite(*values, name);
        std::vector<uint32_t> words(quantized_words(weight.format, count));
        std::vector<uint16_t> scales(count / kQuantBlock);
        const auto quantise = weight.format == WeightFormat::q8 ? quantize_q8 : quantize_q4;
        if (quantise({values->data(), count}, weight.dtype, words.data(), scales.data()) != Result::ok)
            throw FileError("tensor " + in_quotes(name) + " has weights too large for scales in f16");
        put(weight.values, quantized_words(weight.format, first) * sizeof(uint32_t), words.data(), words.size() * sizeof(uint32_t));
        put(weight.scales, first / kQuantBlock * sizeof(uint16_t), scales.data(), scales.size() * sizeof(uint16_t));
    } else if (weight.dtype == DType::f32) {
        put(weight.values, first * sizeof(float), values->data(), count * sizeof(float));
    } else {
        const std::vector<uint16_t> halves = to_halves(*values, weight.dtype, name);
        put(weight.values, first * sizeof(uint16_t), halves.data(), count * sizeof(uint16_t));
    }
}

// In pieces of whole rows, so that blocks of integers stay whole and little memory is needed.
void DeviceWeights::store(const DeviceWeight& weight, const Weight& from, const Progress* progress) {
    const uint64_t piece = piece_of(weight.spec), all = weight.spec.elements();
    std::vector<float> values;
    for (uint64_t first = 0; first < all; first += piece) {
        const uint64_t count = std::min(piece, all - first);
        read_floats(from, first, count, &values);
        store_piece(weight, first, &values, from.key);
        if (progress) progress->add(count * size_of(from.dtype));
    }
}

void DeviceWeights::load_random(ProgressCallback told) {
    Pcg32 random;
    std::vector<float> noise(kPieceElements + kMostOffset), values;
    for (float& value : noise) value = static_cast<float>(random.uniform() * 2 - 1);
    const Progress progress(told, bytes_);
    for (const DeviceWeight& weight : weights_) {
        const WeightRole role = weight.spec.role;
        const uint64_t piece = piece_of(weight.spec), all = weight.spec.elements();
        // Norms and D are 1; A is -1 to -16, dt' about 0.01.
        const bool is_one =
            role == WeightRole::norm || role == WeightRole::gated_norm || role == WeightRole::final_norm || role == WeightRole::D;
        const float middle = is_one ? 1.0f : role == WeightRole::A_log ? 1.4f : role == WeightRole::dt_bias ? -4.6f : 0.0f;
        const float reach = is_one                      ? 0.0f
                            : role == WeightRole::A_log ? 1.3f
                                                        : std::sqrt(3.0f / static_cast<float>(weight.spec.shape[weight.spec.rank - 1]));
        for (uint64_t first = 0; first < all; first += piece) {
            const size_t offset = random.next() % kMostOffset;
            values.resize(std::min(piece, all - first));
            for (size_t i = 0; i < values.size(); ++i) values[i] = middle + reach * noise[(offset + i) % noise.size()];
            store_piece(weight, first, &values, canonical_name(weight.spec));
        }
        progress.add(weight.values.size + weight.scales.size);
    }
}

void DeviceWeights::load(const Checkpoint& checkpoint, ProgressCallback told) {
    const Progress progress(told, checkpoint.total_bytes());
    const std::span<const Weight> all = checkpoint.weights();
    for (size_t i = 0; i < all.size(); ++i) {
        if (i + 1 < all.size()) checkpoint.prefetch(all[i + 1]);
        const size_t place = by_role_.at({all[i].role, all[i].layer});
        store(weights_[place], all[i], &progress);
        if (all[i].role == WeightRole::embedding && weights_[head_].spec.role == WeightRole::embedding && head_ != place)
            store(weights_[head_], all[i], nullptr);
        checkpoint.release(all[i]);
    }
    const std::vector<float> ones(weights_[ones_].spec.elements(), 1.0f);
    put(weights_[ones_].values, 0, ones.data(), ones.size() * sizeof(float));
}

}  // namespace scandium

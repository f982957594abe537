// Where weights come from: a model folder with model.safetensors, or with model.safetensors.index.json and the files that it
// lists; one file; or the caller's memory.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "files/mapped_file.h"
#include "files/safetensors.h"
#include "model/weights.h"

namespace scandium {

struct Weight : WeightSpec {
    std::string key;                  // what the file calls it
    DType dtype = DType::none;        // f32, f16 or bf16
    std::span<const std::byte> data;  // in the mapped file: maybe not aligned to its elements
    uint32_t file = 0;
};

// A weight, under any of the keys that it may have, the preferred one first.
struct WantedWeight {
    WeightSpec spec;
    std::vector<std::string> keys;
    std::vector<uint64_t> shape;  // in the file
};

class Checkpoint {
public:
    // Maps the files and finds every weight; reads none. Both transformers' and state-spaces' names will do.
    // A weight that is missing, has another shape, or that such a model does not have, is an error that names its key, the
    // shape found and the shape expected. Throws FileError.
    Checkpoint(const std::string& folder, const ModelConfig& config);

    // The same for a model of another kind, whose weights are just these. Memory has to stay as long as the Checkpoint; `what` then
    // begins the sentences.
    static Checkpoint of_file(const std::string& path, std::span<const WantedWeight> wanted);
    static Checkpoint of_memory(const std::string& what, std::span<const SafetensorsTensor> tensors, std::span<const WantedWeight> wanted);

    // In the order in which they lie in the files, so that a loader reads these from front to back. `total_bytes` is the
    // sum of their sizes, for progress.
    std::span<const Weight> weights() const { return weights_; }
    uint64_t total_bytes() const { return total_bytes_; }

    // Null if the model has none such.
    const Weight* find(WeightRole role, uint32_t layer = kNoLayer) const;

    // Hints for a loader: this weight is wanted soon, or has been copied.
    void prefetch(const Weight& weight) const {
        if (weight.file < files_.size()) files_[weight.file].prefetch(weight.data);
    }
    void release(const Weight& weight) const {
        if (weight.file < files_.size()) files_[weight.file].release(weight.data);
    }

private:
    Checkpoint() = default;
    void map(const struct StoredTensors& tensors);
    void sort();

    std::vector<MappedFile> files_;
    std::vector<Weight> weights_;
    std::map<std::pair<WeightRole, uint32_t>, size_t> places_;
    uint64_t total_bytes_ = 0;
};

}  // namespace scandium

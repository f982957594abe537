// Sequence models on the test device, and what they are expected to compute.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/device/language_ref.h"
#include "scandium/model_run.h"
#include "scandium/sequence_model.h"
#include "support/owned.h"
#include "support/random.h"
#include "support/test_device.h"

namespace scandium::test {

using SequenceModelPtr = std::unique_ptr<SequenceModel, Destroyer<destroy_sequence_model>>;
using StreamPtr = std::unique_ptr<SequenceStream, Destroyer<destroy_sequence_stream>>;
using WindowPtr = std::unique_ptr<SequenceWindow, Destroyer<destroy_sequence_window>>;

// A model with random weights, which `named` refers to.
struct SequenceCase {
    SequenceModelConfig config;
    LanguageRef::Weights weights;
    std::vector<std::string> names;
    std::vector<std::vector<float>> values;

    explicit SequenceCase(const SequenceModelConfig& wanted);

    LanguageRef reference() const;
    std::vector<SequenceWeight> named() const;
    uint64_t elements() const;
    // Feature vectors, of values that f32 holds.
    Vector features(uint64_t count, uint64_t seed) const;
};

// Sizes that fill no pack, no tile and no chunk.
SequenceModelConfig odd_sequence_config();

// What such a model said last.
std::string& sequence_message();

SequenceModelDesc sequence_desc(const SequenceCase& c);
// Loads from memory.
SequenceModelPtr open_sequence(const SequenceCase& c, WeightType type = WeightType::f32, MemoryAccess access = MemoryAccess::automatic);

class TestStream {
public:
    TestStream(const SequenceModel* model, uint32_t agents, uint32_t batch = 0);
    ~TestStream() { destroy_recording(TestDevice::get().context(), recording_); }
    TestStream(const TestStream&) = delete;
    TestStream& operator=(const TestStream&) = delete;

    SequenceStream* get() const { return stream_.get(); }
    const Recording* recording() const { return recording_; }

    // Row i is agent i.
    std::vector<float> step(const Vector& features);
    std::vector<float> step(const Vector& features, const std::vector<int32_t>& agents) { return step(features, agents, agents); }
    std::vector<float> step(const Vector& features, const std::vector<int32_t>& from, const std::vector<int32_t>& to);
    std::vector<char> save(uint32_t agent) const;

private:
    StreamPtr stream_;
    Recording* recording_ = nullptr;
    size_t batch_ = 0, outputs_ = 0;
};

// Runs (batch, window_size) feature vectors.
std::vector<float> run_window(const SequenceModel* model, uint32_t batch, bool every_output, const Vector& features);

// Of (rows, width): one row.
template <class T>
std::vector<T> row_of(const std::vector<T>& values, size_t row, size_t width) {
    return std::vector<T>(values.begin() + std::ptrdiff_t(row * width), values.begin() + std::ptrdiff_t((row + 1) * width));
}

}  // namespace scandium::test

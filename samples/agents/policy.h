// The agents' policy: a sequence model, a stream of theirs, and the work of a frame, recorded once.
#pragma once

#include <scandium/model_run.h>
#include <scandium/sequence_model.h>

#include <vector>

#include "options.h"

class Policy {
public:
    Policy(scandium::Context* context, const Options& options, uint32_t features, uint32_t actions);
    ~Policy();
    Policy(const Policy&) = delete;
    Policy& operator=(const Policy&) = delete;

    float* features() const { return static_cast<float*>(scandium::recording_input(frame_, 0)); }  // of the next step
    const float* actions() const { return static_cast<const float*>(scandium::recording_output(frame_, 0)); }

    // Takes all agents a step on; those that were reborn begin from a fresh memory.
    void step(const std::vector<uint32_t>& reborn);
    double gpu_us() const;  // of the last step; negative if the device has no timestamps

    uint64_t parameters() const { return scandium::sequence_model_info(model_).parameters; }
    size_t bytes_per_agent() const { return scandium::agent_state_size(stream_); }

private:
    int32_t* from() const { return static_cast<int32_t*>(scandium::recording_input(frame_, 1)); }
    void record_frame();

    scandium::Context* context_;
    uint32_t agents_;
    scandium::SequenceModel* model_ = nullptr;
    scandium::SequenceStream* stream_ = nullptr;
    scandium::Recording* frame_ = nullptr;
};

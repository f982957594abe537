#include "policy.h"

#include <cstdio>
#include <cstdlib>

using namespace scandium;

namespace {

void print_diagnostics(void*, Result result, VkResult, const char* message) {
    std::fprintf(stderr, "scandium: %s: %s\n", to_string(result), message);
}

void check(Result result) {
    if (result != Result::ok) std::exit(result == Result::invalid_argument ? kBadInput : kNoDevice);
}

HostTransfer whole(const HostBuffer& buffer) { return {static_cast<Buffer*>(buffer.handle), 0, buffer.view.size}; }

}  // namespace

Policy::Policy(Context* context, const Options& options, uint32_t features, uint32_t actions) : context_(context), agents_(options.agents) {
    SequenceModelDesc desc;
    desc.config = real_time_sequence_config(features, actions);
    desc.config.hidden_size = options.hidden;
    desc.file = options.weights;
    desc.random_weights = !options.weights;
    desc.device = context_device(context);
    desc.host = model_host(context);
    desc.diagnostics = print_diagnostics;
    check(load_sequence_model(desc, &model_));
    SequenceStreamOptions stream;
    stream.agents = agents_;
    check(create_sequence_stream(model_, stream, &stream_));
    record_frame();
    for (uint32_t i = 0; i < agents_; ++i) from()[i] = int32_t(i);
}

// What the agents see goes in, what they do comes out. Which agent a row writes never changes here, so `to` stays as it is.
void Policy::record_frame() {
    const HostTransfer inputs[] = {whole(stream_buffer(stream_, StreamBuffer::features)),
                                   whole(stream_buffer(stream_, StreamBuffer::from))};
    const HostTransfer outputs[] = {whole(stream_buffer(stream_, StreamBuffer::outputs))};
    const SessionPass pass = step_pass(stream_);
    const RecordingStep steps[] = {{pass.plan, pass.bindings}};
    RecordingDesc desc;
    desc.inputs = inputs;
    desc.steps = steps;
    desc.outputs = outputs;
    desc.timed = true;
    check(create_recording(context_, desc, &frame_));
}

Policy::~Policy() {
    destroy_recording(context_, frame_);
    destroy_sequence_stream(stream_);
    destroy_sequence_model(model_);
}

void Policy::step(const std::vector<uint32_t>& reborn) {
    for (uint32_t agent : reborn) from()[agent] = int32_t(agents_);  // the state that is always fresh
    check(run(context_, frame_));
    for (uint32_t agent : reborn) from()[agent] = int32_t(agent);
}

double Policy::gpu_us() const {
    double us = -1;
    check(recording_us(context_, frame_, &us));
    return us;
}

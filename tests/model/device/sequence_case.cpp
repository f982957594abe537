#include "model/device/sequence_case.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "model/sequence_config.h"

namespace scandium::test {
namespace {

std::vector<float> floats(const Vector& values) { return std::vector<float>(values.begin(), values.end()); }

HostTransfer whole(const HostBuffer& buffer) { return {static_cast<Buffer*>(buffer.handle), 0, buffer.view.size}; }

}  // namespace

SequenceCase::SequenceCase(const SequenceModelConfig& wanted) : config(checked(wanted, "test")) {
    Random random(17);
    for (const WantedWeight& weight : sequence_weights(config)) {
        const WeightSpec& spec = weight.spec;
        Vector& into = weights[{spec.role, spec.layer}];
        const bool is_norm = spec.role == WeightRole::norm || spec.role == WeightRole::gated_norm || spec.role == WeightRole::final_norm;
        const double spread = spec.rank == 1 ? 0.5 : 1.0 / std::sqrt(double(spec.shape[1]));
        for (double value : random.normals(spec.elements(), DType::f32))
            into.push_back(double(float((is_norm ? 1 : 0) + spread * value - (spec.role == WeightRole::dt_bias ? 1 : 0))));
        names.push_back(weight.keys[0]);
        values.push_back(floats(into));
    }
}

LanguageRef SequenceCase::reference() const { return LanguageRef(layers_of(config), weights); }

std::vector<SequenceWeight> SequenceCase::named() const {
    std::vector<SequenceWeight> list;
    const std::vector<WantedWeight> wanted = sequence_weights(config);
    for (size_t i = 0; i < wanted.size(); ++i) {
        SequenceWeight weight;
        weight.name = names[i].c_str();
        for (uint64_t size : wanted[i].shape) weight.shape[weight.rank++] = size;
        weight.data = values[i].data();
        weight.size = values[i].size() * sizeof(float);
        list.push_back(weight);
    }
    return list;
}

uint64_t SequenceCase::elements() const {
    uint64_t count = 0;
    for (const std::vector<float>& each : values) count += each.size();
    return count;
}

Vector SequenceCase::features(uint64_t count, uint64_t seed) const { return Random(seed).normals(count * config.embed_dim, DType::f32); }

SequenceModelConfig odd_sequence_config() {
    SequenceModelConfig config = real_time_sequence_config(7, 5);
    config.hidden_size = 20;
    config.state_size = 12;
    config.conv_size = 3;
    config.num_layers = 3;
    config.window_size = 37;
    return config;
}

std::string& sequence_message() {
    static std::string message;
    return message;
}

SequenceModelDesc sequence_desc(const SequenceCase& c) {
    SequenceModelDesc desc;
    desc.config = c.config;
    desc.device = TestDevice::get().device();
    desc.host = model_host(TestDevice::get().context());
    desc.weight_type = WeightType::f32;
    desc.diagnostics = [](void*, Result, VkResult, const char* text) { sequence_message() = text; };
    return desc;
}

SequenceModelPtr open_sequence(const SequenceCase& c, WeightType type, MemoryAccess access) {
    const std::vector<SequenceWeight> weights = c.named();
    SequenceModelDesc desc = sequence_desc(c);
    desc.weights = {weights.data(), weights.size()};
    desc.weight_type = type;
    desc.access = access;
    SequenceModel* model = nullptr;
    const Result result = load_sequence_model(desc, &model);
    INFO(sequence_message());
    REQUIRE(result == Result::ok);
    return SequenceModelPtr(model);
}

TestStream::TestStream(const SequenceModel* model, uint32_t agents, uint32_t batch) {
    SequenceStream* stream = nullptr;
    REQUIRE(create_sequence_stream(model, {agents, batch}, &stream) == Result::ok);
    stream_.reset(stream);
    batch_ = sequence_stream_options(stream).batch;
    outputs_ = batch_ * sequence_model_config(model).output_size;
    const HostTransfer inputs[] = {whole(stream_buffer(stream, StreamBuffer::features)), whole(stream_buffer(stream, StreamBuffer::from)),
                                   whole(stream_buffer(stream, StreamBuffer::to))};
    const HostTransfer outputs[] = {whole(stream_buffer(stream, StreamBuffer::outputs))};
    const SessionPass pass = step_pass(stream);
    const RecordingStep steps[] = {{pass.plan, pass.bindings}};
    RecordingDesc desc;
    desc.inputs = inputs;
    desc.steps = steps;
    desc.outputs = outputs;
    REQUIRE(create_recording(TestDevice::get().context(), desc, &recording_) == Result::ok);
}

std::vector<float> TestStream::step(const Vector& features) {
    std::vector<int32_t> agents;
    for (size_t i = 0; i < batch_; ++i) agents.push_back(int32_t(i));
    return step(features, agents, agents);
}

std::vector<float> TestStream::step(const Vector& features, const std::vector<int32_t>& from, const std::vector<int32_t>& to) {
    REQUIRE((from.size() == batch_ && to.size() == batch_));
    const std::vector<float> values = floats(features);
    std::memcpy(recording_input(recording_, 0), values.data(), values.size() * sizeof(float));
    std::memcpy(recording_input(recording_, 1), from.data(), from.size() * sizeof(int32_t));
    std::memcpy(recording_input(recording_, 2), to.data(), to.size() * sizeof(int32_t));
    REQUIRE(run(TestDevice::get().context(), recording_) == Result::ok);
    const float* outputs = static_cast<const float*>(recording_output(recording_, 0));
    return std::vector<float>(outputs, outputs + outputs_);
}

std::vector<char> TestStream::save(uint32_t agent) const {
    std::vector<char> bytes(agent_state_size(get()));
    REQUIRE(save_agent(get(), agent, bytes.data(), bytes.size()) == Result::ok);
    return bytes;
}

std::vector<float> run_window(const SequenceModel* model, uint32_t batch, bool every_output, const Vector& features) {
    SequenceWindow* window = nullptr;
    const Result result = create_sequence_window(model, {batch, every_output}, &window);
    INFO(sequence_message());
    REQUIRE(result == Result::ok);
    const WindowPtr owned(window);
    Context* context = TestDevice::get().context();
    const std::vector<float> values = floats(features);
    const HostBuffer in = window_buffer(window, WindowBuffer::features), out = window_buffer(window, WindowBuffer::outputs);
    REQUIRE(in.view.size == values.size() * sizeof(float));
    REQUIRE(upload(context, static_cast<Buffer*>(in.handle), 0, values.data(), in.view.size) == Result::ok);
    const SessionPass pass = window_pass(window);
    REQUIRE(run(context, pass.plan, pass.bindings) == Result::ok);
    std::vector<float> outputs(out.view.size / sizeof(float));
    REQUIRE(download(context, static_cast<Buffer*>(out.handle), 0, outputs.data(), out.view.size) == Result::ok);
    return outputs;
}

}  // namespace scandium::test

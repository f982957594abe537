// Streams: the states of many agents, and the pass that takes them a step on.
#include <algorithm>
#include <numeric>

#include "files/text.h"
#include "model/sequence.h"

namespace scandium {
namespace {

constexpr uint32_t kMostAgents = 65535;

SequenceStreamOptions checked(SequenceStreamOptions options) {
    constexpr const char* kCall = "create_sequence_stream";
    if (options.agents < 1 || options.agents > kMostAgents)
        throw FileError(format("%s: agents is %u, but 1 to %u is expected", kCall, options.agents, kMostAgents));
    if (options.batch > options.agents)
        throw FileError(format("%s: batch is %u, but at most agents, %u, is expected", kCall, options.batch, options.agents));
    if (options.batch == 0) options.batch = options.agents;
    return options;
}

void make_memory(SequenceStream* stream) {
    const Model& network = stream->model->network;
    const SequenceModelConfig& config = stream->model->config;
    const uint64_t batch = stream->options.batch;
    stream->states = std::make_unique<States>(network, stream->options.agents + 1);
    const auto set = [&](StreamBuffer which, uint64_t elements) {
        stream->buffers[static_cast<size_t>(which)] = zeroed(network, elements * sizeof(float));
    };
    set(StreamBuffer::features, batch * config.embed_dim);
    set(StreamBuffer::from, batch);
    set(StreamBuffer::to, batch);
    set(StreamBuffer::outputs, batch * config.output_size);
    std::vector<int32_t> agents(batch);
    std::iota(agents.begin(), agents.end(), 0);
    for (const StreamBuffer which : {StreamBuffer::from, StreamBuffer::to})
        require(network.host.upload(network.host.user, stream->buffer(which), 0, agents.data(), batch * sizeof(int32_t)));
}

PlannedGraph step_graph(const SequenceStream& stream) {
    const SequenceModelConfig& config = stream.model->config;
    const uint64_t batch = stream.options.batch;
    LayersDesc desc;
    desc.model = &stream.model->network;
    desc.states = stream.states.get();
    desc.steps = true;
    desc.tokens = batch;
    Layers layers(desc);
    layers.project_features(layers.bound("features", DType::f32, {batch, config.embed_dim}, stream.buffer(StreamBuffer::features).view));
    StepSlots slots;
    slots.from = layers.bound("from", DType::i32, {batch}, stream.buffer(StreamBuffer::from).view);
    slots.to = layers.bound("to", DType::i32, {batch}, stream.buffer(StreamBuffer::to).view);
    layers.run(slots);
    layers.head(layers.normalised(),
                layers.bound("outputs", DType::f32, {batch, config.output_size}, stream.buffer(StreamBuffer::outputs).view));
    return layers.take();
}

void check_agent(const SequenceStream& stream, const char* call, uint32_t agent) {
    if (agent >= stream.options.agents)
        throw FileError(format("%s: agent %u is not one of the stream's %u", call, agent, stream.options.agents));
}

template <class F>
Result change(const SequenceStream* stream, F&& work) {
    return stream ? guarded(stream->model->network.diagnostics, work) : Result::invalid_argument;
}

}  // namespace

Result create_sequence_stream(const SequenceModel* model, const SequenceStreamOptions& options, SequenceStream** out) noexcept {
    if (!model) return Result::invalid_argument;
    const Diagnostics& diagnostics = model->network.diagnostics;
    if (!out) return diagnostics.fail(Result::invalid_argument, "create_sequence_stream: out is null");
    *out = nullptr;
    return guarded(diagnostics, [&] {
        auto stream = std::make_unique<SequenceStream>();
        stream->model = model;
        stream->options = checked(options);
        make_memory(stream.get());
        std::vector<Draft> drafts;
        drafts.push_back({step_graph(*stream), &stream->step});
        stream->workspace = make_passes(model->network, std::move(drafts), 1);
        *out = stream.release();
    });
}

void destroy_sequence_stream(SequenceStream* stream) noexcept { delete stream; }

const SequenceStreamOptions& sequence_stream_options(const SequenceStream* stream) noexcept {
    static const SequenceStreamOptions kNone;
    return stream ? stream->options : kNone;
}

SessionPass step_pass(const SequenceStream* stream) noexcept { return stream ? pass_of(stream->step, 0) : SessionPass(); }

HostBuffer stream_buffer(const SequenceStream* stream, StreamBuffer which) noexcept {
    return stream && which < StreamBuffer::count ? stream->buffer(which) : HostBuffer();
}

Result reset_agents(SequenceStream* stream, Span<uint32_t> agents) noexcept {
    return change(stream, [&] {
        if (agents.size && !agents.data) throw FileError("reset_agents: agents is null");
        std::vector<uint32_t> each(agents.data, agents.data + agents.size);
        for (uint32_t agent : each) check_agent(*stream, "reset_agents", agent);
        // Copies in one submission may not meet.
        std::sort(each.begin(), each.end());
        each.erase(std::unique(each.begin(), each.end()), each.end());
        stream->states->copy(stream->options.agents, {each.data(), each.size()});
    });
}

Result copy_agent(SequenceStream* stream, uint32_t from, uint32_t to) noexcept {
    return change(stream, [&] {
        check_agent(*stream, "copy_agent", from);
        check_agent(*stream, "copy_agent", to);
        stream->states->copy(from, to);
    });
}

size_t agent_state_size(const SequenceStream* stream) noexcept { return stream ? stream->states->saved_size() : 0; }

Result save_agent(SequenceStream* stream, uint32_t agent, void* bytes, size_t size) noexcept {
    return change(stream, [&] {
        check_agent(*stream, "save_agent", agent);
        stream->states->check_bytes("save_agent", bytes, size);
        stream->states->save(agent, bytes);
    });
}

Result load_agent(SequenceStream* stream, uint32_t agent, const void* bytes, size_t size) noexcept {
    return change(stream, [&] {
        check_agent(*stream, "load_agent", agent);
        stream->states->check_bytes("load_agent", bytes, size);
        stream->states->load("load_agent", agent, bytes);
    });
}

}  // namespace scandium

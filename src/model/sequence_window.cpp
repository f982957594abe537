// Windows: the pass that computes outputs from the last features alone.
#include "files/text.h"
#include "model/sequence.h"

namespace scandium {
namespace {

constexpr uint32_t kMostWindows = 65535;

SsdAlgorithm algorithm_of(SequenceMode mode) {
    switch (mode) {
    case SequenceMode::chunked: return SsdAlgorithm::chunked;
    case SequenceMode::recurrent: return SsdAlgorithm::recurrent;
    case SequenceMode::automatic: break;
    }
    return SsdAlgorithm::automatic;
}

void make_memory(SequenceWindow* window) {
    const Model& network = window->model->network;
    const SequenceModelConfig& config = window->model->config;
    const uint64_t batch = window->options.batch, vectors = batch * config.window_size;
    const auto set = [&](WindowBuffer which, uint64_t elements) {
        window->buffers[static_cast<size_t>(which)] = zeroed(network, elements * sizeof(float));
    };
    set(WindowBuffer::features, vectors * config.embed_dim);
    set(WindowBuffer::outputs, (window->options.every_output ? vectors : batch) * config.output_size);
}

PlannedGraph window_graph(const SequenceWindow& window) {
    const SequenceModelConfig& config = window.model->config;
    LayersDesc desc;
    desc.model = &window.model->network;
    desc.batch = window.options.batch;
    desc.tokens = config.window_size;
    desc.algorithm = algorithm_of(config.mode);
    desc.chunk_size = config.chunk_size;
    Layers layers(desc);
    const BufferView features = window.buffer(WindowBuffer::features).view, outputs = window.buffer(WindowBuffer::outputs).view;
    layers.project_features(layers.bound("features", DType::f32, {desc.batch, desc.tokens, config.embed_dim}, features));
    layers.run({});
    if (window.options.every_output)
        layers.head(layers.normalised(), layers.bound("outputs", DType::f32, {desc.batch, desc.tokens, config.output_size}, outputs));
    else
        layers.head(layers.normalised_last(), layers.bound("outputs", DType::f32, {desc.batch, config.output_size}, outputs));
    return layers.take();
}

}  // namespace

Result create_sequence_window(const SequenceModel* model, const SequenceWindowOptions& options, SequenceWindow** out) noexcept {
    if (!model) return Result::invalid_argument;
    const Diagnostics& diagnostics = model->network.diagnostics;
    if (!out) return diagnostics.fail(Result::invalid_argument, "create_sequence_window: out is null");
    *out = nullptr;
    return guarded(diagnostics, [&] {
        if (options.batch < 1 || options.batch > kMostWindows)
            throw FileError(format("create_sequence_window: batch is %u, but 1 to %u is expected", options.batch, kMostWindows));
        auto window = std::make_unique<SequenceWindow>();
        window->model = model;
        window->options = options;
        make_memory(window.get());
        std::vector<Draft> drafts;
        drafts.push_back({window_graph(*window), &window->pass});
        window->workspace = make_passes(model->network, std::move(drafts), 1);
        *out = window.release();
    });
}

void destroy_sequence_window(SequenceWindow* window) noexcept { delete window; }

const SequenceWindowOptions& sequence_window_options(const SequenceWindow* window) noexcept {
    static const SequenceWindowOptions kNone;
    return window ? window->options : kNone;
}

SessionPass window_pass(const SequenceWindow* window) noexcept { return window ? pass_of(window->pass, 0) : SessionPass(); }

HostBuffer window_buffer(const SequenceWindow* window, WindowBuffer which) noexcept {
    return window && which < WindowBuffer::count ? window->buffer(which) : HostBuffer();
}

}  // namespace scandium

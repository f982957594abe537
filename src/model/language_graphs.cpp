#include "model/language_graphs.h"

#include "scandium/ops/embedding.h"

namespace scandium {
namespace {

LayersDesc prompt_of(const Session& session) {
    LayersDesc desc;
    desc.model = session.model;
    desc.states = session.states.get();
    desc.tokens = session.options.chunk;
    return desc;
}

TensorId bound_buffer(Layers& layers, const Session& session, const char* name, DType type, Layers::Sizes shape, SessionBuffer which) {
    return layers.bound(name, type, shape, session.buffer(which).view);
}

}  // namespace

PlannedGraph prefill_graph(const Session& session) {
    Layers layers(prompt_of(session));
    const uint64_t chunk = session.options.chunk;
    const TensorId ids = bound_buffer(layers, session, "prompt_tokens", DType::i32, {1, chunk}, SessionBuffer::prompt_tokens);
    const TensorId hidden =
        layers.bound("hidden", session.model->prefill_type, {1, chunk, session.model->config.d_model}, session.hidden.get().view);
    layers.embed(ids);
    layers.run({});
    layers.normalise_to(hidden);
    return layers.take();
}

PlannedGraph prompt_logits_graph(const Session& session) {
    Layers layers(prompt_of(session));
    const ModelConfig& config = session.model->config;
    const TensorId hidden =
        layers.bound("hidden", session.model->prefill_type, {session.options.chunk, config.d_model}, session.hidden.get().view);
    const TensorId row = bound_buffer(layers, session, "prompt_row", DType::i32, {1}, SessionBuffer::prompt_row);
    const TensorId wanted = layers.transient("row", DType::f32, {1, config.d_model});
    require(embedding(layers.graph(), {row, hidden, wanted}));
    layers.head(wanted,
                bound_buffer(layers, session, "prompt_logits", DType::f32, {1, config.padded_vocab_size}, SessionBuffer::prompt_logits));
    return layers.take();
}

PlannedGraph every_logits_graph(const Session& session) {
    Layers layers(prompt_of(session));
    const ModelConfig& config = session.model->config;
    const uint64_t chunk = session.options.chunk;
    const TensorId hidden = layers.bound("hidden", session.model->prefill_type, {1, chunk, config.d_model}, session.hidden.get().view);
    layers.head(hidden, bound_buffer(layers, session, "every_logits", DType::f32, {1, chunk, config.padded_vocab_size},
                                     SessionBuffer::every_logits));
    return layers.take();
}

PlannedGraph decode_graph(const Session& session) {
    LayersDesc desc = prompt_of(session);
    desc.steps = true;
    desc.tokens = session.options.batch;
    Layers layers(desc);
    const uint64_t batch = session.options.batch;
    const TensorId ids = bound_buffer(layers, session, "step_tokens", DType::i32, {batch}, SessionBuffer::step_tokens);
    const TensorId slots = bound_buffer(layers, session, "step_slots", DType::i32, {batch}, SessionBuffer::step_slots);
    layers.embed(ids);
    layers.run({slots, kNoTensor});
    layers.head(layers.normalised(), bound_buffer(layers, session, "step_logits", DType::f32,
                                                  {batch, session.model->config.padded_vocab_size}, SessionBuffer::step_logits));
    return layers.take();
}

}  // namespace scandium

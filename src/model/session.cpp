// Sessions: memory, plans and bindings.
#include <algorithm>

#include "files/text.h"
#include "model/layers.h"

namespace scandium {
namespace {

constexpr uint32_t kMostSlots = 65536, kMostTokens = 65536;

// With zeros, which is what a text begins from.
OwnedHostBuffer zeroed(const Model& model, VkDeviceSize size) {
    constexpr VkDeviceSize kPiece = 1 << 20;
    OwnedHostBuffer buffer = allocate(model.host, size, model.buffer_usage());
    const std::vector<char> zeros(static_cast<size_t>(std::min(size, kPiece)));
    for (VkDeviceSize done = 0; done < size; done += zeros.size())
        require(model.host.upload(model.host.user, buffer.get(), done, zeros.data(), std::min<VkDeviceSize>(zeros.size(), size - done)));
    return buffer;
}

void check_options(const SessionOptions& options) {
    const auto expect = [](const char* name, uint32_t value, uint32_t least, uint32_t most) {
        if (value < least || value > most)
            throw FileError(format("create_session: %s is %u, but %u to %u is expected", name, value, least, most));
    };
    expect("slots", options.slots, 1, kMostSlots);
    expect("batch", options.batch, 0, options.slots);
    expect("chunk", options.chunk, 1, kMostTokens);
}

void make_memory(Session* session) {
    const Model& model = *session->model;
    const SessionOptions& options = session->options;
    const StateSizes sizes = state_sizes(model.config);
    for (uint32_t i = 0; i < model.config.n_layer; ++i)
        session->layers.push_back(
            {zeroed(model, sizes.conv * options.slots * sizeof(float)), zeroed(model, sizes.scan * options.slots * sizeof(float))});
    const auto make = [&](VkDeviceSize size) { return allocate(model.host, size, model.buffer_usage()); };
    session->image = make((sizes.conv + sizes.scan) * model.config.n_layer * sizeof(float));
    session->hidden = make(uint64_t(options.chunk) * model.config.d_model * size_of(model.prefill_type));
    const auto set = [&](SessionBuffer which, uint64_t elements) {
        if (elements) session->buffers[static_cast<size_t>(which)] = zeroed(model, elements * 4);
    };
    const uint64_t vocab = model.config.padded_vocab_size;
    set(SessionBuffer::prompt_tokens, options.chunk);
    set(SessionBuffer::prompt_row, 1);
    set(SessionBuffer::prompt_logits, vocab);
    set(SessionBuffer::every_logits, options.every_logits ? options.chunk * vocab : 0);
    set(SessionBuffer::step_tokens, options.batch);
    set(SessionBuffer::step_slots, options.batch);
    set(SessionBuffer::step_logits, options.batch * vocab);
}

// A graph and the plan that it became, until there is memory to bind to it.
struct Draft {
    PlannedPass* pass;
    BoundTensors tensors;
};

Draft plan(PlannedGraph graph, PlannedPass* pass) {
    Plan* plan = nullptr;
    require(create_plan(graph.graph.get(), PlanOptions(), &plan));
    pass->plan.reset(plan);
    return {pass, std::move(graph.tensors)};
}

void bind(const Session& session, Draft draft) {
    const size_t count = draft.tensors.per_slot.empty() ? 1 : session.options.slots;
    for (size_t slot = 0; slot < count; ++slot) {
        std::vector<Binding> tensors = draft.tensors.bindings;
        for (const BoundTensors::PerSlot& each : draft.tensors.per_slot) tensors[each.binding].view.offset += slot * each.bytes;
        Bindings* bindings = nullptr;
        require(create_bindings(draft.pass->plan.get(), {tensors.data(), tensors.size()},
                                session.workspace.get().handle ? session.workspace.get().view : BufferView(), &bindings));
        draft.pass->bindings.emplace_back(bindings);
    }
}

void make_plans(Session* session) {
    std::vector<Draft> drafts;
    drafts.push_back(plan(prefill_graph(*session), &session->prefill));
    drafts.push_back(plan(prompt_logits_graph(*session), &session->prompt_logits));
    if (session->options.every_logits) drafts.push_back(plan(every_logits_graph(*session), &session->every_logits));
    if (session->options.batch) drafts.push_back(plan(decode_graph(*session), &session->decode));
    VkDeviceSize size = 0;
    for (const Draft& draft : drafts) size = std::max(size, workspace_info(draft.pass->plan.get()).size);
    if (size) session->workspace = allocate(session->model->host, size, session->model->buffer_usage());
    for (Draft& draft : drafts) bind(*session, std::move(draft));
}

SessionPass pass_of(const PlannedPass& pass, size_t index) {
    if (index >= pass.bindings.size()) return {};
    return {pass.plan.get(), pass.bindings[index].get()};
}

}  // namespace

Result create_session(const Model* model, const SessionOptions& options, Session** out) noexcept {
    if (!model) return Result::invalid_argument;
    if (!out) return model->diagnostics.fail(Result::invalid_argument, "create_session: out is null");
    *out = nullptr;
    return guarded(model->diagnostics, [&] {
        check_options(options);
        auto session = std::make_unique<Session>();
        session->model = model;
        session->options = options;
        make_memory(session.get());
        make_plans(session.get());
        *out = session.release();
    });
}

void destroy_session(Session* session) noexcept { delete session; }

const Model* model_of(const Session* session) noexcept { return session ? session->model : nullptr; }

const SessionOptions& session_options(const Session* session) noexcept {
    static const SessionOptions kNone;
    return session ? session->options : kNone;
}

SessionPass prefill_pass(const Session* session, uint32_t slot) noexcept {
    return session ? pass_of(session->prefill, slot) : SessionPass();
}
SessionPass prompt_logits_pass(const Session* session) noexcept { return session ? pass_of(session->prompt_logits, 0) : SessionPass(); }
SessionPass every_logits_pass(const Session* session) noexcept { return session ? pass_of(session->every_logits, 0) : SessionPass(); }
SessionPass decode_pass(const Session* session) noexcept { return session ? pass_of(session->decode, 0) : SessionPass(); }

HostBuffer session_buffer(const Session* session, SessionBuffer which) noexcept {
    return session && which < SessionBuffer::count ? session->buffer(which) : HostBuffer();
}

}  // namespace scandium

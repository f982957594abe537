// Sessions: memory, plans and bindings.
#include "files/text.h"
#include "model/language_graphs.h"
#include "model/passes.h"

namespace scandium {
namespace {

constexpr uint32_t kMostSlots = 65536, kMostTokens = 65536;

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
    session->states = std::make_unique<States>(model, options.slots);
    const VkDeviceSize hidden_size = uint64_t(options.chunk) * model.config.d_model * size_of(model.prefill_type);
    session->hidden = allocate(model.host, hidden_size, model.buffer_usage());
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

void make_plans(Session* session) {
    std::vector<Draft> drafts;
    drafts.push_back({prefill_graph(*session), &session->prefill});
    drafts.push_back({prompt_logits_graph(*session), &session->prompt_logits});
    if (session->options.every_logits) drafts.push_back({every_logits_graph(*session), &session->every_logits});
    if (session->options.batch) drafts.push_back({decode_graph(*session), &session->decode});
    session->workspace = make_passes(*session->model, std::move(drafts), session->options.slots);
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

#include <cstring>
#include <new>

#include "core/array.h"
#include "core/device_state.h"
#include "scandium/model_run.h"

namespace scandium {

struct ModelRunner {
    Context* context = nullptr;
    const Session* session = nullptr;
    Recording* decode = nullptr;
    Array<float> logits;  // of prompts
    Array<bool> taken;    // slots, while decode() looks at its rows

    const Diagnostics& diagnostics() const { return context_device(context)->diagnostics; }
    uint64_t vocab() const { return model_config(model_of(session)).padded_vocab_size; }
    Buffer* buffer(SessionBuffer which) const { return static_cast<Buffer*>(session_buffer(session, which).handle); }
};

namespace {

using Number = unsigned long long;  // what %llu takes on every platform

Result record_decode(ModelRunner* runner) {
    const SessionPass pass = decode_pass(runner->session);
    if (!pass.plan) return Result::ok;
    const VkDeviceSize batch = session_options(runner->session).batch;
    const HostTransfer inputs[] = {{runner->buffer(SessionBuffer::step_tokens), 0, batch * sizeof(int32_t)},
                                   {runner->buffer(SessionBuffer::step_slots), 0, batch * sizeof(int32_t)}};
    const HostTransfer outputs[] = {{runner->buffer(SessionBuffer::step_logits), 0, batch * runner->vocab() * sizeof(float)}};
    const RecordingStep steps[] = {{pass.plan, pass.bindings}};
    RecordingDesc desc;
    desc.inputs = inputs;
    desc.steps = steps;
    desc.outputs = outputs;
    return create_recording(runner->context, desc, &runner->decode);
}

Result fill(ModelRunner* runner) {
    const SessionOptions& options = session_options(runner->session);
    const uint64_t rows = options.every_logits ? options.chunk : 1;
    if (!runner->logits.resize(rows * runner->vocab()) || !runner->taken.resize(options.slots, false))
        return runner->diagnostics().fail(Result::out_of_host_memory, "create_model_runner: out of host memory");
    return record_decode(runner);
}

Result check_tokens(const ModelRunner* runner, const char* call, Span<int32_t> tokens) {
    for (size_t i = 0; i < tokens.size; ++i)
        if (tokens.data[i] < 0 || uint64_t(tokens.data[i]) >= runner->vocab())
            return runner->diagnostics().fail(Result::invalid_argument, "%s: token %zu is %d, but the model has %llu", call, i,
                                              int(tokens.data[i]), Number(runner->vocab()));
    return Result::ok;
}

Result check_prompt(const ModelRunner* runner, uint32_t slot, Span<int32_t> tokens) {
    const Diagnostics& diagnostics = runner->diagnostics();
    const uint32_t slots = session_options(runner->session).slots;
    if (!tokens.data || tokens.size == 0) return diagnostics.fail(Result::invalid_argument, "prefill: there are no tokens");
    if (slot >= slots) return diagnostics.fail(Result::invalid_argument, "prefill: slot is %u, but the session has %u", slot, slots);
    return check_tokens(runner, "prefill", tokens);
}

Result run_chunk(ModelRunner* runner, uint32_t slot, const int32_t* tokens, size_t count) {
    if (Result result = upload(runner->context, runner->buffer(SessionBuffer::prompt_tokens), 0, tokens, count * sizeof(int32_t));
        result != Result::ok)
        return result;
    const SessionPass pass = prefill_pass(runner->session, slot);
    RunOptions options;
    options.seqlen = count;
    return run(runner->context, pass.plan, pass.bindings, options);
}

Result last_logits(ModelRunner* runner, size_t row) {
    const int32_t index = int32_t(row);
    if (Result result = upload(runner->context, runner->buffer(SessionBuffer::prompt_row), 0, &index, sizeof index); result != Result::ok)
        return result;
    const SessionPass pass = prompt_logits_pass(runner->session);
    if (Result result = run(runner->context, pass.plan, pass.bindings); result != Result::ok) return result;
    return download(runner->context, runner->buffer(SessionBuffer::prompt_logits), 0, runner->logits.data(),
                    runner->vocab() * sizeof(float));
}

Result chunk_logits(ModelRunner* runner, size_t count) {
    const SessionPass pass = every_logits_pass(runner->session);
    RunOptions options;
    options.seqlen = count;
    if (Result result = run(runner->context, pass.plan, pass.bindings, options); result != Result::ok) return result;
    return download(runner->context, runner->buffer(SessionBuffer::every_logits), 0, runner->logits.data(),
                    count * runner->vocab() * sizeof(float));
}

size_t next_chunk(const ModelRunner* runner, Span<int32_t> tokens, size_t done) {
    const size_t chunk = session_options(runner->session).chunk, left = tokens.size - done;
    return left < chunk ? left : chunk;
}

Result check_rows(ModelRunner* runner, Span<int32_t> tokens, Span<int32_t> slots) {
    const Diagnostics& diagnostics = runner->diagnostics();
    const SessionOptions& options = session_options(runner->session);
    if (!runner->decode) return diagnostics.fail(Result::invalid_argument, "decode: the session was made with batch 0");
    if (tokens.size != options.batch || slots.size != options.batch || !tokens.data || !slots.data)
        return diagnostics.fail(Result::invalid_argument, "decode: %zu tokens and %zu slots, but the batch is %u", tokens.size, slots.size,
                                options.batch);
    Result result = Result::ok;
    size_t marked = 0;
    for (; marked < slots.size && result == Result::ok; ++marked) {
        const int32_t slot = slots.data[marked];
        if (slot == -1) continue;
        if (slot < -1 || slot >= int64_t(options.slots))
            result =
                diagnostics.fail(Result::invalid_argument, "decode: slot %d of row %zu is not one of %u", int(slot), marked, options.slots);
        else if (runner->taken[size_t(slot)])
            result = diagnostics.fail(Result::invalid_argument, "decode: slot %d is in two rows", int(slot));
        else if (result = check_tokens(runner, "decode", {tokens.data + marked, 1}); result == Result::ok)
            runner->taken[size_t(slot)] = true;
    }
    for (size_t i = 0; i < marked; ++i)
        if (slots.data[i] >= 0 && slots.data[i] < int64_t(options.slots)) runner->taken[size_t(slots.data[i])] = false;
    return result;
}

}  // namespace

Result create_model_runner(Context* context, const Session* session, ModelRunner** out) noexcept {
    if (!context) return Result::invalid_argument;
    const Diagnostics& diagnostics = context_device(context)->diagnostics;
    if (!session || !out) return diagnostics.fail(Result::invalid_argument, "create_model_runner: %s is null", session ? "out" : "session");
    *out = nullptr;
    ModelRunner* runner = new (std::nothrow) ModelRunner;
    if (!runner) return diagnostics.fail(Result::out_of_host_memory, "create_model_runner: out of host memory");
    runner->context = context;
    runner->session = session;
    if (Result result = fill(runner); result != Result::ok) {
        destroy_model_runner(runner);
        return result;
    }
    *out = runner;
    return Result::ok;
}

void destroy_model_runner(ModelRunner* runner) noexcept {
    if (!runner) return;
    destroy_recording(runner->context, runner->decode);
    delete runner;
}

Result prefill(ModelRunner* runner, uint32_t slot, Span<int32_t> tokens, const float** logits) noexcept {
    if (!runner) return Result::invalid_argument;
    if (Result result = check_prompt(runner, slot, tokens); result != Result::ok) return result;
    size_t count = 0;
    for (size_t done = 0; done < tokens.size; done += count) {
        count = next_chunk(runner, tokens, done);
        if (Result result = run_chunk(runner, slot, tokens.data + done, count); result != Result::ok) return result;
    }
    if (!logits) return Result::ok;
    *logits = runner->logits.data();
    return last_logits(runner, count - 1);
}

Result prefill_every(ModelRunner* runner, uint32_t slot, Span<int32_t> tokens, LogitsSink sink, void* user) noexcept {
    if (!runner) return Result::invalid_argument;
    if (!sink) return runner->diagnostics().fail(Result::invalid_argument, "prefill_every: sink is null");
    if (!every_logits_pass(runner->session).plan)
        return runner->diagnostics().fail(Result::invalid_argument, "prefill_every: the session was made without every_logits");
    if (Result result = check_prompt(runner, slot, tokens); result != Result::ok) return result;
    for (size_t done = 0; done < tokens.size;) {
        const size_t count = next_chunk(runner, tokens, done);
        if (Result result = run_chunk(runner, slot, tokens.data + done, count); result != Result::ok) return result;
        if (Result result = chunk_logits(runner, count); result != Result::ok) return result;
        if (!sink(user, done, count, runner->logits.data())) break;
        done += count;
    }
    return Result::ok;
}

Result decode(ModelRunner* runner, Span<int32_t> tokens, Span<int32_t> slots, const float** logits) noexcept {
    if (!runner) return Result::invalid_argument;
    if (!logits) return runner->diagnostics().fail(Result::invalid_argument, "decode: logits is null");
    if (Result result = check_rows(runner, tokens, slots); result != Result::ok) return result;
    std::memcpy(recording_input(runner->decode, 0), tokens.data, tokens.size * sizeof(int32_t));
    std::memcpy(recording_input(runner->decode, 1), slots.data, slots.size * sizeof(int32_t));
    if (Result result = run(runner->context, runner->decode); result != Result::ok) return result;
    *logits = static_cast<const float*>(recording_output(runner->decode, 0));
    return Result::ok;
}

}  // namespace scandium

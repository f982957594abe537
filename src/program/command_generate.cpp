#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "commands.h"
#include "files/text.h"
#include "language.h"
#include "report.h"
#include "stop_filter.h"

namespace scandium::program {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMostTokens = uint64_t(1) << 40;
constexpr uint32_t kChunk = 512;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

float read_real(const char* option, const std::string& text) {
    double value = 0;
    if (!parse_number(text, &value) || !std::isfinite(value))
        throw UsageError(format("%s: %s is not a number of at least 0", option, in_quotes(text).c_str()));
    return static_cast<float>(value);
}

OwnedLanguage<Sampler> make_sampler(const GenerateArguments& arguments, Messages* messages) {
    SamplerOptions options;
    options.temperature = read_real("--temperature", arguments.temperature);
    options.top_p = read_real("--top-p", arguments.top_p);
    options.min_p = read_real("--min-p", arguments.min_p);
    options.repetition_penalty = read_real("--repetition-penalty", arguments.repetition_penalty);
    options.top_k = static_cast<uint32_t>(read_count("--top-k", arguments.top_k, 0, UINT32_MAX));
    options.seed = read_count("--seed", arguments.seed, 0, UINT64_MAX);
    options.diagnostics = Messages::add;
    options.diagnostics_user = messages;
    Sampler* sampler = nullptr;
    messages->check(create_sampler(options, &sampler), "create_sampler");
    return OwnedLanguage<Sampler>(sampler);
}

std::vector<int32_t> read_prompt(const GenerateArguments& arguments, const Tokenizer* tokenizer, const ModelConfig& config,
                                 const Messages& messages) {
    const std::string text = arguments.prompt == "-" ? read_text("--prompt", "-") : arguments.prompt;
    std::vector<int32_t> tokens = tokens_of(tokenizer, text, true, messages);
    if (tokens.empty() && config.begin_token != kNoToken) tokens = {config.begin_token};
    if (tokens.empty()) throw UsageError("--prompt: the model names no token that texts begin with, so that one must be given");
    return tokens;
}

bool is_end(const ModelConfig& config, int32_t token) {
    return std::find(config.end_tokens, config.end_tokens + config.end_token_count, token) != config.end_tokens + config.end_token_count;
}

// What it took, for people.
struct Timing {
    double ready = 0, prefill = 0, first_token = 0;  // seconds; first_token from the program's start
    double steps = 0, first_step = 0;
    uint64_t prompt_tokens = 0, step_count = 0;
};

void print_timing(const Timing& timing, const Language& language) {
    const ModelInfo info = language.info();
    std::fprintf(stderr, "%s, weights %s (%s)\n", one_line(language.caps().device_name).c_str(), to_string(info.weights),
                 size_text(info.weight_bytes).c_str());
    std::fprintf(stderr, "ready after %.2f s, first token after %.2f s\n", timing.ready, timing.first_token);
    std::fprintf(stderr, "prefill: %llu tokens, %.1f tokens/s\n", static_cast<unsigned long long>(timing.prompt_tokens),
                 static_cast<double>(timing.prompt_tokens) / timing.prefill);
    if (timing.step_count == 0) return;
    // The first step also waits for drivers that finish compiling only then.
    const uint64_t count = timing.step_count > 1 ? timing.step_count - 1 : 1;
    const double seconds = timing.step_count > 1 ? timing.steps : timing.first_step, rate = static_cast<double>(count) / seconds;
    const double speed = rate * static_cast<double>(info.step_weight_bytes) * 1e-9, ceiling = language.memory_ceiling();
    std::fprintf(stderr, "decode: %llu tokens, %.1f tokens/s%s, %s of weights for each: %.1f GB/s, %.0f %% of the %.1f of a long add\n",
                 static_cast<unsigned long long>(timing.step_count), rate, timing.step_count > 1 ? " after the first" : "",
                 size_text(info.step_weight_bytes).c_str(), speed, 100 * speed / ceiling, ceiling);
}

class Writer {
public:
    Writer(const Tokenizer* tokenizer, const std::vector<std::string>& stops, const Messages& messages) : filter_(stops) {
        TokenStream* stream = nullptr;
        messages.check(create_token_stream(tokenizer, true, &stream), "create_token_stream");
        stream_.reset(stream);
    }
    // So that a text which goes on from the prompt's does so with the right spaces.
    void skip(const std::vector<int32_t>& prompt) {
        for (int32_t token : prompt) next_text(stream_.get(), token);
    }
    // False once a stop string has come.
    bool write(int32_t token) { return put(next_text(stream_.get(), token)); }
    void finish() {
        if (filter_.has_stopped() || !put(end_text(stream_.get()))) return;
        std::cout << filter_.end() << std::flush;
    }

private:
    bool put(Span<char> text) {
        std::cout << filter_.add({text.data, text.size}) << std::flush;
        return !filter_.has_stopped();
    }

    OwnedLanguage<TokenStream> stream_;
    StopFilter filter_;
};

}  // namespace

int generate_text(const GenerateArguments& arguments) {
    const Clock::time_point start = Clock::now();
    const uint64_t wanted = read_count("-n", arguments.count, 1, kMostTokens);
    for (const std::string& stop : arguments.stops)
        if (stop.empty()) throw UsageError("--stop: takes a text, not an empty one");
    Messages messages;
    const OwnedLanguage<Sampler> sampler = make_sampler(arguments, &messages);
    const ModelConfig config = read_config(arguments.model.folder, &messages);
    const OwnedLanguage<Tokenizer> tokenizer = open_tokenizer(arguments.model.folder, config, &messages);
    std::vector<int32_t> history = read_prompt(arguments, tokenizer.get(), config, messages);
    const Interrupts interrupts;

    SessionOptions options;
    options.chunk = kChunk;
    Language language(arguments.model, options);
    Timing timing;
    timing.ready = seconds_since(start);
    const Clock::time_point begin = Clock::now();
    const float* logits = nullptr;
    for (size_t done = 0; done < history.size() && !Interrupts::came(); done += kChunk) {
        const size_t count = std::min<size_t>(kChunk, history.size() - done);
        const bool is_last = done + count == history.size();
        language.check(prefill(language.runner(), 0, {history.data() + done, count}, is_last ? &logits : nullptr), "prefill");
    }
    timing.prefill = seconds_since(begin);
    timing.prompt_tokens = history.size();
    Writer writer(tokenizer.get(), arguments.stops, messages);
    writer.skip(history);
    history.reserve(history.size() + static_cast<size_t>(std::min<uint64_t>(wanted, 1 << 20)));
    for (uint64_t i = 0; i < wanted && logits && !Interrupts::came(); ++i) {
        int32_t token = 0;
        messages.check(sample(sampler.get(), {logits, config.vocab_size}, {history.data(), history.size()}, &token), "sample");
        if (i == 0) timing.first_token = seconds_since(start);
        if (is_end(config, token) || !writer.write(token)) break;
        history.push_back(token);
        if (i + 1 == wanted) break;
        const int32_t slot = 0;
        const Clock::time_point step = Clock::now();
        language.check(decode(language.runner(), {&token, 1}, {&slot, 1}, &logits), "decode");
        (timing.step_count++ == 0 ? timing.first_step : timing.steps) += seconds_since(step);
    }
    writer.finish();
    std::cout << "\n" << std::flush;
    if (logits) print_timing(timing, language);
    return kFine;
}

}  // namespace scandium::program

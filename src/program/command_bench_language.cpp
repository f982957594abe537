// bench --lm: language models of known sizes with random weights.
#include <chrono>
#include <iostream>
#include <limits>

#include "commands.h"
#include "files/text.h"
#include "language.h"
#include "owned.h"
#include "report.h"

namespace scandium::program {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kLongEnough = 2;  // seconds of measuring
constexpr size_t kMostRuns = 200, kLeastRuns = 3;
constexpr int32_t kTokenStep = 7919;

// The Mamba-2 models of state-spaces: heads of 64, state 128, one group.
struct Sizes {
    const char* name;
    uint32_t d_model, n_layer;
};
constexpr Sizes kSizes[] = {{"130m", 768, 24}, {"370m", 1024, 48}, {"780m", 1536, 48}, {"1.3b", 2048, 48}, {"2.7b", 2560, 64}};

ModelConfig config_of(const std::string& name) {
    const Sizes* found = nullptr;
    for (const Sizes& sizes : kSizes)
        if (name == sizes.name) found = &sizes;
    if (!found) throw UsageError(format("--lm: %s is none of 130m, 370m, 780m, 1.3b, 2.7b", in_quotes(name).c_str()));
    ModelConfig config;
    config.vocab_size = 50277;
    config.padded_vocab_size = 50288;
    config.d_model = found->d_model;
    config.n_layer = found->n_layer;
    config.d_inner = config.d_ssm = config.norm_group_size = 2 * found->d_model;
    config.dstate = 128;
    config.headdim = 64;
    config.nheads = config.d_inner / config.headdim;
    config.ngroups = 1;
    config.chunk_size = 256;
    config.gated_norm = true;
    config.dt_max = std::numeric_limits<float>::infinity();
    return config;
}

struct Tokens {
    uint32_t batch, prompt;
};

Tokens tokens_of(const std::string& text) {
    const size_t by = text.find('x');
    if (by == text.npos) throw UsageError(format("--tokens: %s is not BATCHxSEQLEN", in_quotes(text).c_str()));
    return {static_cast<uint32_t>(read_count("--tokens", text.substr(0, by), 1, 1024)),
            static_cast<uint32_t>(read_count("--tokens", text.substr(by + 1), 1, 65536))};
}

// Median seconds of some runs after one that does not count.
template <class F>
double measure(F&& work) {
    work();
    std::vector<double> seconds;
    const Clock::time_point start = Clock::now();
    while (seconds.size() < kMostRuns &&
           (seconds.size() < kLeastRuns || Clock::now() - start < std::chrono::duration<double>(kLongEnough))) {
        const Clock::time_point begin = Clock::now();
        work();
        seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    return median(seconds);
}

std::string measure_model(const std::string& name, const Tokens& tokens, const BenchArguments& arguments) {
    const ModelConfig config = config_of(name);
    SessionOptions options;
    options.slots = options.batch = tokens.batch;
    options.chunk = tokens.prompt;
    ModelArguments model;
    model.device = arguments.device;
    model.weights = arguments.weights.empty() ? "auto" : arguments.weights;
    model.random_model = &config;
    Language language(model, options);

    std::vector<int32_t> prompt(tokens.prompt), step(tokens.batch), slots(tokens.batch);
    for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(i * kTokenStep % config.vocab_size);
    for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int32_t>(i);
    const float* logits = nullptr;
    const double prefill_s = measure([&] {
        language.check(prefill(language.runner(), 0, {prompt.data(), prompt.size()}, &logits), "prefill");
    });
    const double decode_s = measure([&] {
        for (int32_t& token : step) token = static_cast<int32_t>((token + kTokenStep) % static_cast<int32_t>(config.vocab_size));
        language.check(decode(language.runner(), {step.data(), step.size()}, {slots.data(), slots.size()}, &logits), "decode");
    });
    const ModelInfo info = language.info();
    return format("%s, %s, weights %s (%s)\n", name.c_str(), one_line(language.caps().device_name).c_str(), to_string(info.weights),
                  size_text(info.weight_bytes).c_str()) +
           format("  prefill of %u tokens   %s   %.1f tokens/s\n", tokens.prompt, time_text(prefill_s * 1e6).c_str(),
                  tokens.prompt / prefill_s) +
           format("  a step of %u            %s   %.1f tokens/s   %.1f GB/s of weights\n", tokens.batch, time_text(decode_s * 1e6).c_str(),
                  tokens.batch / decode_s, static_cast<double>(info.step_weight_bytes) / decode_s * 1e-9);
}

}  // namespace

int bench_language(const BenchArguments& arguments) {
    if (!arguments.ops.empty() || !arguments.shapes.empty() || !arguments.models.empty() || !arguments.json.empty())
        throw UsageError("--lm: does not go with --op, --shape, --model or --json");
    for (const std::string& name : arguments.language_models)
        for (const std::string& tokens : arguments.tokens) std::cout << measure_model(name, tokens_of(tokens), arguments) << std::flush;
    return kFine;
}

}  // namespace scandium::program

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "commands.h"
#include "files/text.h"
#include "language.h"

namespace scandium::program {
namespace {

constexpr uint32_t kChunk = 256;

// Sums up how unlikely each token was, given those before it.
struct Surprise {
    const std::vector<int32_t>& tokens;
    const ModelConfig& config;
    double nats = 0;
    uint64_t count = 0;
    ProgressLine line = ProgressLine("reading");

    bool add(uint64_t first, uint64_t rows, const float* logits) {
        for (uint64_t i = 0; i < rows && first + i + 1 < tokens.size(); ++i) {
            const float* row = logits + i * config.padded_vocab_size;
            const double largest = static_cast<double>(*std::max_element(row, row + config.vocab_size));
            double sum = 0;
            for (uint32_t k = 0; k < config.vocab_size; ++k) sum += std::exp(static_cast<double>(row[k]) - largest);
            nats += largest + std::log(sum) - static_cast<double>(row[tokens[first + i + 1]]);
            ++count;
        }
        line.show(first + rows, tokens.size());
        return !Interrupts::came();
    }
};

}  // namespace

int measure_perplexity(const PerplexityArguments& arguments) {
    Messages messages;
    const ModelConfig config = read_config(arguments.model.folder, &messages);
    const OwnedLanguage<Tokenizer> tokenizer = open_tokenizer(arguments.model.folder, config, &messages);
    const std::string text = read_text("perplexity", arguments.input);
    std::vector<int32_t> tokens = tokens_of(tokenizer.get(), text, false, messages);
    for (int32_t token : tokens)
        if (static_cast<uint32_t>(token) >= config.vocab_size)
            throw UsageError(format("perplexity: the text has token %d, but the model %u", static_cast<int>(token), config.vocab_size));
    uint64_t bytes = text.size();
    if (config.begin_token != kNoToken)
        tokens.insert(tokens.begin(), config.begin_token);
    else if (!tokens.empty())
        bytes -= token_bytes(tokenizer.get(), tokens.front()).size;  // nothing foretells it
    if (tokens.size() < 2 || bytes == 0) throw UsageError("perplexity: the text is too short");

    const Interrupts interrupts;
    SessionOptions options;
    options.batch = 0;
    options.chunk = kChunk;
    options.every_logits = true;
    Language language(arguments.model, options);
    const auto start = std::chrono::steady_clock::now();
    Surprise surprise{tokens, config};
    const auto add = [](void* user, uint64_t first, uint64_t rows, const float* logits) {
        return static_cast<Surprise*>(user)->add(first, rows, logits);
    };
    language.check(prefill_every(language.runner(), 0, {tokens.data(), tokens.size()}, add, &surprise), "prefill_every");
    surprise.line.clear();
    if (surprise.count + 1 != tokens.size()) {
        std::cerr << "scandium: given up after " << surprise.count << " of " << tokens.size() - 1 << " tokens\n";
        return kCheckFailed;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double of_token = surprise.nats / static_cast<double>(surprise.count);
    std::cout << format("%.4f bits per byte, perplexity %.4f per token\n", surprise.nats / std::log(2.0) / static_cast<double>(bytes),
                        std::exp(of_token));
    std::cerr << format("%s, weights %s: %llu tokens, %llu bytes, %.1f tokens/s\n", one_line(language.caps().device_name).c_str(),
                        to_string(language.info().weights), static_cast<unsigned long long>(surprise.count),
                        static_cast<unsigned long long>(bytes), static_cast<double>(surprise.count) / seconds);
    return kFine;
}

}  // namespace scandium::program

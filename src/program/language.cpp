#include "language.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "bench_runner.h"
#include "files/text.h"
#include "words.h"

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

namespace scandium::program {
namespace {

constexpr Word<WeightType> kWeightTypes[] = {{"auto", WeightType::automatic}, {"f32", WeightType::f32}, {"f16", WeightType::f16},
                                             {"bf16", WeightType::bf16},      {"q8", WeightType::q8},   {"q4", WeightType::q4}};

bool is_terminal(FILE* file) {
#if defined(_WIN32)
    return _isatty(_fileno(file)) != 0;
#else
    return isatty(fileno(file)) != 0;
#endif
}

volatile std::sig_atomic_t interrupted = 0;

extern "C" void note_interrupt(int) {
    if (interrupted) std::_Exit(130);
    interrupted = 1;
}

bool show_loading(void* user, uint64_t done, uint64_t total) {
    static_cast<ProgressLine*>(user)->show(done, total);
    return !Interrupts::came();
}

}  // namespace

ProgressLine::ProgressLine(const char* what) : what_(what), is_shown_(is_terminal(stderr)) {}

void ProgressLine::clear() {
    if (percent_ >= 0) std::fputs("\r\33[K", stderr);
    percent_ = -1;
}

void ProgressLine::show(uint64_t done, uint64_t total) {
    constexpr int kWidth = 40;
    const int percent = total ? static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total)) : 100;
    if (!is_shown_ || percent == percent_) return;
    percent_ = percent;
    const int filled = kWidth * percent / 100;
    std::fprintf(stderr, "\r%s [%s%s] %3d %%", what_, std::string(static_cast<size_t>(filled), '#').c_str(),
                 std::string(static_cast<size_t>(kWidth - filled), '.').c_str(), percent);
}

Interrupts::Interrupts() {
    interrupted = 0;
    std::signal(SIGINT, note_interrupt);
}

bool Interrupts::came() { return interrupted != 0; }

ModelConfig read_config(const std::string& folder, Messages* messages) {
    ModelConfig config;
    messages->check(load_model_config(folder.c_str(), Messages::add, messages, &config), "load_model_config");
    return config;
}

OwnedLanguage<Tokenizer> open_tokenizer(const std::string& folder, const ModelConfig& config, Messages* messages) {
    TokenizerOptions options;
    options.vocab_size = config.padded_vocab_size;
    options.diagnostics = Messages::add;
    options.diagnostics_user = messages;
    Tokenizer* tokenizer = nullptr;
    messages->check(load_tokenizer(folder.c_str(), options, &tokenizer), "load_tokenizer");
    return OwnedLanguage<Tokenizer>(tokenizer);
}

std::vector<int32_t> tokens_of(const Tokenizer* tokenizer, std::string_view text, bool add_special, const Messages& messages) {
    std::vector<int32_t> tokens;
    EncodeOptions options;
    options.add_special = add_special;
    const auto sink = [](void* user, Span<int32_t> ids) {
        static_cast<std::vector<int32_t>*>(user)->assign(ids.data, ids.data + ids.size);
    };
    messages.check(encode(tokenizer, {text.data(), text.size()}, options, sink, &tokens), "encode");
    return tokens;
}

Language::Language(const ModelArguments& arguments, const SessionOptions& options) {
    const WeightType weights = choose("--weights", arguments.weights, kWeightTypes);
    context_ = open_context(arguments.device, false, &messages_);
    Context* context = context_.get();

    ProgressLine line("loading");
    ModelDesc desc;
    desc.folder = arguments.folder.c_str();
    desc.random_model = arguments.random_model;
    desc.device = context_device(context);
    desc.host = model_host(context);
    desc.weights = weights;
    desc.progress = show_loading;
    desc.progress_user = &line;
    desc.diagnostics = Messages::add;
    desc.diagnostics_user = &messages_;
    Model* model = nullptr;
    check(load_model(desc, &model), "load_model");
    model_.reset(model);
    Session* session = nullptr;
    check(create_session(model, options, &session), "create_session");
    session_.reset(session);
    ModelRunner* runner = nullptr;
    check(create_model_runner(context, session, &runner), "create_model_runner");
    runner_.reset(runner);
}

double Language::memory_ceiling() const {
    BenchSettings settings;
    settings.warm_up_s = 0.05;
    settings.sample_us = 5e3;
    settings.samples = 3;
    const bool is_cpu = caps().device_type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    return program::memory_ceiling(context_.get(), messages_, is_cpu ? 512 : 4096, settings);
}

std::string read_text(const char* option, const std::string& path) {
    if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
    std::ifstream file(path, std::ios::binary);
    std::string text;
    // What cannot be read at all, such as a directory, throws.
    try {
        text.assign(std::istreambuf_iterator<char>(file), {});
    } catch (const std::ios_base::failure&) {
        file.setstate(std::ios::failbit);
    }
    if (!file) throw UsageError(format("%s: %s cannot be read", option, in_quotes(path).c_str()));
    return text;
}

uint64_t read_count(const char* option, const std::string& text, uint64_t least, uint64_t most) {
    uint64_t count = 0;
    if (!parse_number(text, &count) || count < least || count > most)
        throw UsageError(format("%s: %s is not a whole number from %llu to %llu", option, in_quotes(text).c_str(),
                                static_cast<unsigned long long>(least), static_cast<unsigned long long>(most)));
    return count;
}

}  // namespace scandium::program

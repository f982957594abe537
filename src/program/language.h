// A language model, ready to run: what the commands logits, generate and perplexity share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "runner.h"
#include "scandium/model_run.h"
#include "scandium/sampler.h"
#include "scandium/tokenizer.h"

namespace scandium::program {

struct DestroyLanguage {
    void operator()(Model* model) const { destroy_model(model); }
    void operator()(Session* session) const { destroy_session(session); }
    void operator()(ModelRunner* runner) const { destroy_model_runner(runner); }
    void operator()(Tokenizer* tokenizer) const { destroy_tokenizer(tokenizer); }
    void operator()(TokenStream* stream) const { destroy_token_stream(stream); }
    void operator()(Sampler* sampler) const { destroy_sampler(sampler); }
};
template <class T>
using OwnedLanguage = std::unique_ptr<T, DestroyLanguage>;

// What is being waited for, as a line that is drawn anew; nothing where standard error is no terminal.
class ProgressLine {
public:
    explicit ProgressLine(const char* what);
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(uint64_t done, uint64_t total);
    void clear();

private:
    const char* what_;
    const bool is_shown_;
    int percent_ = -1;
};

// Whether Ctrl-C was pressed since the first of these was made; a second one ends the program.
class Interrupts {
public:
    Interrupts();
    static bool came();
};

ModelConfig read_config(const std::string& folder, Messages* messages);  // throws LibraryError

// Throw LibraryError.
OwnedLanguage<Tokenizer> open_tokenizer(const std::string& folder, const ModelConfig& config, Messages* messages);
std::vector<int32_t> tokens_of(const Tokenizer* tokenizer, std::string_view text, bool add_special, const Messages& messages);

class Language {
public:
    // Throws LibraryError, UsageError.
    Language(const ModelArguments& arguments, const SessionOptions& options);

    const ModelConfig& config() const { return model_config(model_.get()); }
    ModelInfo info() const { return model_info(model_.get()); }
    const Caps& caps() const { return device_caps(context_device(context_.get())); }
    double memory_ceiling() const;  // GB/s, measured in a fraction of a second
    ModelRunner* runner() const { return runner_.get(); }
    Session* session() const { return session_.get(); }
    Context* context() const { return context_.get(); }
    Messages& messages() { return messages_; }

    void check(Result result, const char* what) const { messages_.check(result, what); }

private:
    Messages messages_;
    OwnedContext context_;
    OwnedLanguage<Model> model_;
    OwnedLanguage<Session> session_;
    OwnedLanguage<ModelRunner> runner_;
};

// Of a file, or with "-" of standard input. Throws UsageError.
std::string read_text(const char* option, const std::string& path);
uint64_t read_count(const char* option, const std::string& text, uint64_t least, uint64_t most);  // throws UsageError

}  // namespace scandium::program

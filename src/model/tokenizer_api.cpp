#include <filesystem>

#include "files/text.h"
#include "model/boundary.h"
#include "model/tokenizer.h"

namespace scandium {
namespace {

void check_count(const Tokenizer& tokenizer, const std::string& what, uint32_t vocab_size) {
    if (vocab_size != 0 && tokenizer.count() > vocab_size)
        throw FileError(what + format(": has tokens up to %u, but the model's vocabulary has %u", tokenizer.count() - 1, vocab_size));
}

std::unique_ptr<Tokenizer> load(const std::string& path, uint32_t vocab_size) {
    std::error_code error;
    std::string file = path;
    if (std::filesystem::is_directory(path, error)) {
        file = (std::filesystem::path(path) / "tokenizer.json").string();
        if (!std::filesystem::exists(file, error)) {
            if (vocab_size == 256) return std::make_unique<Tokenizer>();
            throw FileError(path + ": has no 'tokenizer.json', without which only a vocabulary of 256 has a meaning");
        }
    }
    auto tokenizer = std::make_unique<Tokenizer>(file);
    check_count(*tokenizer, file, vocab_size);
    return tokenizer;
}

}  // namespace

Result load_tokenizer(const char* path, const TokenizerOptions& options, Tokenizer** out) noexcept {
    const Diagnostics diagnostics = {options.diagnostics, options.diagnostics_user};
    if (!path || !out) return diagnostics.fail(Result::invalid_argument, "load_tokenizer: %s is null", path ? "out" : "path");
    *out = nullptr;
    return guarded(diagnostics, [&] {
        std::unique_ptr<Tokenizer> tokenizer = load(path, options.vocab_size);
        tokenizer->diagnostics = diagnostics;
        *out = tokenizer.release();
    });
}

Result create_byte_tokenizer(const TokenizerOptions& options, Tokenizer** out) noexcept {
    const Diagnostics diagnostics = {options.diagnostics, options.diagnostics_user};
    if (!out) return diagnostics.fail(Result::invalid_argument, "create_byte_tokenizer: out is null");
    *out = nullptr;
    return guarded(diagnostics, [&] {
        auto tokenizer = std::make_unique<Tokenizer>();
        check_count(*tokenizer, "tokens of bytes", options.vocab_size);
        tokenizer->diagnostics = diagnostics;
        *out = tokenizer.release();
    });
}

void destroy_tokenizer(Tokenizer* tokenizer) noexcept { delete tokenizer; }

uint32_t token_count(const Tokenizer* tokenizer) noexcept { return tokenizer->count(); }

Result encode(const Tokenizer* tokenizer, Span<char> text, const EncodeOptions& options, TokenSink sink, void* user) noexcept {
    if (!tokenizer) return Result::invalid_argument;
    if (!sink || (!text.data && text.size))
        return tokenizer->diagnostics.fail(Result::invalid_argument, "encode: %s is null", sink ? "text.data" : "sink");
    std::vector<int32_t> ids;
    const Result result = guarded(tokenizer->diagnostics, [&] { ids = tokenizer->encode({text.data, text.size}, options); });
    if (result == Result::ok) sink(user, Span<int32_t>(ids.data(), ids.size()));
    return result;
}

Span<char> token_bytes(const Tokenizer* tokenizer, int32_t token) noexcept {
    const std::string_view bytes = tokenizer->bytes(token, false);
    return {bytes.data(), bytes.size()};
}

bool is_special(const Tokenizer* tokenizer, int32_t token) noexcept { return tokenizer->special(token); }

int32_t find_token(const Tokenizer* tokenizer, Span<char> text) noexcept { return tokenizer->find({text.data, text.size}); }

Result create_token_stream(const Tokenizer* tokenizer, bool skip_special, TokenStream** out) noexcept {
    if (!tokenizer) return Result::invalid_argument;
    if (!out) return tokenizer->diagnostics.fail(Result::invalid_argument, "create_token_stream: out is null");
    *out = nullptr;
    return guarded(tokenizer->diagnostics, [&] { *out = std::make_unique<TokenStream>(tokenizer, skip_special).release(); });
}

void destroy_token_stream(TokenStream* stream) noexcept { delete stream; }

Span<char> next_text(TokenStream* stream, int32_t token) noexcept {
    const std::string_view text = stream->next(token);
    return {text.data(), text.size()};
}

Span<char> end_text(TokenStream* stream) noexcept {
    const std::string_view text = stream->end();
    return {text.data(), text.size()};
}

}  // namespace scandium

// Text to tokens and back. Needs no device.
#pragma once

#include "scandium/types.h"

namespace scandium {

struct Tokenizer;
struct TokenStream;

struct TokenizerOptions {
    uint32_t vocab_size = 0;  // the model's: tokens from there on are an error; 0: any will do
    DiagnosticsCallback diagnostics = nullptr;
    void* diagnostics_user = nullptr;
};

// `path` is a tokenizer.json, or a folder with one: byte-pair encoding of the kinds that GPT-NeoX (bytes) and Llama (spaces
// as U+2581, unknown characters as bytes) use, with the normalizers, pre-tokenizers and decoders that these are combined with.
// In a folder without one, a vocab_size of 256 means that tokens are bytes. The callback is also used by later calls that fail.
//   Errors: invalid_argument (a null pointer, a file that is missing or malformed, a token from vocab_size on), unsupported (the file asks
//   for another kind), out_of_host_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result load_tokenizer(const char* path, const TokenizerOptions& options, Tokenizer** out) noexcept;
// Every token is a byte. Null is ignored by destroy_tokenizer; the other functions want a tokenizer.
//   Errors: invalid_argument (`out` is null, a vocab_size that is too small), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result create_byte_tokenizer(const TokenizerOptions& options, Tokenizer** out) noexcept;
SCANDIUM_API void destroy_tokenizer(Tokenizer* tokenizer) noexcept;

// One more than the largest token.
SCANDIUM_API uint32_t token_count(const Tokenizer* tokenizer) noexcept;

// Is told all tokens of a text at once. They are valid during the call only.
using TokenSink = void (*)(void* user, Span<int32_t> tokens);

struct EncodeOptions {
    bool add_special = false;  // the tokens that the file puts before and after a text (its post-processor)
    bool find_special = true;  // false: a control token's name in the text is text
};

// Bytes that are not UTF-8 are taken for U+FFFD, except where tokens are bytes. A tokenizer may be used from several threads.
//   Errors: invalid_argument (a null pointer), out_of_host_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result encode(const Tokenizer* tokenizer, Span<char> text, const EncodeOptions& options, TokenSink sink,
                                         void* user) noexcept;

// The bytes that a token stands for within a text: maybe part of a character. Empty for a token that there is not.
SCANDIUM_API Span<char> token_bytes(const Tokenizer* tokenizer, int32_t token) noexcept;
// A control token, such as the end of a text.
SCANDIUM_API bool is_special(const Tokenizer* tokenizer, int32_t token) noexcept;
// The token of that very text as the vocabulary has it, for instance "<|endoftext|>"; -1 if there is none.
SCANDIUM_API int32_t find_token(const Tokenizer* tokenizer, Span<char> text) noexcept;

// Turns tokens into text as they come. What is returned is always whole characters: a character that is not finished is
// held back, bytes that cannot be one become U+FFFD. The tokenizer has to outlive the stream.
[[nodiscard]] SCANDIUM_API Result create_token_stream(const Tokenizer* tokenizer, bool skip_special, TokenStream** out) noexcept;
SCANDIUM_API void destroy_token_stream(TokenStream* stream) noexcept;
// Both are valid until the next call on this stream. `end_text` returns what was held back, and begins anew.
SCANDIUM_API Span<char> next_text(TokenStream* stream, int32_t token) noexcept;
SCANDIUM_API Span<char> end_text(TokenStream* stream) noexcept;

}  // namespace scandium

// The inside of scandium/tokenizer.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/diagnostics.h"
#include "model/added_tokens.h"
#include "model/bpe.h"
#include "model/normalizer.h"
#include "model/pre_tokenizer.h"
#include "model/token_decoder.h"
#include "scandium/tokenizer.h"

namespace scandium {

struct Tokenizer {
public:
    // Tokens are bytes.
    Tokenizer();
    // From tokenizer.json. Throws FileError, UnsupportedError.
    explicit Tokenizer(const std::string& path);

    // Throws FileError if a part of the text has no token.
    std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const;

    // The bytes of all tokens one after the other, of which some may not be UTF-8.
    std::string decode(std::span<const int32_t> ids, bool skip_special) const;

    uint32_t count() const { return static_cast<uint32_t>(bytes_.size()); }
    std::string_view bytes(int32_t id, bool first) const;
    bool special(int32_t id) const { return has(id) && special_[static_cast<size_t>(id)]; }
    int32_t find(std::string_view text) const;

    Diagnostics diagnostics;

private:
    bool has(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < bytes_.size(); }
    void add_token(const std::string& file, std::string_view text, int32_t id, bool special);
    void read_added(const JsonView& root);
    void read_post_processor(const JsonView& json);
    void encode_between(std::string_view text, bool at_start, const EncodeOptions& options, Bpe::Scratch* scratch,
                        std::vector<int32_t>* ids) const;
    void encode_piece(std::string_view text, bool at_start, Bpe::Scratch* scratch, std::vector<int32_t>* ids) const;

    bool byte_tokens_ = false;
    Normalizer normalizer_;
    PreTokenizer pre_tokenizer_;
    Bpe bpe_;
    TokenDecoder decoder_;
    TokenFinder raw_, after_normalizing_;
    TokenIds added_;
    std::vector<int32_t> before_, after_;                // what add_special puts around a text
    std::vector<std::string> bytes_, first_bytes_;       // by id; of the first token, where that is different
    std::vector<bool> known_, special_, first_differs_;  // by id
};

struct TokenStream {
    TokenStream(const Tokenizer* tokenizer, bool skip_special);

    std::string_view next(int32_t id);
    std::string_view end();

private:
    void move_whole_characters(bool all);

    const Tokenizer* tokenizer_;
    bool skip_special_, first_ = true;
    std::string held_, text_;
};

}  // namespace scandium

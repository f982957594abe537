// What the tokens of a vocabulary stand for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "files/json.h"

namespace scandium {

// "decoder" of tokenizer.json: how the text of a token becomes bytes.
class TokenDecoder {
public:
    TokenDecoder() = default;
    // Throws FileError; UnsupportedError for a type that is not known here.
    explicit TokenDecoder(const JsonView& json);

    // `first`: no other token is before it. Some decoders take the space away that encoding put there.
    std::string decode(std::string_view token, bool first) const;

private:
    struct Replacement {
        std::string from, to;
    };

    void add(const JsonView& json, int depth);
    void add_strip(const JsonView& json);
    std::string replaced(std::string_view token, bool first) const;

    bool byte_level_ = false, byte_fallback_ = false;
    std::vector<Replacement> replacements_;
    std::string first_dropped_;  // metaspace: what the first token loses wherever it has it
    std::string stripped_;       // what the whole text loses at its beginning,
    size_t strip_count_ = 0;     // at most so many times
};

}  // namespace scandium

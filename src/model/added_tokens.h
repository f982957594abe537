// Tokens that are looked for in the text itself, before it is cut and merged: control tokens, runs of spaces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "files/json.h"
#include "model/normalizer.h"

namespace scandium {

struct AddedToken {
    std::string content;
    int32_t id = 0;
    bool special = false;      // a control token: left out of decoded text
    bool normalized = false;   // looked for after normalisation
    bool single_word = false;  // only where no word goes on before or after it
    bool lstrip = false;       // takes the white space before it along
    bool rstrip = false;       // ... after it
};

// "added_tokens" of tokenizer.json, with ids that differ. Throws FileError.
std::vector<AddedToken> read_added_tokens(const JsonView& root);

// Finds the tokens of a set in a text: the leftmost first, of those the longest.
class TokenFinder {
public:
    void add(std::string_view content, const AddedToken& token);

    struct Part {
        size_t begin, end;
        int32_t id;  // -1: text between tokens
    };
    // The whole of `text`, cut. With `special` false, control tokens are not looked for.
    std::vector<Part> cut(std::string_view text, bool special) const;

private:
    struct Node {
        std::vector<std::pair<unsigned char, uint32_t>> children;
        int32_t token = -1;
    };

    const AddedToken* longest_at(std::string_view text, size_t at, bool special, size_t* end) const;

    std::vector<Node> nodes_ = std::vector<Node>(1);
    std::vector<AddedToken> tokens_;
    std::array<bool, 256> begins_ = {};  // a token begins with that byte
};

}  // namespace scandium

// Byte-pair encoding: a piece of text is a row of characters, of which the pair that was learnt first is merged, until none
// is left that was learnt.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "files/json.h"

namespace scandium {

struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

using TokenIds = std::unordered_map<std::string, int32_t, TextHash, std::equal_to<>>;

inline constexpr int32_t kMaxTokenId = (1 << 20) - 1;
inline constexpr int32_t kAbsent = -1;

class Bpe {
public:
    Bpe() = default;
    // "model" of tokenizer.json. Throws FileError; UnsupportedError.
    explicit Bpe(const JsonView& json);

    const TokenIds& tokens() const { return tokens_; }

    // What encoding keeps from one piece to the next. One for each thread.
    struct Scratch {
        struct Symbol {
            int32_t id;
            uint32_t previous, next;
        };
        struct Candidate {
            uint32_t rank, place;
            int32_t left, right;
        };
        std::vector<Symbol> symbols;
        std::vector<Candidate> heap;
        std::unordered_map<std::string, std::vector<int32_t>, TextHash, std::equal_to<>> known;
    };

    // Appends the tokens of `piece`, which is valid UTF-8. Throws FileError if a character has no token.
    void encode(std::string_view piece, Scratch* scratch, std::vector<int32_t>* ids) const;

private:
    struct Merge {
        uint32_t rank;
        int32_t id;
    };

    void read_tokens(const JsonView& vocab);
    void read_merges(const JsonView& merges);
    void add_merge(const JsonView& merges, uint32_t rank, std::string_view left, std::string_view right);
    void find_byte_tokens();
    void add_symbols(std::string_view piece, Scratch* scratch) const;
    void add_candidate(uint32_t place, Scratch* scratch) const;
    void merge(Scratch* scratch) const;
    int32_t find(std::string_view text) const;

    std::string file_;
    TokenIds tokens_;
    std::unordered_map<uint64_t, Merge> merges_;  // by the two tokens' ids
    std::array<int32_t, 0x180> characters_ = {};  // ids of the characters that byte-level text is made of
    std::array<int32_t, 256> bytes_ = {};         // ids of <0x00> ... <0xFF>
    int32_t unknown_ = kAbsent;
    bool byte_fallback_ = false, fuse_unknown_ = false, whole_first_ = false;
};

}  // namespace scandium

// Cuts text into the pieces within which tokens are merged.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "files/json.h"
#include "model/pattern.h"

namespace scandium {

// Byte-level tokenizers write each byte as a character that can be seen, so that their vocabulary is text: printable
// Latin-1 bytes as themselves, the others as U+0100 and up.
char32_t visible_character(uint8_t byte);
int byte_of_visible(char32_t code);  // -1 if it stands for none

// A text and where its pieces end.
struct Pieces {
    std::string text;
    std::vector<size_t> ends;  // rising; the last is the text's size
};

class PreTokenizer {
public:
    PreTokenizer() = default;
    // "pre_tokenizer" of tokenizer.json. Throws FileError; UnsupportedError for a type that is not known here.
    explicit PreTokenizer(const JsonView& json) { add(json, 0); }

    // `text` is valid UTF-8, and lies at the beginning of the input or between two added tokens.
    Pieces split(std::string text, bool at_start) const;

private:
    enum class Kind : uint8_t { pattern, bytes, metaspace };
    enum class Behavior : uint8_t { removed, isolated, contiguous, with_previous, with_next };
    enum class Prepend : uint8_t { never, first, always };
    struct Step {
        Kind kind = Kind::pattern;
        Behavior behavior = Behavior::isolated;
        bool invert = false;
        bool prefix_space = false;         // bytes
        bool cut = true;                   // metaspace: also cut there
        Prepend prepend = Prepend::never;  // metaspace
        std::string replacement;           // metaspace: what stands for a space
        std::shared_ptr<const Pattern> pattern;
    };

    void add(const JsonView& json, int depth);
    void add_byte_level(const JsonView& json);
    void add_metaspace(const JsonView& json);
    void add_pattern(std::shared_ptr<const Pattern> pattern, Behavior behavior, bool invert);
    static Behavior read_behavior(const JsonView& json);

    static Pieces cut(const Step& step, Pieces pieces);
    static Pieces put_space_first(Pieces pieces);
    static Pieces map_bytes(const Pieces& pieces);
    static Pieces map_spaces(const Step& step, const Pieces& pieces, bool at_start);

    std::vector<Step> steps_;
};

}  // namespace scandium

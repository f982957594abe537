// What a tokenizer does to text before it looks at it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "files/json.h"
#include "model/pattern.h"
#include "model/unicode.h"

namespace scandium {

class Normalizer {
public:
    Normalizer() = default;
    // "normalizer" of tokenizer.json. Throws FileError; UnsupportedError for a type that is not known here.
    explicit Normalizer(const JsonView& json) { add(json, 0); }

    std::string apply(std::string text) const;  // valid UTF-8

private:
    struct Step {
        std::optional<NormalForm> form;
        std::optional<Pattern> replaced;  // by `content`; without it, `content` is put in front
        std::string content;
    };

    void add(const JsonView& json, int depth);

    std::vector<Step> steps_;
};

// A member of the form {"String": "..."} or {"Regex": "..."}.
Pattern read_pattern(const JsonView& json);

// Sequences hold sequences, but not that deep.
inline constexpr int kMaxNesting = 8;

}  // namespace scandium

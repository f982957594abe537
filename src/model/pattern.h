// Patterns that cut text.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace scandium {

// Where a pattern matches, from left to right, without overlap.
struct Match {
    size_t begin = 0, end = 0;
};

// A regular expression over Unicode, compiled once. May be used from several threads.
class Pattern {
public:
    // With `literal`, exactly that text. Throws FileError, with `what` in the sentence.
    Pattern(std::string_view source, bool literal, const std::string& what);

private:
    friend class Matcher;

    std::shared_ptr<void> code_;
    std::string what_;
};

// What matching needs beside the pattern, kept from one text to the next. The pattern outlives it.
class Matcher {
public:
    explicit Matcher(const Pattern& pattern);

    // Of valid UTF-8. Empty matches are left out. Throws FileError if the pattern takes too many steps. Holds until the next
    // call.
    const std::vector<Match>& find_all(std::string_view text);

private:
    const Pattern& pattern_;
    std::shared_ptr<void> data_, context_;
    std::vector<Match> matches_;
};

}  // namespace scandium

// UTF-8: code points in bytes, and what to make of bytes that are none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace scandium {

inline constexpr char32_t kReplacement = 0xfffd;

// What stands at the beginning of some bytes.
struct Utf8Part {
    enum class State : uint8_t { character, invalid, unfinished };  // unfinished: more bytes may make a character of it
    State state = State::invalid;
    uint8_t length = 0;  // bytes; of what is invalid, as many as could have begun a character
    char32_t code = kReplacement;
};

// `bytes` is not empty.
Utf8Part first_part(std::string_view bytes);

void append_utf8(char32_t code, std::string* text);

// Every part that is no character becomes U+FFFD.
std::string as_utf8(std::string_view bytes);

}  // namespace scandium

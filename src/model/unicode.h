// Text as code points.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "files/utf8.h"

namespace scandium {

enum class NormalForm : uint8_t { nfc, nfd, nfkc, nfkd };

// Of valid UTF-8. Takes time that grows hardly faster than the text, whatever is in it.
std::string normalized(std::string_view text, NormalForm form);

bool is_word_character(char32_t code);  // letters, marks, decimal digits, connectors such as _
bool is_white_space(char32_t code);

}  // namespace scandium

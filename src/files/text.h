// Small helpers for messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace scandium {

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
std::string
format(const char* pattern, ...);

// In single quotes, with control characters replaced and long names shortened: names come from files.
std::string in_quotes(std::string_view name);

// As one line: whatever a file or a driver put into it, it does not break the line or steer the terminal.
std::string one_line(std::string_view text);

std::string shape_text(std::span<const uint64_t> shape);  // (1, 64, 2, 64)

// The whole of `text` as a number; false if it is anything else. No sign, spaces, hexadecimal or "nan"; "inf" is a number.
bool parse_number(std::string_view text, double* out);
bool parse_number(std::string_view text, uint64_t* out);

}  // namespace scandium

#include "files/text.h"

#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace scandium {

std::string format(const char* pattern, ...) {
    va_list arguments;
    va_start(arguments, pattern);
    va_list again;
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, pattern, arguments);
    va_end(arguments);
    std::string text(length > 0 ? static_cast<size_t>(length) : 0, '\0');
    if (length > 0) std::vsnprintf(text.data(), text.size() + 1, pattern, again);
    va_end(again);
    return text;
}

std::string one_line(std::string_view text) {
    std::string line(text);
    for (char& c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = c == '\n' ? ' ' : '?';
    return line;
}

std::string in_quotes(std::string_view name) {
    constexpr size_t kLongest = 80;
    std::string quoted(1, '\'');
    quoted += one_line(name.substr(0, kLongest));
    quoted += name.size() > kLongest ? "...'" : "'";
    return quoted;
}

std::string shape_text(std::span<const uint64_t> shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + ")";
}

template <class T>
static bool parse_all(std::string_view text, T* out) {
    if (text.empty() || text.front() == '-') return false;
    const char* end = text.data() + text.size();
    const std::from_chars_result parsed = std::from_chars(text.data(), end, *out);
    return parsed.ec == std::errc() && parsed.ptr == end;
}

bool parse_number(std::string_view text, double* out) { return parse_all(text, out) && !std::isnan(*out); }
bool parse_number(std::string_view text, uint64_t* out) { return parse_all(text, out); }

}  // namespace scandium

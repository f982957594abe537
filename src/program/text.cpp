#include "text.h"

#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace scandium::program {

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

// Bytes of the UTF-8 character that `text` begins with; 0 if it begins with none.
static size_t utf8_length(std::string_view text) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const unsigned first = byte(0), second = byte(1);
    if (first < 0x80) return 1;
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) return 0;
    for (size_t i = 1; i < length; ++i)
        if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    const bool too_long = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool surrogate = first == 0xed && second > 0x9f, beyond = first == 0xf4 && second > 0x8f;
    return too_long || surrogate || beyond ? 0 : length;
}

std::string as_utf8(std::string_view text) {
    std::string encoded;
    while (!text.empty()) {
        const size_t length = utf8_length(text);
        encoded += length ? text.substr(0, length) : "?";
        text.remove_prefix(length ? length : 1);
    }
    return encoded;
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

}  // namespace scandium::program

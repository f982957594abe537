#include "model/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <new>
#include <vector>

namespace scandium {

namespace {

// Below U+0300 every character is its own composed form and combines with none before it.
bool is_plainly_nfc(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xcc; });
}

bool is_ascii(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

int combining_class(utf8proc_int32_t code) { return utf8proc_get_property(code)->combining_class; }

// utf8proc sorts combining marks too, but in a time that grows with the square of how many follow each other.
void sort_marks(std::vector<utf8proc_int32_t>* codes) {
    const auto is_mark = [](utf8proc_int32_t code) { return combining_class(code) != 0; };
    for (auto first = codes->begin();;) {
        first = std::find_if(first, codes->end(), is_mark);
        if (first == codes->end()) return;
        const auto last = std::find_if_not(first, codes->end(), is_mark);
        if (last - first > 1) std::stable_sort(first, last, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
        first = last;
    }
}

// U+11A7 is composed with nothing; utf8proc up to 2.8 takes it for the vowel's end of a Hangul syllable, and drops it.
constexpr utf8proc_int32_t kNoTrailing = 0x11a7;

std::vector<utf8proc_int32_t> composed(std::vector<utf8proc_int32_t> codes, utf8proc_option_t options) {
    std::vector<utf8proc_int32_t> result;
    for (auto first = codes.begin();;) {
        const auto last = std::find(first, codes.end(), kNoTrailing);
        const auto length = first == last ? 0 : utf8proc_normalize_utf32(&*first, last - first, options);
        result.insert(result.end(), first, first + std::max<utf8proc_ssize_t>(0, length));
        if (last == codes.end()) return result;
        result.push_back(kNoTrailing);
        first = last + 1;
    }
}

}  // namespace

std::string normalized(std::string_view text, NormalForm form) {
    const bool compose = form == NormalForm::nfc || form == NormalForm::nfkc;
    const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
    if (is_ascii(text) || (form == NormalForm::nfc && is_plainly_nfc(text))) return std::string(text);
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                                        (compatible ? UTF8PROC_COMPAT : 0));
    std::vector<utf8proc_int32_t> codes;
    codes.reserve(text.size());
    while (!text.empty()) {
        const Utf8Part part = first_part(text);
        text.remove_prefix(part.length);
        utf8proc_int32_t parts[32];  // no character has more than 18
        int boundary = 0;
        const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(part.code), parts, std::size(parts), options, &boundary);
        if (count < 0 || count > static_cast<utf8proc_ssize_t>(std::size(parts)))
            codes.push_back(static_cast<utf8proc_int32_t>(part.code));
        else
            codes.insert(codes.end(), parts, parts + count);
    }
    sort_marks(&codes);
    if (compose) codes = composed(std::move(codes), options);
    std::string result;
    for (utf8proc_int32_t code : codes) append_utf8(static_cast<char32_t>(code), &result);
    return result;
}

bool is_word_character(char32_t code) {
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return false;
    }
}

bool is_white_space(char32_t code) {
    if ((code >= 0x9 && code <= 0xd) || code == 0x20 || code == 0x85) return true;
    const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

}  // namespace scandium

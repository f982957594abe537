#include "files/utf8.h"

namespace scandium {

Utf8Part first_part(std::string_view bytes) {
    using State = Utf8Part::State;
    const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) return {State::character, 1, lead};
    if (lead < 0xc2 || lead > 0xf4) return {State::invalid, 1, kReplacement};
    const uint8_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t code = lead & (0x7f >> length);
    for (uint8_t i = 1; i < length; ++i) {
        if (i == bytes.size()) return {State::unfinished, i, kReplacement};
        // The second byte's range leaves out longer forms of shorter characters, surrogates, and what is above U+10FFFF.
        unsigned char least = 0x80, most = 0xbf;
        if (i == 1 && lead == 0xe0) least = 0xa0;
        if (i == 1 && lead == 0xed) most = 0x9f;
        if (i == 1 && lead == 0xf0) least = 0x90;
        if (i == 1 && lead == 0xf4) most = 0x8f;
        if (at(i) < least || at(i) > most) return {State::invalid, i, kReplacement};
        code = code << 6 | (at(i) & 0x3f);
    }
    return {State::character, length, code};
}

void append_utf8(char32_t code, std::string* text) {
    const auto add = [text](char32_t byte) { text->push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
        add(code);
    } else if (code < 0x800) {
        add(0xc0 | code >> 6);
        add(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        add(0xe0 | code >> 12);
        add(0x80 | (code >> 6 & 0x3f));
        add(0x80 | (code & 0x3f));
    } else {
        add(0xf0 | code >> 18);
        add(0x80 | (code >> 12 & 0x3f));
        add(0x80 | (code >> 6 & 0x3f));
        add(0x80 | (code & 0x3f));
    }
}

std::string as_utf8(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    while (!bytes.empty()) {
        const Utf8Part part = first_part(bytes);
        if (part.state == Utf8Part::State::character)
            text.append(bytes.substr(0, part.length));
        else
            append_utf8(kReplacement, &text);
        bytes.remove_prefix(part.length);
    }
    return text;
}

}  // namespace scandium

#include "model/unicode.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

using namespace scandium;

namespace {

std::string text_of(std::u32string_view codes) {
    std::string text;
    for (char32_t code : codes) append_utf8(code, &text);
    return text;
}

std::string nfc(std::u32string_view codes) { return normalized(text_of(codes), NormalForm::nfc); }

}  // namespace

TEST_CASE("every character is written and read") {
    for (char32_t code = 0; code < 0x110000; ++code) {
        if (code >= 0xd800 && code < 0xe000) continue;
        std::string text;
        append_utf8(code, &text);
        const Utf8Part part = first_part(text + "x");
        if (part.state != Utf8Part::State::character || part.code != code || part.length != text.size())
            FAIL("U+" << std::hex << uint32_t(code));
        for (size_t length = 1; length < text.size(); ++length)
            if (first_part(std::string_view(text).substr(0, length)).state != Utf8Part::State::unfinished)
                FAIL("U+" << std::hex << uint32_t(code));
    }
}

TEST_CASE("what is no character becomes U+FFFD, part by part") {
    // From the Unicode standard, 3.9, "U+FFFD Substitution of Maximal Subparts".
    CHECK(as_utf8("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41") == text_of(U"\xfffd\xfffd\xfffd\xfffd\xfffd\xfffd\xfffd\xfffd\x41"));
    CHECK(as_utf8("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41") == text_of(U"\xfffd\xfffd\xfffd\xfffd\xfffd\xfffd\xfffd\xfffd\x41"));
    CHECK(as_utf8("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42") == text_of(U"\xfffd\xfffd\xfffd\xfffd\xfffd\x41\xfffd\xfffd\x42"));
    CHECK(as_utf8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41") == text_of(U"\xfffd\xfffd\xfffd\xfffd\x41"));
}

TEST_CASE("composed normal form") {
    CHECK(nfc(U"e\x301") == text_of(U"\xe9"));
    CHECK(nfc(U"\xe9") == text_of(U"\xe9"));
    CHECK(nfc(U"\x212b") == text_of(U"\xc5"));                // the angstrom sign
    CHECK(nfc(U"q\x307\x323") == text_of(U"q\x323\x307"));    // marks in order
    CHECK(nfc(U"\x1100\x1161\x11a8") == text_of(U"\xac01"));  // a Hangul syllable
    CHECK(nfc(U"\xac00\x11a8") == text_of(U"\xac01"));
    CHECK(nfc(U"\xac00\x11a7z") == text_of(U"\xac00\x11a7z"));  // which this is no end of
    CHECK(nfc(U"\x11a7") == text_of(U"\x11a7"));
    CHECK(nfc(U"\x958") == text_of(U"\x915\x93c"));  // never composed
    CHECK(nfc(U"\xfb01") == text_of(U"\xfb01"));
    CHECK(nfc(U"") == "");
    CHECK(normalized(text_of(U"\xe9\xfb01"), NormalForm::nfd) == text_of(U"e\x301\xfb01"));
    CHECK(normalized(text_of(U"e\x301\xfb01"), NormalForm::nfkc) == text_of(U"\xe9"
                                                                            U"fi"));
    CHECK(normalized(text_of(U"\xe9\xfb01"), NormalForm::nfkd) == text_of(U"e\x301"
                                                                          U"fi"));
    CHECK(normalized(text_of(U"\xfdfa"), NormalForm::nfkc).size() > 20);  // the longest there is
}

TEST_CASE("words and white space") {
    for (char32_t code : U"a1_\xe9\x65e5") CHECK((code == 0 || is_word_character(code)));
    for (char32_t code : U" .-\x2028") CHECK_FALSE((code != 0 && is_word_character(code)));
    for (char32_t code : U" \t\n\x85\xa0\x2003\x2028\x3000") CHECK((code == 0 || is_white_space(code)));
    for (char32_t code : U"a\x200b\x180e") CHECK_FALSE((code != 0 && is_white_space(code)));
}

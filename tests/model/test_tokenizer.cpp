// The reference tokenizer, of GPT-NeoX's kind, and tokens of bytes.
#include "model/tokenizer.h"

#include <catch2/catch_test_macros.hpp>
#include <ctime>

#include "files/json.h"
#include "model/model_files.h"
#include "model/unicode.h"

using namespace scandium;
using namespace scandium::test;

namespace {

struct Encoding {
    std::string text, decoded;
    std::vector<int32_t> ids;
};

std::vector<Encoding> read_encodings() {
    const TempFolder folder;
    // JsonFile takes files that hold an object.
    write_bytes(folder.path("wrapped"), "{\"cases\":" + read_bytes(reference("tokenizer/encodings.json")) + "}");
    const JsonFile file(folder.path("wrapped"), 1 << 20);
    std::vector<Encoding> encodings;
    for (const JsonView& item : file.root().at("cases").items()) {
        Encoding encoding = {std::string(item.at("text").text()), std::string(item.at("decoded").text()), {}};
        for (const JsonView& id : item.at("ids").items()) encoding.ids.push_back(static_cast<int32_t>(id.integer(0, kMaxTokenId)));
        encodings.push_back(std::move(encoding));
    }
    return encodings;
}

const Tokenizer& reference_tokenizer() {
    static const Tokenizer tokenizer(reference("tokenizer/tokenizer.json"));
    return tokenizer;
}

std::string stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip_special) {
    TokenStream out(&tokenizer, skip_special);
    std::string text;
    for (int32_t id : ids) {
        const std::string part(out.next(id));
        CHECK(as_utf8(part) == part);
        text += part;
    }
    return text + std::string(out.end());
}

std::string repeat(const std::string& text, size_t bytes) {
    std::string result;
    while (result.size() < bytes) result += text;
    return result;
}

}  // namespace

TEST_CASE("the reference encodings, id for id, and back") {
    const std::vector<Encoding> encodings = read_encodings();
    REQUIRE(encodings.size() == 172);
    for (const Encoding& encoding : encodings) {
        INFO(encoding.text);
        CHECK(reference_tokenizer().encode(encoding.text, {}) == encoding.ids);
        CHECK(reference_tokenizer().decode(encoding.ids, false) == encoding.decoded);
        CHECK(stream(reference_tokenizer(), encoding.ids, false) == encoding.decoded);
    }
}

TEST_CASE("special tokens may be left alone, and left out") {
    const Tokenizer& tokenizer = reference_tokenizer();
    CHECK(tokenizer.count() == 2051);
    CHECK(tokenizer.find("<|endoftext|>") == 0);
    CHECK(tokenizer.find("  ") == 2048);
    CHECK(tokenizer.find("no such token") == -1);
    CHECK(tokenizer.special(0));
    CHECK_FALSE(tokenizer.special(2048));
    CHECK_FALSE(tokenizer.special(-1));
    CHECK_FALSE(tokenizer.special(2051));
    const std::vector<int32_t> found = tokenizer.encode("a<|endoftext|>b", {}), text = tokenizer.encode("a<|endoftext|>b", {false, false});
    CHECK(found.size() == 3);
    CHECK(text.size() > 3);
    CHECK(tokenizer.decode(found, true) == "ab");
    CHECK(tokenizer.decode(found, false) == "a<|endoftext|>b");
    CHECK(tokenizer.decode(text, true) == "a<|endoftext|>b");
    CHECK(stream(tokenizer, found, true) == "ab");
    CHECK(tokenizer.decode(std::vector<int32_t>{-5, 1 << 30}, false).empty());
}

TEST_CASE("decoding what was encoded gives the text back, whatever it is") {
    std::mt19937 random(7);
    for (int n = 0; n < 500; ++n) {
        std::string text;
        for (size_t i = random() % 60; i > 0; --i) {
            // Below U+0300 nothing combines, so that normalising changes nothing.
            const auto below = [&random](uint32_t end) { return static_cast<char32_t>(random() % end); };
            const char32_t ranges[] = {below(0x80), below(0x300), 0x4e00 + below(0x5000), 0x1f300 + below(0x300), ' ', '\n'};
            append_utf8(ranges[random() % std::size(ranges)], &text);
        }
        INFO(text);
        const std::vector<int32_t> ids = reference_tokenizer().encode(text, {});
        CHECK(reference_tokenizer().decode(ids, false) == text);
        CHECK(stream(reference_tokenizer(), ids, false) == text);
    }
}

TEST_CASE("bytes that are not UTF-8 are taken for U+FFFD") {
    const Tokenizer& tokenizer = reference_tokenizer();
    const auto round_trip = [&](const std::string& text) { return tokenizer.decode(tokenizer.encode(text, {}), false); };
    CHECK(round_trip("a\xff"
                     "b") ==
          "a\xef\xbf\xbd"
          "b");
    CHECK(round_trip("\xe2\x82") == "\xef\xbf\xbd");
    CHECK(round_trip("\xed\xa0\x80") == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    CHECK(round_trip(std::string("a\0b", 3)) == std::string("a\0b", 3));
    std::mt19937 random(3);
    for (int n = 0; n < 200; ++n) {
        std::string text(random() % 100, '\0');
        for (char& c : text) c = static_cast<char>(random());
        CHECK(round_trip(text) == normalized(as_utf8(text), NormalForm::nfc));
    }
}

TEST_CASE("a stream holds back a character until it is whole") {
    const Tokenizer bytes;
    TokenStream out(&bytes, false);
    CHECK(out.next(0xf0).empty());
    CHECK(out.next(0x9f).empty());
    CHECK(out.next(0x8e).empty());
    CHECK(out.next(0xae) == "\xf0\x9f\x8e\xae");
    CHECK(out.next('a') == "a");
    CHECK(out.next(0xe2).empty());
    CHECK(out.next('b') ==
          "\xef\xbf\xbd"
          "b");
    CHECK(out.next(0xff) == "\xef\xbf\xbd");
    CHECK(out.next(0xe2).empty());
    CHECK(out.next(0x82).empty());
    CHECK(out.end() == "\xef\xbf\xbd");
    CHECK(out.end().empty());
    CHECK(out.next('c') == "c");
    CHECK(out.next(-1).empty());
    CHECK(out.next(256).empty());
}

TEST_CASE("tokens of bytes") {
    const Tokenizer tokenizer;
    CHECK(tokenizer.count() == 256);
    const std::string text("h\xff\0i", 4);
    CHECK(tokenizer.encode(text, {true, true}) == std::vector<int32_t>{'h', 0xff, 0, 'i'});
    CHECK(tokenizer.decode(std::vector<int32_t>{'h', 0xff, 0, 'i'}, true) == text);
    CHECK(tokenizer.find("h") == 'h');
    CHECK(tokenizer.find("hi") == -1);
}

TEST_CASE("a long text takes a time that grows hardly faster than it, whatever is in it") {
    std::string prose;
    for (const Encoding& encoding : read_encodings()) prose += encoding.text;
    const size_t size = 1 << 18;
    const std::pair<const char*, std::string> texts[] = {
        {"1 MiB of prose", repeat(prose, 1 << 20)},
        {"256 KiB of one letter", std::string(size, 'a')},
        {"256 KiB of spaces", std::string(size, ' ')},
        {"256 KiB of tabs", std::string(size, '\t') + "x"},
        {"256 KiB of marks out of order", repeat("\xcc\x81\xcc\xa3", size)},
        {"256 KiB of what is not UTF-8", std::string(size, '\xff')},
    };
    for (const auto& [name, text] : texts) {
        DYNAMIC_SECTION(name) {
            const std::clock_t start = std::clock();
            CHECK_FALSE(reference_tokenizer().encode(text, {}).empty());
            // With the square of the length it would be minutes. The sanitizers need the room.
            CHECK((std::clock() - start) / CLOCKS_PER_SEC < 10);
        }
    }
}

TEST_CASE("the interface without exceptions") {
    struct Told {
        Result result = Result::ok;
        std::string message;
    } told;
    TokenizerOptions options;
    options.diagnostics = [](void* user, Result result, VkResult, const char* message) { *static_cast<Told*>(user) = {result, message}; };
    options.diagnostics_user = &told;
    Tokenizer* tokenizer = nullptr;
    const std::string folder = reference("tokenizer");
    CHECK(load_tokenizer(folder.c_str(), options, nullptr) == Result::invalid_argument);
    CHECK(load_tokenizer((folder + "/none.json").c_str(), options, &tokenizer) == Result::invalid_argument);
    CHECK(told.message == folder + "/none.json: there is no such file");
    options.vocab_size = 2050;
    CHECK(load_tokenizer(folder.c_str(), options, &tokenizer) == Result::invalid_argument);
    CHECK_THAT(told.message, Catch::Matchers::ContainsSubstring("tokens up to 2050"));
    CHECK(load_tokenizer(sample_model("shakespeare-mamba2").c_str(), options, &tokenizer) == Result::invalid_argument);
    CHECK_THAT(told.message, Catch::Matchers::ContainsSubstring("no 'tokenizer.json'"));
    options.vocab_size = 256;
    REQUIRE(load_tokenizer(sample_model("shakespeare-mamba2").c_str(), options, &tokenizer) == Result::ok);
    CHECK(token_count(tokenizer) == 256);
    destroy_tokenizer(tokenizer);
    options.vocab_size = 255;
    CHECK(create_byte_tokenizer(options, &tokenizer) == Result::invalid_argument);
    options.vocab_size = 2051;
    REQUIRE(load_tokenizer(folder.c_str(), options, &tokenizer) == Result::ok);
    std::vector<int32_t> ids;
    const TokenSink sink = [](void* user, Span<int32_t> tokens) {
        static_cast<std::vector<int32_t>*>(user)->assign(tokens.data, tokens.data + tokens.size);
    };
    CHECK(encode(tokenizer, Span<char>("the sire", 8), {}, nullptr, nullptr) == Result::invalid_argument);
    REQUIRE(encode(tokenizer, Span<char>("the sire", 8), {}, sink, &ids) == Result::ok);
    CHECK(find_token(tokenizer, Span<char>("<|padding|>", 11)) == 1);
    CHECK(is_special(tokenizer, 1));
    TokenStream* out = nullptr;
    REQUIRE(create_token_stream(tokenizer, true, &out) == Result::ok);
    std::string text, bytes;
    for (int32_t id : ids) {
        const Span<char> next = next_text(out, id), part = token_bytes(tokenizer, id);
        text.append(next.data, next.size);
        bytes.append(part.data, part.size);
    }
    CHECK(text == "the sire");
    CHECK(bytes == "the sire");
    CHECK(end_text(out).size == 0);
    CHECK(token_bytes(tokenizer, 99999).size == 0);
    destroy_token_stream(out);
    destroy_tokenizer(tokenizer);
    destroy_tokenizer(nullptr);
    destroy_token_stream(nullptr);
}

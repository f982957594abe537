// Tokenizers of other kinds, made by hand so that what they give can be told by hand; and files that are wrong.
#include <catch2/catch_test_macros.hpp>

#include "files/text.h"
#include "model/model_files.h"
#include "model/tokenizer.h"

using namespace scandium;
using namespace scandium::test;
using Ids = std::vector<int32_t>;

namespace {

#define LOW "\xe2\x96\x81"  // U+2581, which stands for a space

// A tokenizer.json from its parts.
struct Parts {
    std::string vocab, merges = "[]", model, added = "[]", normalizer = "null", pre_tokenizer = "null";
    std::string decoder = R"({"type": "Fuse"})", post_processor = "null";

    std::string text() const {
        return R"({"version": "1.0", "added_tokens": )" + added + R"(, "normalizer": )" + normalizer + R"(, "pre_tokenizer": )" +
               pre_tokenizer + R"(, "post_processor": )" + post_processor + R"(, "decoder": )" + decoder +
               R"(, "model": {"type": "BPE", "vocab": )" + vocab + R"(, "merges": )" + merges + model + "}}";
    }
    Tokenizer load() const {
        const TempFolder folder;
        write_bytes(folder.path("tokenizer.json"), text());
        return Tokenizer(folder.path("tokenizer.json"));
    }
};

// Ids: 0 <unk>, 1 <s>, 2 </s>, 3 ... 258 the bytes, then from 259 the tokens given.
Parts llama(const std::vector<std::string>& tokens) {
    Parts parts;
    parts.vocab = R"({"<unk>": 0, "<s>": 1, "</s>": 2)";
    for (int byte = 0; byte < 256; ++byte) parts.vocab += format(", \"<0x%02X>\": %d", unsigned(byte), byte + 3);
    for (size_t i = 0; i < tokens.size(); ++i) parts.vocab += format(", \"%s\": %zu", tokens[i].c_str(), 259 + i);
    parts.vocab += "}";
    parts.model = R"(, "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true)";
    parts.added = R"([{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true},
        {"id": 2, "content": "</s>", "special": true}])";
    parts.normalizer = R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": ")" LOW R"("},
        {"type": "Replace", "pattern": {"String": " "}, "content": ")" LOW R"("}]})";
    parts.decoder = R"({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": ")" LOW R"("}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
    parts.post_processor = R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}})";
    return parts;
}

Parts letters(const std::string& pre_tokenizer) {
    Parts parts;
    parts.vocab = R"({"a": 0, "b": 1, " ": 2, "1": 3, "2": 4, "aa": 5, "ab": 6, "12": 7, "a ": 8, " a": 9, ".": 10, "..": 11})";
    parts.merges = R"(["a a", "a b", "1 2", "a\u0020 "])";
    parts.merges = R"([["a", "a"], ["a", "b"], ["1", "2"], ["a", " "], [" ", "a"], [".", "."]])";
    parts.pre_tokenizer = pre_tokenizer;
    return parts;
}

}  // namespace

TEST_CASE("Llama's kind: spaces as U+2581, unknown characters as bytes") {
    Parts parts = llama({LOW, "a", "b", LOW "a", LOW "ab", "ab"});
    parts.merges = "[\"" LOW " a\", \"a b\", \"" LOW " ab\"]";
    const Tokenizer tokenizer = parts.load();
    CHECK(tokenizer.encode("ab", {}) == Ids{262, 260 + 1});  // U+2581 a was learnt first
    CHECK(tokenizer.encode("bab ab", {}) == Ids{259, 261, 264, 262, 261});
    CHECK(tokenizer.encode("a", {true, true}) == Ids{1, 262});
    CHECK(tokenizer.encode("", {}).empty());
    CHECK(tokenizer.encode(" a", {}) == Ids{259, 262});
    CHECK(tokenizer.encode("\xc3\xa9", {}) == Ids{259, 3 + 0xc3, 3 + 0xa9});
    CHECK(tokenizer.encode("</s>a", {}) == Ids{2, 262});
    for (const char* text : {"ab", " a", "  b ab ", "\xc3\xa9\xf0\x9f\x8e\xae", "\n"}) {
        const Ids ids = tokenizer.encode(text, {true, true});
        CHECK(tokenizer.decode(ids, true) == text);
        TokenStream stream(&tokenizer, true);
        std::string streamed;
        for (int32_t id : ids) streamed += stream.next(id);
        CHECK(streamed == text);
    }
}

TEST_CASE("the metaspace pre-tokenizer") {
    Parts parts = llama({LOW, "a", LOW "a"});
    parts.merges = "[\"" LOW " a\"]";
    parts.normalizer = "null";
    const auto set = [&](const std::string& scheme, bool split) {
        const std::string common = R"("type": "Metaspace", "replacement": ")" LOW R"(", "prepend_scheme": ")" + scheme + "\"";
        parts.pre_tokenizer = "{" + common + ", \"split\": " + (split ? "true" : "false") + "}";
        parts.decoder = "{" + common + "}";
        return parts.load();
    };
    const Tokenizer first = set("first", false), always = set("always", true), never = set("never", true);
    CHECK(first.encode("a a</s>a", {}) == Ids{261, 261, 2, 260});
    CHECK(always.encode("a a</s>a", {}) == Ids{261, 261, 2, 261});
    CHECK(never.encode("a a</s>a", {}) == Ids{260, 261, 2, 260});
    CHECK(always.encode(" a", {}) == Ids{261});
    CHECK(first.decode(Ids{261, 261}, true) == "a a");
    CHECK(never.decode(Ids{261, 261}, true) == " a a");
    CHECK(always.decode(Ids{2, 261, 261}, true) == "a a");
}

TEST_CASE("how pieces are cut") {
    const auto encode = [](const std::string& pre_tokenizer, const char* text) { return letters(pre_tokenizer).load().encode(text, {}); };
    const auto split = [](const char* pattern, const char* behavior, const char* invert = "false") {
        return format(R"({"type": "Split", "pattern": {"String": "%s"}, "behavior": "%s", "invert": %s})", pattern, behavior, invert);
    };
    CHECK(encode("null", "aab") == Ids{5, 1});
    CHECK(encode("null", "a a") == Ids{8, 0});
    CHECK(encode(split(" ", "Isolated"), "a a") == Ids{0, 2, 0});
    CHECK(encode(split(" ", "Removed"), "a a") == Ids{0, 0});
    CHECK(encode(split(" ", "MergedWithPrevious"), "a a") == Ids{8, 0});
    CHECK(encode(split(" ", "MergedWithNext"), "a a") == Ids{0, 9});
    CHECK(encode(split(".", "Isolated"), "..") == Ids{10, 10});
    CHECK(encode(split(".", "Contiguous"), "..") == Ids{11});
    CHECK(encode(split(".", "MergedWithPrevious"), "a..") == Ids{0, 10, 10});
    CHECK(encode(split("a", "Removed", "true"), "a b") == Ids{0});
    CHECK(encode(R"({"type": "Digits", "individual_digits": true})", "12") == Ids{3, 4});
    CHECK(encode(R"({"type": "Digits", "individual_digits": false})", "12") == Ids{7});
    CHECK(encode(R"({"type": "Punctuation"})", "..") == Ids{10, 10});
    CHECK(encode(R"({"type": "Punctuation", "behavior": "Contiguous"})", "..") == Ids{11});
    CHECK(encode(R"({"type": "Sequence", "pretokenizers": [)" + split(" ", "Removed") + R"(, {"type": "Digits"}]})", "aa 12") == Ids{5, 7});
    const char* const regex = R"j({"type": "Split", "pattern": {"Regex": "\\d|a(?=b)"}, "behavior": "Isolated"})j";
    CHECK(encode(regex, "ab12") == Ids{0, 1, 3, 4});
}

TEST_CASE("byte-level text with a space put in front") {
    Parts parts;
    parts.vocab = R"({"\u0120": 0, "a": 1, "\u0120a": 2, "\u010a": 3})";
    parts.merges = R"(["\u0120 a"])";
    parts.pre_tokenizer = R"({"type": "ByteLevel", "add_prefix_space": true})";
    parts.decoder = R"({"type": "ByteLevel"})";
    CHECK(parts.load().encode("a a\n", {}) == Ids{2, 2, 3});
    CHECK(parts.load().decode(Ids{2, 2, 3}, true) == " a a\n");
    parts.pre_tokenizer = R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})";
    CHECK(parts.load().encode("a a", {}) == Ids{1, 2});
    CHECK_REFUSED(parts.load().encode("ab", {}), FileError, "", "U+0062");
}

TEST_CASE("added tokens and the white space and words around them") {
    Parts parts = letters("null");
    const auto with = [&](const std::string& options) {
        parts.added = R"([{"id": 20, "content": "X", "special": false, "normalized": false)" + options + "}]";
        return parts.load();
    };
    CHECK(with("").encode("a X a", {}) == Ids{8, 20, 9});
    CHECK(with(R"(, "lstrip": true)").encode("a  X a", {}) == Ids{0, 20, 9});
    CHECK(with(R"(, "rstrip": true)").encode("a X  a", {}) == Ids{8, 20, 0});
    const Tokenizer word = with(R"(, "single_word": true)");
    CHECK(word.encode("a X.", {}) == Ids{8, 20, 10});
    CHECK_REFUSED(word.encode("aX", {}), FileError, "", "U+0058");
    parts.added = R"([{"id": 20, "content": "aa", "normalized": true}, {"id": 21, "content": "aaa", "normalized": true}])";
    CHECK_REFUSED(parts.load(), FileError, "", "'aa'", "20", "5");
    parts.added = R"([{"id": 5, "content": "aa", "normalized": true}, {"id": 21, "content": "aaa", "normalized": true}])";
    CHECK(parts.load().encode("aaaaab", {}) == Ids{21, 5, 1});
}

TEST_CASE("unknown characters and whole words") {
    Parts parts = letters("null");
    parts.model = R"(, "unk_token": "b")";
    CHECK(parts.load().encode("xya", {}) == Ids{1, 1, 0});
    parts.model = R"(, "unk_token": "b", "fuse_unk": true)";
    CHECK(parts.load().encode("xya", {}) == Ids{1, 0});
    parts.vocab = R"({"a": 0, "b": 1, "aba": 2})";
    parts.merges = "[]";
    parts.model = "";
    CHECK(parts.load().encode("aba", {}) == Ids{0, 1, 0});
    parts.model = R"(, "ignore_merges": true)";
    CHECK(parts.load().encode("aba", {}) == Ids{2});
}

TEST_CASE("of the merges that are possible, the one learnt first, leftmost") {
    Parts parts;
    parts.vocab = R"({"a": 0, "b": 1, "c": 2, "bc": 3, "ab": 4, "abc": 5, "aa": 6, "aaaa": 7})";
    parts.merges = R"(["b c", "a b", "a bc", "a a", "aa aa"])";
    const Tokenizer tokenizer = parts.load();
    CHECK(tokenizer.encode("abc", {}) == Ids{5});
    CHECK(tokenizer.encode("ab", {}) == Ids{4});
    CHECK(tokenizer.encode("aaaaaaa", {}) == Ids{7, 6, 0});
    CHECK(tokenizer.encode("aaab", {}) == Ids{6, 4});
}

TEST_CASE("a tokenizer file that is wrong, or of another kind") {
    const auto refused = [](const std::string& text, const std::vector<std::string>& parts) {
        const TempFolder folder;
        const std::string path = folder.path("tokenizer.json");
        write_bytes(path, text);
        std::string message;
        try {
            Tokenizer tokenizer(path);
        } catch (const FileError& error) {
            message = error.what();
        }
        INFO(text.substr(0, 500));
        CHECK_THAT(message, Catch::Matchers::StartsWith(path + ": "));
        for (const std::string& part : parts) CHECK_THAT(message, Catch::Matchers::ContainsSubstring(part));
    };
    const auto changed = [](auto change) {
        Parts parts = letters("null");
        change(parts);
        return parts.text();
    };
    refused("{}", {"'model'"});
    refused("[1]", {"an object"});
    refused(R"({"model": {"type": "WordPiece"}, "decoder": {"type": "Fuse"}})", {"'WordPiece'", "'BPE'"});
    refused(R"({"model": {"type": "BPE"}})", {"'decoder'"});
    refused(changed([](Parts& p) { p.vocab = "[]"; }), {"'model.vocab' is a list of 0"});
    refused(changed([](Parts& p) { p.vocab = R"({"a": 0, "a": 1})"; }), {"'a' twice"});
    refused(changed([](Parts& p) {
                p.vocab = R"({"a": 0, "b": 0})";
                p.merges = "[]";
            }),
            {"two tokens have the number 0"});
    refused(changed([](Parts& p) { p.vocab = R"({"a": -1})"; }), {"'a'", "from 0"});
    refused(changed([](Parts& p) { p.vocab = R"({"a": 4000000000})"; }), {"'a'", "from 0"});
    refused(changed([](Parts& p) { p.merges = R"(["a q"])"; }), {"'model.merges'", "'a' and 'q'"});
    refused(changed([](Parts& p) { p.merges = R"(["b b"])"; }), {"'b' and 'b'"});
    refused(changed([](Parts& p) { p.merges = R"(["ab"])"; }), {"entry 0", "'ab'"});
    refused(changed([](Parts& p) { p.merges = R"([["a"]])"; }), {"entry 0"});
    refused(changed([](Parts& p) { p.merges = R"([" a"])"; }), {"entry 0"});
    refused(changed([](Parts& p) { p.merges = "3"; }), {"'model.merges' is 3"});
    refused(changed([](Parts& p) { p.model = R"(, "dropout": 0.1)"; }), {"'dropout'"});
    refused(changed([](Parts& p) { p.model = R"(, "end_of_word_suffix": "</w>")"; }), {"'end_of_word_suffix'"});
    refused(changed([](Parts& p) { p.model = R"(, "unk_token": "none")"; }), {"'model.unk_token' is 'none'"});
    refused(changed([](Parts& p) { p.normalizer = R"({"type": "Nmt"})"; }), {"'Nmt'"});
    refused(changed([](Parts& p) { p.pre_tokenizer = R"({"type": "BertPreTokenizer"})"; }), {"'BertPreTokenizer'"});
    refused(changed([](Parts& p) { p.decoder = R"({"type": "WordPiece"})"; }), {"decoder 'WordPiece'"});
    refused(changed([](Parts& p) { p.post_processor = R"({"type": "BertProcessing"})"; }), {"'BertProcessing'"});
    refused(changed([](Parts& p) { p.added = R"([{"id": 1, "content": ""}])"; }), {"'added_tokens[0].content' is ''"});
    refused(changed([](Parts& p) { p.added = R"([{"content": "a"}])"; }), {"'added_tokens[0].id' is missing"});
    refused(changed([](Parts& p) { p.pre_tokenizer = R"({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"})"; }),
            {"'(a'", "regular expression"});
    std::string nested = R"({"type": "NFC"})";
    for (int i = 0; i < 40; ++i) nested = R"({"type": "Sequence", "normalizers": [)" + nested + "]}";
    refused(changed([&](Parts& p) { p.normalizer = nested; }), {"too many parts"});
}

TEST_CASE("a pattern that would take forever is given up") {
    Parts parts = letters(R"j({"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated"})j");
    CHECK_REFUSED(parts.load().encode(std::string(200, 'a') + "b", {}), FileError, "", "cannot be matched");
}

#include "model/token_decoder.h"

#include <charconv>

#include "files/text.h"
#include "model/config.h"
#include "model/normalizer.h"
#include "model/pre_tokenizer.h"
#include "model/unicode.h"

namespace scandium {
namespace {

constexpr size_t kMaxReplacements = 16, kMaxText = 64;
constexpr int64_t kMaxStripped = 64;

std::string read_text(const JsonView& json, bool may_be_empty) {
    const std::string_view text = json.text();
    if (text.size() > kMaxText || (text.empty() && !may_be_empty)) json.fail_expected(format("text of 1 to %zu bytes", kMaxText));
    return std::string(text);
}

void replace_all(std::string* text, std::string_view from, std::string_view to) {
    std::string result;
    size_t done = 0;
    for (size_t at; (at = text->find(from, done)) != std::string::npos; done = at + from.size())
        result.append(*text, done, at - done).append(to);
    *text = result.append(*text, done);
}

// <0x0A>
int byte_token(std::string_view token) {
    unsigned byte = 0;
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
    return error == std::errc() && end == token.data() + 5 ? static_cast<int>(byte) : -1;
}

// A token with any character that stands for no byte is plain text: an added token.
std::string bytes_of_visible(std::string_view token) {
    std::string bytes;
    for (std::string_view rest = token; !rest.empty();) {
        const Utf8Part part = first_part(rest);
        const int byte = byte_of_visible(part.code);
        if (byte < 0) return std::string(token);
        bytes.push_back(static_cast<char>(byte));
        rest.remove_prefix(part.length);
    }
    return bytes;
}

}  // namespace

TokenDecoder::TokenDecoder(const JsonView& json) { add(json, 0); }

// "start" counts what is taken at the text's beginning, "stop" at its end, which a text that goes on does not have.
void TokenDecoder::add_strip(const JsonView& json) {
    stripped_ = read_text(json.at("content"), false);
    strip_count_ = static_cast<size_t>(json.at("start").integer(0, kMaxStripped));
    json.at("stop").integer(0, 0);
}

void TokenDecoder::add(const JsonView& json, int depth) {
    const std::string_view type = json.at("type").text();
    if (depth > kMaxNesting || replacements_.size() > kMaxReplacements) json.fail("has too many parts");
    if (type == "Sequence") {
        for (const JsonView& part : json.at("decoders").items()) add(part, depth + 1);
    } else if (type == "ByteLevel") {
        byte_level_ = true;
    } else if (type == "ByteFallback") {
        byte_fallback_ = true;
    } else if (type == "Replace") {
        replacements_.push_back({read_text(json.at("pattern").at("String"), false), read_text(json.at("content"), true)});
    } else if (type == "Strip") {
        add_strip(json);
    } else if (type == "Metaspace") {
        const std::string space = read_text(json.at("replacement"), false);
        replacements_.push_back({space, " "});
        const bool never = json.has("prepend_scheme") && json.at("prepend_scheme").text() == "never";
        if (!never) first_dropped_ = space;
    } else if (type != "Fuse") {
        throw UnsupportedError(json.file() + ": the decoder " + in_quotes(type) + " is not known here");
    }
}

std::string TokenDecoder::replaced(std::string_view token, bool first) const {
    std::string text(token);
    if (first && !first_dropped_.empty()) replace_all(&text, first_dropped_, "");
    for (const Replacement& replacement : replacements_) replace_all(&text, replacement.from, replacement.to);
    return text;
}

std::string TokenDecoder::decode(std::string_view token, bool first) const {
    const int byte = byte_fallback_ ? byte_token(token) : -1;
    std::string text = byte >= 0 ? std::string(1, static_cast<char>(byte)) : replaced(token, first);
    if (byte_level_) text = bytes_of_visible(text);
    for (size_t i = 0; first && i < strip_count_ && !stripped_.empty() && text.starts_with(stripped_); ++i) text.erase(0, stripped_.size());
    return text;
}

}  // namespace scandium

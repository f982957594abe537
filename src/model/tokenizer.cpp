#include "model/tokenizer.h"

#include <algorithm>

#include "files/text.h"
#include "model/config.h"
#include "model/unicode.h"

namespace scandium {
namespace {

constexpr uint64_t kMaxFileBytes = 256 << 20;

}  // namespace

Tokenizer::Tokenizer() : byte_tokens_(true) {
    for (int byte = 0; byte < 256; ++byte) add_token("", std::string(1, static_cast<char>(byte)), byte, false);
}

Tokenizer::Tokenizer(const std::string& path) {
    const JsonFile file(path, kMaxFileBytes);
    const JsonView root = file.root();
    root.expect_object();
    if (!root.has("model")) throw FileError(path + ": 'model' is missing");
    if (root.has("normalizer")) normalizer_ = Normalizer(root.at("normalizer"));
    if (root.has("pre_tokenizer")) pre_tokenizer_ = PreTokenizer(root.at("pre_tokenizer"));
    if (!root.has("decoder"))
        throw UnsupportedError(path + ": 'decoder' is missing; without one it is not known here what tokens stand for");
    decoder_ = TokenDecoder(root.at("decoder"));
    bpe_ = Bpe(root.at("model"));
    for (const auto& [text, id] : bpe_.tokens()) add_token(path, text, id, false);
    read_added(root);
    if (root.has("post_processor")) read_post_processor(root.at("post_processor"));
}

void Tokenizer::add_token(const std::string& file, std::string_view text, int32_t id, bool special) {
    const auto index = static_cast<size_t>(id);
    if (index >= bytes_.size()) {
        bytes_.resize(index + 1);
        first_bytes_.resize(index + 1);
        known_.resize(index + 1);
        special_.resize(index + 1);
        first_differs_.resize(index + 1);
    }
    if (known_[index]) throw FileError(file + format(": two tokens have the number %d, one of them ", id) + in_quotes(text));
    known_[index] = true;
    special_[index] = special;
    bytes_[index] = byte_tokens_ ? std::string(text) : decoder_.decode(text, false);
    std::string first = byte_tokens_ ? bytes_[index] : decoder_.decode(text, true);
    first_differs_[index] = first != bytes_[index];
    if (first_differs_[index]) first_bytes_[index] = std::move(first);
}

void Tokenizer::read_added(const JsonView& root) {
    for (const AddedToken& token : read_added_tokens(root)) {
        const auto learnt = bpe_.tokens().find(token.content);
        if (learnt == bpe_.tokens().end())
            add_token(root.file(), token.content, token.id, token.special);
        else if (learnt->second != token.id)
            throw FileError(root.file() + ": the added token " + in_quotes(token.content) +
                            format(" has the number %d, but in the vocabulary %d", token.id, learnt->second));
        else
            special_[static_cast<size_t>(token.id)] = token.special;
        if (token.normalized)
            after_normalizing_.add(normalizer_.apply(token.content), token);
        else
            raw_.add(token.content, token);
        added_.insert_or_assign(token.content, token.id);
    }
}

// Of the kinds that there are only templates add tokens; a sequence may hold one.
void Tokenizer::read_post_processor(const JsonView& json) {
    const std::string_view type = json.at("type").text();
    if (type == "Sequence") {
        for (const JsonView& part : json.at("processors").items())
            if (part.at("type").text() != "Sequence") read_post_processor(part);
        return;
    }
    if (type == "ByteLevel") return;
    if (type != "TemplateProcessing")
        throw UnsupportedError(json.file() + ": the post-processor " + in_quotes(type) + " is not known here");
    bool text_seen = false;
    for (const JsonView& part : json.at("single").items()) {
        if (part.has("Sequence")) {
            text_seen = true;
            continue;
        }
        const JsonView name = part.at("SpecialToken").at("id");
        const int32_t id = find(name.text());
        if (id == kAbsent) name.fail_expected("a token");
        (text_seen ? after_ : before_).push_back(id);
    }
}

int32_t Tokenizer::find(std::string_view text) const {
    if (byte_tokens_) return text.size() == 1 ? static_cast<unsigned char>(text[0]) : kAbsent;
    const auto added = added_.find(text);
    if (added != added_.end()) return added->second;
    const auto learnt = bpe_.tokens().find(text);
    return learnt == bpe_.tokens().end() ? kAbsent : learnt->second;
}

std::string_view Tokenizer::bytes(int32_t id, bool first) const {
    if (!has(id)) return {};
    const auto index = static_cast<size_t>(id);
    return first && first_differs_[index] ? first_bytes_[index] : bytes_[index];
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
    std::vector<int32_t> ids;
    if (byte_tokens_) {
        for (char byte : text) ids.push_back(static_cast<unsigned char>(byte));
        return ids;
    }
    if (options.add_special) ids = before_;
    const std::string valid = as_utf8(text);
    Bpe::Scratch scratch;
    for (const TokenFinder::Part& part : raw_.cut(valid, options.find_special)) {
        if (part.id != kAbsent)
            ids.push_back(part.id);
        else
            encode_between(std::string_view(valid).substr(part.begin, part.end - part.begin), part.begin == 0, options, &scratch, &ids);
    }
    if (options.add_special) ids.insert(ids.end(), after_.begin(), after_.end());
    return ids;
}

void Tokenizer::encode_between(std::string_view text, bool at_start, const EncodeOptions& options, Bpe::Scratch* scratch,
                               std::vector<int32_t>* ids) const {
    const std::string normal = normalizer_.apply(std::string(text));
    for (const TokenFinder::Part& part : after_normalizing_.cut(normal, options.find_special)) {
        if (part.id != kAbsent)
            ids->push_back(part.id);
        else
            encode_piece(std::string_view(normal).substr(part.begin, part.end - part.begin), at_start && part.begin == 0, scratch, ids);
    }
}

void Tokenizer::encode_piece(std::string_view text, bool at_start, Bpe::Scratch* scratch, std::vector<int32_t>* ids) const {
    const Pieces pieces = pre_tokenizer_.split(std::string(text), at_start);
    size_t begin = 0;
    for (size_t end : pieces.ends) {
        bpe_.encode(std::string_view(pieces.text).substr(begin, end - begin), scratch, ids);
        begin = end;
    }
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
    std::string text;
    bool first = true;
    for (int32_t id : ids) {
        if (skip_special && special(id)) continue;
        text += bytes(id, first);
        first = false;
    }
    return text;
}

TokenStream::TokenStream(const Tokenizer* tokenizer, bool skip_special) : tokenizer_(tokenizer), skip_special_(skip_special) {
    size_t longest = 0;
    for (uint32_t id = 0; id < tokenizer->count(); ++id)
        longest = std::max(longest, tokenizer->bytes(static_cast<int32_t>(id), false).size());
    // Later calls cannot fail, so they must not allocate. A byte that is no character becomes three.
    held_.reserve(longest + 4);
    text_.reserve(3 * (longest + 4));
}

std::string_view TokenStream::next(int32_t id) {
    text_.clear();
    if (!(skip_special_ && tokenizer_->special(id))) {
        held_ += tokenizer_->bytes(id, first_);
        first_ = false;
    }
    move_whole_characters(false);
    return text_;
}

std::string_view TokenStream::end() {
    text_.clear();
    move_whole_characters(true);
    first_ = true;
    return text_;
}

void TokenStream::move_whole_characters(bool all) {
    std::string_view rest = held_;
    while (!rest.empty()) {
        const Utf8Part part = first_part(rest);
        if (part.state == Utf8Part::State::unfinished && !all) break;
        if (part.state == Utf8Part::State::character)
            text_.append(rest.substr(0, part.length));
        else
            append_utf8(kReplacement, &text_);
        rest.remove_prefix(part.length);
    }
    held_.erase(0, held_.size() - rest.size());
}

}  // namespace scandium

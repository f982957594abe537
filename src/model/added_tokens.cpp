#include "model/added_tokens.h"

#include <algorithm>
#include <set>

#include "files/text.h"
#include "model/bpe.h"
#include "model/unicode.h"

namespace scandium {
namespace {

constexpr size_t kMaxAdded = 1 << 17, kMaxContent = 512;

size_t character_before(std::string_view text, size_t at) {
    do --at;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
    return at;
}

bool goes_on_before(std::string_view text, size_t at) {
    return at > 0 && is_word_character(first_part(text.substr(character_before(text, at))).code);
}

bool goes_on_after(std::string_view text, size_t at) { return at < text.size() && is_word_character(first_part(text.substr(at)).code); }

size_t skip_space_before(std::string_view text, size_t at, size_t least) {
    while (at > least) {
        const size_t before = character_before(text, at);
        if (before < least || !is_white_space(first_part(text.substr(before)).code)) break;
        at = before;
    }
    return at;
}

size_t skip_space_after(std::string_view text, size_t at) {
    while (at < text.size()) {
        const Utf8Part part = first_part(text.substr(at));
        if (!is_white_space(part.code)) break;
        at += part.length;
    }
    return at;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const JsonView& root) {
    std::vector<AddedToken> tokens;
    if (!root.has("added_tokens")) return tokens;
    const std::vector<JsonView> items = root.at("added_tokens").items();
    if (items.size() > kMaxAdded) root.at("added_tokens").fail(format("has more than %zu entries", kMaxAdded));
    std::set<int32_t> ids;
    for (const JsonView& item : items) {
        const auto flag = [&item](const char* key) { return item.has(key) && item.at(key).boolean(); };
        AddedToken token;
        token.content = std::string(item.at("content").text());
        token.id = static_cast<int32_t>(item.at("id").integer(0, kMaxTokenId));
        token.special = flag("special");
        token.normalized = item.has("normalized") ? item.at("normalized").boolean() : !token.special;
        token.single_word = flag("single_word");
        token.lstrip = flag("lstrip");
        token.rstrip = flag("rstrip");
        if (token.content.empty() || token.content.size() > kMaxContent)
            item.at("content").fail_expected(format("text of 1 to %zu bytes", kMaxContent));
        if (!ids.insert(token.id).second) item.at("id").fail_expected("a number that no other added token has");
        tokens.push_back(std::move(token));
    }
    return tokens;
}

void TokenFinder::add(std::string_view content, const AddedToken& token) {
    if (content.empty()) return;
    begins_[static_cast<unsigned char>(content[0])] = true;
    uint32_t node = 0;
    for (char c : content) {
        const auto byte = static_cast<unsigned char>(c);
        auto& children = nodes_[node].children;
        const auto place = std::lower_bound(children.begin(), children.end(), std::pair<unsigned char, uint32_t>(byte, 0));
        if (place != children.end() && place->first == byte) {
            node = place->second;
        } else {
            const auto added = static_cast<uint32_t>(nodes_.size());
            children.insert(place, {byte, added});
            nodes_.emplace_back();
            node = added;
        }
    }
    nodes_[node].token = static_cast<int32_t>(tokens_.size());
    tokens_.push_back(token);
}

const AddedToken* TokenFinder::longest_at(std::string_view text, size_t at, bool special, size_t* end) const {
    const AddedToken* found = nullptr;
    uint32_t node = 0;
    for (size_t i = at; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto& children = nodes_[node].children;
        const auto place = std::lower_bound(children.begin(), children.end(), std::pair<unsigned char, uint32_t>(byte, 0));
        if (place == children.end() || place->first != byte) break;
        node = place->second;
        if (nodes_[node].token < 0) continue;
        const AddedToken& token = tokens_[static_cast<size_t>(nodes_[node].token)];
        if (token.special && !special) continue;
        found = &token;
        *end = i + 1;
    }
    return found;
}

std::vector<TokenFinder::Part> TokenFinder::cut(std::string_view text, bool special) const {
    std::vector<Part> parts;
    size_t done = 0;
    for (size_t at = 0; at < text.size();) {
        size_t end = 0;
        const bool may_begin = begins_[static_cast<unsigned char>(text[at])];
        const AddedToken* token = may_begin ? longest_at(text, at, special, &end) : nullptr;
        if (!token) {
            ++at;
            continue;
        }
        const size_t matched_end = end;
        if (token->single_word && (goes_on_before(text, at) || goes_on_after(text, end))) {
            at = matched_end;  // no shorter one is tried in its place
            continue;
        }
        const size_t begin = token->lstrip ? skip_space_before(text, at, done) : at;
        if (token->rstrip) end = skip_space_after(text, end);
        if (done < begin) parts.push_back({done, begin, kAbsent});
        parts.push_back({begin, end, token->id});
        done = at = end;
    }
    if (done < text.size()) parts.push_back({done, text.size(), kAbsent});
    return parts;
}

}  // namespace scandium

#include "model/bpe.h"

#include <algorithm>

#include "files/text.h"
#include "model/config.h"
#include "model/unicode.h"

namespace scandium {
namespace {

constexpr size_t kMaxMerges = size_t(1) << 24;
constexpr size_t kMaxKnownPiece = 48, kMaxKnown = 1 << 15;
constexpr uint32_t kNone = ~0u;

uint64_t key_of(int32_t left, int32_t right) { return uint64_t(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right); }

std::string_view text_of(const rapidjson::Value& value) { return {value.GetString(), value.GetStringLength()}; }

void expect_absent(const JsonView& json, const char* key) {
    if (json.has(key) && !(json.at(key).is_string() && json.at(key).text().empty()))
        throw UnsupportedError(json.file() + ": " + in_quotes(key) + " is not known here");
}

bool flag(const JsonView& json, const char* key) { return json.has(key) && json.at(key).boolean(); }

}  // namespace

Bpe::Bpe(const JsonView& json) : file_(json.file()) {
    if (json.has("type") && json.at("type").text() != "BPE")
        throw UnsupportedError(json.file() + ": the tokenizer is of type " + in_quotes(json.at("type").text()) + ", but 'BPE' is expected");
    expect_absent(json, "continuing_subword_prefix");
    expect_absent(json, "end_of_word_suffix");
    if (json.has("dropout") && json.at("dropout").number() != 0) throw UnsupportedError(json.file() + ": 'dropout' is not known here");
    byte_fallback_ = flag(json, "byte_fallback");
    fuse_unknown_ = flag(json, "fuse_unk");
    whole_first_ = flag(json, "ignore_merges");
    read_tokens(json.at("vocab"));
    if (json.has("unk_token")) {
        unknown_ = find(json.at("unk_token").text());
        if (unknown_ == kAbsent) json.at("unk_token").fail_expected("a token of the vocabulary");
    }
    find_byte_tokens();
    read_merges(json.at("merges"));
}

int32_t Bpe::find(std::string_view text) const {
    const auto place = tokens_.find(text);
    return place == tokens_.end() ? kAbsent : place->second;
}

void Bpe::read_tokens(const JsonView& vocab) {
    if (!vocab.is_object()) vocab.fail_expected("an object");
    tokens_.reserve(vocab.value().MemberCount());
    for (const auto& member : vocab.value().GetObject()) {
        const std::string_view text = text_of(member.name);
        if (!member.value.IsInt() || member.value.GetInt() < 0 || member.value.GetInt() > kMaxTokenId)
            vocab.fail("has a number for " + in_quotes(text) + " that is not from 0 to " + std::to_string(kMaxTokenId));
        if (!tokens_.emplace(text, member.value.GetInt()).second) vocab.fail("has the token " + in_quotes(text) + " twice");
    }
    characters_.fill(kAbsent);
    for (char32_t code = 0; code < characters_.size(); ++code) {
        std::string text;
        append_utf8(code, &text);
        characters_[code] = find(text);
    }
}

void Bpe::find_byte_tokens() {
    bytes_.fill(kAbsent);
    if (!byte_fallback_) return;
    for (unsigned byte = 0; byte < 256; ++byte) bytes_[byte] = find(format("<0x%02X>", byte));
}

void Bpe::read_merges(const JsonView& merges) {
    if (!merges.is_array()) merges.fail_expected("a list");
    if (merges.value().Size() > kMaxMerges) merges.fail(format("has more than %zu entries", kMaxMerges));
    merges_.reserve(merges.value().Size());
    uint32_t rank = 0;
    for (const rapidjson::Value& entry : merges.value().GetArray()) {
        if (entry.IsString()) {
            const std::string_view text = text_of(entry);
            const size_t space = text.find(' ');
            if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
                merges.fail(format("has an entry %u that is not two tokens with a space between: ", rank) + in_quotes(text));
            add_merge(merges, rank++, text.substr(0, space), text.substr(space + 1));
        } else if (entry.IsArray() && entry.Size() == 2 && entry[0].IsString() && entry[1].IsString()) {
            add_merge(merges, rank++, text_of(entry[0]), text_of(entry[1]));
        } else {
            merges.fail(format("has an entry %u that is not two tokens", rank));
        }
    }
}

void Bpe::add_merge(const JsonView& merges, uint32_t rank, std::string_view left, std::string_view right) {
    const int32_t left_id = find(left), right_id = find(right);
    const int32_t id = find(std::string(left) + std::string(right));
    if (left.empty() || right.empty() || left_id == kAbsent || right_id == kAbsent || id == kAbsent)
        merges.fail(format("has an entry %u, of ", rank) + in_quotes(left) + " and " + in_quotes(right) +
                    ", that is not of tokens in the vocabulary");
    merges_.insert_or_assign(key_of(left_id, right_id), Merge{rank, id});  // of two alike the last counts
}

void Bpe::encode(std::string_view piece, Scratch* scratch, std::vector<int32_t>* ids) const {
    if (piece.size() >= kNone) throw FileError(file_ + format(": a piece of text of %zu bytes is too long", piece.size()));
    const bool is_short = piece.size() <= kMaxKnownPiece;
    if (is_short) {
        const auto place = scratch->known.find(piece);
        if (place != scratch->known.end()) {
            ids->insert(ids->end(), place->second.begin(), place->second.end());
            return;
        }
    }
    const size_t first = ids->size();
    const int32_t whole = whole_first_ ? find(piece) : kAbsent;
    if (whole != kAbsent) {
        ids->push_back(whole);
    } else {
        add_symbols(piece, scratch);
        merge(scratch);
        // The first symbol is never merged into another.
        for (uint32_t i = scratch->symbols.empty() ? kNone : 0; i != kNone; i = scratch->symbols[i].next)
            ids->push_back(scratch->symbols[i].id);
    }
    if (is_short && scratch->known.size() < kMaxKnown)
        scratch->known.emplace(piece, std::vector<int32_t>(ids->begin() + static_cast<std::ptrdiff_t>(first), ids->end()));
}

void Bpe::add_symbols(std::string_view piece, Scratch* scratch) const {
    std::vector<Scratch::Symbol>& symbols = scratch->symbols;
    symbols.clear();
    const auto add = [&](int32_t id) {
        const auto place = static_cast<uint32_t>(symbols.size());
        if (place) symbols.back().next = place;
        symbols.push_back({id, place ? place - 1 : kNone, kNone});
    };
    bool last_unknown = false;
    while (!piece.empty()) {
        const Utf8Part part = first_part(piece);
        const std::string_view character = piece.substr(0, part.length);
        const int32_t id = part.code < characters_.size() ? characters_[part.code] : find(character);
        const auto has_byte = [this](char byte) { return bytes_[static_cast<unsigned char>(byte)] != kAbsent; };
        const bool unknown = id == kAbsent && !std::all_of(character.begin(), character.end(), has_byte);
        if (id != kAbsent) {
            add(id);
        } else if (!unknown) {
            for (char byte : character) add(bytes_[static_cast<unsigned char>(byte)]);
        } else if (unknown_ == kAbsent) {
            throw FileError(file_ + format(": the vocabulary has no token for the character U+%04X", static_cast<unsigned>(part.code)));
        } else if (!fuse_unknown_ || !last_unknown) {
            add(unknown_);
        }
        last_unknown = unknown;
        piece.remove_prefix(part.length);
    }
}

namespace {

// The heap's front is the pair that was learnt first; of equals, the leftmost.
struct Later {
    bool operator()(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) const {
        return a.rank != b.rank ? a.rank > b.rank : a.place > b.place;
    }
};

}  // namespace

void Bpe::add_candidate(uint32_t place, Scratch* scratch) const {
    const Scratch::Symbol& symbol = scratch->symbols[place];
    if (symbol.next == kNone) return;
    const int32_t right = scratch->symbols[symbol.next].id;
    const auto merge = merges_.find(key_of(symbol.id, right));
    if (merge == merges_.end()) return;
    scratch->heap.push_back({merge->second.rank, place, symbol.id, right});
    std::push_heap(scratch->heap.begin(), scratch->heap.end(), Later());
}

// Symbols are a list; each merge shortens it by one and puts at most two candidates on the heap, so that the time grows with
// n log n. A candidate whose symbols have changed since is passed over.
void Bpe::merge(Scratch* scratch) const {
    std::vector<Scratch::Symbol>& symbols = scratch->symbols;
    std::vector<Scratch::Candidate>& heap = scratch->heap;
    heap.clear();
    for (uint32_t i = 0; i < symbols.size(); ++i) add_candidate(i, scratch);
    while (!heap.empty()) {
        const Scratch::Candidate best = heap.front();
        std::pop_heap(heap.begin(), heap.end(), Later());
        heap.pop_back();
        Scratch::Symbol& left = symbols[best.place];
        if (left.id != best.left || left.next == kNone || symbols[left.next].id != best.right) continue;
        Scratch::Symbol& right = symbols[left.next];
        left.id = merges_.find(key_of(best.left, best.right))->second.id;
        right.id = kAbsent;
        left.next = right.next;
        if (left.next != kNone) symbols[left.next].previous = best.place;
        if (left.previous != kNone) add_candidate(left.previous, scratch);
        add_candidate(best.place, scratch);
    }
}

}  // namespace scandium

#include "model/pre_tokenizer.h"

#include "files/text.h"
#include "model/config.h"
#include "model/normalizer.h"
#include "model/unicode.h"

namespace scandium {
namespace {

constexpr size_t kMaxSteps = 64;

// GPT-2's: English endings, then runs of letters, of digits and of anything else, each with a space in front; the last
// space of several goes with what follows. Spaces are spelled out, since what \s is differs between libraries.
constexpr const char* kBytePattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{Z}\x{9}-\x{d}\x{85}\p{L}\p{N}]+)"
                                     R"(|[\p{Z}\x{9}-\x{d}\x{85}]+(?![^\p{Z}\x{9}-\x{d}\x{85}])|[\p{Z}\x{9}-\x{d}\x{85}]+)";
constexpr const char* kDigit = R"(\p{N})";
constexpr const char* kPunctuation = R"([\p{P}!-/:-@\[-`{-~])";

bool is_visible(int byte) { return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae; }

struct ByteTable {
    std::array<char32_t, 256> code = {};
    std::array<int16_t, 0x180> byte = {};
    std::array<std::string, 256> utf8;

    ByteTable() {
        byte.fill(-1);
        char32_t next = 0x100;
        for (int b = 0; b < 256; ++b) {
            code[b] = is_visible(b) ? static_cast<char32_t>(b) : next++;
            byte[code[b]] = static_cast<int16_t>(b);
            append_utf8(code[b], &utf8[b]);
        }
    }
};

const ByteTable& byte_table() {
    static const ByteTable table;
    return table;
}

std::shared_ptr<const Pattern> known_pattern(const char* source) {
    return std::make_shared<Pattern>(source, false, "a pattern of our own");
}

}  // namespace

char32_t visible_character(uint8_t byte) { return byte_table().code[byte]; }

int byte_of_visible(char32_t code) { return code < byte_table().byte.size() ? byte_table().byte[code] : -1; }

PreTokenizer::Behavior PreTokenizer::read_behavior(const JsonView& json) {
    const std::string_view name = json.text();
    if (name == "Removed") return Behavior::removed;
    if (name == "Isolated") return Behavior::isolated;
    if (name == "Contiguous") return Behavior::contiguous;
    if (name == "MergedWithPrevious") return Behavior::with_previous;
    if (name == "MergedWithNext") return Behavior::with_next;
    json.fail_expected("'Removed', 'Isolated', 'Contiguous', 'MergedWithPrevious' or 'MergedWithNext'");
}

void PreTokenizer::add_pattern(std::shared_ptr<const Pattern> pattern, Behavior behavior, bool invert) {
    Step step;
    step.behavior = behavior;
    step.invert = invert;
    step.pattern = std::move(pattern);
    steps_.push_back(std::move(step));
}

void PreTokenizer::add_byte_level(const JsonView& json) {
    Step step;
    step.kind = Kind::bytes;
    step.prefix_space = json.has("add_prefix_space") ? json.at("add_prefix_space").boolean() : true;
    if (!json.has("use_regex") || json.at("use_regex").boolean()) step.pattern = known_pattern(kBytePattern);
    steps_.push_back(std::move(step));
}

void PreTokenizer::add_metaspace(const JsonView& json) {
    Step step;
    step.kind = Kind::metaspace;
    step.replacement = std::string(json.at("replacement").text());
    const bool one_character = !step.replacement.empty() && first_part(step.replacement).length == step.replacement.size();
    if (!one_character) json.at("replacement").fail_expected("one character");
    step.cut = json.has("split") ? json.at("split").boolean() : true;
    step.prepend = Prepend::always;
    if (json.has("prepend_scheme")) {
        const std::string_view scheme = json.at("prepend_scheme").text();
        if (scheme != "always" && scheme != "first" && scheme != "never")
            json.at("prepend_scheme").fail_expected("'always', 'first' or 'never'");
        step.prepend = scheme == "always" ? Prepend::always : scheme == "first" ? Prepend::first : Prepend::never;
    } else if (json.has("add_prefix_space") && !json.at("add_prefix_space").boolean()) {
        step.prepend = Prepend::never;
    }
    steps_.push_back(step);
    if (step.cut)
        add_pattern(std::make_shared<Pattern>(step.replacement, true, json.file() + ": the replacement"), Behavior::with_next, false);
}

void PreTokenizer::add(const JsonView& json, int depth) {
    const std::string_view type = json.at("type").text();
    if (steps_.size() >= kMaxSteps || depth > kMaxNesting) json.fail("has too many parts");
    if (type == "Sequence") {
        for (const JsonView& part : json.at("pretokenizers").items()) add(part, depth + 1);
    } else if (type == "ByteLevel") {
        add_byte_level(json);
    } else if (type == "Split") {
        const bool invert = json.has("invert") && json.at("invert").boolean();
        add_pattern(std::make_shared<Pattern>(read_pattern(json.at("pattern"))), read_behavior(json.at("behavior")), invert);
    } else if (type == "Digits") {
        const bool each = json.has("individual_digits") && json.at("individual_digits").boolean();
        add_pattern(known_pattern(kDigit), each ? Behavior::isolated : Behavior::contiguous, false);
    } else if (type == "Punctuation") {
        const Behavior behavior = json.has("behavior") ? read_behavior(json.at("behavior")) : Behavior::isolated;
        add_pattern(known_pattern(kPunctuation), behavior, false);
    } else if (type == "Metaspace") {
        add_metaspace(json);
    } else {
        throw UnsupportedError(json.file() + ": the pre-tokenizer " + in_quotes(type) + " is not known here");
    }
}

Pieces PreTokenizer::split(std::string text, bool at_start) const {
    Pieces pieces;
    if (text.empty()) return pieces;
    pieces.ends.push_back(text.size());
    pieces.text = std::move(text);
    for (const Step& step : steps_) {
        switch (step.kind) {
        case Kind::pattern: pieces = cut(step, std::move(pieces)); break;
        case Kind::bytes:
            if (step.prefix_space) pieces = put_space_first(std::move(pieces));
            if (step.pattern) pieces = cut(step, std::move(pieces));
            pieces = map_bytes(pieces);
            break;
        case Kind::metaspace: pieces = map_spaces(step, pieces, at_start); break;
        }
    }
    return pieces;
}

namespace {

struct Stretch {
    size_t begin, end;
    bool matched;
};

// The piece's matches and what is between them.
void find_stretches(Matcher* matcher, bool invert, std::string_view piece, std::vector<Stretch>* out) {
    std::vector<Stretch>& spans = *out;
    spans.clear();
    size_t done = 0;
    for (const Match& match : matcher->find_all(piece)) {
        if (match.begin > done) spans.push_back({done, match.begin, invert});
        spans.push_back({match.begin, match.end, !invert});
        done = match.end;
    }
    if (done < piece.size()) spans.push_back({done, piece.size(), invert});
}

// Whether the cut between two neighbours stays.
bool cut_stays(bool contiguous, bool with_previous, bool with_next, const Stretch& first, const Stretch& second) {
    if (contiguous) return first.matched != second.matched;
    if (with_previous) return !second.matched || first.matched;
    if (with_next) return !first.matched || second.matched;
    return true;
}

}  // namespace

Pieces PreTokenizer::cut(const Step& step, Pieces pieces) {
    Pieces result;
    result.ends.reserve(pieces.ends.size());
    const bool removes = step.behavior == Behavior::removed;
    if (removes) result.text.reserve(pieces.text.size());
    Matcher matcher(*step.pattern);
    std::vector<Stretch> spans;
    size_t begin = 0;
    for (size_t end : pieces.ends) {
        const std::string_view piece = std::string_view(pieces.text).substr(begin, end - begin);
        find_stretches(&matcher, step.invert, piece, &spans);
        for (size_t i = 0; i < spans.size(); ++i) {
            if (removes) {
                if (spans[i].matched) continue;
                result.text.append(piece.substr(spans[i].begin, spans[i].end - spans[i].begin));
                result.ends.push_back(result.text.size());
            } else if (i + 1 == spans.size() || cut_stays(step.behavior == Behavior::contiguous, step.behavior == Behavior::with_previous,
                                                          step.behavior == Behavior::with_next, spans[i], spans[i + 1])) {
                result.ends.push_back(begin + spans[i].end);
            }
        }
        begin = end;
    }
    if (!removes) result.text = std::move(pieces.text);
    return result;
}

Pieces PreTokenizer::put_space_first(Pieces pieces) {
    Pieces result;
    size_t begin = 0;
    for (size_t end : pieces.ends) {
        if (pieces.text[begin] != ' ') result.text += ' ';
        result.text.append(pieces.text, begin, end - begin);
        result.ends.push_back(result.text.size());
        begin = end;
    }
    return result;
}

Pieces PreTokenizer::map_bytes(const Pieces& pieces) {
    Pieces result;
    result.text.reserve(pieces.text.size() + pieces.text.size() / 2);
    result.ends.reserve(pieces.ends.size());
    const ByteTable& table = byte_table();
    size_t at = 0;
    for (size_t end : pieces.ends) {
        for (; at < end; ++at) result.text += table.utf8[static_cast<unsigned char>(pieces.text[at])];
        result.ends.push_back(result.text.size());
    }
    return result;
}

Pieces PreTokenizer::map_spaces(const Step& step, const Pieces& pieces, bool at_start) {
    Pieces result;
    size_t at = 0;
    for (size_t end : pieces.ends) {
        const bool asked = step.prepend == Prepend::always || (step.prepend == Prepend::first && at_start && at == 0);
        const bool there = pieces.text[at] == ' ' || std::string_view(pieces.text).substr(at, end - at).starts_with(step.replacement);
        if (asked && !there) result.text += step.replacement;
        for (; at < end; ++at) {
            if (pieces.text[at] == ' ')
                result.text += step.replacement;
            else
                result.text += pieces.text[at];
        }
        result.ends.push_back(result.text.size());
    }
    return result;
}

}  // namespace scandium

#include "model/normalizer.h"

#include "files/text.h"
#include "model/config.h"

namespace scandium {
namespace {

constexpr size_t kMaxSteps = 64;
constexpr size_t kMaxReplacement = 1024;
constexpr size_t kMaxGrowth = size_t(1) << 30;

std::string replace(const Pattern& pattern, const std::string& content, const std::string& text) {
    Matcher matcher(pattern);
    const std::vector<Match>& matches = matcher.find_all(text);
    if (matches.size() > kMaxGrowth / (content.size() + 1))
        throw FileError("the text becomes too long as the tokenizer replaces parts of it");
    std::string result;
    size_t done = 0;
    for (const Match& match : matches) {
        result.append(text, done, match.begin - done);
        result += content;
        done = match.end;
    }
    return result.append(text, done);
}

std::string read_content(const JsonView& json, const char* key) {
    const std::string_view content = json.at(key).text();
    if (content.size() > kMaxReplacement) json.at(key).fail_expected(format("text of at most %zu bytes", kMaxReplacement));
    return std::string(content);
}

}  // namespace

Pattern read_pattern(const JsonView& json) {
    const bool literal = json.has("String");
    const std::string_view source = json.at(literal ? "String" : "Regex").text();
    return Pattern(source, literal, json.file() + ": the pattern " + in_quotes(source));
}

void Normalizer::add(const JsonView& json, int depth) {
    const std::string_view type = json.at("type").text();
    if (steps_.size() >= kMaxSteps || depth > kMaxNesting) json.fail("has too many parts");
    Step step;
    if (type == "Sequence") {
        for (const JsonView& part : json.at("normalizers").items()) add(part, depth + 1);
        return;
    }
    if (type == "NFC") {
        step.form = NormalForm::nfc;
    } else if (type == "NFD") {
        step.form = NormalForm::nfd;
    } else if (type == "NFKC") {
        step.form = NormalForm::nfkc;
    } else if (type == "NFKD") {
        step.form = NormalForm::nfkd;
    } else if (type == "Replace") {
        step.replaced = read_pattern(json.at("pattern"));
        step.content = read_content(json, "content");
    } else if (type == "Prepend") {
        step.content = read_content(json, "prepend");
    } else {
        throw UnsupportedError(json.file() + ": the normalizer " + in_quotes(type) + " is not known here");
    }
    steps_.push_back(std::move(step));
}

std::string Normalizer::apply(std::string text) const {
    for (const Step& step : steps_) {
        if (step.form)
            text = normalized(text, *step.form);
        else if (step.replaced)
            text = replace(*step.replaced, step.content, text);
        else if (!text.empty())
            text.insert(0, step.content);
    }
    return text;
}

}  // namespace scandium

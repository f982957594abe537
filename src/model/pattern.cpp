#include "model/pattern.h"

#include <pcre2.h>

#include <new>

#include "files/safetensors.h"
#include "files/text.h"

namespace scandium {
namespace {

constexpr size_t kMaxSource = 1 << 16;
constexpr uint32_t kMaxSteps = 10'000'000;  // for one match: what a tokenizer's pattern takes is a few for each character
constexpr uint32_t kMaxHeapKiB = 256 * 1024;

std::string pcre_message(int error) {
    unsigned char text[256];
    pcre2_get_error_message(error, text, sizeof text);
    return reinterpret_cast<const char*>(text);
}

int match_at(const pcre2_code* code, std::string_view text, size_t at, pcre2_match_data* data, pcre2_match_context* context) {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    constexpr uint32_t kOptions = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    const int count = pcre2_match(code, subject, text.size(), at, kOptions, data, context);
    // The compiled form has a small stack of its own.
    return count == PCRE2_ERROR_JIT_STACKLIMIT ? pcre2_match(code, subject, text.size(), at, kOptions | PCRE2_NO_JIT, data, context)
                                               : count;
}

}  // namespace

Pattern::Pattern(std::string_view source, bool literal, const std::string& what) : what_(what) {
    if (source.size() > kMaxSource) throw FileError(what + format(" has %zu bytes; at most %zu are allowed", source.size(), kMaxSource));
    int error = 0;
    PCRE2_SIZE place = 0;
    const uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), options, &error, &place, nullptr);
    if (!code)
        throw FileError(what + " is no regular expression: " + pcre_message(error) +
                        format(" (character %zu)", static_cast<size_t>(place)));
    code_.reset(code, [](void* owned) { pcre2_code_free(static_cast<pcre2_code*>(owned)); });
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where this fails, matching is slower, no more
}

Matcher::Matcher(const Pattern& pattern) : pattern_(pattern) {
    const auto* code = static_cast<const pcre2_code*>(pattern.code_.get());
    data_.reset(pcre2_match_data_create_from_pattern(code, nullptr),
                [](void* owned) { pcre2_match_data_free(static_cast<pcre2_match_data*>(owned)); });
    context_.reset(pcre2_match_context_create(nullptr),
                   [](void* owned) { pcre2_match_context_free(static_cast<pcre2_match_context*>(owned)); });
    if (!data_ || !context_) throw std::bad_alloc();
    auto* context = static_cast<pcre2_match_context*>(context_.get());
    pcre2_set_match_limit(context, kMaxSteps);
    pcre2_set_heap_limit(context, kMaxHeapKiB);
}

const std::vector<Match>& Matcher::find_all(std::string_view text) {
    const auto* code = static_cast<const pcre2_code*>(pattern_.code_.get());
    auto* data = static_cast<pcre2_match_data*>(data_.get());
    matches_.clear();
    for (size_t at = 0; at < text.size();) {
        const int count = match_at(code, text, at, data, static_cast<pcre2_match_context*>(context_.get()));
        if (count == PCRE2_ERROR_NOMATCH) break;
        if (count < 0) throw FileError(pattern_.what_ + " cannot be matched: " + pcre_message(count));
        const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
        // \K may put the beginning of a match anywhere.
        if (ends[0] < at || ends[1] <= ends[0] || ends[1] > text.size()) throw FileError(pattern_.what_ + " matches backwards");
        matches_.push_back({ends[0], ends[1]});
        at = ends[1];
    }
    return matches_;
}

}  // namespace scandium

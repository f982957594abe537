#include "scandium/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "core/diagnostics.h"
#include "model/boundary.h"
#include "model/sampler_math.h"

namespace scandium {
namespace {

struct Candidate {
    float logit;
    int32_t token;
    double weight;  // exp of the difference to the largest
};

struct Larger {
    bool operator()(const Candidate& a, const Candidate& b) const { return a.logit != b.logit ? a.logit > b.logit : a.token < b.token; }
};

struct Smaller {
    bool operator()(const Candidate& a, const Candidate& b) const { return Larger()(b, a); }
};

}  // namespace

struct Sampler {
    SamplerOptions options;
    Diagnostics diagnostics;
    Pcg32 random;
    std::vector<Candidate> candidates;
    std::vector<bool> penalised;
};

namespace {

Result check_logits(const Diagnostics& diagnostics, Span<float> logits) {
    float largest = -INFINITY;
    for (size_t i = 0; i < logits.size; ++i) {
        if (std::isnan(logits.data[i]) || logits.data[i] == INFINITY)
            return diagnostics.fail(Result::invalid_argument, "sample: logit %zu is %g", i, double(logits.data[i]));
        largest = std::max(largest, logits.data[i]);
    }
    if (largest == -INFINITY) return diagnostics.fail(Result::invalid_argument, "sample: there is no logit above -infinity");
    return Result::ok;
}

Result check_history(const Diagnostics& diagnostics, Span<float> logits, Span<int32_t> history) {
    for (size_t i = 0; i < history.size; ++i)
        if (history.data[i] < 0 || static_cast<size_t>(history.data[i]) >= logits.size)
            return diagnostics.fail(Result::invalid_argument, "sample: token %d of the history has no logit", history.data[i]);
    return Result::ok;
}

// A token that occurs more than once counts once.
void fill_candidates(Sampler* sampler, Span<float> logits, Span<int32_t> history) {
    const float penalty = sampler->options.repetition_penalty;
    sampler->penalised.assign(logits.size, false);
    if (penalty != 1)
        for (size_t i = 0; i < history.size; ++i) sampler->penalised[static_cast<size_t>(history.data[i])] = true;
    sampler->candidates.clear();
    for (size_t i = 0; i < logits.size; ++i) {
        float logit = logits.data[i];
        if (sampler->penalised[i]) logit = logit > 0 ? std::min(logit / penalty, std::numeric_limits<float>::max()) : logit * penalty;
        if (logit > -INFINITY) sampler->candidates.push_back({logit, static_cast<int32_t>(i), 0});
    }
}

void keep_top_k(std::vector<Candidate>* candidates, uint32_t k) {
    if (k == 0 || k >= candidates->size()) return;
    std::nth_element(candidates->begin(), candidates->begin() + k, candidates->end(), Larger());
    candidates->resize(k);
}

// Taking the largest off a heap, again and again, costs less than sorting all: few are needed.
void keep_top_p(std::vector<Candidate>* candidates, double p) {
    if (p >= 1) return;
    double total = 0;
    for (const Candidate& candidate : *candidates) total += candidate.weight;
    std::make_heap(candidates->begin(), candidates->end(), Smaller());
    double reached = 0;
    auto end = candidates->end();
    while (end != candidates->begin() && reached < p * total) {
        std::pop_heap(candidates->begin(), end, Smaller());
        reached += (--end)->weight;
    }
    candidates->erase(candidates->begin(), end);
}

// In the tokens' order, so that the sums do not depend on how the library sorts.
void order_by_token(std::vector<Candidate>* candidates) {
    std::sort(candidates->begin(), candidates->end(), [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
}

int32_t draw(const std::vector<Candidate>& candidates, double uniform) {
    double total = 0;
    for (const Candidate& candidate : candidates) total += candidate.weight;
    double left = uniform * total;
    int32_t token = candidates.front().token;
    for (const Candidate& candidate : candidates) {
        if (candidate.weight == 0) continue;
        token = candidate.token;
        left -= candidate.weight;
        if (left < 0) break;
    }
    return token;
}

int32_t pick(Sampler* sampler) {
    const SamplerOptions& options = sampler->options;
    std::vector<Candidate>& candidates = sampler->candidates;
    const Candidate largest = *std::min_element(candidates.begin(), candidates.end(), Larger());
    if (options.temperature == 0) return largest.token;
    keep_top_k(&candidates, options.top_k);
    order_by_token(&candidates);
    for (Candidate& candidate : candidates)
        candidate.weight = exp_of_negative((double(candidate.logit) - double(largest.logit)) / double(options.temperature));
    keep_top_p(&candidates, double(options.top_p));
    std::erase_if(candidates, [&](const Candidate& c) { return c.weight < double(options.min_p); });
    order_by_token(&candidates);
    return draw(candidates, sampler->random.uniform());
}

}  // namespace

Result create_sampler(const SamplerOptions& o, Sampler** out) noexcept {
    const Diagnostics diagnostics = {o.diagnostics, o.diagnostics_user};
    const auto fail = [&](const char* name, float value, const char* expected) {
        return diagnostics.fail(Result::invalid_argument, "create_sampler: %s is %g, but %s is expected", name, double(value), expected);
    };
    if (!out) return diagnostics.fail(Result::invalid_argument, "create_sampler: out is null");
    *out = nullptr;
    if (!(o.repetition_penalty > 0) || std::isinf(o.repetition_penalty))
        return fail("repetition_penalty", o.repetition_penalty, "a number above 0");
    if (!(o.temperature >= 0) || std::isinf(o.temperature)) return fail("temperature", o.temperature, "a number from 0");
    if (!(o.top_p > 0 && o.top_p <= 1)) return fail("top_p", o.top_p, "a number above 0 and up to 1");
    if (!(o.min_p >= 0 && o.min_p <= 1)) return fail("min_p", o.min_p, "a number from 0 to 1");
    return guarded(diagnostics, [&] {
        auto sampler = std::make_unique<Sampler>();
        sampler->options = o;
        sampler->diagnostics = diagnostics;
        sampler->random = Pcg32(o.seed);
        *out = sampler.release();
    });
}

void destroy_sampler(Sampler* sampler) noexcept { delete sampler; }

void reseed(Sampler* sampler, uint64_t seed) noexcept { sampler->random = Pcg32(seed); }

Result sample(Sampler* sampler, Span<float> logits, Span<int32_t> history, int32_t* token) noexcept {
    if (!sampler) return Result::invalid_argument;
    const Diagnostics& diagnostics = sampler->diagnostics;
    if (!logits.data || !token || (!history.data && history.size))
        return diagnostics.fail(Result::invalid_argument, "sample: %s is null",
                                !logits.data ? "logits.data"
                                : !token     ? "token"
                                             : "history.data");
    Result result = check_logits(diagnostics, logits);
    if (result == Result::ok) result = check_history(diagnostics, logits, history);
    if (result != Result::ok) return result;
    return guarded(diagnostics, [&] {
        fill_candidates(sampler, logits, history);
        // The penalty may have taken every logit beyond what a float holds.
        if (sampler->candidates.empty()) throw FileError("sample: there is no logit above -infinity");
        *token = pick(sampler);
    });
}

}  // namespace scandium

#include "scandium/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "core/diagnostics.h"
#include "model/boundary.h"
#include "model/sampler_math.h"

namespace scandium {
namespace {

struct Ranked {
    float logit;
    uint32_t index;
};

// Of equals the first counts as the larger.
bool is_behind(const Ranked& a, const Ranked& b) { return a.logit != b.logit ? a.logit < b.logit : a.index > b.index; }

}  // namespace

struct Sampler {
    SamplerOptions options;
    Diagnostics diagnostics;
    Pcg32 random;
    // Of the tokens that are left, in their order, so that sums do not depend on how the standard library sorts.
    std::vector<int32_t> tokens;
    std::vector<float> logits;
    std::vector<double> weights;  // exp of the difference to the largest
    std::vector<bool> penalised;
    std::vector<float> largest;
    std::vector<Ranked> heap;
};

namespace {

// What a compiler may do for many elements at once, which a maximum of all and leaving early are not.
constexpr size_t kLanes = 16;

// -infinity if there is none.
float largest_of(Span<float> values) {
    float lanes[kLanes];
    std::fill_n(lanes, kLanes, -INFINITY);
    const size_t whole = values.size / kLanes * kLanes;
    for (size_t i = 0; i < whole; i += kLanes)
        for (size_t lane = 0; lane < kLanes; ++lane)
            lanes[lane] = values.data[i + lane] > lanes[lane] ? values.data[i + lane] : lanes[lane];
    const float first = *std::max_element(lanes, lanes + kLanes);
    return std::accumulate(values.data + whole, values.data + values.size, first, [](float a, float b) { return std::max(a, b); });
}

// Neither NaN nor +infinity.
bool are_usable(Span<float> logits) {
    unsigned faults = 0;
    for (size_t i = 0; i < logits.size; ++i) faults |= static_cast<unsigned>(!(logits.data[i] < INFINITY));
    return faults == 0;
}

Result check_logits(const Diagnostics& diagnostics, Span<float> logits) {
    if (are_usable(logits)) return Result::ok;
    const float* fault = std::find_if(logits.data, logits.data + logits.size, [](float logit) { return !(logit < INFINITY); });
    return diagnostics.fail(Result::invalid_argument, "sample: logit %zu is %g", static_cast<size_t>(fault - logits.data), double(*fault));
}

Result check_history(const Diagnostics& diagnostics, Span<float> logits, Span<int32_t> history) {
    for (size_t i = 0; i < history.size; ++i)
        if (history.data[i] < 0 || static_cast<size_t>(history.data[i]) >= logits.size)
            return diagnostics.fail(Result::invalid_argument, "sample: token %d of the history has no logit", history.data[i]);
    return Result::ok;
}

// A token that occurs more than once counts once.
void penalise(Sampler* sampler, Span<int32_t> history) {
    const float penalty = sampler->options.repetition_penalty;
    sampler->penalised.resize(sampler->logits.size());
    for (size_t i = 0; i < history.size; ++i) {
        const size_t token = static_cast<size_t>(history.data[i]);
        float& logit = sampler->logits[token];
        if (!sampler->penalised[token]) logit = logit > 0 ? std::min(logit / penalty, std::numeric_limits<float>::max()) : logit * penalty;
        sampler->penalised[token] = true;
    }
    for (size_t i = 0; i < history.size; ++i) sampler->penalised[static_cast<size_t>(history.data[i])] = false;
}

// Leaves the tokens for which `keeps(index)` is true.
template <class Keeps>
void keep(Sampler* sampler, Keeps&& keeps) {
    size_t kept = 0;
    for (size_t i = 0; i < sampler->tokens.size(); ++i) {
        if (!keeps(i)) continue;
        sampler->tokens[kept] = sampler->tokens[i];
        sampler->logits[kept] = sampler->logits[i];
        if (!sampler->weights.empty()) sampler->weights[kept] = sampler->weights[i];
        ++kept;
    }
    sampler->tokens.resize(kept);
    sampler->logits.resize(kept);
    if (!sampler->weights.empty()) sampler->weights.resize(kept);
}

// Of those that equal the last one kept, the first.
void keep_top_k(Sampler* sampler, uint32_t k) {
    if (k == 0 || k >= sampler->logits.size()) return;
    std::vector<float>& largest = sampler->largest;
    largest.resize(k);
    std::partial_sort_copy(sampler->logits.begin(), sampler->logits.end(), largest.begin(), largest.end(), std::greater<float>());
    const float last = largest.back();
    size_t equals = static_cast<size_t>(largest.end() - std::find(largest.begin(), largest.end(), last));
    keep(sampler, [&](size_t i) {
        const float logit = sampler->logits[i];
        return logit > last || (logit == last && equals > 0 && equals-- > 0);
    });
}

double total_of(const std::vector<double>& weights) { return std::accumulate(weights.begin(), weights.end(), 0.0); }

// Taking the largest off a heap, again and again, costs less than sorting all: few are needed.
void keep_top_p(Sampler* sampler, double p) {
    if (p >= 1) return;
    const double wanted = p * total_of(sampler->weights);
    std::vector<Ranked>& heap = sampler->heap;
    heap.clear();
    for (size_t i = 0; i < sampler->logits.size(); ++i) heap.push_back({sampler->logits[i], static_cast<uint32_t>(i)});
    std::make_heap(heap.begin(), heap.end(), is_behind);
    double reached = 0;
    auto end = heap.end();
    while (end != heap.begin() && reached < wanted) {
        std::pop_heap(heap.begin(), end, is_behind);
        reached += sampler->weights[(--end)->index];
    }
    const Ranked last = *end;
    keep(sampler, [&](size_t i) { return !is_behind({sampler->logits[i], static_cast<uint32_t>(i)}, last); });
}

int32_t draw(const Sampler& sampler, double uniform) {
    double left = uniform * total_of(sampler.weights);
    int32_t token = sampler.tokens.front();
    for (size_t i = 0; i < sampler.tokens.size(); ++i) {
        if (sampler.weights[i] == 0) continue;
        token = sampler.tokens[i];
        left -= sampler.weights[i];
        if (left < 0) break;
    }
    return token;
}

void weigh(const float* logits, size_t count, double largest, double temperature, double* weights) {
    for (size_t i = 0; i < count; ++i) weights[i] = exp_of_negative((double(logits[i]) - largest) / temperature);
}

int32_t pick(Sampler* sampler, float largest) {
    const SamplerOptions& options = sampler->options;
    sampler->tokens.resize(sampler->logits.size());
    std::iota(sampler->tokens.begin(), sampler->tokens.end(), 0);
    sampler->weights.clear();
    keep_top_k(sampler, options.top_k);
    sampler->weights.resize(sampler->logits.size());
    weigh(sampler->logits.data(), sampler->logits.size(), double(largest), double(options.temperature), sampler->weights.data());
    keep_top_p(sampler, double(options.top_p));
    if (options.min_p > 0) keep(sampler, [&](size_t i) { return sampler->weights[i] >= double(options.min_p); });
    return draw(*sampler, sampler->random.uniform());
}

int32_t first_of(Span<float> logits, float value) {
    return static_cast<int32_t>(std::find(logits.data, logits.data + logits.size, value) - logits.data);
}

// Where nothing else is asked for, the logits need not be copied.
int32_t next_token(Sampler* sampler, Span<float> logits, Span<int32_t> history) {
    const bool is_penalised = sampler->options.repetition_penalty != 1 && history.size != 0;
    if (is_penalised || sampler->options.temperature != 0) {
        sampler->logits.assign(logits.data, logits.data + logits.size);
        if (is_penalised) penalise(sampler, history);
        logits = {sampler->logits.data(), sampler->logits.size()};
    }
    const float largest = largest_of(logits);
    // The penalty may have taken every logit beyond what a float holds.
    if (largest == -INFINITY) throw FileError("sample: there is no logit above -infinity");
    return sampler->options.temperature == 0 ? first_of(logits, largest) : pick(sampler, largest);
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
    return guarded(diagnostics, [&] { *token = next_token(sampler, logits, history); });
}

}  // namespace scandium

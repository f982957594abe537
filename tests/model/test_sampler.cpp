#include "scandium/sampler.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "model/sampler_math.h"

using namespace scandium;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Destroy {
    void operator()(Sampler* sampler) const { destroy_sampler(sampler); }
};
using Owned = std::unique_ptr<Sampler, Destroy>;

Owned make(const SamplerOptions& options) {
    Sampler* sampler = nullptr;
    REQUIRE(create_sampler(options, &sampler) == Result::ok);
    return Owned(sampler);
}

int32_t next(const Owned& sampler, const std::vector<float>& logits, const std::vector<int32_t>& history = {}) {
    int32_t token = -1;
    REQUIRE(sample(sampler.get(), {logits.data(), logits.size()}, {history.data(), history.size()}, &token) == Result::ok);
    return token;
}

// How often each token comes, of `count` draws.
std::vector<double> shares(const SamplerOptions& options, const std::vector<float>& logits, int count = 20000) {
    const Owned sampler = make(options);
    std::vector<double> shares(logits.size());
    for (int i = 0; i < count; ++i) shares[static_cast<size_t>(next(sampler, logits))] += 1.0 / count;
    return shares;
}

const std::vector<float> kLogits = {std::log(0.1f), std::log(0.5f), std::log(0.05f), std::log(0.15f), std::log(0.2f)};

bool near(double a, double b) { return std::abs(a - b) < 0.015; }

}  // namespace

TEST_CASE("the generator's numbers are the published ones") {
    Pcg32 random(42);
    for (uint32_t expected : {0xa15c02b7u, 0x7b47f409u, 0xba1d3330u, 0x83d2f293u, 0xbfa4784bu, 0xcbed606eu})
        CHECK(random.next() == expected);
    CHECK(Pcg32(43).next() != 0xa15c02b7u);
    double mean = 0;
    for (int i = 0; i < 100000; ++i) {
        const double value = random.uniform();
        if (value < 0 || value >= 1) FAIL(value);
        mean += value / 100000;
    }
    CHECK(near(mean, 0.5));
}

TEST_CASE("the exponential is the standard library's to the last bits") {
    CHECK(exp_of_negative(0) == 1);
    for (double x = 0; x > -700; x -= 0.0371) {
        const double expected = std::exp(x);
        if (std::abs(exp_of_negative(x) - expected) > 4e-16 * expected) FAIL(x);
    }
    for (double x = -708; x > -720; x -= 0.01)
        if (const double got = exp_of_negative(x); got != 0 && std::abs(got - std::exp(x)) > 1e-15 * std::exp(x)) FAIL(x);
    CHECK(exp_of_negative(-1000) == 0);
    CHECK(exp_of_negative(-std::numeric_limits<double>::infinity()) == 0);
}

TEST_CASE("temperature 0 takes the largest, of equals the first") {
    SamplerOptions options;
    options.temperature = 0;
    const Owned sampler = make(options);
    CHECK(next(sampler, kLogits) == 1);
    CHECK(next(sampler, {1, 3, 3, 2}) == 1);
    CHECK(next(sampler, {-kInfinity, -5}) == 1);
    CHECK(next(sampler, {7}) == 0);
}

TEST_CASE("temperature 0 takes the first of the largest, wherever it is and however many there are") {
    SamplerOptions options;
    options.temperature = 0;
    const Owned sampler = make(options);
    for (size_t size : {1, 15, 16, 17, 32, 100})
        for (size_t place = 0; place < size; ++place) {
            std::vector<float> logits(size, -2.0f);
            logits[place] = logits[size - 1] = -1.0f;
            if (next(sampler, logits) != int32_t(place)) FAIL(size << " " << place);
        }
}

// What is said of the options, in as many words.
std::vector<double> expected_shares(const SamplerOptions& options, const std::vector<float>& logits) {
    std::vector<size_t> order(logits.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    if (options.top_k && options.top_k < order.size()) order.resize(options.top_k);
    const auto weight = [&](size_t i) { return std::exp((double(logits[i]) - double(logits[order[0]])) / double(options.temperature)); };
    double total = 0, reached = 0;
    for (size_t i : order) total += weight(i);
    size_t count = 0;
    while (count < order.size() && reached < double(options.top_p) * total) reached += weight(order[count++]);
    order.resize(count);
    std::erase_if(order, [&](size_t i) { return weight(i) < double(options.min_p); });
    std::vector<double> shares(logits.size());
    total = 0;
    for (size_t i : order) total += weight(i);
    for (size_t i : order) shares[i] = weight(i) / total;
    return shares;
}

TEST_CASE("any options together: tokens come as often as the options say, and none that they leave out") {
    std::vector<float> logits(300);
    // With equals, and with some that cannot be.
    for (size_t i = 0; i < logits.size(); ++i) logits[i] = i % 7 == 3 ? -kInfinity : std::round(std::sin(float(i * i)) * 8) / 2;
    for (uint32_t top_k : {0u, 1u, 5u, 40u, 299u})
        for (float top_p : {1.0f, 0.8f, 0.3f})
            for (float min_p : {0.0f, 0.2f}) {
                SamplerOptions options;
                options.temperature = 0.7f;
                options.top_k = top_k;
                options.top_p = top_p;
                options.min_p = min_p;
                CAPTURE(top_k, top_p, min_p);
                const std::vector<double> expected = expected_shares(options, logits), got = shares(options, logits, 2000);
                for (size_t i = 0; i < logits.size(); ++i) {
                    if (expected[i] == 0 && got[i] != 0) FAIL("token " << i);
                    if (std::abs(got[i] - expected[i]) > 0.06) FAIL("token " << i << ": " << got[i] << ", not " << expected[i]);
                }
            }
}

TEST_CASE("tokens come as often as their probability") {
    const std::vector<double> got = shares({}, kLogits);
    for (size_t i = 0; i < kLogits.size(); ++i) CHECK(near(got[i], std::exp(kLogits[i])));
}

TEST_CASE("temperature") {
    SamplerOptions options;
    options.temperature = 0.5f;  // squares: 0.01 0.25 0.0025 0.0225 0.04, of 0.325
    const std::vector<double> got = shares(options, kLogits);
    CHECK(near(got[1], 0.25 / 0.325));
    CHECK(near(got[4], 0.04 / 0.325));
}

TEST_CASE("top-k") {
    SamplerOptions options;
    options.top_k = 2;
    const std::vector<double> got = shares(options, kLogits);
    CHECK(got[0] + got[2] + got[3] == 0);
    CHECK(near(got[1], 0.5 / 0.7));
    options.top_k = 1;
    CHECK(shares(options, {1, 2, 2}, 100)[1] > 0.999);
    options.top_k = 1000;
    CHECK(shares(options, kLogits, 1000)[2] > 0);
}

TEST_CASE("top-p keeps the fewest that reach it") {
    SamplerOptions options;
    options.top_p = 0.6f;
    std::vector<double> got = shares(options, kLogits);
    CHECK(got[0] + got[2] + got[3] == 0);
    CHECK(near(got[1], 0.5 / 0.7));
    options.top_p = 0.4f;
    CHECK(shares(options, kLogits, 100)[1] > 0.999);
    options.top_p = 1e-6f;
    CHECK(shares(options, kLogits, 100)[1] > 0.999);
}

TEST_CASE("min-p keeps what is not far behind the likeliest") {
    SamplerOptions options;
    options.min_p = 0.25f;
    const std::vector<double> got = shares(options, kLogits);
    CHECK(got[0] + got[2] == 0);
    CHECK(near(got[1], 0.5 / 0.85));
    options.min_p = 1;
    CHECK(shares(options, kLogits, 100)[1] > 0.999);
}

TEST_CASE("the repetition penalty") {
    SamplerOptions options;
    options.temperature = 0;
    options.repetition_penalty = 2;
    const Owned sampler = make(options);
    CHECK(next(sampler, {1, 3, 2}) == 1);
    CHECK(next(sampler, {1, 3, 2}, {1, 1, 1}) == 2);  // 1.5, however often
    CHECK(next(sampler, {-2, -3, -5}, {0}) == 1);
    options.repetition_penalty = 1e-30f;
    CHECK(next(make(options), {1, 1e20f}, {1}) == 1);
}

TEST_CASE("a seed gives the same tokens again") {
    std::vector<float> logits(1000);
    for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(float(i)) * 3;
    SamplerOptions options;
    options.seed = 11;
    options.top_k = 100;
    options.top_p = 0.9f;
    const Owned a = make(options), b = make(options);
    std::vector<int32_t> first, second, other;
    for (int i = 0; i < 50; ++i) first.push_back(next(a, logits));
    for (int i = 0; i < 50; ++i) second.push_back(next(b, logits));
    CHECK(first == second);
    reseed(a.get(), 12);
    for (int i = 0; i < 50; ++i) other.push_back(next(a, logits));
    CHECK(first != other);
    reseed(a.get(), 11);
    CHECK(next(a, logits) == first[0]);
}

TEST_CASE("what a sampler refuses") {
    std::string message;
    SamplerOptions options;
    options.diagnostics = [](void* user, Result, VkResult, const char* text) { *static_cast<std::string*>(user) = text; };
    options.diagnostics_user = &message;
    const Owned sampler = make(options);
    const auto refused = [&](const std::vector<float>& logits, const std::vector<int32_t>& history, const char* part) {
        int32_t token = -1;
        CHECK(sample(sampler.get(), {logits.data(), logits.size()}, {history.data(), history.size()}, &token) == Result::invalid_argument);
        CHECK(token == -1);
        CHECK_THAT(message, Catch::Matchers::ContainsSubstring(part));
    };
    refused({1, NAN, 2}, {}, "logit 1 is nan");
    refused({1, 2, kInfinity}, {}, "logit 2 is inf");
    refused({-kInfinity, -kInfinity}, {}, "no logit");
    refused({1, 2}, {0, 2}, "token 2");
    refused({1, 2}, {-1}, "token -1");
    refused({}, {}, "null");
    const auto refused_option = [&](SamplerOptions bad, const char* part) {
        bad.diagnostics = options.diagnostics;
        bad.diagnostics_user = options.diagnostics_user;
        Sampler* none = nullptr;
        CHECK(create_sampler(bad, &none) == Result::invalid_argument);
        CHECK(none == nullptr);
        CHECK_THAT(message, Catch::Matchers::ContainsSubstring(part));
    };
    SamplerOptions bad;
    bad.temperature = -1;
    refused_option(bad, "temperature is -1");
    bad.temperature = NAN;
    refused_option(bad, "temperature is nan");
    bad = {};
    bad.top_p = 0;
    refused_option(bad, "top_p is 0");
    bad = {};
    bad.min_p = 1.5f;
    refused_option(bad, "min_p is 1.5");
    bad = {};
    bad.repetition_penalty = 0;
    refused_option(bad, "repetition_penalty is 0");
}

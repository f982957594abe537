// The float64 loops themselves, against the files that other implementations agreed on.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "support/compare.h"
#include "support/reference_case.h"

namespace scandium::test {
namespace {

// Expected values are stored as float32.
constexpr double kStored = 1e-7;

TEST_CASE("the reference loops give the values of the reference files") {
    const std::string name = GENERATE(from_range(reference_names()));
    INFO(name);
    const ReferenceCase reference = load_reference(name);
    const SsdOutputs out = ssd_scan_ref(reference.in);
    CHECK(relative_rms(out.y, reference.want.y) < kStored);
    CHECK(relative_rms(out.final_states, reference.want.final_states) < kStored);
}

TEST_CASE("the reference loops keep packed sequences apart") {
    SsdCase c;
    c.shape = {1, 23, 2, 3, 1, 4};
    c.cu_seqlens = {0, 5, 5, 16, 23};
    c.initial_states = true;
    const SsdInputs in = make_inputs(c);
    const SsdOutputs packed = ssd_scan_ref(in);
    const uint64_t per_state = 2 * 3 * 4;
    for (size_t s = 0; s + 1 < c.cu_seqlens.size(); ++s) {
        const uint64_t first = uint64_t(c.cu_seqlens[s]), count = uint64_t(c.cu_seqlens[s + 1]) - first;
        SsdInputs alone = slice(in, 0, 1, first, count);
        alone.cu_seqlens.clear();
        alone.initial_states.assign(in.initial_states.begin() + ptrdiff_t(s * per_state),
                                    in.initial_states.begin() + ptrdiff_t((s + 1) * per_state));
        const SsdOutputs out = ssd_scan_ref(alone);
        for (uint64_t i = 0; i < out.y.size(); ++i) CHECK(out.y[i] == packed.y[first * 2 * 3 + i]);
        for (uint64_t i = 0; i < per_state; ++i) CHECK(out.final_states[i] == packed.final_states[s * per_state + i]);
    }
}

TEST_CASE("the reference loops give the state that enters each chunk") {
    SsdCase c;
    c.shape = {2, 21, 1, 3, 1, 2};
    c.initial_states = true;
    SsdInputs in = make_inputs(c);
    in.chunk_size = 8;
    const SsdOutputs whole = ssd_scan_ref(in);
    REQUIRE(whole.states.size() == 2 * 3 * 3 * 2);
    for (uint64_t row = 0; row < 2; ++row)
        for (uint64_t chunk = 0; chunk < 3; ++chunk) {
            SsdInputs before = slice(in, row, 1, 0, chunk * 8);
            before.chunk_size = 0;
            const SsdOutputs out = ssd_scan_ref(before);
            for (uint64_t i = 0; i < 6; ++i) CHECK(out.final_states[i] == whole.states[(row * 3 + chunk) * 6 + i]);
        }
}

TEST_CASE("the comparison refuses what is not there") {
    const std::vector<float> one = {1.0f, 2.0f}, nan = {1.0f, NAN}, infinite = {1.0f, INFINITY}, zero = {0.0f, 0.0f};
    CHECK(relative_rms(one, one) == 0);
    CHECK(relative_rms(std::vector<float>{1.0f, 2.2f}, std::vector<double>{1, 2}) > 0.08);
    CHECK(std::isinf(relative_rms(nan, one)));
    CHECK(std::isinf(relative_rms(infinite, one)));
    CHECK(std::isinf(relative_rms(std::vector<float>{1.0f}, one)));
    CHECK(std::isinf(relative_rms(std::vector<float>(), std::vector<float>())));
    CHECK(relative_rms(zero, zero) == 0);
    CHECK(std::isinf(relative_rms(one, zero)));
    CHECK(differing_bits(one, one) == 0);
    CHECK(differing_bits({0.0f}, {-0.0f}) == 1);
}

}  // namespace
}  // namespace scandium::test

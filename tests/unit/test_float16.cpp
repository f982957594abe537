// The 16-bit types of the tests: what the comparisons stand on.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "support/float16.h"
#include "support/random.h"

namespace scandium::test {
namespace {

TEST_CASE("every f16 and bf16 value survives the way through f32") {
    uint32_t wrong = 0;
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const uint16_t half = uint16_t(bits);
        const float f16 = from_f16(half), bf16 = from_bf16(half);
        wrong += std::isnan(f16) ? !std::isnan(from_f16(to_f16(f16))) : to_f16(f16) != half;
        wrong += std::isnan(bf16) ? !std::isnan(from_bf16(to_bf16(bf16))) : to_bf16(bf16) != half;
    }
    CHECK(wrong == 0);
}

// Between two neighbours of the narrow type: just below, at and just above the middle.
template <class To, class From>
uint32_t wrong_roundings(To to, From from, uint16_t infinity) {
    uint32_t wrong = 0;
    for (uint16_t half = 0; half + 1 < infinity; ++half) {
        const float low = from(half), high = from(uint16_t(half + 1)), middle = low + (high - low) / 2;
        if (double(middle) != (double(low) + double(high)) / 2) continue;  // f32 has no such value
        wrong += to(std::nextafter(middle, low)) != half;
        wrong += to(middle) != (half & 1 ? half + 1 : half);
        wrong += to(std::nextafter(middle, high)) != half + 1;
        wrong += to(-middle) != (0x8000 | (half & 1 ? half + 1 : half));
    }
    return wrong;
}

TEST_CASE("rounding is to nearest, ties to even") {
    CHECK(wrong_roundings(to_f16, from_f16, 0x7c00) == 0);
    CHECK(wrong_roundings(to_bf16, from_bf16, 0x7f80) == 0);
}

TEST_CASE("values beyond the range become infinite") {
    CHECK(to_f16(65504.0f) == 0x7bff);
    CHECK(to_f16(65519.9f) == 0x7bff);
    CHECK(to_f16(65520.0f) == 0x7c00);
    CHECK(to_f16(-1e30f) == 0xfc00);
    CHECK(to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
    CHECK(to_f16(std::numeric_limits<float>::infinity()) == 0x7c00);
}

TEST_CASE("random values repeat and spread as they should") {
    Random a(7), b(7), c(8);
    CHECK(a.uniform(0, 1) == b.uniform(0, 1));
    CHECK(a.uniform(0, 1) != c.uniform(0, 1));
    double sum = 0, squares = 0;
    constexpr int kCount = 20000;
    for (int i = 0; i < kCount; ++i) {
        const double value = a.normal();
        sum += value;
        squares += value * value;
    }
    CHECK(std::abs(sum / kCount) < 0.03);
    CHECK(std::abs(squares / kCount - 1) < 0.05);
}

}  // namespace
}  // namespace scandium::test

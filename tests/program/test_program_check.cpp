// The measure of --check, without a device.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "program/check.h"

using namespace scandium;
using namespace scandium;
using namespace scandium::program;
using Catch::Matchers::WithinRel;

namespace {

template <class T>
std::span<const std::byte> bytes_of_all(const std::vector<T>& values) {
    return std::as_bytes(std::span(values));
}

// The value of 16 bits, seen through the error against 1.
double error_against_one(DType dtype, uint16_t bits) {
    const std::vector<uint16_t> output = {bits};
    const std::vector<float> expected = {1};
    return compare(dtype, bytes_of_all(output), DType::f32, bytes_of_all(expected)).error;
}

}  // namespace

TEST_CASE("the error is relative and over the whole tensor") {
    const std::vector<float> expected = {3, 0, -4, 0}, output = {3, 0.3f, -4.4f, 0};
    const Comparison result = compare(DType::f32, bytes_of_all(output), DType::f32, bytes_of_all(expected));
    CHECK_THAT(result.error, WithinRel(0.1, 1e-6));
    CHECK(result.within(0.11));
    CHECK_FALSE(result.within(0.09));
    CHECK(compare(DType::f32, bytes_of_all(expected), DType::f32, bytes_of_all(expected)).within(0));
}

TEST_CASE("one element that is no number fails whatever the tolerance") {
    const std::vector<float> expected = {1, 2, 3};
    for (float wrong : {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
        const std::vector<float> output = {1, wrong, 3};
        const Comparison result = compare(DType::f32, bytes_of_all(output), DType::f32, bytes_of_all(expected));
        CHECK(result.not_finite == 1);
        CHECK_FALSE(result.within(1e300));
        CHECK(compare(DType::f32, bytes_of_all(expected), DType::f32, bytes_of_all(output)).expected_not_finite == 1);
    }
}

TEST_CASE("an element with all bits set is no number in any type") {
    const std::vector<uint32_t> unwritten = {0xffffffff};
    const std::vector<float> expected = {1, 1};
    for (DType dtype : {DType::f32, DType::f16, DType::bf16})
        CHECK(compare(dtype, bytes_of_all(unwritten), DType::f32, bytes_of_all(expected)).not_finite == 4 / size_of(dtype));
}

TEST_CASE("where zeros are expected the error is none or infinite") {
    const std::vector<float> zeros = {0, -0.0f}, tiny = {0, 1e-30f};
    CHECK(compare(DType::f32, bytes_of_all(zeros), DType::f32, bytes_of_all(zeros)).within(0));
    CHECK_FALSE(compare(DType::f32, bytes_of_all(tiny), DType::f32, bytes_of_all(zeros)).within(1e300));
}

TEST_CASE("16-bit elements are read as what they are") {
    CHECK(error_against_one(DType::f16, 0x3c00) == 0);
    CHECK(error_against_one(DType::f16, 0x3c01) == std::ldexp(1, -10));
    CHECK(error_against_one(DType::f16, 0xbc00) == 2);
    CHECK(error_against_one(DType::f16, 0x7bff) == 65503);
    CHECK(error_against_one(DType::f16, 0x0001) == 1 - std::ldexp(1, -24));
    CHECK(error_against_one(DType::f16, 0x0400) == 1 - std::ldexp(1, -14));
    CHECK(error_against_one(DType::f16, 0x8000) == 1);
    CHECK(std::isnan(error_against_one(DType::f16, 0x7c00)));
    CHECK(error_against_one(DType::bf16, 0x3f80) == 0);
    CHECK(error_against_one(DType::bf16, 0x3f81) == std::ldexp(1, -7));
    CHECK(error_against_one(DType::bf16, 0xbf80) == 2);
    CHECK(std::isnan(error_against_one(DType::bf16, 0x7f80)));
}

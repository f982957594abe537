#include "check.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace scandium::program {
namespace {

double half_value(uint16_t bits) {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double magnitude = std::ldexp(exponent ? 1024 + mantissa : mantissa, (exponent ? exponent : 1) - 25);
    if (exponent == 31) magnitude = mantissa ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    return bits >> 15 ? -magnitude : magnitude;
}

}  // namespace

double element(DType dtype, std::span<const std::byte> data, size_t index) {
    if (dtype == DType::f32) {
        float value;
        std::memcpy(&value, &data[index * sizeof value], sizeof value);
        return value;
    }
    if (dtype == DType::i32) {
        int32_t value;
        std::memcpy(&value, &data[index * sizeof value], sizeof value);
        return value;
    }
    uint16_t bits;
    std::memcpy(&bits, &data[index * sizeof bits], sizeof bits);
    return dtype == DType::f16 ? half_value(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

Comparison compare(DType dtype, std::span<const std::byte> output, DType expected_dtype, std::span<const std::byte> expected) {
    Comparison result;
    double difference = 0, norm = 0;
    const size_t count = output.size() / size_of(dtype);
    for (size_t i = 0; i < count; ++i) {
        const double got = element(dtype, output, i), wanted = element(expected_dtype, expected, i);
        result.not_finite += !std::isfinite(got);
        result.expected_not_finite += !std::isfinite(wanted);
        if (!std::isfinite(got) || !std::isfinite(wanted)) continue;
        difference += (got - wanted) * (got - wanted);
        norm += wanted * wanted;
    }
    if (result.not_finite)
        result.error = std::numeric_limits<double>::quiet_NaN();
    else if (norm > 0)
        result.error = std::sqrt(difference / norm);
    else if (difference > 0)
        result.error = std::numeric_limits<double>::infinity();
    return result;
}

double default_tolerance(DType dtype) { return dtype == DType::bf16 ? 2.1e-3 : dtype == DType::f16 ? 2.7e-4 : 1e-5; }

}  // namespace scandium::program

// f16 and bf16 on the CPU: rounding to nearest even on the way in, exact on the way out.
#pragma once

#include <bit>
#include <cstdint>

#include "scandium/types.h"

namespace scandium::test {

// The upper bits of `bits` that remain after dropping `drop` of them, rounded to nearest even.
constexpr uint32_t round_off(uint32_t bits, uint32_t drop) {
    if (drop > 31) return 0;
    const uint32_t half = (1u << drop) >> 1, kept = bits >> drop, rest = bits & ((1u << drop) - 1);
    const bool up = half != 0 && (rest > half || (rest == half && (kept & 1)));
    return kept + (up ? 1 : 0);
}

constexpr uint16_t to_f16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return uint16_t(sign | 0x7e00u);
    const int exponent = int(magnitude >> 23) - 127;
    if (exponent > 15) return uint16_t(sign | 0x7c00u);
    if (exponent >= -14) return uint16_t(sign | round_off(magnitude - (112u << 23), 13));  // a carry may reach infinity, rightly
    if (exponent < -25) return uint16_t(sign);
    return uint16_t(sign | round_off((magnitude & 0x7fffffu) | 0x800000u, uint32_t(-1 - exponent)));
}

constexpr float from_f16(uint16_t half) {
    const uint32_t sign = uint32_t(half & 0x8000u) << 16, exponent = half >> 10 & 31u, mantissa = half & 0x3ffu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
    if (exponent > 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
    const float subnormal = float(mantissa) * 0x1p-24f;
    return sign ? -subnormal : subnormal;
}

constexpr uint16_t to_bf16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return uint16_t(bits >> 16 | 0x40u);
    return uint16_t(round_off(bits, 16));
}

constexpr float from_bf16(uint16_t half) { return std::bit_cast<float>(uint32_t(half) << 16); }

// The value that remains when `value` is stored as `dtype`.
constexpr double rounded(double value, DType dtype) {
    if (dtype == DType::f16) return double(from_f16(to_f16(float(value))));
    if (dtype == DType::bf16) return double(from_bf16(to_bf16(float(value))));
    return double(float(value));
}

}  // namespace scandium::test

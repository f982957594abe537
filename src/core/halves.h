// f16 and bf16 on the CPU. NaN does not survive the way in.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace scandium {

// Rounded to nearest even by f32 itself: the sum's last place is that of the 16-bit type.
inline uint16_t f16_from(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude >= 0x47800000u) return uint16_t(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {  // subnormal: next to 0.5 one unit of f32 is one of f16's
        const float raised = std::bit_cast<float>(magnitude) + 0.5f;
        return uint16_t(sign | (std::bit_cast<uint32_t>(raised) - 0x3f000000u));
    }
    return uint16_t(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}

inline float f32_from_f16(uint16_t half) {
    const uint32_t sign = uint32_t(half & 0x8000u) << 16, magnitude = half & 0x7fffu;
    if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | magnitude << 13);
    const float value = magnitude < 0x400u ? std::ldexp(float(magnitude), -24) : std::bit_cast<float>((magnitude << 13) + 0x38000000u);
    return sign ? -value : value;
}

inline uint16_t bf16_from(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline float f32_from_bf16(uint16_t half) { return std::bit_cast<float>(uint32_t(half) << 16); }

}  // namespace scandium

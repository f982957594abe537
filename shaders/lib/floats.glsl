// Conversions between f32 and the bits of 16-bit floats. Rounding is to nearest even and done here,
// because drivers differ: some truncate on the way to bf16.

float f16_to_f32(uint bits) { return unpackHalf2x16(bits).x; }
float bf16_to_f32(uint bits) { return uintBitsToFloat(bits << 16); }

// Without branches: these run for every element that is stored. A NaN whose mantissa rounding would carry out of is brought
// down to one that it does not, first a positive, then a negative one.
uint f32_to_bf16(float value) {
    const uint bits = min(uint(min(int(floatBitsToUint(value)), 0x7fc00000)), 0xffc00000u);
    return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

uint f32_to_f16(float value) {
    const uint bits = floatBitsToUint(value), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    const uint normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    // Next to 0.5 one unit of f32 is one of f16's subnormals.
    const uint subnormal = floatBitsToUint(uintBitsToFloat(min(magnitude, 0x38800000u)) + 0.5) - 0x3f000000u;
    const uint large = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;  // 65536 and up are infinite
    return sign | (magnitude >= 0x47800000u ? large : magnitude < 0x38800000u ? subnormal : normal);
}

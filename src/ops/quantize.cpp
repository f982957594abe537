// Weights as small integers: the way there and back.
#include "scandium/quantize.h"

#include <cmath>
#include <cstring>

#include "core/halves.h"

namespace scandium {
namespace {

bool is_scale_type(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

// Stores a scale and returns it as it will be read.
float store_scale(float scale, DType type, void* scales, size_t index) {
    if (type == DType::f32) {
        static_cast<float*>(scales)[index] = scale;
        return scale;
    }
    const uint16_t half = type == DType::f16 ? f16_from(scale) : bf16_from(scale);
    static_cast<uint16_t*>(scales)[index] = half;
    return type == DType::f16 ? f32_from_f16(half) : f32_from_bf16(half);
}

float load_scale(DType type, const void* scales, size_t index) {
    if (type == DType::f32) return static_cast<const float*>(scales)[index];
    const uint16_t half = static_cast<const uint16_t*>(scales)[index];
    return type == DType::f16 ? f32_from_f16(half) : f32_from_bf16(half);
}

// How integers lie in words.
struct Packing {
    uint32_t bits;        // of an integer
    int32_t least, most;  // value of an integer
    int32_t offset;       // what is added before it is stored
    float steps;          // the value that the weight of the largest magnitude gets
};
constexpr Packing kQ8 = {8, -127, 127, 0, 127};
// All 16 steps are used: the sign of the scale is chosen so that the extreme is -8, where there is one step more.
constexpr Packing kQ4 = {4, -8, 7, 8, -8};

bool quantize_block(const float* weights, const Packing& packing, DType scale_type, uint32_t* words, void* scales, size_t block) {
    float extreme = 0;
    for (uint32_t i = 0; i < kQuantBlock; ++i) {
        if (!std::isfinite(weights[i])) return false;
        if (std::fabs(weights[i]) > std::fabs(extreme)) extreme = weights[i];
    }
    const float largest = packing.steps > 0 ? std::fabs(extreme) : extreme;
    const float scale = store_scale(largest / packing.steps, scale_type, scales, block);
    if (!std::isfinite(scale)) return false;
    const uint32_t mask = (1u << packing.bits) - 1;
    const uint32_t in_word = 32 / packing.bits;
    std::memset(words, 0, kQuantBlock / in_word * sizeof *words);
    for (uint32_t i = 0; i < kQuantBlock; ++i) {
        // A quotient of doubles is finite whatever the scale, but for 0 over 0.
        double q = scale == 0 ? 0 : std::nearbyint(double(weights[i]) / double(scale));
        q = q < packing.least ? packing.least : q > packing.most ? packing.most : q;
        words[i / in_word] |= (uint32_t(int32_t(q) + packing.offset) & mask) << (i % in_word * packing.bits);
    }
    return true;
}

Result quantize(Span<float> weights, const Packing& packing, DType scale_type, uint32_t* words, void* scales) {
    if (!weights.data || !words || !scales || weights.size % kQuantBlock != 0 || !is_scale_type(scale_type))
        return Result::invalid_argument;
    const size_t words_of_block = kQuantBlock * packing.bits / 32;
    for (size_t block = 0; block < weights.size / kQuantBlock; ++block)
        if (!quantize_block(weights.data + block * kQuantBlock, packing, scale_type, words + block * words_of_block, scales, block))
            return Result::invalid_argument;
    return Result::ok;
}

}  // namespace

size_t quantized_words(WeightFormat format, size_t weights) noexcept {
    if (format == WeightFormat::q8) return weights / 4;
    return format == WeightFormat::q4 ? weights / 8 : 0;
}

Result quantize_q8(Span<float> weights, DType scale_type, uint32_t* words, void* scales) noexcept {
    return quantize(weights, kQ8, scale_type, words, scales);
}

Result quantize_q4(Span<float> weights, DType scale_type, uint32_t* words, void* scales) noexcept {
    return quantize(weights, kQ4, scale_type, words, scales);
}

Result dequantize(WeightFormat format, const uint32_t* words, DType scale_type, const void* scales, size_t count, float* weights) noexcept {
    if (!words || !scales || !weights || count % kQuantBlock != 0 || !is_scale_type(scale_type)) return Result::invalid_argument;
    if (format != WeightFormat::q8 && format != WeightFormat::q4) return Result::invalid_argument;
    for (size_t i = 0; i < count; ++i) {
        const float scale = load_scale(scale_type, scales, i / kQuantBlock);
        if (format == WeightFormat::q8)
            weights[i] = scale * float(int8_t(words[i / 4] >> (i % 4 * 8)));
        else
            weights[i] = scale * float(int32_t(words[i / 8] >> (i % 8 * 4) & 15u) - 8);
    }
    return Result::ok;
}

}  // namespace scandium

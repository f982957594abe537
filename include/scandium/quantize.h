// Scandium: weights as small integers with a scale for each block of 32, as `linear` takes them (ops/linear.h has the bits).
// Plain functions on the CPU: no device is needed.
#pragma once

#include "scandium/ops/linear.h"

namespace scandium {

inline constexpr uint32_t kQuantBlock = 32;

// Words that `weights` of them take: 4 (q8) or 8 (q4) to a word; 0 for `dense`.
SCANDIUM_API size_t quantized_words(WeightFormat format, size_t weights) noexcept;

// Rounds rows of weights, one after the other, to 8 or 4 bits. A block's scale is its largest magnitude over 127 (q8) or 8
// (q4), and the error of a weight half of that at most; in q4, whose integers end at 7 on the side away from that largest
// weight, the whole of it.
//   weights: a multiple of 32, all finite
//   words:   out: quantized_words(format, weights.size)
//   scales:  out: weights.size / 32 of scale_type, which is f32, f16 or bf16. Scales are rounded first, then the integers
//            are chosen for what they are.
//   Errors: invalid_argument (a null pointer; a number of weights, a weight or a scale_type that is not as above; a block
//   whose scale exceeds scale_type). words and scales are then undefined.
[[nodiscard]] SCANDIUM_API Result quantize_q8(Span<float> weights, DType scale_type, uint32_t* words, void* scales) noexcept;
[[nodiscard]] SCANDIUM_API Result quantize_q4(Span<float> weights, DType scale_type, uint32_t* words, void* scales) noexcept;

// The way back, exactly as `linear` reads them: `count` weights, a multiple of 32.
//   Errors: invalid_argument (a null pointer, a count or scale_type as above, format dense).
[[nodiscard]] SCANDIUM_API Result dequantize(WeightFormat format, const uint32_t* words, DType scale_type, const void* scales, size_t count,
                                             float* weights) noexcept;

}  // namespace scandium

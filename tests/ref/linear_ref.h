// linear in plain float64 loops, and integers of blocks as its header describes them.
#pragma once

#include <cstdint>
#include <vector>

namespace scandium::test {

// x: (rows, in), weight: (outs, in), bias: (outs) or empty.
inline std::vector<double> linear_ref(const std::vector<double>& x, const std::vector<double>& weight, const std::vector<double>& bias,
                                      uint64_t in) {
    std::vector<double> y;
    const uint64_t rows = x.size() / in, outs = weight.size() / in;
    for (uint64_t r = 0; r < rows; ++r)
        for (uint64_t o = 0; o < outs; ++o) {
            double sum = 0;
            for (uint64_t k = 0; k < in; ++k) sum += x[r * in + k] * weight[o * in + k];
            y.push_back(sum + (bias.empty() ? 0 : bias[o]));
        }
    return y;
}

// Integer k of a row of words.
inline int integer_of(const uint32_t* words, uint64_t k, bool q4) {
    const uint64_t bit = k * (q4 ? 4 : 8);
    const uint32_t bits = words[bit / 32] >> bit % 32;
    return q4 ? int(bits & 15) - 8 : int(int8_t(bits & 255));
}

}  // namespace scandium::test

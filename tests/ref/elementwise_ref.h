// swiglu, embedding and segsum in plain float64 loops.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "ref/activation_ref.h"

namespace scandium::test {

// x: (rows, 2 * dim), gates first.
inline std::vector<double> swiglu_ref(const std::vector<double>& x, uint64_t dim) {
    std::vector<double> y;
    for (size_t row = 0; row < x.size(); row += 2 * dim)
        for (uint64_t i = 0; i < dim; ++i) y.push_back(silu(x[row + i]) * x[row + dim + i]);
    return y;
}

inline std::vector<double> embedding_ref(const std::vector<double>& ids, const std::vector<double>& table, uint64_t dim) {
    std::vector<double> out;
    const double vocab = double(table.size() / dim);
    for (double id : ids)
        for (uint64_t i = 0; i < dim; ++i) out.push_back(id >= 0 && id < vocab ? table[uint64_t(id) * dim + i] : 0);
    return out;
}

// x: sequences one after the other.
inline std::vector<double> segsum_ref(const std::vector<double>& x, uint64_t seqlen) {
    std::vector<double> out;
    for (size_t first = 0; first < x.size(); first += seqlen)
        for (uint64_t i = 0; i < seqlen; ++i)
            for (uint64_t j = 0; j < seqlen; ++j) {
                double sum = j > i ? -std::numeric_limits<double>::infinity() : 0;
                for (uint64_t k = j + 1; k <= i; ++k) sum += x[first + k];
                out.push_back(sum);
            }
    return out;
}

}  // namespace scandium::test

// How far an output is from what was expected.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "scandium/types.h"

namespace scandium::test {

// |out - expected| / |expected| over the whole tensor. Infinity for a NaN, an infinite value or a wrong size; if
// everything expected is 0, then 0 or infinity.
template <class Out, class Expected>
double relative_rms(const std::vector<Out>& out, const std::vector<Expected>& expected) {
    constexpr double kWrong = std::numeric_limits<double>::infinity();
    if (out.size() != expected.size() || out.empty()) return kWrong;
    double error = 0, norm = 0;
    for (size_t i = 0; i < out.size(); ++i) {
        const double got = double(out[i]), want = double(expected[i]);
        if (!std::isfinite(got)) return kWrong;
        error += (got - want) * (got - want);
        norm += want * want;
    }
    if (norm == 0) return error == 0 ? 0 : kWrong;
    return std::sqrt(error / norm);
}

// Indices whose bits differ; all of them if the sizes do.
inline size_t differing_bits(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) return a.size() > b.size() ? a.size() : b.size();
    size_t count = 0;
    for (size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(float)) != 0;
    return count;
}

// What the stored outputs of a type may be off by (relative RMS).
inline double tolerance(DType dtype) {
    if (dtype == DType::f16) return 2.7e-4;
    if (dtype == DType::bf16) return 2.1e-3;
    return 1e-5;
}

}  // namespace scandium::test

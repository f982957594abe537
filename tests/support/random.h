// Seeded random values, the same on every platform.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "support/float16.h"

namespace scandium::test {

class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    double uniform(double low, double high) { return low + (high - low) * double(next() >> 11) * 0x1p-53; }

    double normal() {
        constexpr double kTwoPi = 6.283185307179586;
        const double radius = std::sqrt(-2 * std::log(1 - uniform(0, 1)));
        return radius * std::cos(kTwoPi * uniform(0, 1));
    }

    // Values that `dtype` holds exactly.
    std::vector<double> normals(uint64_t count, DType dtype) {
        std::vector<double> values(count);
        for (double& value : values) value = rounded(normal(), dtype);
        return values;
    }
    std::vector<double> uniforms(uint64_t count, double low, double high, DType dtype) {
        std::vector<double> values(count);
        for (double& value : values) value = rounded(uniform(low, high), dtype);
        return values;
    }

private:
    // splitmix64
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }

    uint64_t state_;
};

}  // namespace scandium::test

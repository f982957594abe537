// Random numbers and an exponential that are the same on every platform: neither the standard library's distributions nor
// its functions are.
#pragma once

#include <cmath>
#include <cstdint>

namespace scandium {

// PCG-XSH-RR 64/32: M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random
// Number Generation", 2014. A linear congruential generator whose output is shifted and rotated by its own high bits.
class Pcg32 {
public:
    explicit Pcg32(uint64_t seed = 0) {
        next();
        state_ += seed;
        next();
    }

    uint32_t next() {
        const uint64_t old = state_;
        state_ = old * 6364136223846793005u + kIncrement;
        const auto shifted = static_cast<uint32_t>((old >> 18 ^ old) >> 27);
        const auto turn = static_cast<uint32_t>(old >> 59);
        return shifted >> turn | shifted << ((32 - turn) & 31);
    }

    // From 0 to less than 1, in steps of 2^-53.
    double uniform() {
        const uint64_t high = next() >> 5, low = next() >> 6;
        return static_cast<double>(high << 26 | low) * 0x1p-53;
    }

private:
    static constexpr uint64_t kIncrement = 2 * 54 + 1;  // stream 54, that of the authors' demonstration

    uint64_t state_ = 0;
};

// exp(x) for x up to 0, by additions and multiplications alone: 2^n exp(r) with r at most half of log 2, and exp(r) from its
// series, whose first term left out is under 2^-52. The file that includes this is compiled without fused operations.
inline double exp_of_negative(double x) {
    if (!(x > -740)) return 0;
    const double n = std::floor(x * 1.4426950408889634 + 0.5);
    // log 2 in two parts, the first with so few bits that n times it is exact.
    const double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    double sum = 1;
    for (int k = 14; k >= 1; --k) sum = 1 + sum * r / k;
    return std::ldexp(sum, static_cast<int>(n));
}

}  // namespace scandium

// Random numbers and an exponential that are the same on every platform: neither the standard library's distributions nor
// its functions are.
#pragma once

#include <bit>
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

// exp(x) for x up to 0, by additions, multiplications and integers alone, so that a compiler may compute several at once:
// 2^n exp(r) with r at most half of log 2, and exp(r) from its series, whose first term left out is under 2^-52. 0 where 2^n would
// be no normal number. The file that includes this is compiled without fused operations.
inline double exp_of_negative(double x) {
    // A sum with 1.5 * 2^52 is rounded to whole numbers, which then stand in its lowest bits.
    constexpr double kWhole = 0x1.8p52;
    x = x > -709 ? x : -709;  // where n is -1023, of which the lines below make 0
    const double shifted = x * 1.4426950408889634 + kWhole, n = shifted - kWhole;
    // log 2 in two parts, the first with so few bits that n times it is exact.
    const double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    const double r2 = r * r;
    const double even = ((((r2 * (1. / 479001600) + 1. / 3628800) * r2 + 1. / 40320) * r2 + 1. / 720) * r2 + 1. / 24) * r2 + 1. / 2;
    const double odd = ((((r2 * (1. / 6227020800) + 1. / 39916800) * r2 + 1. / 362880) * r2 + 1. / 5040) * r2 + 1. / 120) * r2 + 1. / 6;
    const double sum = 1 + (r + r2 * (even + r * odd));
    const double power = std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
    return sum * power;
}

}  // namespace scandium

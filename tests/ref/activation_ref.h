// Activations in float64.
#pragma once

#include <cmath>

namespace scandium::test {

// Exact for any argument: the larger of the two is never raised to a power.
inline double softplus(double v) { return v > 0 ? v + std::log1p(std::exp(-v)) : std::log1p(std::exp(v)); }
inline double silu(double v) { return v / (1 + std::exp(-v)); }

}  // namespace scandium::test

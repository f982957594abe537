// How far an output is from what was expected.
#pragma once

#include <cstddef>
#include <span>

#include "scandium/types.h"

namespace scandium::program {

// Element `index` of packed data.
double element(DType dtype, std::span<const std::byte> data, size_t index);

struct Comparison {
    double error = 0;         // ||output - expected|| / ||expected||; NaN if the output is not finite
    uint64_t not_finite = 0;  // elements of the output that are NaN (as unwritten ones are) or infinite
    uint64_t expected_not_finite = 0;

    bool within(double tolerance) const { return error <= tolerance; }
};

// Both have the same number of elements. If nothing but zeros is expected, anything else is an infinite error.
Comparison compare(DType dtype, std::span<const std::byte> output, DType expected_dtype, std::span<const std::byte> expected);

// What mamba_ssm's own kernels reach for tensors of that type, and 1e-5 for f32, where theirs go through tf32.
double default_tolerance(DType dtype);

}  // namespace scandium::program

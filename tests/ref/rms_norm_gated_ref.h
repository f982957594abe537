// rms_norm_gated in plain float64 loops; the equations are those of scandium/ops/rms_norm_gated.h.
#pragma once

#include <cstdint>
#include <vector>

#include "ref/activation_ref.h"

namespace scandium::test {

// Packed, last axis fastest; empty vectors are absent options.
struct NormInputs {
    uint64_t rows = 1, dim = 1, group_size = 1;
    std::vector<double> x, z, weight, bias, residual;
    bool layer = false, norm_before_gate = false;
    double eps = 1e-5;
};

struct NormOutputs {
    std::vector<double> y, residual_out;
};

inline NormOutputs rms_norm_gated_ref(const NormInputs& in) {
    NormOutputs out{std::vector<double>(in.x.size()), in.x};
    for (size_t i = 0; i < in.residual.size(); ++i) out.residual_out[i] += in.residual[i];
    for (uint64_t first = 0; first < in.rows * in.dim; first += in.group_size) {
        std::vector<double> u(in.group_size);
        double mean = 0, variance = 0;
        for (uint64_t i = 0; i < in.group_size; ++i) {
            const bool gate_first = !in.z.empty() && !in.norm_before_gate;
            u[i] = out.residual_out[first + i] * (gate_first ? silu(in.z[first + i]) : 1);
            mean += u[i] / double(in.group_size);
        }
        if (!in.layer) mean = 0;
        for (double v : u) variance += (v - mean) * (v - mean) / double(in.group_size);
        for (uint64_t i = 0; i < in.group_size; ++i) {
            const uint64_t column = (first + i) % in.dim;
            double y = (u[i] - mean) / std::sqrt(variance + in.eps) * in.weight[column];
            if (!in.bias.empty()) y += in.bias[column];
            if (!in.z.empty() && in.norm_before_gate) y *= silu(in.z[first + i]);
            out.y[first + i] = y;
        }
    }
    return out;
}

}  // namespace scandium::test

// selective_scan in plain loops: channel by channel and token by token, in float64. Inputs are packed, last axis fastest,
// in the order of axes of scandium/ops/selective_scan.h, B and C with ngroups; empty vectors are absent options.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ref/activation_ref.h"

namespace scandium::test {

struct SelectiveShape {
    uint64_t batch = 1, channels = 1, seqlen = 1, ngroups = 1, dstate = 1;
};

struct SelectiveInputs {
    SelectiveShape shape;
    bool B_fixed = false, C_fixed = false;  // (channels, dstate)
    std::vector<double> x, dt, A, B, C, D, z, dt_bias, initial_states;
    std::vector<int32_t> seq_idx, cu_seqlens;
    bool dt_softplus = false;
    double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();
};

struct SelectiveOutputs {
    std::vector<double> y;
    std::vector<double> final_states;  // of each batch row, or of each sequence of cu_seqlens
};

namespace selective_ref {

// Tokens first to last - 1 of one channel of one row, from the state h, which it leaves behind.
inline void run(const SelectiveInputs& in, uint64_t row, uint64_t channel, uint64_t first, uint64_t last, double* h, double* y) {
    const SelectiveShape& n = in.shape;
    const uint64_t group = channel / (n.channels / n.ngroups);
    const auto projection = [&](const std::vector<double>& values, bool fixed, uint64_t s, uint64_t t) {
        return fixed ? values[channel * n.dstate + s] : values[((row * n.ngroups + group) * n.dstate + s) * n.seqlen + t];
    };
    for (uint64_t t = first; t < last; ++t) {
        const uint64_t at = (row * n.channels + channel) * n.seqlen + t;
        if (!in.seq_idx.empty() && t > 0 && in.seq_idx[row * n.seqlen + t] != in.seq_idx[row * n.seqlen + t - 1])
            std::fill(h, h + n.dstate, 0.0);
        double dt = in.dt[at];
        if (!in.dt_bias.empty()) dt += in.dt_bias[channel];
        if (in.dt_softplus) dt = softplus(dt);
        dt = std::min(std::max(dt, in.dt_min), in.dt_max);
        double sum = 0;
        for (uint64_t s = 0; s < n.dstate; ++s) {
            h[s] = std::exp(dt * in.A[channel * n.dstate + s]) * h[s] + dt * in.x[at] * projection(in.B, in.B_fixed, s, t);
            sum += h[s] * projection(in.C, in.C_fixed, s, t);
        }
        if (!in.D.empty()) sum += in.D[channel] * in.x[at];
        if (!in.z.empty()) sum *= silu(in.z[at]);
        y[at] = sum;
    }
}

}  // namespace selective_ref

inline SelectiveOutputs selective_scan_ref(const SelectiveInputs& in) {
    const SelectiveShape& n = in.shape;
    const bool packed = !in.cu_seqlens.empty();
    const uint64_t rows = packed ? in.cu_seqlens.size() - 1 : n.batch;
    SelectiveOutputs out;
    out.y.assign(n.batch * n.channels * n.seqlen, 0);
    out.final_states.assign(rows * n.channels * n.dstate, 0);
    if (!in.initial_states.empty()) out.final_states = in.initial_states;
    for (uint64_t r = 0; r < rows; ++r)
        for (uint64_t c = 0; c < n.channels; ++c) {
            double* h = &out.final_states[(r * n.channels + c) * n.dstate];
            if (packed)
                selective_ref::run(in, 0, c, uint64_t(in.cu_seqlens[r]), uint64_t(in.cu_seqlens[r + 1]), h, out.y.data());
            else
                selective_ref::run(in, r, c, 0, n.seqlen, h, out.y.data());
        }
    return out;
}

}  // namespace scandium::test

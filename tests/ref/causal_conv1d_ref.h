// causal_conv1d in plain loops, in float64. Inputs are packed, last axis fastest, in the order of axes of
// scandium/ops/causal_conv1d.h; empty vectors are absent options.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "ref/ssd_scan_ref.h"

namespace scandium::test {

struct ConvShape {
    uint64_t batch = 1, tokens = 1, channels = 1, taps = 4;
};

struct ConvInputs {
    ConvShape shape;
    std::vector<double> x, weight, bias, initial_states;
    std::vector<int32_t> seq_idx;
    bool silu = false;
};

struct ConvOutputs {
    std::vector<double> y, final_states;
};

inline ConvOutputs causal_conv1d_ref(const ConvInputs& in) {
    const ConvShape& n = in.shape;
    const int64_t before = int64_t(n.taps) - 1, tokens = int64_t(n.tokens);
    ConvOutputs out;
    out.y.resize(in.x.size());
    out.final_states.resize(n.batch * n.channels * uint64_t(before));
    for (uint64_t b = 0; b < n.batch; ++b)
        for (uint64_t c = 0; c < n.channels; ++c) {
            // What token `from` sees at token `at`, or before the row.
            const auto seen = [&](int64_t from, int64_t at) {
                if (!in.seq_idx.empty())
                    for (int64_t t = std::max<int64_t>(at, 0) + 1; t <= from; ++t)
                        if (in.seq_idx[b * n.tokens + uint64_t(t)] != in.seq_idx[b * n.tokens + uint64_t(t) - 1]) return 0.0;
                if (at >= 0) return in.x[(b * n.tokens + uint64_t(at)) * n.channels + c];
                return in.initial_states.empty() ? 0.0 : in.initial_states[(b * n.channels + c) * uint64_t(before) + uint64_t(before + at)];
            };
            for (int64_t t = 0; t < tokens; ++t) {
                double sum = in.bias.empty() ? 0 : in.bias[c];
                for (int64_t k = 0; k <= before; ++k) sum += in.weight[c * n.taps + uint64_t(k)] * seen(t, t - before + k);
                out.y[(b * n.tokens + uint64_t(t)) * n.channels + c] = in.silu ? silu(sum) : sum;
            }
            for (int64_t k = 0; k < before; ++k)
                out.final_states[(b * n.channels + c) * uint64_t(before) + uint64_t(k)] = seen(tokens - 1, tokens - before + k);
        }
    return out;
}

}  // namespace scandium::test

// ssd_scan in plain loops: token by token, in float64, with no thought of speed. The yardstick of every other form.
// Inputs are packed, last axis fastest, in the order of axes of scandium/ops/ssd_scan.h; empty vectors are absent options.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ref/activation_ref.h"

namespace scandium::test {

struct SsdShape {
    uint64_t batch = 1, seqlen = 1, nheads = 1, headdim = 1, ngroups = 1, dstate = 1;
};

struct SsdInputs {
    SsdShape shape;
    std::vector<double> x, dt, A, B, C;
    std::vector<double> D;  // nheads or nheads * headdim values
    std::vector<double> z, dt_bias, initial_states;
    std::vector<int32_t> seq_idx, cu_seqlens;
    bool dt_softplus = false;
    double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();
    uint64_t chunk_size = 0;  // for SsdOutputs::states; 0: none wanted
};

struct SsdOutputs {
    std::vector<double> y;
    std::vector<double> final_states;  // of each batch row, or of each sequence of cu_seqlens
    std::vector<double> states;        // entering each chunk: (batch, nchunks, nheads, headdim, dstate)
};

namespace ssd_ref {

// One token of one head: S is its (headdim x dstate) state.
inline void step(const SsdInputs& in, uint64_t row, uint64_t token, uint64_t head, double* S, double* y) {
    const SsdShape& n = in.shape;
    const uint64_t at = row * n.seqlen + token;
    const uint64_t group = head / (n.nheads / n.ngroups);
    const double* x = &in.x[(at * n.nheads + head) * n.headdim];
    const double* B = &in.B[(at * n.ngroups + group) * n.dstate];
    const double* C = &in.C[(at * n.ngroups + group) * n.dstate];
    double dt = in.dt[at * n.nheads + head];
    if (!in.dt_bias.empty()) dt += in.dt_bias[head];
    if (in.dt_softplus) dt = softplus(dt);
    dt = std::min(std::max(dt, in.dt_min), in.dt_max);
    const double decay = std::exp(dt * in.A[head]);
    for (uint64_t p = 0; p < n.headdim; ++p) {
        double sum = 0;
        for (uint64_t s = 0; s < n.dstate; ++s) {
            double& state = S[p * n.dstate + s];
            state = decay * state + dt * x[p] * B[s];
            sum += state * C[s];
        }
        if (in.D.size() == n.nheads) sum += in.D[head] * x[p];
        if (in.D.size() == n.nheads * n.headdim && n.headdim > 1) sum += in.D[head * n.headdim + p] * x[p];
        if (!in.z.empty()) sum *= silu(in.z[(at * n.nheads + head) * n.headdim + p]);
        y[(at * n.nheads + head) * n.headdim + p] = sum;
    }
}

// Tokens first to last - 1 of one row, from the states in `S` (nheads, headdim, dstate), which it leaves behind.
inline void run(const SsdInputs& in, uint64_t row, uint64_t first, uint64_t last, double* S, SsdOutputs* out) {
    const SsdShape& n = in.shape;
    const uint64_t per_head = n.headdim * n.dstate, per_row = n.nheads * per_head;
    const uint64_t nchunks = in.chunk_size ? (n.seqlen + in.chunk_size - 1) / in.chunk_size : 0;
    for (uint64_t t = first; t < last; ++t) {
        const bool restarts = !in.seq_idx.empty() && t > 0 && in.seq_idx[row * n.seqlen + t] != in.seq_idx[row * n.seqlen + t - 1];
        if (restarts) std::fill(S, S + per_row, 0.0);
        if (in.chunk_size && t % in.chunk_size == 0)
            std::copy(S, S + per_row, out->states.begin() + ptrdiff_t((row * nchunks + t / in.chunk_size) * per_row));
        for (uint64_t h = 0; h < n.nheads; ++h) step(in, row, t, h, S + h * per_head, out->y.data());
    }
}

}  // namespace ssd_ref

inline SsdOutputs ssd_scan_ref(const SsdInputs& in) {
    const SsdShape& n = in.shape;
    const uint64_t per_row = n.nheads * n.headdim * n.dstate;
    const bool packed = !in.cu_seqlens.empty();
    const uint64_t rows = packed ? in.cu_seqlens.size() - 1 : n.batch;
    SsdOutputs out;
    out.y.assign(n.batch * n.seqlen * n.nheads * n.headdim, 0);
    out.final_states.assign(rows * per_row, 0);
    if (in.chunk_size) out.states.assign(n.batch * ((n.seqlen + in.chunk_size - 1) / in.chunk_size) * per_row, 0);
    if (!in.initial_states.empty()) out.final_states = in.initial_states;
    for (uint64_t r = 0; r < rows; ++r) {
        double* S = &out.final_states[r * per_row];
        if (packed)
            ssd_ref::run(in, 0, uint64_t(in.cu_seqlens[r]), uint64_t(in.cu_seqlens[r + 1]), S, &out);
        else
            ssd_ref::run(in, r, 0, n.seqlen, S, &out);
    }
    return out;
}

}  // namespace scandium::test

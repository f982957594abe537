// selective_state_update in plain loops, in float64. Inputs are packed, last axis fastest, in the order of axes of
// scandium/ops/selective_state_update.h, always with ntokens; empty vectors are absent options.
#pragma once

#include "ref/ssd_scan_ref.h"

namespace scandium::test {

struct UpdateShape {
    uint64_t batch = 1, ntokens = 1, nheads = 1, headdim = 1, ngroups = 1, dstate = 1;
    uint64_t slots = 0, slots_out = 0;  // 0: batch, slots
};

struct UpdateInputs {
    UpdateShape shape;
    bool per_head = false;  // dt, A, D and dt_bias hold one value for each head
    std::vector<double> state, x, dt, A, B, C, D, z, dt_bias;
    std::vector<int32_t> indices, indices_out;
    int32_t pad = -1;
    bool dt_softplus = false;
    double dt_min = 0, dt_max = std::numeric_limits<double>::infinity();
};

struct UpdateOutputs {
    std::vector<double> y, snapshots;
    std::vector<double> state;      // of every slot of the output, NaN where nothing was written
    std::vector<bool> rows, slots;  // which rows were run, and which slots written
};

inline UpdateOutputs selective_state_update_ref(const UpdateInputs& in) {
    const UpdateShape& n = in.shape;
    const uint64_t slots = n.slots ? n.slots : n.batch, slots_out = n.slots_out ? n.slots_out : slots;
    const uint64_t per_head = n.headdim * n.dstate, per_slot = n.nheads * per_head, per_row = n.nheads * n.headdim;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    UpdateOutputs out;
    out.y.assign(n.batch * n.ntokens * per_row, nan);
    out.snapshots.assign(n.batch * n.ntokens * per_slot, nan);
    out.state.assign(slots_out * per_slot, nan);
    out.rows.assign(n.batch, false);
    out.slots.assign(slots_out, false);
    for (uint64_t b = 0; b < n.batch; ++b) {
        const int64_t from = in.indices.empty() ? int64_t(b) : in.indices[b], to = in.indices_out.empty() ? from : in.indices_out[b];
        if ((!in.indices.empty() && from == in.pad) || (!in.indices_out.empty() && to == in.pad)) continue;
        if (from < 0 || uint64_t(from) >= slots || to < 0 || uint64_t(to) >= slots_out) continue;
        out.rows[b] = out.slots[uint64_t(to)] = true;
        for (uint64_t row = 0; row < per_row; ++row) {
            const uint64_t h = row / n.headdim, g = h / (n.nheads / n.ngroups), small = in.per_head ? h : row;
            std::vector<double> S(n.dstate);
            for (uint64_t s = 0; s < n.dstate; ++s) S[s] = in.state[uint64_t(from) * per_slot + row * n.dstate + s];
            for (uint64_t t = 0; t < n.ntokens; ++t) {
                const uint64_t at = b * n.ntokens + t;
                double dt = in.dt[at * (in.per_head ? n.nheads : per_row) + small];
                if (!in.dt_bias.empty()) dt += in.dt_bias[small];
                if (in.dt_softplus) dt = softplus(dt);
                dt = std::min(std::max(dt, in.dt_min), in.dt_max);
                const double x = in.x[at * per_row + row];
                double sum = 0;
                for (uint64_t s = 0; s < n.dstate; ++s) {
                    const uint64_t bc = (at * n.ngroups + g) * n.dstate + s;
                    S[s] = std::exp(dt * in.A[in.per_head ? h : row * n.dstate + s]) * S[s] + dt * x * in.B[bc];
                    sum += S[s] * in.C[bc];
                    out.snapshots[at * per_slot + row * n.dstate + s] = S[s];
                }
                if (!in.D.empty()) sum += in.D[small] * x;
                if (!in.z.empty()) sum *= silu(in.z[at * per_row + row]);
                out.y[at * per_row + row] = sum;
            }
            for (uint64_t s = 0; s < n.dstate; ++s) out.state[uint64_t(to) * per_slot + row * n.dstate + s] = S[s];
        }
    }
    return out;
}

}  // namespace scandium::test

// A language model token by token, or a sequence model step by step, in plain float64 loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "model/weights.h"
#include "ref/activation_ref.h"

namespace scandium::test {

using Vector = std::vector<double>;

class LanguageRef {
public:
    using Weights = std::map<std::pair<WeightRole, uint32_t>, Vector>;

    LanguageRef(const ModelConfig& config, Weights weights)
        : c_(config),
          weights_(std::move(weights)),
          conv_(config.n_layer, Vector(uint64_t(conv_dim(config)) * config.conv_width)),
          scan_(config.n_layer, Vector(uint64_t(config.d_ssm) * config.dstate)) {}

    // Logits of what follows.
    Vector step(int32_t token) {
        const Vector& table = at(WeightRole::embedding, kNoLayer);
        const auto first = table.begin() + int64_t(token) * c_.d_model;
        return step_from(Vector(first, first + c_.d_model));
    }
    // Of a sequence model: its output.
    Vector step(const Vector& features) {
        return step_from(times(at(WeightRole::input_proj, kNoLayer), features, optional(WeightRole::input_bias, kNoLayer)));
    }

private:
    Vector step_from(Vector h) {
        for (uint32_t i = 0; i < c_.n_layer; ++i) {
            const Vector out = layer(i, norm(h, at(WeightRole::norm, i), c_.norm_eps, h.size()));
            for (size_t k = 0; k < h.size(); ++k) h[k] += out[k];
        }
        return times(at(c_.tied_head ? WeightRole::embedding : WeightRole::head, kNoLayer),
                     norm(h, at(WeightRole::final_norm, kNoLayer), c_.norm_eps, h.size()), optional(WeightRole::head_bias, kNoLayer));
    }

    const Vector& at(WeightRole role, uint32_t layer) const { return weights_.at({role, layer}); }
    Vector optional(WeightRole role, uint32_t layer) const {
        const auto place = weights_.find({role, layer});
        return place == weights_.end() ? Vector() : place->second;
    }

    static Vector part(const Vector& v, size_t first, size_t count) {
        return Vector(v.begin() + int64_t(first), v.begin() + int64_t(first + count));
    }
    static Vector times(const Vector& matrix, const Vector& x, const Vector& bias) {
        Vector y(matrix.size() / x.size());
        for (size_t i = 0; i < y.size(); ++i) {
            y[i] = bias.empty() ? 0 : bias[i];
            for (size_t k = 0; k < x.size(); ++k) y[i] += matrix[i * x.size() + k] * x[k];
        }
        return y;
    }
    static Vector norm(const Vector& x, const Vector& weight, double eps, size_t group) {
        Vector y(x.size());
        for (size_t first = 0; first < x.size(); first += group) {
            double squares = 0;
            for (size_t i = first; i < first + group; ++i) squares += x[i] * x[i];
            for (size_t i = first; i < first + group; ++i)
                y[i] = x[i] / std::sqrt(squares / double(group) + eps) * (weight.empty() ? 1 : weight[i]);
        }
        return y;
    }

    Vector convolved(uint32_t layer, const Vector& x) {
        const size_t width = c_.conv_width;
        const Vector& weight = at(WeightRole::conv, layer);
        const Vector bias = optional(WeightRole::conv_bias, layer);
        Vector y(x.size());
        for (size_t i = 0; i < x.size(); ++i) {
            double* kept = &conv_[layer][i * width];
            std::copy(kept + 1, kept + width, kept);
            kept[width - 1] = x[i];
            double sum = bias.empty() ? 0 : bias[i];
            for (size_t k = 0; k < width; ++k) sum += kept[k] * weight[i * width + k];
            y[i] = silu(sum);
        }
        return y;
    }

    // One channel's state, taken on; returns its y.
    double channel(double* state, double x, double dt, const double* A, bool A_is_one, const double* B, const double* C, double D) const {
        double y = D * x;
        for (size_t n = 0; n < c_.dstate; ++n) {
            state[n] = std::exp(dt * A[A_is_one ? 0 : n]) * state[n] + dt * x * B[n];
            y += state[n] * C[n];
        }
        return y;
    }
    double limited(double dt) const { return std::min(std::max(softplus(dt), double(c_.dt_min)), double(c_.dt_max)); }

    Vector layer(uint32_t i, const Vector& x) {
        const Vector projected = times(at(WeightRole::in_proj, i), x, optional(WeightRole::in_proj_bias, i));
        const Vector y = c_.kind == ModelKind::mamba1 ? mamba1(i, projected) : mamba2(i, projected);
        return times(at(WeightRole::out_proj, i), y, optional(WeightRole::out_proj_bias, i));
    }

    Vector mamba1(uint32_t i, const Vector& projected) {
        const size_t dim = c_.d_inner, dstate = c_.dstate, rank = c_.dt_rank;
        const Vector x = convolved(i, part(projected, 0, dim)), z = part(projected, dim, dim),
                     steps = times(at(WeightRole::x_proj, i), x, {});
        Vector low = part(steps, 0, rank), B = part(steps, rank, dstate), C = part(steps, rank + dstate, dstate);
        if (c_.dt_B_C_norm)
            for (Vector* v : {&low, &B, &C}) *v = norm(*v, {}, c_.dt_B_C_norm_eps, v->size());
        const Vector dt = times(at(WeightRole::dt_proj, i), low, at(WeightRole::dt_bias, i));
        Vector A = at(WeightRole::A_log, i), y(dim);
        for (double& a : A) a = -std::exp(a);
        for (size_t k = 0; k < dim; ++k)
            y[k] =
                channel(&scan_[i][k * dstate], x[k], limited(dt[k]), &A[k * dstate], false, B.data(), C.data(), at(WeightRole::D, i)[k]) *
                silu(z[k]);
        return y;
    }

    Vector mamba2(uint32_t i, const Vector& projected) {
        const size_t mlp = d_mlp(c_), ssm = c_.d_ssm, dstate = c_.dstate, groups = c_.ngroups;
        const Vector z = part(projected, 2 * mlp, ssm), xBC = convolved(i, part(projected, 2 * mlp + ssm, conv_dim(c_)));
        Vector y(ssm);
        for (size_t k = 0; k < ssm; ++k) {
            const size_t head = k / c_.headdim, group = head / (c_.nheads / groups);
            const double dt = limited(projected[2 * mlp + ssm + conv_dim(c_) + head] + at(WeightRole::dt_bias, i)[head]);
            const double A = -std::exp(at(WeightRole::A_log, i)[head]), D = at(WeightRole::D, i)[c_.D_has_headdim ? k : head];
            y[k] =
                channel(&scan_[i][k * dstate], xBC[k], dt, &A, true, &xBC[ssm + group * dstate], &xBC[ssm + (groups + group) * dstate], D);
        }
        const auto gate = [&] {
            for (size_t k = 0; k < ssm; ++k) y[k] *= silu(z[k]);
        };
        if (!c_.norm_before_gate || !c_.gated_norm) gate();
        if (c_.gated_norm) y = norm(y, at(WeightRole::gated_norm, i), c_.gated_norm_eps, c_.norm_group_size);
        if (c_.norm_before_gate && c_.gated_norm) gate();
        Vector all;
        for (size_t k = 0; k < mlp; ++k) all.push_back(silu(projected[k]) * projected[mlp + k]);
        all.insert(all.end(), y.begin(), y.end());
        return all;
    }

    const ModelConfig c_;
    const Weights weights_;
    std::vector<Vector> conv_, scan_;
};

}  // namespace scandium::test

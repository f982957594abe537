// How linear will run on a device: a pure function of the device's capabilities and the problem.
#pragma once

#include "core/diagnostics.h"
#include "graph/dispatch.h"
#include "scandium/ops/linear.h"

namespace scandium {

struct LinearProblem {
    uint64_t batch = 1, rows = 1;  // rows of each batch row
    uint32_t in_features = 1, out_features = 1;
    DType x = DType::f32, weight = DType::f32;
    WeightFormat format = WeightFormat::dense;
    bool words_by_address = false;  // shaders reach x and weight by address, and rows of them begin at words
    Variant variant = Variant::automatic;
};

struct LinearChoice {
    Kernel kernel = Kernel::linear_tiles;
    Variant variant = Variant::scalar;
    Flavour flavour = Flavour::scalar;
    char reason[240] = {};
    uint32_t local_size = 128, subgroup_size = 0;
    uint32_t tile_rows = 32, tile_outs = 64;  // results of a workgroup
    uint32_t shared_memory = 0;               // bytes

    uint32_t lane_rows = 2, lane_cols = 8;  // linear_tiles

    uint32_t subs_m = 2, subs_n = 2, mats_m = 2, mats_n = 2, tile_k = 32;  // linear_matrices
    CooperativeMatrixShape shape;

    uint32_t rows = 1, outs = 2, lanes = 32, depth = 1;  // linear_few, and but for lanes linear_words
};

// Errors: unsupported (a forced variant that cannot be had), told to `diagnostics`.
Result choose_linear(const Caps& caps, const Diagnostics& diagnostics, const LinearProblem& problem, LinearChoice* out);

}  // namespace scandium

// Scandium: matrix_rate, products of cooperative matrices whose operands never leave registers: what a device's matrix units reach when
// nothing else bounds them. For benchmarks, which compare operators with it.
#pragma once

#include "scandium/device.h"
#include "scandium/graph.h"

namespace scandium {

struct MatrixRate {
    CooperativeMatrixShape shape;  // one of Caps::cooperative_matrices, of f16 or bf16 with sums in f32
    uint32_t steps = 1;            // 1 to 65536
    TensorId out = kNoTensor;      // out: (workgroups, 4), f32: of each subgroup, 28 + 8 * steps * shape.k / 64
};

// Appends the operator: workgroups * 4 * 8 * steps products, each of 2 * shape.m * shape.n * shape.k operations.
//   Errors: invalid_argument (a missing tensor, a shape or dtype that does not fit, steps out of range), unsupported (the device lacks
//   that matrix, or kernels with such), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result matrix_rate(Graph* graph, const MatrixRate& op) noexcept;

}  // namespace scandium

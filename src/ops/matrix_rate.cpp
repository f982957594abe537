// matrix_rate: one dispatch on the matrices that the caller names.
#include "scandium/ops/matrix_rate.h"

#include "ops/check.h"
#include "ops/choose.h"
#include "shared/matrix_rate.h"

namespace scandium {
namespace {

constexpr const char* kName = "matrix_rate";

// Why the device cannot multiply in this shape, or null.
const char* why_not(const Caps& caps, const CooperativeMatrixShape& shape, Flavour* flavour) {
    if (shape.a != DType::f16 && shape.a != DType::bf16) return "operands are neither f16 nor bf16";
    if (const char* reason = why_no_matrices(caps, shape.a, Kernel::matrix_rate, flavour)) return reason;
    CooperativeMatrixShape found;
    const auto is_same = [&](const CooperativeMatrixShape& s) { return s.m == shape.m && s.n == shape.n && s.k == shape.k; };
    if (shape.b != shape.a || shape.c != DType::f32 || shape.result != DType::f32 || !find_largest_shape(caps, shape.a, &found, is_same))
        return "it is none of the device's shapes with sums in f32";
    const uint32_t subgroup = fixed_subgroup_size(caps).size, local_size = RATE_SUBGROUPS * subgroup;
    if (subgroup == 0) return "the subgroup size is not fixed";
    if (local_size > caps.max_invocations || local_size > caps.max_workgroup_size_x) return "four subgroups exceed a workgroup";
    return RATE_SUBGROUPS * 4 * shape.m * shape.n > caps.shared_memory ? "a tile for each of four subgroups exceeds shared memory"
                                                                       : nullptr;
}

Result append_matrix_rate(Graph* graph, const MatrixRate& op) {
    const Checker check(*graph, kName);
    if (Result r = check.exists("out", op.out, true, 2); r != Result::ok) return r;
    if (op.steps == 0) return check.fail("steps is 0, not 1 to 65536");
    if (Result r = check.in_range("steps", op.steps, 65536); r != Result::ok) return r;
    const uint64_t groups = check.tensor(op.out).shape[0];
    const Expected expected[] = {{"out", op.out, kFloat32, true, true, 2, {groups, RATE_SUBGROUPS}}};
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    if (Result r = check.in_range("workgroups (axis 0 of out)", groups, graph->caps().max_workgroups[0]); r != Result::ok) return r;
    Dispatch d;
    const CooperativeMatrixShape& s = op.shape;
    if (const char* reason = why_not(graph->caps(), s, &d.flavour))
        return graph->diagnostics().fail(Result::unsupported, "%s: %ux%ux%u %s: %s", kName, s.m, s.n, s.k, to_string(s.a), reason);
    const SubgroupSize subgroup = fixed_subgroup_size(graph->caps());
    d.kernel = Kernel::matrix_rate;
    d.variant = Variant::coopmat;
    d.name = kName;
    say(d.reason, "%ux%ux%u %s matrices: asked for by the caller", s.m, s.n, s.k, to_string(s.a));
    d.local_size = RATE_SUBGROUPS * subgroup.size;
    d.subgroup_size = subgroup.require;
    d.full_subgroups = true;
    d.shared_memory = RATE_SUBGROUPS * 4 * s.m * s.n;
    d.spec(SPEC_RATE_M, s.m);
    d.spec(SPEC_RATE_N, s.n);
    d.spec(SPEC_RATE_K, s.k);
    d.header[HEADER_STEPS] = op.steps;
    d.argument(RATE_OUT, graph->view(op.out), Access::write);
    d.groups[0] = uint32_t(groups);
    return graph->append(d);
}

}  // namespace

Result matrix_rate(Graph* graph, const MatrixRate& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(append_matrix_rate(graph, op));
}

}  // namespace scandium

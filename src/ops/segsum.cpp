// segsum: one matrix for each of the leading axes' sequences.
#include "scandium/ops/segsum.h"

#include <cstdio>

#include "ops/check.h"
#include "shared/elementwise.h"

namespace scandium {
namespace {

constexpr const char* kName = "segsum";

// With axes of size 1 in front, up to the rank that the kernel has.
View filled(const View& view, uint32_t rank) {
    View out = view;
    const uint32_t missing = rank - view.rank;
    for (uint32_t i = 0; i < rank; ++i) {
        out.shape[i] = i < missing ? 1 : view.shape[i - missing];
        out.stride[i] = i < missing ? 1 : view.stride[i - missing];
    }
    out.rank = rank;
    return out;
}

Dispatch dispatch_of(const Caps& caps, const View& x, const View& out) {
    constexpr uint64_t kPack = 4;
    Dispatch d;
    d.kernel = Kernel::segsum;
    d.name = kName;
    std::snprintf(d.reason, sizeof d.reason, "scalar: the only one");
    d.local_size = 64;
    d.spec(SPEC_PACK, uint32_t(kPack));
    d.spec(SPEC_PACK_WIDE, 1u);
    d.spec(SPEC_SEGSUM_SEQLEN, uint32_t(x.shape[3]));
    uint64_t lanes = (x.shape[3] + kPack - 1) / kPack;
    for (uint32_t i = 0; i < 3; ++i) {
        d.spec(SPEC_SEGSUM_SHAPE + i, uint32_t(x.shape[i]));
        lanes *= x.shape[i];
    }
    d.argument(SEGSUM_X, x, Access::read);
    d.argument(SEGSUM_OUT, out, Access::write);
    const uint64_t groups = (lanes + d.local_size - 1) / d.local_size;
    const uint64_t across = groups < caps.max_workgroups[0] ? groups : caps.max_workgroups[0];
    d.groups[0] = uint32_t(across);
    d.groups[1] = uint32_t((groups + across - 1) / across);
    return d;
}

// In halves of the outermost leading axis that has any, until views can be bound.
Result append(Graph* graph, const View& x, const View& out) {
    const uint64_t limit = graph->max_view_bytes();
    if (x.bytes() <= limit && out.bytes() <= limit) return graph->append(dispatch_of(graph->caps(), x, out));
    uint32_t axis = 0;
    while (axis < 3 && x.shape[axis] == 1) ++axis;
    if (axis == 3)
        return graph->diagnostics().fail(Result::unsupported,
                                         "%s: one sequence spans %llu bytes of x and %llu of out where the limit is %llu", kName,
                                         llu(x.bytes()), llu(out.bytes()), llu(limit));
    const uint64_t all = x.shape[axis], half = (all + 1) / 2;
    if (Result r = append(graph, x.slice(axis, 0, half), out.slice(axis, 0, half)); r != Result::ok) return r;
    return append(graph, x.slice(axis, half, all - half), out.slice(axis, half, all - half));
}

Result append_segsum(Graph* graph, const Segsum& op) {
    const Checker check(*graph, kName);
    if (Result r = check.exists("x", op.x, true, 0); r != Result::ok) return r;
    const Tensor& x = check.tensor(op.x);
    if (x.rank == kMaxRank) return check.fail("x has rank %u, not 1 to %u", x.rank, kMaxRank - 1);
    if (Result r = check.in_range("seqlen", x.shape[x.rank - 1], 1u << 20); r != Result::ok) return r;
    Expected expected[] = {
        {"x", op.x, kFloats, true, false, x.rank, {}},
        {"out", op.out, kFloat32, true, true, x.rank + 1, {}},
    };
    for (Expected& e : expected)
        for (uint32_t i = 0; i < x.rank; ++i) e.shape[i] = x.shape[i];
    expected[1].shape[x.rank] = x.shape[x.rank - 1];
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    return append(graph, filled(graph->view(op.x), 4), filled(graph->view(op.out), 5));
}

}  // namespace

Result segsum(Graph* graph, const Segsum& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(append_segsum(graph, op));
}

}  // namespace scandium

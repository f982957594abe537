// swiglu: the halves of x as the operands of the elementwise kernel.
#include "scandium/ops/swiglu.h"

#include "ops/check.h"
#include "ops/elementwise.h"
#include "shared/elementwise.h"

namespace scandium {
namespace {

Result append_swiglu(Graph* graph, const Swiglu& op) {
    const Checker check(*graph, "swiglu");
    if (Result r = check.exists("x", op.x, true, 0); r != Result::ok) return r;
    const Tensor& x = check.tensor(op.x);
    if (x.rank != 2 && x.rank != 3) return check.fail("x has rank %u, not 2 or 3", x.rank);
    const uint32_t last = x.rank - 1;
    if (x.shape[last] % 2 != 0) return check.fail("axis %u of x is %llu, which is not even", last, llu(x.shape[last]));
    const uint64_t dim = x.shape[last] / 2;
    const uint64_t* n = x.shape;
    Expected expected[] = {
        {"x", op.x, kFloats, true, false, x.rank, {n[0], n[1], n[2]}},
        {"y", op.y, kFloats, true, true, x.rank, {n[0], n[1], n[2]}},
    };
    expected[1].shape[last] = dim;
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    Elementwise work;
    work.name = "swiglu";
    work.op = ELEMENTWISE_SWIGLU;
    work.a = graph->view(op.x).slice(last, 0, dim);
    work.b = graph->view(op.x).slice(last, dim, dim);
    work.y = graph->view(op.y);
    if (x.rank == 3) work.token_axis = 1;
    return append_elementwise(graph, work);
}

}  // namespace

Result swiglu(Graph* graph, const Swiglu& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(append_swiglu(graph, op));
}

}  // namespace scandium

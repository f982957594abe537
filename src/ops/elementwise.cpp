#include "ops/elementwise.h"

#include <cstdio>
#include <initializer_list>
#include <utility>

#include "ops/check.h"
#include "ops/elementwise_choose.h"
#include "ops/rows.h"
#include "scandium/ops/elementwise.h"
#include "shared/elementwise.h"

namespace scandium {
namespace {

// Tokens from `first_token` on, if one of the axes counts tokens.
struct Part {
    View a, b, y;
    uint64_t first_token = 0;
};

template <class Change>
void for_each_view(Part* part, Change change) {
    for (View* view : {&part->a, &part->b, &part->y})
        if (view->tensor != kNoTensor) change(view);
}

void swap_axes(View* view, uint32_t i, uint32_t j) {
    std::swap(view->shape[i], view->shape[j]);
    std::swap(view->stride[i], view->stride[j]);
}

void remove_axis(View* view, uint32_t axis) {
    for (uint32_t i = axis; i + 1 < view->rank; ++i) {
        view->shape[i] = view->shape[i + 1];
        view->stride[i] = view->stride[i + 1];
    }
    --view->rank;
}

class ElementwiseBuilder {
public:
    ElementwiseBuilder(Graph* graph, const Elementwise& work) : graph_(*graph), work_(work), token_axis_(work.token_axis) {}

    Result run() {
        Part part{work_.a, work_.b, work_.y};
        order_axes(&part);
        merge_axes(&part);
        fill_axes(&part);
        return append(part);
    }

private:
    // The axis along which y lies packed becomes the last one.
    void order_axes(Part* part) {
        for (uint32_t i = 0; i < part->y.rank; ++i)
            for (uint32_t j = i + 1; j < part->y.rank; ++j) {
                if (part->y.shape[i] == 1 || part->y.shape[j] == 1 || part->y.stride[i] >= part->y.stride[j]) continue;
                for_each_view(part, [i, j](View* view) { swap_axes(view, i, j); });
                token_axis_ = token_axis_ == i ? j : token_axis_ == j ? i : token_axis_;
            }
    }

    // Two neighbouring axes are one where every tensor steps from the end of the inner to the next of the outer.
    void merge_axes(Part* part) {
        for (uint32_t i = part->y.rank; i-- > 1;) {
            const uint32_t outer = i - 1;
            if (outer == token_axis_ || i == token_axis_) continue;
            bool packed = true;
            for_each_view(part, [&](View* view) {
                packed =
                    packed && (view->shape[outer] == 1 || view->shape[i] == 1 || view->stride[outer] == view->shape[i] * view->stride[i]);
            });
            if (!packed) continue;
            for_each_view(part, [&](View* view) {
                if (view->shape[i] == 1) view->stride[i] = view->stride[outer];
                view->shape[i] *= view->shape[outer];
                remove_axis(view, outer);
            });
            if (token_axis_ < kMaxRank && token_axis_ > outer) --token_axis_;
        }
    }

    // Axes of size 1 in front make up the rank that the kernel has.
    void fill_axes(Part* part) {
        const uint32_t missing = kMaxRank - part->y.rank;
        for_each_view(part, [missing](View* view) {
            for (uint32_t i = kMaxRank; i-- > 0;) {
                view->shape[i] = i < missing ? 1 : view->shape[i - missing];
                view->stride[i] = i < missing ? 1 : view->stride[i - missing];
            }
            view->rank = kMaxRank;
        });
        if (token_axis_ < kMaxRank) token_axis_ += missing;
    }

    bool fits(Part* part) const {
        bool fits = true;
        for_each_view(part, [&](View* view) { fits = fits && view->bytes() <= graph_.max_view_bytes(); });
        return fits;
    }

    // In halves of the outermost axis that has any, until views can be bound.
    Result append(Part part) {
        if (fits(&part)) return graph_.append(dispatch_of(part));
        uint32_t axis = 0;
        while (axis + 1 < kMaxRank && part.y.shape[axis] == 1) ++axis;
        const uint64_t all = part.y.shape[axis];
        uint64_t half = (all + 1) / 2;
        if (axis == kMaxRank - 1 && all > 16) half = (half + 7) / 8 * 8;  // whole packs
        Part rest = part;
        for_each_view(&part, [&](View* view) { *view = view->slice(axis, 0, half); });
        for_each_view(&rest, [&](View* view) { *view = view->slice(axis, half, all - half); });
        if (axis == token_axis_) rest.first_token += half;
        if (Result r = append(part); r != Result::ok) return r;
        return append(rest);
    }

    ElementwiseProblem problem_of(const Part& part) const {
        ElementwiseProblem problem;
        problem.row = part.y.shape[kMaxRank - 1];
        for (uint32_t i = 0; i + 1 < kMaxRank; ++i) problem.rows *= part.y.shape[i];
        problem.element = size_of(part.y.dtype);
        problem.halves = problem.element == 2 || size_of(part.a.dtype) == 2;
        const bool alike = size_of(part.a.dtype) == problem.element && (!part.b.rank || size_of(part.b.dtype) == problem.element);
        problem.words_by_address = graph_.access == MemoryAccess::address && alike && token_axis_ != kMaxRank - 1 &&
                                   is_rows_of_words(part.a) && is_rows_of_words(part.b) && is_rows_of_words(part.y);
        return problem;
    }

    Dispatch dispatch_of(const Part& part) const {
        const ElementwiseChoice choice = choose_elementwise(graph_.caps(), problem_of(part));
        Dispatch d;
        d.kernel = choice.kernel;
        d.name = work_.name;
        std::snprintf(d.reason, sizeof d.reason, "%s", choice.reason);
        d.variant = choice.variant;
        d.flavour = choice.variant == Variant::subgroup ? Flavour::subgroup : Flavour::scalar;
        d.local_size = choice.local_size;
        d.subgroup_size = choice.subgroup_size;
        d.full_subgroups = choice.variant == Variant::subgroup;
        if (choice.kernel == Kernel::elementwise_words) {
            d.spec(SPEC_ELEMENTWISE_SPAN, choice.span);
        } else {
            d.spec(SPEC_PACK, choice.pack);
            d.spec(SPEC_PACK_WIDE, 1u);
            d.spec(SPEC_ELEMENTWISE_PACKS, choice.packs_of_lane);
        }
        d.spec(SPEC_ELEMENTWISE_OP, work_.op);
        d.spec(SPEC_ELEMENTWISE_TOKEN_AXIS, token_axis_);
        for (uint32_t i = 0; i < kMaxRank; ++i) d.spec(SPEC_ELEMENTWISE_SHAPE + i, uint32_t(part.y.shape[i]));
        d.argument(ELEMENTWISE_A, part.a, Access::read);
        d.argument(ELEMENTWISE_B, part.b, Access::read);
        d.argument(ELEMENTWISE_Y, part.y, Access::write);
        for (uint32_t i = 0; i < 3; ++i) d.groups[i] = choice.groups[i];
        if (token_axis_ == kMaxRank) return d;
        d.header[HEADER_TOKENS] = uint32_t(part.y.shape[token_axis_]);
        d.tokens.first = part.first_token;
        d.tokens.count = part.y.shape[token_axis_];
        return d;
    }

    Graph& graph_;
    const Elementwise& work_;
    uint32_t token_axis_;
};

// Checks the operands and appends; `second` names b, or is null.
Result append_checked(Graph* graph, Elementwise work, const char* first, TensorId a, const char* second, TensorId b, TensorId y) {
    const Checker check(*graph, work.name);
    if (Result r = check.exists(first, a, true, 0); r != Result::ok) return r;
    const Tensor& t = check.tensor(a);
    if (work.token_axis > kMaxRank || (work.token_axis < kMaxRank && work.token_axis >= t.rank))
        return check.fail("token_axis is %u, neither an axis of %s nor kMaxRank", work.token_axis, first);
    Expected expected[] = {
        {first, a, kFloats, true, false, t.rank, {}},
        {second ? second : "b", b, kFloats, second != nullptr, false, t.rank, {}},
        {"y", y, kFloats, true, true, t.rank, {}, y == a || y == b ? y : kNoTensor},
    };
    for (Expected& e : expected)
        for (uint32_t i = 0; i < t.rank; ++i) e.shape[i] = t.shape[i];
    if (Result r = check.all_match(expected); r != Result::ok) return r;
    work.a = graph->view(a);
    work.b = graph->view(b);
    work.y = graph->view(y);
    return append_elementwise(graph, work);
}

Result activation(Graph* graph, const char* name, uint32_t kernel_op, const Activation& op) {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    Elementwise work;
    work.name = name;
    work.op = kernel_op;
    work.token_axis = op.token_axis;
    return graph->fail(append_checked(graph, work, "x", op.x, nullptr, kNoTensor, op.y));
}

}  // namespace

Result append_elementwise(Graph* graph, const Elementwise& work) { return ElementwiseBuilder(graph, work).run(); }

Result silu(Graph* graph, const Activation& op) noexcept { return activation(graph, "silu", ELEMENTWISE_SILU, op); }
Result softplus(Graph* graph, const Activation& op) noexcept { return activation(graph, "softplus", ELEMENTWISE_SOFTPLUS, op); }
Result copy(Graph* graph, const Activation& op) noexcept { return activation(graph, "copy", ELEMENTWISE_COPY, op); }

Result add(Graph* graph, const Add& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    Elementwise work;
    work.name = "add";
    work.op = ELEMENTWISE_ADD;
    work.token_axis = op.token_axis;
    return graph->fail(append_checked(graph, work, "a", op.a, "b", op.b, op.y));
}

}  // namespace scandium

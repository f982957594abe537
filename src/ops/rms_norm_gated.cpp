// rms_norm_gated: validates, chooses, cuts the rows into parts that the device can bind, and appends a dispatch for each.
#include "scandium/ops/rms_norm_gated.h"

#include <cmath>
#include <cstdio>
#include <initializer_list>

#include "ops/check.h"
#include "ops/rms_norm_gated_choose.h"
#include "ops/rows.h"
#include "shared/rms_norm_gated.h"

namespace scandium {
namespace {

constexpr const char* kName = "rms_norm_gated";
constexpr uint64_t kMostDim = 32768;

class NormBuilder {
public:
    NormBuilder(Graph* graph, const RmsNormGated& op) : graph_(*graph), op_(op), check_(*graph, kName) {}

    Result run() {
        if (Result r = check_arguments(); r != Result::ok) return r;
        make_views();
        if (Result r = choose_rms_norm_gated(graph_.caps(), graph_.diagnostics(), problem_, &choice_); r != Result::ok) return r;
        RowPart largest;
        if (Result r = choose_row_part(graph_, kName, views_, choice_.rows, &largest); r != Result::ok) return r;
        return for_each_row_part(largest, views_[0].shape[0], views_[0].shape[1],
                                 [this](const RowPart& part) { return graph_.append(dispatch_of(part)); });
    }

private:
    Result check_sizes() {
        if (Result r = check_.exists("x", op_.x, true, 0); r != Result::ok) return r;
        const Tensor& x = check_.tensor(op_.x);
        if (x.rank != 2 && x.rank != 3) return check_.fail("x has rank %u, not 2 or 3", x.rank);
        leading_ = x.rank - 1;
        const uint64_t dim = x.shape[leading_], group_size = op_.group_size ? op_.group_size : dim;
        for (uint32_t axis = 0; axis < leading_; ++axis)
            if (Result r = check_.in_range(axis + 1 == leading_ ? "the number of rows" : "batch", x.shape[axis], 1u << 30); r != Result::ok)
                return r;
        if (Result r = check_.in_range("dim", dim, kMostDim); r != Result::ok) return r;
        if (group_size > dim || dim % group_size != 0)
            return check_.fail("group_size is %llu, which does not divide dim %llu", llu(group_size), llu(dim));
        problem_.rows = x.shape[0] * (leading_ == 2 ? x.shape[1] : 1);
        problem_.dim = uint32_t(dim);
        problem_.group_size = uint32_t(group_size);
        problem_.x = x.dtype;
        problem_.has_gate = op_.z != kNoTensor;
        problem_.variant = op_.variant;
        return Result::ok;
    }

    // An output may be a tensor that is read element by element, by whoever writes it.
    TensorId in_place(TensorId output) const {
        const bool is_input = output == op_.x || output == op_.z || output == op_.residual;
        return is_input ? output : kNoTensor;
    }

    Result check_arguments() {
        if (Result r = check_sizes(); r != Result::ok) return r;
        if (!std::isfinite(op_.eps) || op_.eps < 0) return check_.fail("eps is %g, not finite and >= 0", double(op_.eps));
        if (op_.kind != NormKind::rms && op_.kind != NormKind::layer) return check_.fail("kind is not one of NormKind");
        if (Result r = check_.is_variant(op_.variant); r != Result::ok) return r;
        if (op_.y != kNoTensor && op_.y == op_.residual_out) return check_.fail("y and residual_out are the same tensor");
        const uint32_t rank = leading_ + 1;
        const uint64_t* n = check_.tensor(op_.x).shape;
        const Expected expected[] = {
            {"x", op_.x, kFloats, true, false, rank, {n[0], n[1], n[2]}},
            {"z", op_.z, kFloats, false, false, rank, {n[0], n[1], n[2]}},
            {"weight", op_.weight, kFloats, true, false, 1, {problem_.dim}},
            {"bias", op_.bias, kFloats, false, false, 1, {problem_.dim}},
            {"residual", op_.residual, kFloats, false, false, rank, {n[0], n[1], n[2]}},
            {"y", op_.y, kFloats, true, true, rank, {n[0], n[1], n[2]}, in_place(op_.y)},
            {"residual_out", op_.residual_out, kFloats, false, true, rank, {n[0], n[1], n[2]}, in_place(op_.residual_out)},
        };
        return check_.all_match(expected);
    }

    void make_views() {
        const TensorId ids[kViews] = {op_.x, op_.z, op_.residual, op_.y, op_.residual_out};
        for (uint32_t i = 0; i < kViews; ++i) views_[i] = with_batch(graph_.view(ids[i]), leading_);
        problem_.words_by_address = graph_.access == MemoryAccess::address;
        for (const View& view : {views_[0], views_[1], views_[2], views_[3], views_[4], graph_.view(op_.weight), graph_.view(op_.bias)})
            problem_.words_by_address = problem_.words_by_address && is_rows_of_words(view) &&
                                        (view.tensor == kNoTensor || size_of(view.dtype) == size_of(problem_.x)) &&
                                        problem_.group_size * size_of(problem_.x) % 4 == 0;
        rows_are_tokens_ = leading_ == 2 && check_.tensor(op_.x).shape[1] != 1;
    }

    Dispatch dispatch_of(const RowPart& part) const {
        Dispatch d;
        d.kernel = choice_.kernel;
        d.name = kName;
        std::snprintf(d.reason, sizeof d.reason, "%s", choice_.reason);
        d.variant = choice_.variant;
        d.flavour = choice_.variant == Variant::subgroup ? Flavour::subgroup : Flavour::scalar;
        d.local_size = choice_.local_size;
        d.subgroup_size = choice_.subgroup_size;
        d.full_subgroups = choice_.variant == Variant::subgroup;
        const bool words = choice_.kernel == Kernel::rms_norm_gated_words;
        d.shared_memory = words ? 0 : 4 * choice_.local_size;
        add_constants(&d);
        d.argument(NORM_X, part.of(views_[0]), Access::read);
        d.argument(NORM_Z, part.of(views_[1]), Access::read);
        d.argument(NORM_WEIGHT, graph_.view(op_.weight), Access::read);
        d.argument(NORM_BIAS, graph_.view(op_.bias), Access::read);
        d.argument(NORM_RESIDUAL, part.of(views_[2]), Access::read);
        d.argument(NORM_Y, part.of(views_[3]), Access::write);
        d.argument(NORM_RESIDUAL_OUT, part.of(views_[4]), Access::write);
        cover_rows(part, choice_.rows, rows_are_tokens_, &d);
        d.groups[1] = problem_.dim / problem_.group_size / choice_.across;
        return d;
    }

    void add_constants(Dispatch* d) const {
        d->spec(SPEC_NORM_GROUP_SIZE, problem_.group_size);
        d->spec(SPEC_NORM_EPS, op_.eps);
        d->spec(SPEC_NORM_LAYER, uint32_t(op_.kind == NormKind::layer));
        d->spec(SPEC_NORM_FIRST, uint32_t(op_.norm_before_gate));
        if (choice_.kernel == Kernel::rms_norm_gated_words) return;
        const bool one_group = problem_.group_size == problem_.dim;
        d->spec(SPEC_PACK, choice_.pack);
        d->spec(SPEC_PACK_WIDE, uint32_t(one_group || problem_.group_size % choice_.pack == 0));
        d->spec(SPEC_NORM_LANES, choice_.lanes);
        d->spec(SPEC_NORM_STEPS, choice_.steps);
        d->spec(SPEC_NORM_KEEP, uint32_t(choice_.keep));
        d->spec(SPEC_NORM_ACROSS, choice_.across);
    }

    static constexpr uint32_t kViews = 5;

    Graph& graph_;
    const RmsNormGated& op_;
    const Checker check_;
    NormProblem problem_;
    NormChoice choice_;
    View views_[kViews];
    uint32_t leading_ = 1;  // axes before dim
    bool rows_are_tokens_ = false;
};

}  // namespace

Result rms_norm_gated(Graph* graph, const RmsNormGated& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(NormBuilder(graph, op).run());
}

}  // namespace scandium

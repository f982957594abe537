// linear: validates, chooses, cuts rows and out_features into parts that the device can bind, and appends a dispatch for each.
#include "scandium/ops/linear.h"

#include <cstdio>

#include "ops/check.h"
#include "ops/linear_choose.h"
#include "ops/rows.h"
#include "shared/linear.h"

namespace scandium {
namespace {

static_assert(uint32_t(WeightFormat::dense) == LINEAR_DENSE && uint32_t(WeightFormat::q8) == LINEAR_Q8 &&
              uint32_t(WeightFormat::q4) == LINEAR_Q4);

constexpr const char* kName = "linear";
constexpr uint64_t kMostIn = 1u << 20, kMostOut = 1u << 30;
constexpr uint64_t kBlock = 32;   // integers of one scale
constexpr uint64_t kColumns = 8;  // parts of y begin at multiples of what one store takes

class LinearBuilder {
public:
    LinearBuilder(Graph* graph, const Linear& op) : graph_(*graph), op_(op), check_(*graph, kName) {}

    Result run() {
        if (Result r = check_arguments(); r != Result::ok) return r;
        make_views();
        if (Result r = choose_linear(graph_.caps(), graph_.diagnostics(), problem_, &choice_); r != Result::ok) return r;
        if (Result r = choose_outs(); r != Result::ok) return r;
        for (uint64_t first = 0; first < problem_.out_features; first += outs_) {
            const uint64_t left = problem_.out_features - first, count = left < outs_ ? left : outs_;
            const View views[] = {x_, y_.slice(2, first, count)};
            RowPart largest;
            if (Result r = choose_row_part(graph_, kName, views, choice_.tile_rows, &largest); r != Result::ok) return r;
            const auto append = [&](const RowPart& part) { return graph_.append(dispatch_of(part, first, count)); };
            if (Result r = for_each_row_part(largest, x_.shape[0], x_.shape[1], append); r != Result::ok) return r;
        }
        return Result::ok;
    }

private:
    // Weights that a tensor's element holds.
    uint64_t weights_of_element() const { return op_.format == WeightFormat::q4 ? 8 : op_.format == WeightFormat::q8 ? 4 : 1; }
    bool is_dense() const { return op_.format == WeightFormat::dense; }

    Result check_sizes() {
        if (Result r = check_.exists("x", op_.x, true, 0); r != Result::ok) return r;
        if (Result r = check_.exists("weight", op_.weight, true, 2); r != Result::ok) return r;
        const Tensor& x = check_.tensor(op_.x);
        if (x.rank != 2 && x.rank != 3) return check_.fail("x has rank %u, not 2 or 3", x.rank);
        leading_ = x.rank - 1;
        const uint64_t in = x.shape[leading_], out = check_.tensor(op_.weight).shape[0];
        for (uint32_t axis = 0; axis < leading_; ++axis)
            if (Result r = check_.in_range(axis + 1 == leading_ ? "the number of rows" : "batch", x.shape[axis], 1u << 30); r != Result::ok)
                return r;
        if (Result r = check_.in_range("in_features", in, kMostIn); r != Result::ok) return r;
        if (Result r = check_.in_range("out_features", out, kMostOut); r != Result::ok) return r;
        if (!is_dense() && in % kBlock != 0)
            return check_.fail("in_features is %llu, which blocks of %llu integers do not divide", llu(in), llu(kBlock));
        problem_.in_features = uint32_t(in);
        problem_.out_features = uint32_t(out);
        return Result::ok;
    }

    Result check_unit_stride(const char* name, TensorId id) const {
        const Tensor& t = check_.tensor(id);
        const uint32_t last = t.rank - 1;
        if (t.shape[last] == 1 || t.stride[last] == 1) return Result::ok;
        return check_.fail("the last axis of %s has stride %llu, not 1", name, llu(t.stride[last]));
    }

    Result check_arguments() {
        if (uint32_t(op_.format) > uint32_t(WeightFormat::q4)) return check_.fail("format is not one of WeightFormat");
        if (Result r = check_.is_variant(op_.variant); r != Result::ok) return r;
        if (Result r = check_sizes(); r != Result::ok) return r;
        if (is_dense() && op_.scales != kNoTensor) return check_.fail("scales is given, but format is dense");
        const uint32_t rank = leading_ + 1;
        const uint64_t* n = check_.tensor(op_.x).shape;
        const uint64_t in = problem_.in_features, out = problem_.out_features;
        Expected expected[] = {
            {"x", op_.x, kFloats, true, false, rank, {n[0], n[1], n[2]}},
            {"weight", op_.weight, is_dense() ? kFloats : kInt32, true, false, 2, {out, in / weights_of_element()}},
            {"scales", op_.scales, kFloats, !is_dense(), false, 2, {out, in / kBlock}},
            {"bias", op_.bias, kFloats, false, false, 1, {out}},
            {"y", op_.y, kFloats, true, true, rank, {n[0], n[1], n[2]}},
        };
        expected[4].shape[leading_] = out;
        if (Result r = check_.all_match(expected); r != Result::ok) return r;
        if (Result r = check_unit_stride("x", op_.x); r != Result::ok) return r;
        if (Result r = check_unit_stride("weight", op_.weight); r != Result::ok) return r;
        return check_unit_stride("y", op_.y);
    }

    void make_views() {
        x_ = with_batch(graph_.view(op_.x), leading_);
        y_ = with_batch(graph_.view(op_.y), leading_);
        weight_ = graph_.view(op_.weight);
        scales_ = graph_.view(op_.scales);
        bias_ = graph_.view(op_.bias);
        rows_are_tokens_ = leading_ == 2 && check_.tensor(op_.x).shape[1] != 1;
        problem_.batch = x_.shape[0];
        problem_.rows = x_.shape[1];
        problem_.x = x_.dtype;
        problem_.weight = weight_.dtype;
        problem_.format = op_.format;
        problem_.variant = op_.variant;
        problem_.words_by_address = graph_.access == MemoryAccess::address && rows_begin_at_words(x_) && rows_begin_at_words(weight_);
    }

    static bool rows_begin_at_words(const View& view) {
        for (uint32_t axis = 0; axis + 1 < view.rank; ++axis)
            if (view.shape[axis] != 1 && view.stride[axis] * size_of(view.dtype) % 4 != 0) return false;
        return true;
    }

    // What stops a dispatch of that many out_features: the name of a limit, with the figures, or null.
    const char* what_exceeds(uint64_t outs, uint64_t* value, uint64_t* limit) const {
        const bool by_descriptor = graph_.access == MemoryAccess::descriptor;
        *limit = graph_.max_view_bytes();
        const uint64_t scales = is_dense() ? 0 : scales_.slice(0, 0, outs).bytes();
        const uint64_t bias = op_.bias == kNoTensor ? 0 : bias_.slice(0, 0, outs).bytes();
        const uint64_t operands[] = {weight_.slice(0, 0, outs).bytes(), scales, bias};
        for (uint64_t bytes : operands) {
            *value = bytes;
            if (bytes > *limit) return by_descriptor ? "maxStorageBufferRange" : "2 GiB for one tensor of a dispatch";
        }
        // Operands that have no descriptor of their own are at most as large as these; copies of them may be in f32, and those
        // of the parts before and after are alive at the same time.
        *value = 4 * (scales + bias);
        if (by_descriptor && *value > *limit) return "maxStorageBufferRange, for the workspace";
        *value = (outs + choice_.tile_outs - 1) / choice_.tile_outs;
        *limit = graph_.caps().max_workgroups[1];
        return *value > *limit ? "maxComputeWorkGroupCount[1]" : nullptr;
    }

    Result choose_outs() {
        outs_ = problem_.out_features;
        uint64_t value = 0, limit = 0;
        while (const char* exceeded = what_exceeds(outs_, &value, &limit)) {
            if (outs_ == 1)
                return graph_.diagnostics().fail(Result::unsupported, "%s: one out_feature needs %llu where the limit is %llu (%s)", kName,
                                                 llu(value), llu(limit), exceeded);
            outs_ = (outs_ + 1) / 2;
            if (outs_ > kColumns) outs_ = (outs_ + kColumns - 1) / kColumns * kColumns;
        }
        return Result::ok;
    }

    static View part_of(const View& view, uint64_t first, uint64_t count) {
        return view.tensor == kNoTensor ? view : view.slice(0, first, count);
    }

    Dispatch dispatch_of(const RowPart& part, uint64_t first, uint64_t count) const {
        Dispatch d;
        d.kernel = choice_.kernel;
        d.name = kName;
        std::snprintf(d.reason, sizeof d.reason, "%s", choice_.reason);
        d.variant = choice_.variant;
        d.flavour = choice_.flavour;
        d.local_size = choice_.local_size;
        d.subgroup_size = choice_.subgroup_size;
        d.full_subgroups = choice_.variant != Variant::scalar;
        d.shared_memory = choice_.shared_memory;
        add_constants(&d);
        d.argument(LINEAR_X, part.of(x_), Access::read);
        d.argument(LINEAR_WEIGHT, part_of(weight_, first, count), Access::read);
        d.argument(LINEAR_SCALES, part_of(scales_, first, count), Access::read);
        d.argument(LINEAR_BIAS, part_of(bias_, first, count), Access::read);
        d.argument(LINEAR_Y, part.of(y_).slice(2, first, count), Access::write);
        cover_rows(part, choice_.tile_rows, rows_are_tokens_, &d);
        d.groups[1] = uint32_t((count + choice_.tile_outs - 1) / choice_.tile_outs);
        d.header[HEADER_OUTS] = uint32_t(count);
        return d;
    }

    void add_constants(Dispatch* d) const {
        d->spec(SPEC_PACK, uint32_t(kColumns));
        d->spec(SPEC_PACK_WIDE, 1u);
        d->spec(SPEC_LINEAR_IN, problem_.in_features);
        d->spec(SPEC_LINEAR_FORMAT, uint32_t(op_.format));
        if (choice_.kernel == Kernel::linear_tiles) {
            d->spec(SPEC_LINEAR_LANE_ROWS, choice_.lane_rows);
            d->spec(SPEC_LINEAR_LANE_COLS, choice_.lane_cols);
        } else if (choice_.kernel == Kernel::linear_few || choice_.kernel == Kernel::linear_words) {
            d->spec(SPEC_LINEAR_ROWS, choice_.rows);
            d->spec(SPEC_LINEAR_OUTS, choice_.outs);
            d->spec(SPEC_LINEAR_LANES, choice_.lanes);
            d->spec(SPEC_LINEAR_DEPTH, choice_.depth);
        } else {
            d->spec(SPEC_LINEAR_SUBS_M, choice_.subs_m);
            d->spec(SPEC_LINEAR_SUBS_N, choice_.subs_n);
            d->spec(SPEC_LINEAR_MATS_M, choice_.mats_m);
            d->spec(SPEC_LINEAR_MATS_N, choice_.mats_n);
            d->spec(SPEC_LINEAR_MATRIX_M, choice_.shape.m);
            d->spec(SPEC_LINEAR_MATRIX_N, choice_.shape.n);
            d->spec(SPEC_LINEAR_MATRIX_K, choice_.shape.k);
            d->spec(SPEC_LINEAR_TILE_K, choice_.tile_k);
        }
    }

    Graph& graph_;
    const Linear& op_;
    const Checker check_;
    LinearProblem problem_;
    LinearChoice choice_;
    View x_, y_, weight_, scales_, bias_;
    uint64_t outs_ = 1;     // out_features of a dispatch
    uint32_t leading_ = 1;  // axes of x before in_features
    bool rows_are_tokens_ = false;
};

}  // namespace

Result linear(Graph* graph, const Linear& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(LinearBuilder(graph, op).run());
}

}  // namespace scandium

// causal_conv1d and causal_conv1d_update: cut into parts that the device can bind, a dispatch for each.
#include "scandium/ops/causal_conv1d.h"

#include <cstdio>
#include <initializer_list>

#include "ops/causal_conv1d_problem.h"
#include "ops/slots.h"
#include "shared/causal_conv1d.h"

namespace scandium {
namespace {

using llu = unsigned long long;

constexpr uint64_t kTokenUnit = 64;  // parts hold a multiple of it: more than the inputs that a following part looks back on

// The most that one dispatch covers.
struct Extent {
    uint64_t rows, tokens, slots, slots_out;
};

// What one dispatch covers.
struct Part {
    uint64_t first_row, rows, first_token, tokens;
    SlotRange from, to;
};

// x, y: (batch, tokens, channels); states: (slot, tap, channel) or flat, (slot, channel * taps + tap).
struct Views {
    View x, weight, bias, initial, seq_idx, indices, indices_out, y, final;
    bool weight_flat = false, initial_flat = false, final_flat = false;
    bool in_place = false;
};

void cut(View* view, uint32_t axis, uint64_t first, uint64_t count) {
    if (view->tensor != kNoTensor) *view = view->slice(axis, first, count);
}

uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

void swap_last_axes(View* view) {
    const uint32_t i = view->rank - 2, j = view->rank - 1;
    const uint64_t shape = view->shape[i], stride = view->stride[i];
    view->shape[i] = view->shape[j];
    view->stride[i] = view->stride[j];
    view->shape[j] = shape;
    view->stride[j] = stride;
}

// Makes one axis of the last two, (channel, tap), if they are packed; otherwise puts the channels last.
bool flatten(View* view, bool wide) {
    if (view->tensor == kNoTensor) return false;
    const uint32_t i = view->rank - 2;
    const bool packed = view->stride[i + 1] == 1 && view->stride[i] == view->shape[i + 1];
    if (!wide || !packed) {
        swap_last_axes(view);
        return false;
    }
    view->shape[i] *= view->shape[i + 1];
    view->stride[i] = 1;
    --view->rank;
    return true;
}

// With an axis for the tokens.
View token_view(View view) {
    if (view.rank != 2) return view;
    view.rank = 3;
    view.shape[2] = view.shape[1];
    view.stride[2] = view.stride[1];
    view.shape[1] = 1;
    view.stride[1] = 0;
    return view;
}

class ConvBuilder {
public:
    ConvBuilder(Graph* graph, const char* name, const ConvProblem& problem, const Views& views, bool silu, int32_t pad)
        : graph_(*graph), name_(name), problem_(problem), full_(views), silu_(silu), pad_(pad) {
        problem_.width = width();
        const bool wide = problem_.width > 1;
        full_.weight_flat = flatten(&full_.weight, wide);
        full_.initial_flat = flatten(&full_.initial, wide);
        full_.final_flat = flatten(&full_.final, wide);
        choice_ = choose_causal_conv1d(graph_.caps(), problem_);
        indexed_ = full_.indices.tensor != kNoTensor;
        indexed_out_ = full_.indices_out.tensor != kNoTensor;
    }

    Result run() {
        if (Result r = choose_extent(); r != Result::ok) return r;
        for (uint64_t row = 0; row < problem_.batch; row += extent_.rows) {
            const uint64_t rows = smaller(problem_.batch - row, extent_.rows);
            for (uint64_t token = 0; token < problem_.tokens; token += extent_.tokens) {
                const uint64_t tokens = smaller(problem_.tokens - token, extent_.tokens);
                if (Result r = append_slots({row, rows, token, tokens, {0, rows}, {0, rows}}); r != Result::ok) return r;
            }
        }
        return Result::ok;
    }

private:
    // Channels that move at once: those of x, if both x and y lie so.
    uint32_t width() const {
        const uint32_t fits_x = vector_width(graph_.tensors[full_.x.tensor], full_.x);
        const uint32_t fits_y = vector_width(graph_.tensors[full_.y.tensor], full_.y);
        uint32_t channels = size_of(full_.x.dtype) == 2 && problem_.taps <= 4 ? 8 : 4;  // of more taps 8 channels fill the registers
        channels = channels < fits_x ? channels : fits_x;
        channels = channels < fits_y ? channels : fits_y;
        while (problem_.channels % channels != 0) channels = channels == 8 ? 4 : 1;
        return channels;
    }

    // Tokens before the part's that its window reaches back to.
    uint64_t before(const Part& part) const { return part.first_token == 0 ? 0 : problem_.taps - 1; }

    Views views_of(const Part& part) const {
        Views v = full_;
        for (View* view : {&v.x, &v.y, &v.seq_idx, &v.indices, &v.indices_out}) cut(view, 0, part.first_row, part.rows);
        for (View* view : {&v.x, &v.seq_idx}) cut(view, 1, part.first_token - before(part), part.tokens + before(part));
        cut(&v.y, 1, part.first_token, part.tokens);
        cut(&v.initial, 0, indexed_ ? part.from.first : part.first_row, part.from.count);
        cut(&v.final, 0, indexed_ || indexed_out_ ? part.to.first : part.first_row, part.to.count);
        if (part.first_token != 0) v.initial = View();
        v.in_place = problem_.update && v.final.offset == v.initial.offset && part.to.count == part.from.count;
        if (v.in_place) v.final = View();
        return v;
    }

    Part first_part(const Extent& extent) const {
        const SlotRange from{0, indexed_ ? extent.slots : extent.rows};
        // Its window reaches back where that makes it larger.
        const uint64_t first_token = extent.tokens < problem_.tokens ? extent.tokens : 0;
        return {0,           extent.rows,
                first_token, smaller(extent.tokens, problem_.tokens - first_token),
                from,        indexed_out_ ? SlotRange{0, extent.slots_out} : from};
    }

    // What stops parts of `extent`: the name of a limit, and the axis that should be cut; null if nothing does.
    const char* what_exceeds(const Extent& extent, uint64_t Extent::** axis, uint64_t* value) const {
        const Caps& caps = graph_.caps();
        Part part = first_part(extent);
        const Views v = views_of(part);
        part.first_token = 0;
        const View initial = views_of(part).initial;
        const uint64_t limit = graph_.max_view_bytes();
        const char* limit_name = graph_.access == MemoryAccess::descriptor ? "maxStorageBufferRange" : "2 GiB for one tensor of a dispatch";
        *axis = indexed_ ? &Extent::slots : &Extent::rows;
        if (*value = initial.bytes(); initial.tensor != kNoTensor && *value > limit) return limit_name;
        if (indexed_out_) *axis = &Extent::slots_out;
        if (*value = v.final.bytes(); v.final.tensor != kNoTensor && *value > limit) return limit_name;
        *axis = extent.rows > 1 ? &Extent::rows : &Extent::tokens;
        for (const View* view : {&v.x, &v.weight, &v.bias, &v.seq_idx, &v.y})
            if (*value = view->bytes(); view->tensor != kNoTensor && *value > limit) return limit_name;
        *value = extent.rows;
        if (*value > caps.max_workgroups[2]) return "maxComputeWorkGroupCount[2]";
        *axis = &Extent::tokens;
        *value = groups_along_tokens(extent.tokens);
        return *value > caps.max_workgroups[1] ? "maxComputeWorkGroupCount[1]" : nullptr;
    }

    Result choose_extent() {
        extent_ = {problem_.batch, problem_.tokens, problem_.slots, problem_.slots};
        uint64_t Extent::*axis = nullptr;
        uint64_t value = 0;
        while (const char* exceeded = what_exceeds(extent_, &axis, &value)) {
            const bool tokens = axis == &Extent::tokens;
            if (extent_.*axis <= (tokens ? kTokenUnit : 1) || (tokens && problem_.update))
                return graph_.diagnostics().fail(Result::unsupported, "%s: one row over %llu tokens, or one slot, needs %llu, over %s",
                                                 name_, llu(extent_.tokens), llu(value), exceeded);
            extent_.*axis = (extent_.*axis + 1) / 2;
            if (tokens) extent_.tokens = (extent_.tokens + kTokenUnit - 1) / kTokenUnit * kTokenUnit;
        }
        return Result::ok;
    }

    Result append_slots(Part part) {
        const uint64_t ranges = indexed_ ? problem_.slots : 1, ranges_out = indexed_out_ ? problem_.slots : 1;
        for (uint64_t s = 0; s < ranges; s += extent_.slots)
            for (uint64_t to = 0; to < ranges_out; to += extent_.slots_out) {
                if (indexed_) part.from = part.to = {s, smaller(ranges - s, extent_.slots)};
                if (indexed_out_) part.to = {to, smaller(ranges_out - to, extent_.slots_out)};
                if (Result r = graph_.append(dispatch_of(part)); r != Result::ok) return r;
            }
        return Result::ok;
    }

    uint32_t tokens_of_group() const { return choice_.tokens * (choice_.local_size / choice_.lanes); }
    uint64_t groups_along_tokens(uint64_t tokens) const { return (tokens + tokens_of_group() - 1) / tokens_of_group(); }

    Dispatch dispatch_of(const Part& part) const {
        const Views v = views_of(part);
        Dispatch d;
        d.kernel = Kernel::causal_conv1d;
        d.name = name_;
        std::snprintf(d.reason, sizeof d.reason, "scalar: the only one; %u channels and %u tokens in an invocation", problem_.width,
                      choice_.tokens);
        d.local_size = choice_.local_size;
        d.spec(SPEC_CONV_CHANNELS, problem_.channels);
        d.spec(SPEC_CONV_TAPS, problem_.taps);
        d.spec(SPEC_CONV_WIDTH, problem_.width);
        d.spec(SPEC_CONV_LANES, choice_.lanes);
        d.spec(SPEC_CONV_TOKENS, choice_.tokens);
        d.spec(SPEC_CONV_SILU, uint32_t(silu_));
        d.spec(SPEC_CONV_IN_PLACE, uint32_t(v.in_place));
        d.spec(SPEC_CONV_WEIGHT_FLAT, uint32_t(v.weight_flat));
        d.spec(SPEC_CONV_INITIAL_FLAT, uint32_t(v.initial_flat));
        d.spec(SPEC_CONV_FINAL_FLAT, uint32_t(v.final_flat));
        set_slots(part.from, part.to, pad_, &d);
        d.argument(CONV_X, v.x, Access::read);
        d.argument(CONV_WEIGHT, v.weight, Access::read);
        d.argument(CONV_BIAS, v.bias, Access::read);
        d.argument(CONV_INITIAL, v.initial, v.in_place ? Access::read_write : Access::read);
        d.argument(CONV_SEQ_IDX, v.seq_idx, Access::read);
        d.argument(CONV_INDICES, v.indices, Access::read);
        d.argument(CONV_INDICES_OUT, v.indices_out, Access::read);
        d.argument(CONV_Y, v.y, Access::write);
        d.argument(CONV_FINAL, v.final, Access::write);
        const uint32_t across = problem_.channels / problem_.width;
        d.header[HEADER_TOKENS] = uint32_t(part.tokens);
        d.header[HEADER_CONV_BEFORE] = uint32_t(before(part));
        d.tokens = {1, tokens_of_group(), part.first_token, part.tokens};
        d.groups[0] = (across + choice_.lanes - 1) / choice_.lanes;
        d.groups[1] = uint32_t(groups_along_tokens(part.tokens));
        d.groups[2] = uint32_t(part.rows);
        return d;
    }

    Graph& graph_;
    const char* name_;
    ConvProblem problem_;
    ConvChoice choice_;
    Views full_;
    Extent extent_{};
    bool silu_;
    int32_t pad_;
    bool indexed_ = false, indexed_out_ = false;
};

}  // namespace

Result causal_conv1d(Graph* graph, const CausalConv1d& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    ConvProblem problem;
    if (Result r = check_causal_conv1d(*graph, op, &problem); r != Result::ok) return graph->fail(r);
    Views views;
    views.x = graph->view(op.x);
    views.weight = graph->view(op.weight);
    views.bias = graph->view(op.bias);
    views.initial = graph->view(op.initial_states);
    views.seq_idx = graph->view(op.seq_idx);
    views.y = graph->view(op.y);
    views.final = graph->view(op.final_states);
    return graph->fail(ConvBuilder(graph, "causal_conv1d", problem, views, op.silu, -1).run());
}

Result causal_conv1d_update(Graph* graph, const CausalConv1dUpdate& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    ConvProblem problem;
    if (Result r = check_causal_conv1d_update(*graph, op, &problem); r != Result::ok) return graph->fail(r);
    Views views;
    views.x = token_view(graph->view(op.x));
    views.weight = graph->view(op.weight);
    views.bias = graph->view(op.bias);
    views.initial = views.final = graph->view(op.conv_state);
    views.indices = graph->view(op.state_batch_indices);
    views.indices_out = graph->view(op.state_indices_out);
    views.y = token_view(graph->view(op.y));
    return graph->fail(ConvBuilder(graph, "causal_conv1d_update", problem, views, op.silu, op.pad_slot_id).run());
}

}  // namespace scandium

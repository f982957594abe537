// selective_scan: validates, chooses, cuts the problem into slices that the device can bind, and appends a dispatch for
// each, or two where sequences are split into segments.
#include "scandium/ops/selective_scan.h"

#include <cstdio>
#include <initializer_list>

#include "ops/selective_scan_check.h"
#include "ops/steps.h"
#include "shared/selective_scan.h"

namespace scandium {
namespace {

using llu = unsigned long long;

constexpr uint64_t kTokenUnit = 64;        // slices hold a multiple of it, and so whole blocks
constexpr uint32_t kEnoughChannels = 256;  // of a slice: fewer would leave lanes idle, where tokens can be cut instead

// The part of the problem that one run of the kernel covers.
struct Extent {
    uint64_t batch, tokens;
    uint32_t channels;
};

// B and C: (batch, group, dstate, token), or (channel, dstate) where fixed.
struct Views {
    View x, dt, A, B, C, D, z, dt_bias, initial, seq, y, final, segments, elapsed;
};

struct Slice {
    Extent extent;
    uint64_t first_token;
    uint64_t segments;  // 1: not split
    uint32_t groups;
    Views views;
};

enum Transient : uint32_t { kCarry, kSegments, kElapsed, kTransientCount };

void cut(View* view, uint32_t axis, uint64_t first, uint64_t count) {
    if (view->tensor != kNoTensor) *view = view->slice(axis, first, count);
}

uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }
uint64_t divide_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// The view with an axis of 1 put before `axis`.
View with_axis(View view, uint32_t axis) {
    for (uint32_t i = view.rank; i > axis; --i) {
        view.shape[i] = view.shape[i - 1];
        view.stride[i] = view.stride[i - 1];
    }
    view.shape[axis] = 1;
    view.stride[axis] = 0;
    ++view.rank;
    return view;
}

class SelectiveScanBuilder {
public:
    SelectiveScanBuilder(Graph* graph, const SelectiveScan& op) : graph_(*graph), op_(op) {}

    Result run() {
        if (Result r = check_selective_scan(graph_, op_, &problem_); r != Result::ok) return r;
        if (Result r = choose_selective_scan(graph_.caps(), graph_.diagnostics(), problem_, &choice_); r != Result::ok) return r;
        per_group_ = problem_.channels / problem_.ngroups;
        full_ = full_views();
        if (Result r = choose_extent(); r != Result::ok) return r;
        if (Result r = add_transients(); r != Result::ok) return r;
        return append_slices();
    }

private:
    // ---- slices ---------------------------------------------------------------------------------

    Views full_views() const {
        Views v;
        v.x = graph_.view(op_.x);
        v.dt = graph_.view(op_.dt);
        v.A = graph_.view(op_.A);
        v.B = graph_.view(op_.B);
        v.C = graph_.view(op_.C);
        for (View* view : {&v.B, &v.C})
            if (view->rank == 3) *view = with_axis(*view, 1);
        v.D = graph_.view(op_.D);
        v.z = graph_.view(op_.z);
        v.dt_bias = graph_.view(op_.dt_bias);
        v.initial = graph_.view(op_.initial_states);
        // Offsets as a row of a matrix, so that shaders index them as they do seq_idx.
        v.seq = problem_.packing == Packing::cu_seqlens ? with_axis(graph_.view(op_.cu_seqlens), 0) : graph_.view(op_.seq_idx);
        v.y = graph_.view(op_.y);
        v.final = graph_.view(op_.final_states);
        return v;
    }

    uint32_t groups_of(uint32_t channels) const { return channels < per_group_ ? 1 : channels / per_group_; }

    uint64_t segments_of(uint64_t tokens) const { return choice_.segment == 0 ? 1 : divide_up(tokens, choice_.segment); }

    // The views of `extent` from batch row b0, channel c0 and token t0 on; transients are added when they exist.
    Slice slice_at(const Extent& extent, uint64_t b0, uint32_t c0, uint64_t t0) const {
        Slice s{extent, t0, segments_of(extent.tokens), groups_of(extent.channels), full_};
        Views& v = s.views;
        for (View* view : {&v.x, &v.dt, &v.z, &v.y}) {
            cut(view, 0, b0, extent.batch);
            cut(view, 1, c0, extent.channels);
            cut(view, 2, t0, extent.tokens);
        }
        for (View* view : {&v.B, &v.C}) {
            if (view->rank == 2) {
                cut(view, 0, c0, extent.channels);
                continue;
            }
            cut(view, 0, b0, extent.batch);
            cut(view, 1, c0 / per_group_, s.groups);
            cut(view, 3, t0, extent.tokens);
        }
        for (View* view : {&v.A, &v.D, &v.dt_bias}) cut(view, 0, c0, extent.channels);
        for (View* view : {&v.initial, &v.final}) {
            if (problem_.packing != Packing::cu_seqlens) cut(view, 0, b0, extent.batch);
            cut(view, 1, c0, extent.channels);
        }
        if (problem_.packing == Packing::seq_idx) {
            cut(&v.seq, 0, b0, extent.batch);
            cut(&v.seq, 1, t0, extent.tokens);
        }
        return s;
    }

    // ---- what a device can bind -------------------------------------------------------------------

    // Workspace tensors for slices of `extent`; rank 0: not needed.
    void describe_transients(const Extent& extent, TensorDesc (&out)[kTransientCount]) const {
        const uint64_t segments = segments_of(extent.tokens), n = problem_.dstate;
        if (extent.tokens < problem_.seqlen) out[kCarry] = {"carry", DType::f32, 3, {extent.batch, extent.channels, n}, {}};
        if (segments == 1) return;
        out[kSegments] = {"segments", DType::f32, 4, {extent.batch, segments, extent.channels, n}, {}};
        out[kElapsed] = {"elapsed", DType::f32, 3, {extent.batch, segments, extent.channels}, {}};
    }

    static uint64_t elements_of(const uint64_t* shape, uint32_t rank) {
        uint64_t elements = 1;
        for (uint32_t i = 0; i < rank; ++i) elements *= shape[i];
        return elements;
    }

    // Whether it is its tokens that a view of x, B or a state reaches furthest along, and not its channels or groups.
    static bool reaches_along_tokens(const View& view) {
        if (view.rank < 3) return false;
        const uint32_t token = view.rank - 1;
        return (view.shape[token] - 1) * view.stride[token] >= (view.shape[1] - 1) * view.stride[1];
    }

    // What stops slices of `extent`: the name of a limit, with the figures, or null; and where cutting helps.
    const char* what_exceeds(const Extent& extent, uint64_t* value, uint64_t* limit, bool* along_tokens) const {
        const Slice s = slice_at(extent, 0, 0, 0);
        const Views& v = s.views;
        *limit = graph_.max_view_bytes();
        // Any of them may have to be staged. The next slice's are copied in while this one's are still in use.
        const bool whole = extent.batch == problem_.batch && extent.tokens == problem_.seqlen && extent.channels == problem_.channels;
        uint64_t workspace = 0;
        for (const View* view : {&v.x, &v.dt, &v.A, &v.B, &v.C, &v.D, &v.z, &v.dt_bias, &v.initial, &v.seq, &v.y, &v.final}) {
            if (view->tensor == kNoTensor) continue;
            *value = view->bytes();
            *along_tokens = view != &v.initial && view != &v.final && reaches_along_tokens(*view);
            if (*value > *limit)
                return graph_.access == MemoryAccess::descriptor ? "maxStorageBufferRange" : "2 GiB for one tensor of a dispatch";
            workspace += (whole ? 1 : 2) * 4 * elements_of(view->shape, view->rank);
        }
        *along_tokens = extent.channels <= kEnoughChannels;
        if (graph_.access == MemoryAccess::address) workspace = 0;
        TensorDesc transients[kTransientCount];
        describe_transients(extent, transients);
        for (const TensorDesc& desc : transients) {
            *value = desc.rank == 0 ? 0 : 4 * elements_of(desc.shape, desc.rank);
            if (*value > *limit) return "what one workspace tensor may span";
            workspace += *value;
        }
        *value = workspace;
        if (graph_.access == MemoryAccess::descriptor && workspace > *limit) return "maxStorageBufferRange, for the workspace";
        *along_tokens = false;
        return what_exceeds_grid(s, value, limit);
    }

    const char* what_exceeds_grid(const Slice& s, uint64_t* value, uint64_t* limit) const {
        const Caps& caps = graph_.caps();
        *value = s.groups * s.segments;
        *limit = caps.max_workgroups[1];
        if (*value > *limit) return "maxComputeWorkGroupCount[1]";
        *value = problem_.packing == Packing::cu_seqlens ? problem_.sequences : s.extent.batch;
        *limit = caps.max_workgroups[2];
        return *value > *limit ? "maxComputeWorkGroupCount[2]" : nullptr;
    }

    // Halves batch rows, then channels or tokens, whichever brings more, until a slice fits.
    Result choose_extent() {
        extent_ = {problem_.batch, problem_.seqlen, problem_.channels};
        uint64_t value = 0, limit = 0;
        bool along_tokens = false;
        while (const char* exceeded = what_exceeds(extent_, &value, &limit, &along_tokens)) {
            const bool can_cut_tokens = problem_.packing == Packing::none && extent_.tokens > kTokenUnit;
            if (extent_.batch > 1)
                extent_.batch = (extent_.batch + 1) / 2;
            else if (can_cut_tokens && (along_tokens || extent_.channels == 1))
                extent_.tokens = divide_up((extent_.tokens + 1) / 2, kTokenUnit) * kTokenUnit;
            else if (extent_.channels > per_group_)
                extent_.channels = (extent_.channels / per_group_ + 1) / 2 * per_group_;
            else if (extent_.channels > 1)
                extent_.channels = (extent_.channels + 1) / 2;
            else
                return graph_.diagnostics().fail(
                    Result::unsupported,
                    "selective_scan: one channel of one batch row, over %llu tokens%s, needs %llu where the limit is %llu (%s)",
                    llu(extent_.tokens), problem_.packing == Packing::none ? "" : " (packed sequences are not cut)", llu(value), llu(limit),
                    exceeded);
        }
        return Result::ok;
    }

    // ---- the list -------------------------------------------------------------------------------

    Result add_transients() {
        TensorDesc transients[kTransientCount];
        describe_transients(extent_, transients);
        return graph_.add_transients(transients, kTransientCount, transient_);
    }

    // Transients are as large as the largest slice; a smaller one uses the front of each.
    void attach_transients(Slice* s) const {
        const Extent& extent = s->extent;
        Views& v = s->views;
        if (s->segments > 1) {
            v.segments = transient_[kSegments].slice(0, 0, extent.batch).slice(1, 0, s->segments).slice(2, 0, extent.channels);
            v.elapsed = transient_[kElapsed].slice(0, 0, extent.batch).slice(1, 0, s->segments).slice(2, 0, extent.channels);
        }
        if (transient_[kCarry].tensor == kNoTensor) return;
        const View carry = transient_[kCarry].slice(0, 0, extent.batch).slice(1, 0, extent.channels);
        if (s->first_token != 0) v.initial = carry;
        if (s->first_token + extent.tokens < problem_.seqlen) v.final = carry;
    }

    // A slice of channels is whole groups, or lies inside one.
    uint32_t channels_from(uint32_t c0) const {
        const uint32_t left = problem_.channels - c0, left_in_group = per_group_ - c0 % per_group_;
        return uint32_t(smaller(extent_.channels, extent_.channels < per_group_ ? left_in_group : left));
    }

    Result append_slices() {
        for (uint64_t b0 = 0; b0 < problem_.batch; b0 += extent_.batch)
            for (uint32_t c0 = 0; c0 < problem_.channels; c0 += channels_from(c0))
                for (uint64_t t0 = 0; t0 < problem_.seqlen; t0 += extent_.tokens) {
                    Slice slice = slice_at(
                        {smaller(problem_.batch - b0, extent_.batch), smaller(problem_.seqlen - t0, extent_.tokens), channels_from(c0)}, b0,
                        c0, t0);
                    attach_transients(&slice);
                    if (slice.segments > 1)
                        if (Result r = graph_.append(segments_dispatch(slice)); r != Result::ok) return r;
                    if (Result r = graph_.append(scan_dispatch(slice)); r != Result::ok) return r;
                }
        return Result::ok;
    }

    // What each segment but the last adds to a state of zero.
    Dispatch segments_dispatch(const Slice& slice) const {
        Dispatch d = dispatch_of("selective_scan_segments", slice, slice.segments - 1);
        d.argument(SELECTIVE_INITIAL, slice.views.initial, Access::read);
        d.argument(SELECTIVE_SEGMENTS, slice.views.segments, Access::write);
        d.argument(SELECTIVE_ELAPSED, slice.views.elapsed, Access::write);
        return d;
    }

    Dispatch scan_dispatch(const Slice& slice) const {
        const Views& v = slice.views;
        Dispatch d = dispatch_of("selective_scan", slice, slice.segments);
        d.argument(SELECTIVE_C, v.C, Access::read);
        d.argument(SELECTIVE_D, v.D, Access::read);
        d.argument(SELECTIVE_Z, v.z, Access::read);
        if (slice.segments == 1) d.argument(SELECTIVE_INITIAL, v.initial, Access::read);
        d.argument(SELECTIVE_SEQ, v.seq, Access::read);
        d.argument(SELECTIVE_Y, v.y, Access::write);
        d.argument(SELECTIVE_FINAL, v.final, Access::write);
        d.argument(SELECTIVE_SEGMENTS, v.segments, Access::read);
        d.argument(SELECTIVE_ELAPSED, v.elapsed, Access::read);
        return d;
    }

    // Tokens that lie in memory side by side, and that a lane of `width` may therefore move at once.
    uint32_t fetch_width(const Slice& slice) const {
        if (problem_.packing == Packing::cu_seqlens || slice.extent.tokens % 4 != 0 || choice_.block() % 4 != 0) return 1;
        for (const View* view : {&slice.views.B, &slice.views.C})
            if (view->rank == 4 && vector_width(graph_.tensors[view->tensor], *view) < 4) return 1;
        return 4;
    }

    Dispatch dispatch_of(const char* name, const Slice& slice, uint64_t segments) const {
        const Views& v = slice.views;
        const Extent& extent = slice.extent;
        Dispatch d;
        d.kernel = Kernel::selective_scan;
        d.name = name;
        d.variant = choice_.variant;
        d.flavour = choice_.variant == Variant::subgroup ? Flavour::subgroup : Flavour::scalar;
        d.full_subgroups = choice_.variant == Variant::subgroup;
        std::snprintf(d.reason, sizeof d.reason, "%s", choice_.reason);
        d.local_size = choice_.local_size;
        d.subgroup_size = choice_.subgroup_size;
        d.shared_memory = choice_.shared_memory;
        const uint32_t per_group = extent.channels / slice.groups;
        d.spec(SPEC_SELECTIVE_CHANNELS, per_group);
        d.spec(SPEC_SELECTIVE_DSTATE, problem_.dstate);
        d.spec(SPEC_SELECTIVE_PACKING, uint32_t(problem_.packing));
        d.spec(SPEC_SELECTIVE_LANES, choice_.lanes);
        d.spec(SPEC_SELECTIVE_COLUMNS, choice_.columns);
        d.spec(SPEC_SELECTIVE_WIDTH, choice_.width);
        // Sequences of cu_seqlens begin anywhere.
        d.spec(SPEC_SELECTIVE_PACKS, uint32_t(problem_.packing != Packing::cu_seqlens && extent.tokens % choice_.width == 0));
        d.spec(SPEC_SELECTIVE_STAGED, uint32_t(choice_.staged));
        d.spec(SPEC_SELECTIVE_FETCH, fetch_width(slice));
        d.spec(SPEC_SELECTIVE_B_FIXED, uint32_t(problem_.B_fixed));
        d.spec(SPEC_SELECTIVE_C_FIXED, uint32_t(problem_.C_fixed));
        add_step_constants(op_.dt_softplus, op_.dt_min, op_.dt_max, &d);
        d.argument(SELECTIVE_X, v.x, Access::read);
        d.argument(SELECTIVE_DT, v.dt, Access::read);
        d.argument(SELECTIVE_A, v.A, Access::read);
        d.argument(SELECTIVE_B, v.B, Access::read);
        d.argument(SELECTIVE_DT_BIAS, v.dt_bias, Access::read);
        d.header[HEADER_TOKENS] = uint32_t(extent.tokens);
        d.header[HEADER_SEGMENT] = uint32_t(slice.segments > 1 ? choice_.segment : extent.tokens);
        d.header[HEADER_SEGMENTS] = uint32_t(segments);
        d.header[HEADER_PLANNED] = uint32_t(extent.tokens);
        d.tokens.first = slice.first_token;
        d.tokens.count = extent.tokens;
        d.groups[0] = uint32_t(divide_up(per_group, choice_.local_size / choice_.lanes));
        d.groups[1] = uint32_t(slice.groups * segments);
        d.groups[2] = uint32_t(problem_.packing == Packing::cu_seqlens ? problem_.sequences : extent.batch);
        return d;
    }

    Graph& graph_;
    const SelectiveScan& op_;
    SelectiveScanProblem problem_;
    SelectiveScanChoice choice_;
    Views full_;
    Extent extent_{};
    View transient_[kTransientCount];
    uint32_t per_group_ = 1;
};

}  // namespace

Result selective_scan(Graph* graph, const SelectiveScan& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(SelectiveScanBuilder(graph, op).run());
}

}  // namespace scandium

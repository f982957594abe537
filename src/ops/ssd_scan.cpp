// ssd_scan: validates, chooses, cuts the problem into slices that the device can bind, and appends the
// stages of each.
#include "scandium/ops/ssd_scan.h"

#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "ops/ssd_scan_check.h"
#include "ops/ssd_stages.h"
#include "shared/ssd_fused.h"

namespace scandium {
namespace {

using llu = unsigned long long;

enum Transient : uint32_t {
    kStarts,
    kTable,
    kDtOut,
    kCumsum,
    kCB,
    kStates,
    kLargest,
    kSteps,
    kSegmentStates,
    kTerms,
    kCarry,
    kTransientCount
};

// The part of the problem that one run of the stages covers.
struct Extent {
    uint64_t batch, tokens;
    uint32_t heads;
};

class SsdScanBuilder {
public:
    SsdScanBuilder(Graph* graph, const SsdScan& op) : graph_(*graph), op_(op) {}

    Result run() {
        if (Result r = check_ssd_scan(graph_, op_, &problem_); r != Result::ok) return r;
        if (Result r = choose_ssd_scan(graph_.caps(), graph_.diagnostics(), problem_, &choice_); r != Result::ok) return r;
        chunked_ = choice_.algorithm == SsdAlgorithm::chunked;
        fused_ = choice_.algorithm == SsdAlgorithm::fused;
        tiled_ = choice_.algorithm == SsdAlgorithm::recurrent && choice_.recurrent.tiled;
        heads_per_group_ = problem_.nheads / problem_.ngroups;
        full_ = full_views();
        if (Result r = choose_extent(); r != Result::ok) return r;
        if (Result r = add_transients(); r != Result::ok) return r;
        return append_slices();
    }

private:
    // ---- slices ---------------------------------------------------------------------------------

    SsdSlice full_views() const {
        SsdSlice s;
        s.x = graph_.view(op_.x);
        s.dt = graph_.view(op_.dt);
        s.A = graph_.view(op_.A);
        s.B = graph_.view(op_.B);
        s.C = graph_.view(op_.C);
        s.D = graph_.view(op_.D);
        s.z = graph_.view(op_.z);
        s.dt_bias = graph_.view(op_.dt_bias);
        s.initial_states = graph_.view(op_.initial_states);
        s.seq = problem_.packing == Packing::cu_seqlens ? as_row(graph_.view(op_.cu_seqlens)) : graph_.view(op_.seq_idx);
        s.y = graph_.view(op_.y);
        s.final_states = graph_.view(op_.final_states);
        s.states_out = graph_.view(op_.states);
        s.heads_per_group = heads_per_group_;
        s.headdim = problem_.headdim;
        s.dstate = problem_.dstate;
        s.packing = problem_.packing;
        s.sequences = uint32_t(problem_.sequences);
        s.dt_softplus = op_.dt_softplus;
        s.dt_min = op_.dt_min;
        s.dt_max = op_.dt_max;
        return s;
    }

    // A vector as a matrix of one row, so that shaders index offsets of sequences in one way.
    static View as_row(View view) {
        view.rank = 2;
        view.shape[1] = view.shape[0];
        view.stride[1] = view.stride[0];
        view.shape[0] = 1;
        return view;
    }

    static void cut(View* view, uint32_t axis, uint64_t first, uint64_t count) {
        if (view->tensor != kNoTensor) *view = view->slice(axis, first, count);
    }

    // The views of `extent` from batch row b0, head h0 and token t0 on; transients are added when they exist.
    SsdSlice slice_at(const Extent& extent, uint64_t b0, uint32_t h0, uint64_t t0) const {
        SsdSlice s = full_;
        const uint32_t g0 = h0 / heads_per_group_;
        s.batch = uint32_t(extent.batch);
        s.heads = extent.heads;
        s.groups = (extent.heads + heads_per_group_ - 1) / heads_per_group_;
        s.first_token = t0;
        s.tokens = extent.tokens;
        s.chunks = chunks_of(extent.tokens);
        if (fused_) s.segments = choice_.fused.segments_of(s.chunks);
        for (View* view : {&s.x, &s.dt, &s.B, &s.C, &s.z, &s.y}) {
            cut(view, 0, b0, extent.batch);
            cut(view, 1, t0, extent.tokens);
        }
        for (View* view : {&s.x, &s.dt, &s.z, &s.y}) cut(view, 2, h0, extent.heads);
        for (View* view : {&s.B, &s.C}) cut(view, 2, g0, s.groups);
        for (View* view : {&s.A, &s.D, &s.dt_bias}) cut(view, 0, h0, extent.heads);
        const bool per_sequence = problem_.packing == Packing::cu_seqlens;
        for (View* view : {&s.initial_states, &s.final_states}) {
            if (!per_sequence) cut(view, 0, b0, extent.batch);
            cut(view, 1, h0, extent.heads);
        }
        if (problem_.packing == Packing::seq_idx) {
            cut(&s.seq, 0, b0, extent.batch);
            cut(&s.seq, 1, t0, extent.tokens);
        }
        cut(&s.states_out, 0, b0, extent.batch);
        cut(&s.states_out, 1, t0 / choice_.chunk_size, s.chunks);
        cut(&s.states_out, 2, h0, extent.heads);
        return s;
    }

    // Chunks of a row; packed, each sequence may leave one short.
    uint32_t chunks_of(uint64_t tokens) const {
        const uint64_t q = choice_.chunk_size;
        return uint32_t(problem_.packing == Packing::none ? (tokens + q - 1) / q : tokens / q + problem_.sequences);
    }

    // ---- what a device can bind -------------------------------------------------------------------

    // Workspace tensors for slices of `extent`; rank 0: not needed.
    void describe_transients(const Extent& extent, TensorDesc (&out)[kTransientCount]) const {
        const uint64_t chunks = chunks_of(extent.tokens), groups = (extent.heads + heads_per_group_ - 1) / heads_per_group_;
        const uint64_t q = choice_.chunk_size, p = problem_.headdim, n = problem_.dstate;
        if (chunked_) {
            if (problem_.packing == Packing::seq_idx) out[kStarts] = {"starts", DType::i32, 2, {extent.batch, problem_.sequences + 2}, {}};
            if (problem_.packing != Packing::none)
                out[kTable] = {"chunk_table", DType::i32, 2, {extent.batch, TABLE_HEAD + chunks * TABLE_ENTRY}, {}};
            out[kDtOut] = {"dt_out", DType::f32, 4, {extent.batch, extent.heads, chunks, q}, {}};
            out[kCumsum] = {"dA_cumsum", DType::f32, 5, {extent.batch, extent.heads, chunks, 2, q}, {}};  // high and low parts
            out[kStates] = {"chunk_states", op_.chunk_states_dtype, 5, {extent.batch, chunks, extent.heads, p, n}, {}};
        }
        if (chunked_ || fused_) out[kCB] = {"CB", DType::f32, 5, {extent.batch, chunks, groups, q, q}, {}};
        if (fused_ && problem_.x == DType::f16)
            out[kLargest] = {"largest", DType::f32, 4, {extent.batch, chunks, groups, FUSED_LARGEST}, {}};
        if (fused_) out[kSteps] = {"steps", DType::f32, 4, {extent.batch, chunks, extent.heads, 4 * FUSED_STEP_VECTORS}, {}};
        const uint32_t segments = fused_ ? choice_.fused.segments_of(uint32_t(chunks)) : 1;
        if (segments > 1)
            out[kSegmentStates] = {
                "segment_states", DType::f32, 4, {extent.batch, segments, extent.heads, choice_.fused.segment_floats(problem_.dstate)}, {}};
        if (tiled_) out[kTerms] = {"terms", DType::f32, 3, {extent.batch, extent.tokens, 2 * extent.heads + SSD_TILE * groups}, {}};
        if (extent.tokens < problem_.seqlen) out[kCarry] = {"carry", DType::f32, 4, {extent.batch, extent.heads, p, n}, {}};
    }

    static uint64_t bytes_of(const TensorDesc& desc) {
        if (desc.rank == 0) return 0;
        uint64_t bytes = size_of(desc.dtype);
        for (uint32_t i = 0; i < desc.rank; ++i) bytes *= desc.shape[i];
        return bytes;
    }

    // What stops slices of `extent`: the name of a limit, with the figures, or null.
    const char* what_exceeds(const Extent& extent, uint64_t* value, uint64_t* limit) const {
        const Caps& caps = graph_.caps();
        const SsdSlice s = slice_at(extent, 0, 0, 0);
        *limit = graph_.max_view_bytes();
        uint64_t workspace = 0;
        // Any of them may have to be staged. The next slice's are copied in while this one's are still in use.
        const bool whole = extent.batch == problem_.batch && extent.tokens == problem_.seqlen && extent.heads == problem_.nheads;
        const uint64_t staged_copies = whole ? 1 : 2;
        for (const View* view : {&s.x, &s.dt, &s.B, &s.C, &s.z, &s.y, &s.D, &s.initial_states, &s.seq, &s.final_states, &s.states_out}) {
            if (view->tensor == kNoTensor) continue;
            *value = view->bytes();
            if (*value > *limit)
                return graph_.access == MemoryAccess::descriptor ? "maxStorageBufferRange" : "2 GiB for one tensor of a dispatch";
            uint64_t elements = 1;
            for (uint32_t i = 0; i < view->rank; ++i) elements *= view->shape[i];
            workspace += staged_copies * 4 * elements;
        }
        if (graph_.access == MemoryAccess::address) workspace = 0;
        TensorDesc transients[kTransientCount];
        describe_transients(extent, transients);
        for (const TensorDesc& desc : transients) {
            *value = bytes_of(desc);
            if (*value > *limit) return "what one workspace tensor may span";
            workspace += *value;
        }
        *value = workspace;
        if (graph_.access == MemoryAccess::descriptor && workspace > *limit) return "maxStorageBufferRange, for the workspace";
        return what_exceeds_grid(s, caps, value, limit);
    }

    const char* what_exceeds_grid(const SsdSlice& s, const Caps& caps, uint64_t* value, uint64_t* limit) const {
        *value = s.chunks;
        *limit = caps.max_workgroups[0];
        if (fused_ && *value > *limit) return "maxComputeWorkGroupCount[0]";
        const bool per_sequence = !chunked_ && problem_.packing == Packing::cu_seqlens;
        *value = chunked_ ? s.chunks : s.heads;
        *limit = caps.max_workgroups[1];
        if (*value > *limit) return "maxComputeWorkGroupCount[1]";
        *value = chunked_ ? uint64_t(s.batch) * s.heads : per_sequence ? problem_.sequences : uint64_t(s.batch) * s.segments;
        *limit = caps.max_workgroups[2];
        if (*value > *limit) return "maxComputeWorkGroupCount[2]";
        *value = s.heads;
        *limit = caps.max_workgroups[1];  // state_passing
        return *value > *limit ? "maxComputeWorkGroupCount[1]" : nullptr;
    }

    // Halves batch rows, then tokens, then heads, until a slice fits.
    Result choose_extent() {
        extent_ = {problem_.batch, problem_.seqlen, problem_.nheads};
        const uint64_t q = choice_.chunk_size;
        uint64_t value = 0, limit = 0;
        while (const char* exceeded = what_exceeds(extent_, &value, &limit)) {
            const bool can_cut_batch = extent_.batch > 1;
            const bool can_cut_tokens = problem_.packing == Packing::none && extent_.tokens > q;
            if (can_cut_batch)
                extent_.batch = (extent_.batch + 1) / 2;
            else if (can_cut_tokens)
                extent_.tokens = ((extent_.tokens + 1) / 2 + q - 1) / q * q;
            else if (extent_.heads > heads_per_group_)
                extent_.heads = (extent_.heads / heads_per_group_ + 1) / 2 * heads_per_group_;
            else if (extent_.heads > 1)
                extent_.heads = (extent_.heads + 1) / 2;
            else
                return graph_.diagnostics().fail(
                    Result::unsupported, "ssd_scan: one head of one batch row, over %llu tokens%s, needs %llu where the limit is %llu (%s)",
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
    void attach_transients(SsdSlice* s) const {
        s->starts = transient_[kStarts];
        s->table = transient_[kTable];
        s->dt_out = transient_[kDtOut];
        s->dA_cumsum = transient_[kCumsum];
        s->CB = transient_[kCB];
        s->states = transient_[kStates];
        s->largest = transient_[kLargest];
        s->steps = transient_[kSteps];
        s->segment_states = transient_[kSegmentStates];
        s->terms = transient_[kTerms];
        for (View* view :
             {&s->starts, &s->table, &s->dt_out, &s->dA_cumsum, &s->CB, &s->states, &s->largest, &s->steps, &s->segment_states, &s->terms})
            cut(view, 0, 0, s->batch);
        cut(&s->terms, 1, 0, s->tokens);
        for (View* view : {&s->dt_out, &s->dA_cumsum}) {
            cut(view, 1, 0, s->heads);
            cut(view, 2, 0, s->chunks);
        }
        for (View* view : {&s->CB, &s->states, &s->largest, &s->steps}) cut(view, 1, 0, s->chunks);
        for (View* view : {&s->CB, &s->largest}) cut(view, 2, 0, s->groups);
        cut(&s->segment_states, 1, 0, s->segments);
        for (View* view : {&s->states, &s->steps, &s->segment_states}) cut(view, 2, 0, s->heads);
        if (transient_[kCarry].tensor == kNoTensor) return;
        View carry = transient_[kCarry].slice(0, 0, s->batch).slice(1, 0, s->heads);
        if (s->first_token != 0) s->initial_states = carry;
        if (s->first_token + s->tokens < problem_.seqlen) s->final_states = carry;
    }

    // A slice of heads is whole groups, or lies inside one.
    uint32_t heads_from(uint32_t h0) const {
        const uint32_t left = problem_.nheads - h0, left_in_group = heads_per_group_ - h0 % heads_per_group_;
        const uint32_t most = extent_.heads < heads_per_group_ ? left_in_group : left;
        return extent_.heads < most ? extent_.heads : most;
    }

    Result append_slices() {
        for (uint64_t b0 = 0; b0 < problem_.batch; b0 += extent_.batch)
            for (uint32_t h0 = 0; h0 < problem_.nheads; h0 += heads_from(h0))
                for (uint64_t t0 = 0; t0 < problem_.seqlen; t0 += extent_.tokens) {
                    const Extent extent{problem_.batch - b0 < extent_.batch ? problem_.batch - b0 : extent_.batch,
                                        problem_.seqlen - t0 < extent_.tokens ? problem_.seqlen - t0 : extent_.tokens, heads_from(h0)};
                    SsdSlice slice = slice_at(extent, b0, h0, t0);
                    attach_transients(&slice);
                    if (Result r = append_stages(slice); r != Result::ok) return r;
                }
        return Result::ok;
    }

    // A stage knows why it has its variant; why the algorithm runs at all is told with the first.
    Result append(Dispatch dispatch) {
        const size_t length = std::strlen(dispatch.reason);
        if (!told_) std::snprintf(dispatch.reason + length, sizeof dispatch.reason - length, " (%s)", choice_.reason);
        told_ = true;
        return graph_.append(dispatch);
    }

    Result append_stages(const SsdSlice& slice) {
        if (fused_) {
            if (Result r = append(ssd_fused_cb(slice, choice_)); r != Result::ok) return r;
            if (slice.segments > 1)
                if (Result r = append(ssd_fused_states(slice, choice_)); r != Result::ok) return r;
            return append(ssd_fused_scan(slice, choice_));
        }
        if (tiled_) {
            if (Result r = append(ssd_recurrent_terms(slice, choice_)); r != Result::ok) return r;
            return append(ssd_recurrent_tile(slice, choice_));
        }
        if (!chunked_) return append(ssd_recurrent(slice, choice_));
        if (problem_.packing == Packing::seq_idx)
            if (Result r = append(ssd_sequence_starts(slice)); r != Result::ok) return r;
        if (problem_.packing != Packing::none)
            if (Result r = append(ssd_chunk_table(slice, choice_)); r != Result::ok) return r;
        // chunk_cumsum and bmm_chunk need nothing of each other: no barrier stands between them.
        for (const auto stage : {ssd_chunk_cumsum, ssd_bmm_chunk, ssd_chunk_state, ssd_state_passing, ssd_chunk_scan})
            if (Result r = append(stage(slice, choice_)); r != Result::ok) return r;
        return Result::ok;
    }

    Graph& graph_;
    const SsdScan& op_;
    SsdProblem problem_;
    SsdChoice choice_;
    SsdSlice full_;
    Extent extent_{};
    View transient_[kTransientCount];
    uint32_t heads_per_group_ = 1;
    bool chunked_ = false, fused_ = false, tiled_ = false;
    bool told_ = false;
};

}  // namespace

const char* to_string(SsdAlgorithm algorithm) noexcept {
    switch (algorithm) {
    case SsdAlgorithm::automatic: return "auto";
    case SsdAlgorithm::chunked: return "chunked";
    case SsdAlgorithm::recurrent: return "recurrent";
    case SsdAlgorithm::fused: return "fused";
    }
    return "unknown algorithm";
}

Result ssd_scan(Graph* graph, const SsdScan& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(SsdScanBuilder(graph, op).run());
}

}  // namespace scandium

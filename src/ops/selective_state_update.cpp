// selective_state_update: validates, chooses, cuts the problem into parts that the device can bind, and appends a
// dispatch for each.
#include "scandium/ops/selective_state_update.h"

#include <cstdio>
#include <initializer_list>

#include "ops/selective_state_update_check.h"
#include "ops/slots.h"
#include "ops/steps.h"
#include "shared/selective_state_update.h"

namespace scandium {
namespace {

using llu = unsigned long long;

// The most that one dispatch covers.
struct Extent {
    uint64_t rows, slots, slots_out;  // of the batch, of state and of state_out
    uint32_t heads;
};

// What one dispatch covers.
struct Part {
    uint64_t first_row, rows;
    SlotRange from, to;
    uint32_t first_head, heads;
};

struct Views {
    View state, x, dt, A, B, C, D, z, dt_bias, indices, state_out, indices_out, snapshots, y;
};

void cut(View* view, uint32_t axis, uint64_t first, uint64_t count) {
    if (view->tensor != kNoTensor) *view = view->slice(axis, first, count);
}

uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

class UpdateBuilder {
public:
    UpdateBuilder(Graph* graph, const SelectiveStateUpdate& op) : graph_(*graph), op_(op) {}

    Result run() {
        if (Result r = check_selective_state_update(graph_, op_, &problem_); r != Result::ok) return r;
        has_tokens_ = graph_.tensors[op_.x].rank == 4;
        heads_per_group_ = problem_.nheads / problem_.ngroups;
        indexed_ = op_.state_batch_indices != kNoTensor;
        indexed_out_ = op_.state_indices_out != kNoTensor;
        full_ = full_views();
        problem_.width = width();
        if (Result r = choose_selective_state_update(graph_.caps(), graph_.diagnostics(), problem_, &choice_); r != Result::ok) return r;
        if (Result r = choose_extent(); r != Result::ok) return r;
        return append_parts();
    }

private:
    // With an axis for the tokens, of 1 where the tensor has none.
    View token_view(TensorId id) const {
        View view = graph_.view(id);
        if (has_tokens_ || view.tensor == kNoTensor) return view;
        for (uint32_t i = view.rank; i > 1; --i) {
            view.shape[i] = view.shape[i - 1];
            view.stride[i] = view.stride[i - 1];
        }
        view.shape[1] = 1;
        view.stride[1] = 0;
        ++view.rank;
        return view;
    }

    Views full_views() const {
        Views v;
        v.state = graph_.view(op_.state);
        v.x = token_view(op_.x);
        v.dt = token_view(op_.dt);
        v.A = graph_.view(op_.A);
        v.B = token_view(op_.B);
        v.C = token_view(op_.C);
        v.D = graph_.view(op_.D);
        v.z = token_view(op_.z);
        v.dt_bias = graph_.view(op_.dt_bias);
        v.indices = graph_.view(op_.state_batch_indices);
        v.state_out = graph_.view(op_.state_out != kNoTensor ? op_.state_out : op_.state);
        v.indices_out = graph_.view(op_.state_indices_out);
        v.snapshots = graph_.view(op_.snapshots);
        v.y = token_view(op_.y);
        return v;
    }

    // Columns that move at once: those of the states, if all that a lane takes by columns lies side by side.
    uint32_t width() const {
        uint32_t columns = 8;
        for (const View* view : {&full_.state, &full_.state_out}) {
            const uint32_t widest = size_of(view->dtype) == 2 ? 8 : 4, fits = vector_width(graph_.tensors[view->tensor], *view);
            columns = columns < widest ? columns : widest;
            columns = columns < fits ? columns : fits;
        }
        for (const View* view : {&full_.A, &full_.B, &full_.C, &full_.snapshots})
            if (view->tensor != kNoTensor && (view != &full_.A || view->rank == 3) && view->stride[view->rank - 1] != 1) columns = 1;
        while (problem_.dstate % columns != 0) columns = columns == 8 ? 4 : 1;
        return columns;
    }

    Views views_of(const Part& part) const {
        Views v = full_;
        for (View* view : {&v.x, &v.dt, &v.B, &v.C, &v.z, &v.y, &v.indices, &v.indices_out, &v.snapshots})
            cut(view, 0, part.first_row, part.rows);
        for (View* view : {&v.x, &v.dt, &v.z, &v.y, &v.snapshots}) cut(view, 2, part.first_head, part.heads);
        const uint32_t first_group = part.first_head / heads_per_group_;
        for (View* view : {&v.B, &v.C}) cut(view, 2, first_group, (part.heads + heads_per_group_ - 1) / heads_per_group_);
        for (View* view : {&v.A, &v.D, &v.dt_bias}) cut(view, 0, part.first_head, part.heads);
        cut(&v.state, 0, indexed_ ? part.from.first : part.first_row, part.from.count);
        cut(&v.state_out, 0, indexed_ || indexed_out_ ? part.to.first : part.first_row, part.to.count);
        for (View* view : {&v.state, &v.state_out}) cut(view, 1, part.first_head, part.heads);
        // In place: one argument serves both.
        if (v.state_out.tensor == v.state.tensor && v.state_out.offset == v.state.offset && part.to.count == part.from.count)
            v.state_out = View();
        return v;
    }

    // ---- what a device can bind -------------------------------------------------------------------

    Part first_part(const Extent& extent) const {
        const SlotRange from{0, indexed_ ? extent.slots : extent.rows};
        return {0, extent.rows, from, indexed_out_ ? SlotRange{0, extent.slots_out} : from, 0, extent.heads};
    }

    // What may have to pass through the workspace: all but what the state takes, which is kept where it is.
    static uint64_t staged_bytes(const Views& v) {
        uint64_t bytes = 0;
        for (const View* view : {&v.x, &v.dt, &v.A, &v.B, &v.C, &v.D, &v.z, &v.dt_bias, &v.y}) {
            if (view->tensor == kNoTensor) continue;
            uint64_t elements = 4;
            for (uint32_t i = 0; i < view->rank; ++i) elements *= view->shape[i];
            bytes += elements;
        }
        return bytes;
    }

    // What stops parts of `extent`: the name of a limit, and the axis that should be cut; null if nothing does.
    const char* what_exceeds(const Extent& extent, uint64_t Extent::** axis, uint64_t* value) const {
        const Caps& caps = graph_.caps();
        const Views v = views_of(first_part(extent));
        const uint64_t limit = graph_.max_view_bytes();
        const char* limit_name = graph_.access == MemoryAccess::descriptor ? "maxStorageBufferRange" : "2 GiB for one tensor of a dispatch";
        *axis = indexed_ ? &Extent::slots : &Extent::rows;
        if (*value = v.state.bytes(); *value > limit) return limit_name;
        if (indexed_out_) *axis = &Extent::slots_out;
        if (*value = v.state_out.bytes(); v.state_out.tensor != kNoTensor && *value > limit) return limit_name;
        *axis = &Extent::rows;
        for (const View* view : {&v.x, &v.dt, &v.A, &v.B, &v.C, &v.D, &v.z, &v.dt_bias, &v.snapshots, &v.y})
            if (*value = view->bytes(); view->tensor != kNoTensor && *value > limit) return limit_name;
        *value = staged_bytes(v);
        if (graph_.access == MemoryAccess::descriptor && *value > limit) return "maxStorageBufferRange, for the workspace";
        *value = extent.rows;
        if (*value > caps.max_workgroups[2]) return "maxComputeWorkGroupCount[2]";
        *axis = nullptr;
        *value = extent.heads;
        return *value > caps.max_workgroups[1] ? "maxComputeWorkGroupCount[1]" : nullptr;
    }

    // Halves what exceeds a limit until all fits, heads last.
    Result choose_extent() {
        extent_ = {problem_.batch, problem_.slots, problem_.slots_out, problem_.nheads};
        uint64_t Extent::*axis = nullptr;
        uint64_t value = 0;
        while (const char* exceeded = what_exceeds(extent_, &axis, &value)) {
            if (axis && extent_.*axis > 1)
                extent_.*axis = (extent_.*axis + 1) / 2;
            else if (extent_.heads > heads_per_group_)
                extent_.heads = (extent_.heads / heads_per_group_ + 1) / 2 * heads_per_group_;
            else if (extent_.heads > 1)
                extent_.heads = (extent_.heads + 1) / 2;
            else
                return graph_.diagnostics().fail(
                    Result::unsupported, "selective_state_update: one head of one row or slot needs %llu, over %s", llu(value), exceeded);
        }
        return Result::ok;
    }

    // ---- the list -------------------------------------------------------------------------------

    // A part's heads are whole groups, or lie inside one.
    uint32_t heads_from(uint32_t h0) const {
        const uint32_t left = problem_.nheads - h0, left_in_group = heads_per_group_ - h0 % heads_per_group_;
        const uint32_t most = extent_.heads < heads_per_group_ ? left_in_group : left;
        return extent_.heads < most ? extent_.heads : most;
    }

    Result append_parts() {
        for (uint64_t row = 0; row < problem_.batch; row += extent_.rows)
            for (uint32_t head = 0; head < problem_.nheads; head += heads_from(head)) {
                const uint64_t rows = smaller(problem_.batch - row, extent_.rows);
                if (Result r = append_slots({row, rows, {0, rows}, {0, rows}, head, heads_from(head)}); r != Result::ok) return r;
            }
        return Result::ok;
    }

    Result append_slots(Part part) {
        const uint64_t ranges = indexed_ ? problem_.slots : 1, ranges_out = indexed_out_ ? problem_.slots_out : 1;
        for (uint64_t s = 0; s < ranges; s += extent_.slots)
            for (uint64_t to = 0; to < ranges_out; to += extent_.slots_out) {
                if (indexed_) part.from = part.to = {s, smaller(ranges - s, extent_.slots)};
                if (indexed_out_) part.to = {to, smaller(ranges_out - to, extent_.slots_out)};
                if (Result r = graph_.append(dispatch_of(part)); r != Result::ok) return r;
            }
        return Result::ok;
    }

    void set_arguments(const Part& part, Dispatch* d) const {
        const Views v = views_of(part);
        const bool in_place = v.state_out.tensor == kNoTensor;
        d->argument(UPDATE_STATE, v.state, in_place ? Access::read_write : Access::read);
        d->argument(UPDATE_X, v.x, Access::read);
        d->argument(UPDATE_DT, v.dt, Access::read);
        d->argument(UPDATE_A, v.A, Access::read);
        d->argument(UPDATE_B, v.B, Access::read);
        d->argument(UPDATE_C, v.C, Access::read);
        d->argument(UPDATE_D, v.D, Access::read);
        d->argument(UPDATE_Z, v.z, Access::read);
        d->argument(UPDATE_DT_BIAS, v.dt_bias, Access::read);
        d->argument(UPDATE_INDICES, v.indices, Access::read);
        d->argument(UPDATE_Y, v.y, Access::write);
        d->argument(UPDATE_STATE_OUT, v.state_out, Access::write);
        d->argument(UPDATE_INDICES_OUT, v.indices_out, Access::read);
        d->argument(UPDATE_SNAPSHOTS, v.snapshots, Access::write);
    }

    Dispatch dispatch_of(const Part& part) const {
        Dispatch d;
        d.kernel = Kernel::selective_state_update;
        d.name = "selective_state_update";
        d.variant = choice_.variant;
        d.flavour = choice_.variant == Variant::subgroup ? Flavour::subgroup : Flavour::scalar;
        d.full_subgroups = choice_.variant == Variant::subgroup;
        std::snprintf(d.reason, sizeof d.reason, "%s", choice_.reason);
        d.local_size = choice_.local_size;
        d.subgroup_size = choice_.subgroup_size;
        d.shared_memory = choice_.shared_memory;
        d.spec(SPEC_UPDATE_HEADDIM, problem_.headdim);
        d.spec(SPEC_UPDATE_DSTATE, problem_.dstate);
        d.spec(SPEC_UPDATE_HEADS_PER_GROUP, heads_per_group_);
        d.spec(SPEC_UPDATE_LANES, choice_.lanes);
        d.spec(SPEC_UPDATE_ROWS, choice_.rows);
        d.spec(SPEC_UPDATE_WIDTH, problem_.width);
        d.spec(SPEC_UPDATE_PIECES, choice_.pieces);
        d.spec(SPEC_UPDATE_SEVERAL, uint32_t(problem_.ntokens > 1));
        add_step_constants(op_.dt_softplus, op_.dt_min, op_.dt_max, &d);
        set_arguments(part, &d);
        set_slots(part.from, part.to, op_.pad_slot_id, &d);
        d.header[HEADER_TOKENS] = uint32_t(problem_.ntokens);
        d.tokens.count = problem_.ntokens;
        const uint32_t rows_of_group = choice_.local_size / choice_.lanes * choice_.rows;
        d.groups[0] = (problem_.headdim + rows_of_group - 1) / rows_of_group;
        d.groups[1] = part.heads;
        d.groups[2] = uint32_t(part.rows);
        return d;
    }

    Graph& graph_;
    const SelectiveStateUpdate& op_;
    UpdateProblem problem_;
    UpdateChoice choice_;
    Views full_;
    Extent extent_{};
    uint32_t heads_per_group_ = 1;
    bool has_tokens_ = false, indexed_ = false, indexed_out_ = false;
};

}  // namespace

Result selective_state_update(Graph* graph, const SelectiveStateUpdate& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(UpdateBuilder(graph, op).run());
}

}  // namespace scandium

// Barrier placement. The list runs in order; a barrier before a dispatch makes everything before it
// visible. So one is due exactly when a dispatch meets something that was touched since the last one.
#include "graph/schedule.h"

namespace scandium {
namespace {

bool overlap(uint64_t a_first, uint64_t a_end, uint64_t b_first, uint64_t b_end) { return a_first < b_end && b_first < a_end; }

bool conflict(const Array<Tensor>& tensors, const Argument& a, const Argument& b) {
    if (a.access == Access::none || b.access == Access::none) return false;
    if (a.view.tensor != b.view.tensor) return false;
    if (!writes(a.access) && !writes(b.access)) return false;
    return boxes_meet(tensors[a.view.tensor], a.view, b.view);
}

bool conflict(const Array<Tensor>& tensors, const Dispatch& a, const Dispatch& b) {
    for (uint32_t i = 0; i < a.argument_count; ++i)
        for (uint32_t j = 0; j < b.argument_count; ++j)
            if (conflict(tensors, a.arguments[i], b.arguments[j])) return true;
    return false;
}

}  // namespace

// Boxes cut from the same strides meet only if they meet along every axis.
bool boxes_meet(const Tensor& tensor, const View& a, const View& b) {
    if (!overlap(a.offset, a.offset + a.span(), b.offset, b.offset + b.span())) return false;
    if (a.rank != b.rank || a.rank != tensor.rank) return true;
    uint64_t a_rest = a.offset, b_rest = b.offset;
    // Axes from the widest stride down give each box's first index along the axis.
    bool done[kMaxRank] = {};
    for (uint32_t n = 0; n < a.rank; ++n) {
        uint32_t widest = kMaxRank;
        for (uint32_t i = 0; i < a.rank; ++i)
            if (!done[i] && (widest == kMaxRank || tensor.stride[i] > tensor.stride[widest])) widest = i;
        done[widest] = true;
        const uint64_t stride = tensor.stride[widest];
        if (stride == 0 || stride != a.stride[widest] || stride != b.stride[widest]) return true;
        const uint64_t a_first = a_rest / stride, b_first = b_rest / stride;
        if (a_first + a.shape[widest] > tensor.shape[widest] || b_first + b.shape[widest] > tensor.shape[widest]) return true;
        if (!overlap(a_first, a_first + a.shape[widest], b_first, b_first + b.shape[widest])) return false;
        a_rest -= a_first * stride;
        b_rest -= b_first * stride;
    }
    return true;
}

void place_barriers(Schedule* schedule) {
    size_t first = 0;  // the earliest dispatch since the last barrier
    for (size_t i = 0; i < schedule->dispatches.size(); ++i) {
        ScheduledDispatch& next = schedule->dispatches[i];
        next.barrier_before = false;
        for (size_t j = first; j < i && !next.barrier_before; ++j)
            next.barrier_before = conflict(schedule->tensors, schedule->dispatches[j].dispatch, next.dispatch);
        if (next.barrier_before) first = i;
    }
}

}  // namespace scandium

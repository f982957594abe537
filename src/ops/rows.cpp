#include "ops/rows.h"

#include "graph/schedule.h"
#include "ops/check.h"
#include "shared/layout.h"

namespace scandium {
namespace {

// What stops a part: the name of a limit, with the figures, or null.
const char* what_exceeds(const Graph& graph, Span<View> views, uint64_t rows_of_group, const RowPart& part, uint64_t* value,
                         uint64_t* limit) {
    const bool by_descriptor = graph.access == MemoryAccess::descriptor;
    uint64_t staged = 0;
    uint32_t present = 0;
    *limit = graph.max_view_bytes();
    for (size_t i = 0; i < views.size; ++i) {
        if (views.data[i].tensor == kNoTensor) continue;
        const View view = part.of(views.data[i]);
        *value = view.bytes();
        if (*value > *limit) return by_descriptor ? "maxStorageBufferRange" : "2 GiB for one tensor of a dispatch";
        uint64_t elements = 1;
        for (uint32_t axis = 0; axis < view.rank; ++axis) elements *= view.shape[axis];
        staged += 4 * elements;
        ++present;
    }
    *value = 2 * staged;  // copies of the parts before and after are alive at the same time
    if (by_descriptor && present > kDescriptorSlots - 1 && *value > *limit) return "maxStorageBufferRange, for the workspace";
    *value = (part.rows + rows_of_group - 1) / rows_of_group;
    *limit = graph.caps().max_workgroups[0];
    if (*value > *limit) return "maxComputeWorkGroupCount[0]";
    *value = part.batch;
    *limit = graph.caps().max_workgroups[2];
    return *value > *limit ? "maxComputeWorkGroupCount[2]" : nullptr;
}

}  // namespace

View with_batch(const View& view, uint32_t leading) {
    if (view.tensor == kNoTensor || (leading == 2 && view.shape[1] != 1)) return view;
    View out = view;
    out.rank = view.rank + 2 - leading;
    for (uint32_t axis = leading; axis < view.rank; ++axis) {
        out.shape[axis + 2 - leading] = view.shape[axis];
        out.stride[axis + 2 - leading] = view.stride[axis];
    }
    out.shape[1] = view.shape[0];
    out.stride[1] = view.stride[0];
    out.shape[0] = 1;
    out.stride[0] = view.shape[0] * view.stride[0];
    return out;
}

bool is_rows_of_words(const View& view) {
    if (view.tensor == kNoTensor) return true;
    const uint32_t last = view.rank - 1;
    const uint64_t bytes = size_of(view.dtype);
    bool are = view.stride[last] == 1 && view.shape[last] * bytes % 4 == 0 && view.offset * bytes % 4 == 0;
    for (uint32_t axis = 0; axis < last; ++axis) are = are && (view.shape[axis] == 1 || view.stride[axis] * bytes % 4 == 0);
    return are;
}

View RowPart::of(const View& view) const {
    return view.tensor == kNoTensor ? view : view.slice(0, first_batch, batch).slice(1, first_row, rows);
}

Result choose_row_part(const Graph& graph, const char* op, Span<View> views, uint64_t rows_of_group, RowPart* out) {
    *out = {0, views.data[0].shape[0], 0, views.data[0].shape[1]};
    uint64_t value = 0, limit = 0;
    while (const char* exceeded = what_exceeds(graph, views, rows_of_group, *out, &value, &limit)) {
        if (out->batch == 1 && out->rows == 1)
            return graph.diagnostics().fail(Result::unsupported, "%s: one row needs %llu where the limit is %llu (%s)", op, llu(value),
                                            llu(limit), exceeded);
        uint64_t& larger = out->batch > 1 ? out->batch : out->rows;
        larger = (larger + 1) / 2;
    }
    return Result::ok;
}

void cover_rows(const RowPart& part, uint64_t rows_of_group, bool rows_are_tokens, Dispatch* dispatch) {
    dispatch->groups[0] = uint32_t((part.rows + rows_of_group - 1) / rows_of_group);
    dispatch->groups[2] = uint32_t(part.batch);
    dispatch->header[HEADER_TOKENS] = uint32_t(part.rows);
    if (!rows_are_tokens) return;
    dispatch->tokens.axis = 0;
    dispatch->tokens.per_group = uint32_t(rows_of_group);
    dispatch->tokens.first = part.first_row;
    dispatch->tokens.count = part.rows;
}

}  // namespace scandium

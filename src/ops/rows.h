// Operators that treat rows alike: tensors of (rows, ...) or (batch, seqlen, ...), cut into parts that a device can bind
// and a grid of (rows, anything, batch) can cover.
#pragma once

#include "graph/graph_state.h"

namespace scandium {

// The view with a batch axis and a row axis in front, whatever the tensor has: `leading` axes, 1 or 2. A batch of single
// tokens becomes rows, which a workgroup may take several of.
View with_batch(const View& view, uint32_t leading);

// Whether each run along the last axis is whole words that lie packed, and begins at one. An absent tensor is.
bool is_rows_of_words(const View& view);

struct RowPart {
    uint64_t first_batch = 0, batch = 1;
    uint64_t first_row = 0, rows = 1;

    View of(const View& view) const;  // an absent tensor stays absent
};

// The largest part, from the first row on, that fits: views under the graph's limit (with descriptors also the copies that
// staging may make of them), workgroups of `rows_of_group` rows within the device's grid.
//   Errors: unsupported (a single row does not fit), told with the operator's name and the limit.
Result choose_row_part(const Graph& graph, const char* op, Span<View> views, uint64_t rows_of_group, RowPart* out);

// Grid, valid rows and, if rows are tokens, how the dispatch follows their number.
void cover_rows(const RowPart& part, uint64_t rows_of_group, bool rows_are_tokens, Dispatch* dispatch);

// Calls append(part) for parts of at most the size of `part` that together are batch x rows.
template <class Append>
Result for_each_row_part(const RowPart& part, uint64_t batch, uint64_t rows, Append append) {
    for (uint64_t b = 0; b < batch; b += part.batch)
        for (uint64_t r = 0; r < rows; r += part.rows) {
            const RowPart here{b, batch - b < part.batch ? batch - b : part.batch, r, rows - r < part.rows ? rows - r : part.rows};
            if (Result result = append(here); result != Result::ok) return result;
        }
    return Result::ok;
}

}  // namespace scandium

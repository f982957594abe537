// The elementwise kernel, for the operators that it serves.
#pragma once

#include "graph/graph_state.h"

namespace scandium {

struct Elementwise {
    const char* name = "";           // static: of the operator
    uint32_t op = 0;                 // an ELEMENTWISE_ of shared/elementwise.h
    View a, b, y;                    // of one shape; b may be absent
    uint32_t token_axis = kMaxRank;  // as in ops/elementwise.h
};

// Appends as many dispatches as views that can be bound need.
Result append_elementwise(Graph* graph, const Elementwise& work);

}  // namespace scandium

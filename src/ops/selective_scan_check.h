// Validation of selective_scan's arguments, and the problem they state.
#pragma once

#include "graph/graph_state.h"
#include "ops/selective_scan_choose.h"

namespace scandium {

// Errors: invalid_argument, told with a sentence that names the argument.
Result check_selective_scan(const Graph& graph, const SelectiveScan& op, SelectiveScanProblem* out);

}  // namespace scandium

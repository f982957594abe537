// Validation of ssd_scan's arguments, and the problem they state.
#pragma once

#include "graph/graph_state.h"
#include "ops/ssd_choose.h"

namespace scandium {

// Errors: invalid_argument, told with a sentence that names the argument.
Result check_ssd_scan(const Graph& graph, const SsdScan& op, SsdProblem* out);

}  // namespace scandium

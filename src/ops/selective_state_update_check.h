// Validation of selective_state_update's arguments, and the problem they state.
#pragma once

#include "graph/graph_state.h"
#include "ops/selective_state_update_choose.h"

namespace scandium {

// Errors: invalid_argument, told with a sentence that names the argument.
Result check_selective_state_update(const Graph& graph, const SelectiveStateUpdate& op, UpdateProblem* out);

}  // namespace scandium

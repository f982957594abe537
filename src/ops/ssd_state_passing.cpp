// Carries the state from chunk to chunk.
#include <cstdio>

#include "ops/ssd_stages.h"

namespace scandium {

Dispatch ssd_state_passing(const SsdSlice& slice, const SsdChoice& choice) {
    Dispatch d = ssd_dispatch(Kernel::ssd_state_passing, "ssd_state_passing", slice, choice.chunk_size);
    std::snprintf(d.reason, sizeof d.reason, "scalar: the only one");
    d.local_size = 64;
    d.argument(PASSING_STATES, slice.states, Access::read_write);
    d.argument(PASSING_DA_CUMSUM, slice.dA_cumsum, Access::read);
    d.argument(PASSING_TABLE, slice.table, Access::read);
    d.argument(PASSING_INITIAL, slice.initial_states, Access::read);
    d.argument(PASSING_FINAL, slice.final_states, Access::write);
    d.argument(PASSING_STATES_OUT, slice.states_out, Access::write);
    d.groups[0] = (slice.headdim * slice.dstate + d.local_size - 1) / d.local_size;
    d.groups[1] = slice.heads;
    d.groups[2] = slice.batch;
    return d;
}

}  // namespace scandium

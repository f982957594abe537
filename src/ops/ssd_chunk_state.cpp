// What each chunk alone adds to the state.
#include "ops/ssd_stages.h"

namespace scandium {

Dispatch ssd_chunk_state(const SsdSlice& slice, const SsdChoice& choice) {
    Dispatch d = ssd_dispatch(Kernel::ssd_chunk_state, "ssd_chunk_state", slice, choice.chunk_size);
    d.argument(STATE_X, slice.x, Access::read);
    d.argument(STATE_B, slice.B, Access::read);
    d.argument(STATE_TABLE, slice.table, Access::read);
    d.argument(STATE_DT, slice.dt_out, Access::read);
    d.argument(STATE_DA_CUMSUM, slice.dA_cumsum, Access::read);
    d.argument(STATE_STATES, slice.states, Access::write);
    ssd_product(choice.product, slice, slice.headdim, slice.dstate, slice.batch * slice.heads, 4 * choice.chunk_size, &d);
    ssd_chunks_follow_tokens(slice, choice.chunk_size, &d);
    return d;
}

}  // namespace scandium

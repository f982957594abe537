// The output: what comes from the entering state, and what comes from the chunk itself.
#include "ops/ssd_stages.h"

namespace scandium {

Dispatch ssd_chunk_scan(const SsdSlice& slice, const SsdChoice& choice) {
    Dispatch d = ssd_dispatch(Kernel::ssd_chunk_scan, "ssd_chunk_scan", slice, choice.chunk_size);
    d.argument(SCAN_X, slice.x, Access::read);
    d.argument(SCAN_C, slice.C, Access::read);
    d.argument(SCAN_CB, slice.CB, Access::read);
    d.argument(SCAN_TABLE, slice.table, Access::read);
    d.argument(SCAN_DT, slice.dt_out, Access::read);
    d.argument(SCAN_DA_CUMSUM, slice.dA_cumsum, Access::read);
    d.argument(SCAN_STATES, slice.states, Access::read);
    d.argument(SCAN_D, slice.D, Access::read);
    d.argument(SCAN_Z, slice.z, Access::read);
    d.argument(SCAN_Y, slice.y, Access::write);
    ssd_product(choice.product, slice, choice.chunk_size, slice.headdim, slice.batch * slice.heads, 3 * 4 * choice.chunk_size, &d);
    ssd_chunks_follow_tokens(slice, choice.chunk_size, &d);
    return d;
}

}  // namespace scandium

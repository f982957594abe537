// C B^T within each chunk, once for each group.
#include "ops/ssd_stages.h"

namespace scandium {

Dispatch ssd_bmm_chunk(const SsdSlice& slice, const SsdChoice& choice) {
    Dispatch d = ssd_dispatch(Kernel::ssd_bmm_chunk, "ssd_bmm_chunk", slice, choice.chunk_size);
    d.spec(SPEC_SSD_GROUPS, slice.groups);
    d.argument(BMM_B, slice.B, Access::read);
    d.argument(BMM_C, slice.C, Access::read);
    d.argument(BMM_TABLE, slice.table, Access::read);
    d.argument(BMM_CB, slice.CB, Access::write);
    ssd_product(choice.product, slice, choice.chunk_size, choice.chunk_size, slice.batch * slice.groups, 0, &d);
    ssd_chunks_follow_tokens(slice, choice.chunk_size, &d);
    return d;
}

}  // namespace scandium

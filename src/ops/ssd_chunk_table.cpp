// The list of chunks of packed sequences. One workgroup a row.
#include <cstdio>

#include "ops/ssd_stages.h"

namespace scandium {

Dispatch ssd_chunk_table(const SsdSlice& slice, const SsdChoice& choice) {
    Dispatch d = ssd_dispatch(Kernel::ssd_chunk_table, "ssd_chunk_table", slice, choice.chunk_size);
    std::snprintf(d.reason, sizeof d.reason, "scalar: the only one");
    d.argument(TABLE_ARG_STARTS, slice.packing == Packing::seq_idx ? slice.starts : slice.seq, Access::read);
    d.argument(TABLE_ARG_TABLE, slice.table, Access::write);
    d.local_size = 128;
    d.shared_memory = 4 * d.local_size;
    d.groups[0] = slice.batch;
    return d;
}

}  // namespace scandium

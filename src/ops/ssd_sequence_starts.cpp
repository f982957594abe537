// From seq_idx to the first token of each sequence. One workgroup a row.
#include <cstdio>

#include "ops/ssd_stages.h"

namespace scandium {

Dispatch ssd_sequence_starts(const SsdSlice& slice) {
    Dispatch d = ssd_dispatch(Kernel::ssd_sequence_starts, "ssd_sequence_starts", slice, 0);
    std::snprintf(d.reason, sizeof d.reason, "scalar: the only one");
    d.argument(STARTS_SEQ_IDX, slice.seq, Access::read);
    d.argument(STARTS_STARTS, slice.starts, Access::write);
    d.local_size = 128;
    d.shared_memory = 4 * d.local_size;
    d.groups[0] = slice.batch;
    return d;
}

}  // namespace scandium

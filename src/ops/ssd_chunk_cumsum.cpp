// Steps dt' and their decay sums, chunk by chunk.
#include <cstdio>

#include "ops/ssd_stages.h"
#include "ops/steps.h"

namespace scandium {

Dispatch ssd_chunk_cumsum(const SsdSlice& slice, const SsdChoice& choice) {
    const CumsumChoice& cumsum = choice.cumsum;
    const bool subgroup = cumsum.variant == Variant::subgroup;
    Dispatch d = ssd_dispatch(Kernel::ssd_chunk_cumsum, "ssd_chunk_cumsum", slice, choice.chunk_size);
    std::snprintf(d.reason, sizeof d.reason, "%s", cumsum.reason);
    d.flavour = subgroup ? Flavour::subgroup : Flavour::scalar;
    d.variant = cumsum.variant;
    d.local_size = cumsum.local_size;
    d.subgroup_size = cumsum.subgroup_size;
    d.full_subgroups = subgroup;
    add_step_constants(slice.dt_softplus, slice.dt_min, slice.dt_max, &d);
    d.argument(CUMSUM_DT, slice.dt, Access::read);
    d.argument(CUMSUM_A, slice.A, Access::read);
    d.argument(CUMSUM_DT_BIAS, slice.dt_bias, Access::read);
    d.argument(CUMSUM_TABLE, slice.table, Access::read);
    d.argument(CUMSUM_DT_OUT, slice.dt_out, Access::write);
    d.argument(CUMSUM_DA_CUMSUM, slice.dA_cumsum, Access::write);
    const uint32_t heads_of_group = subgroup ? SSD_CUMSUM_HEADS : d.local_size;
    d.groups[0] = (slice.heads + heads_of_group - 1) / heads_of_group;
    d.groups[1] = slice.chunks;
    d.groups[2] = slice.batch;
    ssd_chunks_follow_tokens(slice, choice.chunk_size, &d);
    return d;
}

}  // namespace scandium

// The whole operator token by token.
#include <cstdio>

#include "ops/ssd_stages.h"

namespace scandium {

Dispatch ssd_recurrent(const SsdSlice& slice, const SsdChoice& choice) {
    const RecurrentChoice& recurrent = choice.recurrent;
    Dispatch d = ssd_dispatch(Kernel::ssd_recurrent, "ssd_recurrent", slice, choice.chunk_size);
    std::snprintf(d.reason, sizeof d.reason, "%s", recurrent.reason);
    d.flavour = recurrent.variant == Variant::subgroup ? Flavour::subgroup : Flavour::scalar;
    d.variant = recurrent.variant;
    d.local_size = recurrent.local_size;
    d.subgroup_size = recurrent.subgroup_size;
    d.full_subgroups = recurrent.variant == Variant::subgroup;
    d.shared_memory = recurrent.shared_memory;
    d.spec(SPEC_SSD_DT_SOFTPLUS, uint32_t(slice.dt_softplus));
    d.spec(SPEC_SSD_DT_MIN, slice.dt_min);
    d.spec(SPEC_SSD_DT_MAX, slice.dt_max);
    d.spec(SPEC_SSD_LANES, recurrent.lanes);
    d.spec(SPEC_SSD_ROWS, recurrent.rows);
    d.spec(SPEC_SSD_COLUMNS, recurrent.columns);
    d.argument(RECURRENT_X, slice.x, Access::read);
    d.argument(RECURRENT_DT, slice.dt, Access::read);
    d.argument(RECURRENT_A, slice.A, Access::read);
    d.argument(RECURRENT_B, slice.B, Access::read);
    d.argument(RECURRENT_C, slice.C, Access::read);
    d.argument(RECURRENT_D, slice.D, Access::read);
    d.argument(RECURRENT_Z, slice.z, Access::read);
    d.argument(RECURRENT_DT_BIAS, slice.dt_bias, Access::read);
    d.argument(RECURRENT_INITIAL, slice.initial_states, Access::read);
    d.argument(RECURRENT_SEQ, slice.seq, Access::read);
    d.argument(RECURRENT_Y, slice.y, Access::write);
    d.argument(RECURRENT_FINAL, slice.final_states, Access::write);
    d.argument(RECURRENT_STATES, slice.states_out, Access::write);
    const uint32_t rows_of_group = d.local_size / recurrent.lanes * recurrent.rows;
    d.groups[0] = (slice.headdim + rows_of_group - 1) / rows_of_group;
    d.groups[1] = slice.heads;
    d.groups[2] = slice.packing == Packing::cu_seqlens ? slice.sequences : slice.batch;
    return d;
}

}  // namespace scandium

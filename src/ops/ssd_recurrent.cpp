// The whole operator token by token, or a few tokens at a time.
#include <cstdio>

#include "ops/ssd_stages.h"
#include "ops/steps.h"

namespace scandium {

namespace {

void add_arguments(const SsdSlice& slice, Dispatch* dispatch) {
    Dispatch& d = *dispatch;
    d.argument(RECURRENT_X, slice.x, Access::read);
    d.argument(RECURRENT_B, slice.B, Access::read);
    d.argument(RECURRENT_C, slice.C, Access::read);
    d.argument(RECURRENT_D, slice.D, Access::read);
    d.argument(RECURRENT_Z, slice.z, Access::read);
    d.argument(RECURRENT_INITIAL, slice.initial_states, Access::read);
    d.argument(RECURRENT_SEQ, slice.seq, Access::read);
    d.argument(RECURRENT_Y, slice.y, Access::write);
    d.argument(RECURRENT_FINAL, slice.final_states, Access::write);
    d.argument(RECURRENT_STATES, slice.states_out, Access::write);
}

void set_grid(const SsdSlice& slice, uint32_t rows_of_group, Dispatch* dispatch) {
    dispatch->groups[0] = (slice.headdim + rows_of_group - 1) / rows_of_group;
    dispatch->groups[1] = slice.heads;
    dispatch->groups[2] = slice.packing == Packing::cu_seqlens ? slice.sequences : slice.batch;
}

}  // namespace

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
    add_step_constants(slice.dt_softplus, slice.dt_min, slice.dt_max, &d);
    d.spec(SPEC_SSD_LANES, recurrent.lanes);
    d.spec(SPEC_SSD_ROWS, recurrent.rows);
    d.spec(SPEC_SSD_COLUMNS, recurrent.columns);
    d.argument(RECURRENT_DT, slice.dt, Access::read);
    d.argument(RECURRENT_A, slice.A, Access::read);
    d.argument(RECURRENT_DT_BIAS, slice.dt_bias, Access::read);
    add_arguments(slice, &d);
    set_grid(slice, d.local_size / recurrent.lanes * recurrent.rows, &d);
    return d;
}

Dispatch ssd_recurrent_terms(const SsdSlice& slice, const SsdChoice& choice) {
    Dispatch d = ssd_dispatch(Kernel::ssd_recurrent_terms, "ssd_recurrent_terms", slice, choice.chunk_size);
    std::snprintf(d.reason, sizeof d.reason, "%s", choice.recurrent.reason);
    d.local_size = 64;
    add_step_constants(slice.dt_softplus, slice.dt_min, slice.dt_max, &d);
    d.argument(TERMS_DT, slice.dt, Access::read);
    d.argument(TERMS_A, slice.A, Access::read);
    d.argument(TERMS_DT_BIAS, slice.dt_bias, Access::read);
    d.argument(TERMS_B, slice.B, Access::read);
    d.argument(TERMS_C, slice.C, Access::read);
    d.argument(TERMS_TERMS, slice.terms, Access::write);
    d.groups[0] = uint32_t((slice.tokens + d.local_size - 1) / d.local_size);
    d.groups[1] = slice.heads + slice.groups * SSD_TILE;
    d.groups[2] = slice.batch;
    d.tokens.axis = 0;
    d.tokens.per_group = d.local_size;
    return d;
}

Dispatch ssd_recurrent_tile(const SsdSlice& slice, const SsdChoice& choice) {
    const RecurrentChoice& recurrent = choice.recurrent;
    Dispatch d = ssd_dispatch(Kernel::ssd_recurrent_tile, "ssd_recurrent_tile", slice, choice.chunk_size);
    std::snprintf(d.reason, sizeof d.reason, "%s", recurrent.reason);
    d.local_size = recurrent.local_size;
    d.header[HEADER_DSTATE] = slice.dstate;
    add_arguments(slice, &d);
    d.argument(RECURRENT_TERMS, slice.terms, Access::read);
    set_grid(slice, d.local_size, &d);
    return d;
}

}  // namespace scandium

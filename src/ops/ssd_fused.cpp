// The fused form: C B^T of all chunks, then one workgroup to a head and block of headdim from the first token to the last.
#include <cstdio>

#include "ops/ssd_stages.h"
#include "ops/steps.h"
#include "shared/ssd_fused.h"

namespace scandium {
namespace {

Dispatch fused_dispatch(Kernel kernel, const char* name, const SsdSlice& slice, const FusedChoice& fused) {
    Dispatch d = ssd_dispatch(kernel, name, slice, FUSED_CHUNK);
    std::snprintf(d.reason, sizeof d.reason, "%s", fused.reason);
    d.variant = Variant::coopmat;
    d.flavour = fused.flavour;
    d.subgroup_size = fused.required_subgroup_size;
    d.full_subgroups = true;
    d.keeps_types = true;  // x, B and C are read as operands
    d.spec(SPEC_MATRIX_M, fused.shape.m);
    d.spec(SPEC_MATRIX_N, fused.shape.n);
    d.spec(SPEC_MATRIX_K, fused.shape.k);
    return d;
}

}  // namespace

Dispatch ssd_fused_cb(const SsdSlice& slice, const SsdChoice& choice) {
    const FusedChoice& fused = choice.fused;
    Dispatch d = fused_dispatch(Kernel::ssd_fused_cb, "ssd_fused_cb", slice, fused);
    d.flavour = fused.cb_flavour;
    add_step_constants(slice.dt_softplus, slice.dt_min, slice.dt_max, &d);
    d.local_size = fused.cb_local_size;
    d.shared_memory = fused.cb_shared_memory;
    d.argument(FUSED_CB_B, slice.B, Access::read);
    d.argument(FUSED_CB_C, slice.C, Access::read);
    d.argument(FUSED_CB_CB, slice.CB, Access::write);
    d.argument(FUSED_CB_LARGEST, slice.largest, Access::write);
    d.argument(FUSED_CB_DT, slice.dt, Access::read);
    d.argument(FUSED_CB_A, slice.A, Access::read);
    d.argument(FUSED_CB_DT_BIAS, slice.dt_bias, Access::read);
    d.argument(FUSED_CB_STEPS, slice.steps, Access::write);
    d.groups[0] = slice.chunks;
    d.groups[1] = slice.groups;
    d.groups[2] = slice.batch;
    d.tokens.axis = 0;
    d.tokens.per_group = FUSED_CHUNK;
    return d;
}

namespace {

// The scan, or the dispatch of states before it where the sequence is split.
Dispatch walk_dispatch(const char* name, const SsdSlice& slice, const FusedChoice& fused, const FusedTiles& tiles) {
    Dispatch d = fused_dispatch(Kernel::ssd_fused_scan, name, slice, fused);
    d.local_size = tiles.local_size;
    d.shared_memory = tiles.shared_memory;
    d.spec(SPEC_FUSED_ROWS, fused.rows);
    d.spec(SPEC_FUSED_ROW_TILES, tiles.row_tiles);
    d.spec(SPEC_FUSED_UNROLL, uint32_t(fused.unroll));
    d.argument(FUSED_X, slice.x, Access::read);
    d.argument(FUSED_B, slice.B, Access::read);
    d.argument(FUSED_LARGEST_IN, slice.largest, Access::read);
    d.argument(FUSED_STEPS_IN, slice.steps, Access::read);
    d.groups[0] = fused.blocks;
    d.groups[1] = slice.heads;
    d.groups[2] = slice.batch * slice.segments;
    d.spec(SPEC_FUSED_SEGMENTS, slice.segments);
    d.spec(SPEC_FUSED_SEGMENT_CHUNKS, fused.segment_chunks);
    return d;
}

}  // namespace

Dispatch ssd_fused_states(const SsdSlice& slice, const SsdChoice& choice) {
    Dispatch d = walk_dispatch("ssd_fused_states", slice, choice.fused, choice.fused.states);
    d.spec(SPEC_FUSED_STATES_ONLY, 1u);
    d.argument(FUSED_INITIAL, slice.initial_states, Access::read);
    d.argument(FUSED_SEGMENT_STATES, slice.segment_states, Access::write);
    d.groups[2] = slice.batch * (slice.segments - 1);
    return d;
}

Dispatch ssd_fused_scan(const SsdSlice& slice, const SsdChoice& choice) {
    const FusedChoice& fused = choice.fused;
    Dispatch d = walk_dispatch("ssd_fused_scan", slice, fused, fused.scan);
    d.spec(SPEC_FUSED_SPLIT_STATE, uint32_t(fused.split_state));
    d.spec(SPEC_FUSED_SPLIT_M, uint32_t(fused.split_m));
    d.argument(FUSED_C, slice.C, Access::read);
    d.argument(FUSED_CB_IN, slice.CB, Access::read);
    d.argument(FUSED_D, slice.D, Access::read);
    d.argument(FUSED_Z, slice.z, Access::read);
    d.argument(FUSED_Y, slice.y, Access::write);
    d.argument(FUSED_FINAL, slice.final_states, Access::write);
    if (slice.segments == 1) {
        d.argument(FUSED_INITIAL, slice.initial_states, Access::read);
    } else {
        // Not the initial states themselves: the last segment may write the final ones there, while the first has yet to start.
        d.spec(SPEC_FUSED_KEPT_INITIAL, uint32_t(slice.initial_states.tensor != kNoTensor));
        d.argument(FUSED_SEGMENT_STATES, slice.segment_states, Access::read);
    }
    return d;
}

}  // namespace scandium

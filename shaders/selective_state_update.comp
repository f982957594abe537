#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
// One token, or a few, on from a state (see ops/selective_state_update.h for the equation). Bound by the memory that the
// states take, so their way is kept short: once into registers, once back.
//
// The state of a head is headdim rows of dstate. LANES neighbouring invocations share a row: each moves WIDTH columns at
// once (16 bytes where the layout allows), PIECES times, so that neighbours stand side by side. A lane has ROWS rows,
// whose loads are under way together; the workgroup's lane groups take neighbouring rows in turn.
//
// y needs a sum over the LANES invocations: by shuffles (subgroup), or through shared memory (scalar).
// A, dt, D and dt_bias of one value per head have stride 0 along headdim (and dstate).
// Grid: (headdim / rows of a workgroup, heads, batch).
#include "lib/activation.glsl"
#include "lib/ssd_dt.glsl"
#include "lib/tensor.glsl"
#include "shared/selective_state_update.h"

TENSOR(UPDATE_STATE, state)
TENSOR(UPDATE_X, x)
TENSOR(UPDATE_DT, dt)
TENSOR(UPDATE_A, A)
TENSOR(UPDATE_B, B)
TENSOR(UPDATE_C, C)
TENSOR(UPDATE_D, D)
TENSOR(UPDATE_Z, z)
TENSOR(UPDATE_DT_BIAS, dt_bias)
TENSOR(UPDATE_INDICES, indices)
TENSOR(UPDATE_Y, y)
TENSOR(UPDATE_STATE_OUT, state_out)
TENSOR(UPDATE_INDICES_OUT, indices_out)
TENSOR(UPDATE_SNAPSHOTS, snapshots)

#include "lib/slots.glsl"

layout(constant_id = SPEC_UPDATE_HEADDIM) const uint HEADDIM = 64;
layout(constant_id = SPEC_UPDATE_DSTATE) const uint DSTATE = 128;
layout(constant_id = SPEC_UPDATE_HEADS_PER_GROUP) const uint HEADS_PER_GROUP = 1;
layout(constant_id = SPEC_UPDATE_LANES) const uint LANES = 32;
layout(constant_id = SPEC_UPDATE_ROWS) const uint ROWS = 4;
layout(constant_id = SPEC_UPDATE_WIDTH) const uint WIDTH = 4;
layout(constant_id = SPEC_UPDATE_PIECES) const uint PIECES = 1;
layout(constant_id = SPEC_UPDATE_SEVERAL) const bool SEVERAL = false;

#include "lib/wide.glsl"

WIDE(state)
WIDE(A)
WIDE(B)
WIDE(C)
WIDE(state_out)
WIDE(snapshots)

const uint COLUMNS = WIDTH * PIECES;
const uint HELD = ROWS * COLUMNS;
const uint LANE_GROUPS = gl_WorkGroupSize.x / LANES;
const bool A_PER_HEAD = A_s1 == 0 && A_s2 == 0;

#if !SUBGROUP
shared float partial[ROWS * gl_WorkGroupSize.x];
#endif

float values[HELD];  // of the state

struct Place {
    uint b, h, g;      // batch row, head, group
    uint lane, group;  // of this invocation: lane of a lane group
};

Place my_place() {
    Place at;
#if SUBGROUP
    const uint id = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
#else
    const uint id = gl_LocalInvocationID.x;
#endif
    at.b = gl_WorkGroupID.z;
    at.h = gl_WorkGroupID.y;
    at.g = at.h / HEADS_PER_GROUP;
    at.lane = id % LANES;
    at.group = id / LANES;
    return at;
}

uint row_of(Place at, uint r) { return (gl_WorkGroupID.x * ROWS + r) * LANE_GROUPS + at.group; }
// Those past the end are computed with the last one's inputs and not stored.
uint safe_row_of(Place at, uint r) { return min(row_of(at, r), HEADDIM - 1); }

uint column_of(Place at, uint k) { return (k * LANES + at.lane) * WIDTH; }
uint safe_column_of(Place at, uint k) { return min(column_of(at, k), DSTATE - WIDTH); }

// The lane's columns of a row that starts at `base`, as they lie in memory, and what they are; those past the end are 0.
#define COLUMNS_LOAD(NAME, LAST_STRIDE)                                                            \
    void NAME##_load_columns(Place at, uint base, out uint raw[COLUMNS]) {                         \
        [[unroll]] for (uint k = 0; k < PIECES; ++k) {                                             \
            uint piece[WIDTH];                                                                     \
            NAME##_load_raw(base + safe_column_of(at, k) * LAST_STRIDE, LAST_STRIDE, piece);       \
            [[unroll]] for (uint i = 0; i < WIDTH; ++i) raw[k * WIDTH + i] = piece[i];             \
        }                                                                                          \
    }                                                                                              \
    void NAME##_columns(Place at, uint raw[COLUMNS], out float v[COLUMNS]) {                       \
        [[unroll]] for (uint k = 0; k < PIECES; ++k) {                                             \
            uint piece[WIDTH];                                                                     \
            float values_of_piece[WIDTH];                                                          \
            [[unroll]] for (uint i = 0; i < WIDTH; ++i) piece[i] = raw[k * WIDTH + i];             \
            NAME##_unpack(LAST_STRIDE, piece, values_of_piece);                                    \
            const bool inside = column_of(at, k) < DSTATE;                                         \
            [[unroll]] for (uint i = 0; i < WIDTH; ++i) v[k * WIDTH + i] = inside ? values_of_piece[i] : 0.0; \
        }                                                                                          \
    }

// Row r of the state to the row that starts at `base`.
#define COLUMNS_STORE(NAME, LAST_STRIDE)                                                           \
    void NAME##_store_columns(Place at, uint r, uint base) {                                       \
        [[unroll]] for (uint k = 0; k < PIECES; ++k) {                                             \
            if (column_of(at, k) >= DSTATE) continue;                                              \
            float piece[WIDTH];                                                                    \
            [[unroll]] for (uint i = 0; i < WIDTH; ++i) piece[i] = values[r * COLUMNS + k * WIDTH + i]; \
            NAME##_store_wide(base + column_of(at, k) * LAST_STRIDE, LAST_STRIDE, piece);          \
        }                                                                                          \
    }

COLUMNS_LOAD(state, state_s3)
COLUMNS_LOAD(A, A_s2)
COLUMNS_LOAD(B, B_s3)
COLUMNS_LOAD(C, C_s3)
COLUMNS_STORE(state, state_s3)
COLUMNS_STORE(state_out, state_out_s3)
COLUMNS_STORE(snapshots, snapshots_s4)

void load_state(Place at, uint slot, out uint raw[HELD]) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        uint row[COLUMNS];
        state_load_columns(at, slot * state_s0 + at.h * state_s1 + safe_row_of(at, r) * state_s2, row);
        [[unroll]] for (uint j = 0; j < COLUMNS; ++j) raw[r * COLUMNS + j] = row[j];
    }
}

void take_state(Place at, uint raw[HELD]) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        uint row[COLUMNS];
        float v[COLUMNS];
        [[unroll]] for (uint j = 0; j < COLUMNS; ++j) row[j] = raw[r * COLUMNS + j];
        state_columns(at, row, v);
        [[unroll]] for (uint j = 0; j < COLUMNS; ++j) values[r * COLUMNS + j] = v[j];
    }
}

void store_state(Place at, uint slot) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const uint p = row_of(at, r);
        if (p >= HEADDIM) continue;
        if (state_out_present)
            state_out_store_columns(at, r, slot * state_out_s0 + at.h * state_out_s1 + p * state_out_s2);
        else
            state_store_columns(at, r, slot * state_s0 + at.h * state_s1 + p * state_s2);
    }
}

void store_snapshot(Place at, uint token) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const uint p = row_of(at, r);
        if (p < HEADDIM)
            snapshots_store_columns(at, r, at.b * snapshots_s0 + token * snapshots_s1 + at.h * snapshots_s2 + p * snapshots_s3);
    }
}

// Sums over the lanes of a group: sums[r] is complete in lane r % LANES.
void reduce(Place at, inout float sums[ROWS]) {
#if SUBGROUP
    for (uint mask = LANES / 2; mask > 0; mask /= 2)
        [[unroll]] for (uint r = 0; r < ROWS; ++r) sums[r] += subgroupShuffleXor(sums[r], mask);
#else
    barrier();  // the token before has been summed
    [[unroll]] for (uint r = 0; r < ROWS; ++r) partial[(r * LANE_GROUPS + at.group) * LANES + at.lane] = sums[r];
    barrier();  // all parts are there
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        if (at.lane != r % LANES) continue;
        sums[r] = 0.0;
        for (uint k = 0; k < LANES; ++k) sums[r] += partial[(r * LANE_GROUPS + at.group) * LANES + k];
    }
#endif
}

// What one token brings to a row.
struct Row {
    float x, dt, bias, D, z;
};

// What one token brings, all of it asked for before anything is used.
struct Token {
    uint B[COLUMNS], C[COLUMNS];
    Row rows[ROWS];
    float A;  // where a head has one
};

Row load_row(Place at, uint token, uint r) {
    const uint p = safe_row_of(at, r);
    Row row;
    row.x = x_load(at.b * x_s0 + token * x_s1 + at.h * x_s2 + p * x_s3);
    row.dt = dt_load(at.b * dt_s0 + token * dt_s1 + at.h * dt_s2 + p * dt_s3);
    row.bias = dt_bias_present ? dt_bias_load(at.h * dt_bias_s0 + p * dt_bias_s1) : 0.0;
    row.D = D_present ? D_load(at.h * D_s0 + p * D_s1) : 0.0;
    row.z = z_present ? z_load(at.b * z_s0 + token * z_s1 + at.h * z_s2 + p * z_s3) : 0.0;
    return row;
}

void load_token(Place at, uint token, out Token t) {
    B_load_columns(at, at.b * B_s0 + token * B_s1 + at.g * B_s2, t.B);
    C_load_columns(at, at.b * C_s0 + token * C_s1 + at.g * C_s2, t.C);
    t.A = A_PER_HEAD ? A_load(at.h * A_s0) : 0.0;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) t.rows[r] = load_row(at, token, r);
}

float keep_of(float exponent) { return nan_of(exponent, decay(exponent)); }

// S = exp(step * A) * S + step * x B^T of one row, and this lane's share of S C.
float advance(Place at, uint r, Row row, float A_head, float B_n[COLUMNS], float C_n[COLUMNS]) {
    const float step = step_size(row.dt, row.bias);
    float A_n[COLUMNS];
    float keep = 0.0;
    if (A_PER_HEAD) {
        keep = keep_of(step * A_head);
    } else {
        uint raw[COLUMNS];
        A_load_columns(at, at.h * A_s0 + safe_row_of(at, r) * A_s1, raw);
        A_columns(at, raw, A_n);
    }
    const float scaled = step * row.x;
    float sum = 0.0;
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
        if (!A_PER_HEAD) keep = keep_of(step * A_n[j]);
        const float v = fma(values[r * COLUMNS + j], keep, scaled * B_n[j]);
        values[r * COLUMNS + j] = v;
        sum = fma(v, C_n[j], sum);
    }
    return sum;
}

void run_token(Place at, uint token, Token t) {
    float B_n[COLUMNS], C_n[COLUMNS], sums[ROWS];
    B_columns(at, t.B, B_n);
    C_columns(at, t.C, C_n);
    [[unroll]] for (uint r = 0; r < ROWS; ++r) sums[r] = advance(at, r, t.rows[r], t.A, B_n, C_n);
    reduce(at, sums);
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const uint p = row_of(at, r);
        if (at.lane != r % LANES || p >= HEADDIM) continue;
        float value = sums[r];
        if (D_present) value = fma(t.rows[r].D, t.rows[r].x, value);
        if (z_present) value *= silu(t.rows[r].z);
        y_store(at.b * y_s0 + token * y_s1 + at.h * y_s2 + p * y_s3, value);
    }
    if (snapshots_present) store_snapshot(at, token);
}

void main() {
    const Place at = my_place();
    const Slots slots = slots_of_row(at.b);
    const uint tokens = push.header[HEADER_TOKENS];
    if (slots.skip || tokens == 0) return;
    uint raw[HELD];
    Token t;
    load_token(at, 0, t);
    load_state(at, slots.from, raw);
    take_state(at, raw);
    run_token(at, 0, t);
    if (SEVERAL) {
        // Software drivers read uniform addresses even where no lane is active, so past the loop's end: stay inside.
        for (uint token = 1; token < tokens; ++token) {
            const uint safe = min(token, tokens - 1);
            load_token(at, safe, t);
            run_token(at, safe, t);
        }
    }
    store_state(at, slots.to);
}

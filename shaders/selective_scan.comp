#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
// Mamba-1's recurrence, with the state in registers (see ops/selective_scan.h for the equation).
//
// LANES neighbouring invocations share a channel: each holds COLUMNS columns of its state. Tokens come in blocks of
// LANES * WIDTH. In a block each lane sees to WIDTH neighbouring tokens of its channel: it reads x and dt (16 bytes at once
// where the layout allows), computes their steps, which the other lanes take from it, and in the end writes their y. The
// tokens of the next block are under way while one is computed.
//
// B and C serve all channels of a workgroup, which lie in one group: they are staged in shared memory, in two halves used
// in turn, so that one barrier a block is enough; or read in place, where caches or uniform loads do as well (STAGED).
//
// A sequence may be split into segments that run side by side. A first run, without y, leaves in `segments` the initial
// state, the one after the first segment, and what each later one adds to a state of zero, and in `elapsed` their sums of
// steps. The second run's segments take the state that enters them from there.
//
// Products are added with fma(), spelled out, so that every pipeline contracts them alike: packed sequences have the bits of
// lone ones. A lane's sum over COLUMNS and the sum over lanes have a fixed order.
// Grid: (channels of a group / those of a workgroup, groups * segments, batch or, with cu_seqlens, sequences).
#include "lib/activation.glsl"
#include "lib/ssd_dt.glsl"
#include "lib/tensor.glsl"
#include "shared/selective_scan.h"

TENSOR(SELECTIVE_X, x)
TENSOR(SELECTIVE_DT, dt)
TENSOR(SELECTIVE_A, A)
TENSOR(SELECTIVE_B, B)
TENSOR(SELECTIVE_C, C)
TENSOR(SELECTIVE_D, D)
TENSOR(SELECTIVE_Z, z)
TENSOR(SELECTIVE_DT_BIAS, dt_bias)
TENSOR(SELECTIVE_INITIAL, initial_states)
TENSOR(SELECTIVE_SEQ, seq)
TENSOR(SELECTIVE_Y, y)
TENSOR(SELECTIVE_FINAL, final_states)
TENSOR(SELECTIVE_SEGMENTS, segments)
TENSOR(SELECTIVE_ELAPSED, elapsed)

layout(constant_id = SPEC_SELECTIVE_CHANNELS) const uint GROUP_CHANNELS = 64;
layout(constant_id = SPEC_SELECTIVE_DSTATE) const uint DSTATE = 16;
layout(constant_id = SPEC_SELECTIVE_PACKING) const uint PACKING = PACKING_NONE;
layout(constant_id = SPEC_SELECTIVE_LANES) const uint LANES = 1;
layout(constant_id = SPEC_SELECTIVE_COLUMNS) const uint COLUMNS = 16;
layout(constant_id = SPEC_SELECTIVE_WIDTH) const uint STEPS_WIDTH = 8;
layout(constant_id = SPEC_SELECTIVE_PACKS) const bool PACKS = false;
layout(constant_id = SPEC_SELECTIVE_STAGED) const bool STAGED = false;
layout(constant_id = SPEC_SELECTIVE_FETCH) const uint FETCH_WIDTH = 1;
layout(constant_id = SPEC_SELECTIVE_B_FIXED) const bool B_FIXED = false;
layout(constant_id = SPEC_SELECTIVE_C_FIXED) const bool C_FIXED = false;

#define WIDTH STEPS_WIDTH
#include "lib/wide.glsl"
WIDE(x)
WIDE(dt)
WIDE(z)
WIDE(y)
#undef WIDTH
#define WIDTH FETCH_WIDTH
WIDE(B)
WIDE(C)
#undef WIDTH
#define WIDTH STEPS_WIDTH

const uint BLOCK = LANES * WIDTH;
const uint PADDED = LANES * COLUMNS;  // columns with those that only fill the last lane
const uint SHARES = gl_WorkGroupSize.x / LANES;  // channels of a workgroup
const bool RUNS_Y = y_present;
const bool IN_SEGMENTS = segments_present;
const bool FETCHES_B = !B_FIXED, FETCHES_C = !C_FIXED && RUNS_Y;
const uint FETCHED = PADDED * BLOCK / FETCH_WIDTH;  // fetches of B that a block takes, and of C
const uint ALL_FETCHED = FETCHED * (uint(FETCHES_B) + uint(FETCHES_C));
const uint FETCHES = (ALL_FETCHED + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
const uint RAW = FETCHES > 0 ? FETCHES * FETCH_WIDTH : 1;

// Two halves of BLOCK tokens, B and then C of each. What a lane reads lies in whole vec4: the columns of one token, or, where
// these are 1 or 2, those of TOGETHER tokens. (Indices of vec4, not of floats: compilers then see what is constant in them.)
const uint TOGETHER = COLUMNS == 1 ? 4 : COLUMNS == 2 ? 2 : 1;
const bool QUADS = COLUMNS * TOGETHER % 4 + BLOCK % TOGETHER == 0;
const uint LANE_QUADS = COLUMNS * TOGETHER / 4;
const uint HALF = (BLOCK * PADDED + 3) / 4;  // vec4 of B in a half
shared vec4 staged[STAGED ? 4 * HALF : 1];
shared uint restarts[STAGED ? 2 * BLOCK : 1];

float state[COLUMNS];
float rates[COLUMNS];  // A / log(2), at most 0
float taint;           // NaN if one of this lane's A is: exp2, which some drivers give a number for NaN, may lose it; else 0
float fixed_B[B_FIXED ? COLUMNS : 1];
float fixed_C[C_FIXED ? COLUMNS : 1];
uint next_x[WIDTH], next_dt[WIDTH];          // of the block to come, as they lie in memory
float own_x[WIDTH], own_step[WIDTH], own_scaled[WIDTH];  // of this block: scaled is step * x
uint fetched[RAW];                           // of B and C, likewise
float bias, skip, step_sum;

struct Place {
    uint id, lane;        // of this invocation: in the workgroup, among those that share its channel
    uint b, sequence, g;  // batch row, row of the states, group
    uint channel;         // of the dispatch; the group's last for those past it, which store nothing
    bool inside;
    uint segment;
    uint first, count, last;  // tokens; last is 0 if there are none
};

Place my_place() {
    Place at;
#if SUBGROUP
    at.id = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
#else
    at.id = gl_LocalInvocationID.x;
#endif
    at.lane = at.id % LANES;
    const uint in_group = gl_WorkGroupID.x * SHARES + at.id / LANES;
    const uint parts = push.header[HEADER_SEGMENTS], tokens = push.header[HEADER_TOKENS];
    at.g = gl_WorkGroupID.y / parts;
    at.segment = gl_WorkGroupID.y % parts;
    at.inside = in_group < GROUP_CHANNELS;
    at.channel = at.g * GROUP_CHANNELS + min(in_group, GROUP_CHANNELS - 1);
    at.sequence = gl_WorkGroupID.z;
    if (PACKING == PACKING_CU_SEQLENS) {  // offsets come from device memory: keep them inside
        at.b = 0;
        at.first = uint(clamp(seq_load_int(at.sequence * seq_s1), 0, int(tokens)));
        at.count = uint(clamp(seq_load_int((at.sequence + 1) * seq_s1), int(at.first), int(tokens))) - at.first;
    } else {
        at.b = at.sequence;
        at.first = min(at.segment * push.header[HEADER_SEGMENT], tokens);
        at.count = min(tokens - at.first, push.header[HEADER_SEGMENT]);
    }
    at.last = at.count > 0 ? at.first + at.count - 1 : 0;
    return at;
}

uint column(Place at, uint j) { return at.lane * COLUMNS + j; }

// ---- states -------------------------------------------------------------------------------------

void load_channel(Place at) {
    taint = 0.0;
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
        const uint n = min(column(at, j), DSTATE - 1);
        const bool within = column(at, j) < DSTATE;
        const float a = within ? A_load(at.channel * A_s0 + n * A_s1) : 0.0;
        rates[j] = nan_of(a, min(a, 0.0)) * 1.4426950408889634;  // exp2 of a step times this never grows
        taint = nan_of(a, taint);
        if (B_FIXED) fixed_B[j] = within ? B_load(at.channel * B_s0 + n * B_s1) : 0.0;
        if (C_FIXED && RUNS_Y) fixed_C[j] = within ? C_load(at.channel * C_s0 + n * C_s1) : 0.0;
    }
    bias = dt_bias_present ? dt_bias_load(at.channel * dt_bias_s0) : 0.0;
    skip = D_present && RUNS_Y ? D_load(at.channel * D_s0) : 0.0;
    step_sum = 0.0;
}

void load_initial(Place at) {
    const uint base = at.sequence * initial_states_s0 + at.channel * initial_states_s1;
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
        state[j] = 0.0;
        if (initial_states_present && at.segment == 0 && column(at, j) < DSTATE) state[j] = initial_states_load(base + column(at, j) * initial_states_s2);
    }
}

void store_final(Place at) {
    const uint base = at.sequence * final_states_s0 + at.channel * final_states_s1;
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j)
        if (at.inside && column(at, j) < DSTATE) final_states_store(base + column(at, j) * final_states_s2, nan_of(rates[j], state[j]));
}

void store_segment(Place at, uint entry) {
    const uint base = at.b * segments_s0 + entry * segments_s1 + at.channel * segments_s2;
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j)
        if (at.inside && column(at, j) < DSTATE) segments_store(base + column(at, j) * segments_s3, state[j]);
}

// The state that enters the segment: the initial one, or what the first segment leaves and those after it add.
void enter_segment(Place at) {
    const uint from = min(at.segment, 1u);
    for (uint entry = from; entry <= at.segment; ++entry) {
        // Software drivers read uniform addresses even where no lane is active, so past the loop's end: stay inside.
        const uint e = min(entry, at.segment);
        const uint base = at.b * segments_s0 + e * segments_s1 + at.channel * segments_s2;
        const float passed = elapsed_load(at.b * elapsed_s0 + max(e, 1u) * elapsed_s1 + at.channel * elapsed_s2);
        [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
            const float added = column(at, j) < DSTATE ? segments_load(base + column(at, j) * segments_s3) : 0.0;
            state[j] = entry == from ? added : fma(state[j], exp2(passed * rates[j]), added);
        }
    }
}

// ---- tokens -------------------------------------------------------------------------------------

// WIDTH tokens from t of the part's on; what lies past its last is no more than safe to read.
#define STEPS(NAME)                                                                                          \
    void NAME##_load_steps(Place at, uint t, out uint raw[WIDTH]) {                                          \
        const uint base = at.b * NAME##_s0 + at.channel * NAME##_s1, token = at.first + t;                   \
        if (PACKS)                                                                                           \
            NAME##_load_raw(base + min(token, push.header[HEADER_PLANNED] - WIDTH) * NAME##_s2, NAME##_s2, raw); \
        else                                                                                                 \
            [[unroll]] for (uint e = 0; e < WIDTH; ++e)                                                      \
                raw[e] = floatBitsToUint(NAME##_load(base + min(token + e, at.last) * NAME##_s2));           \
    }                                                                                                        \
    void NAME##_unpack_steps(uint raw[WIDTH], out float v[WIDTH]) { NAME##_unpack(PACKS ? NAME##_s2 : 0, raw, v); }
STEPS(x)
STEPS(dt)
STEPS(z)

void load_next(Place at, uint block) {
    x_load_steps(at, block + at.lane * WIDTH, next_x);
    dt_load_steps(at, block + at.lane * WIDTH, next_dt);
}

// The block's tokens become this lane's own; those past the last leave the state as it is.
void take_steps(Place at, uint block) {
    float dt[WIDTH];
    x_unpack_steps(next_x, own_x);
    dt_unpack_steps(next_dt, dt);
    [[unroll]] for (uint e = 0; e < WIDTH; ++e) own_step[e] = step_size(dt[e], bias);
    if (block + BLOCK > at.count) {
        [[unroll]] for (uint e = 0; e < WIDTH; ++e) {
            const bool within = block + at.lane * WIDTH + e < at.count;
            own_x[e] = mix(0.0, own_x[e], within);
            own_step[e] = mix(0.0, own_step[e], within);
        }
    }
    [[unroll]] for (uint e = 0; e < WIDTH; ++e) {
        own_scaled[e] = own_step[e] * own_x[e];
        if (!RUNS_Y) step_sum += own_step[e];
    }
}

void store_y(Place at, uint block, uint raw_z[WIDTH], float own[WIDTH]) {
    float own_z[WIDTH];
    if (z_present) z_unpack_steps(raw_z, own_z);
    [[unroll]] for (uint e = 0; e < WIDTH; ++e) {
        if (D_present) own[e] = fma(skip, own_x[e], own[e]);
        if (z_present) own[e] *= silu(own_z[e]);
    }
    const uint t = block + at.lane * WIDTH, base = at.b * y_s0 + at.channel * y_s1 + (at.first + t) * y_s2;
    if (!at.inside) return;
    if (PACKS && t + WIDTH <= at.count) {
        y_store_wide(base, y_s2, own);
        return;
    }
    [[unroll]] for (uint e = 0; e < WIDTH; ++e)
        if (t + e < at.count) y_store(base + e * y_s2, own[e]);
}

bool is_restart(Place at, uint t) {
    const uint token = min(at.first + t, at.last), before = max(token, 1u) - 1;
    return token > 0 && seq_load_int(at.b * seq_s0 + token * seq_s1) != seq_load_int(at.b * seq_s0 + before * seq_s1);
}

// ---- B and C ------------------------------------------------------------------------------------

// Where in `staged` column n of the block's token t lies: in floats, from the half's B or C on.
uint place_in(uint n, uint t) {
    if (!QUADS) return t * PADDED + n;
    return ((t / TOGETHER) * LANES + n / COLUMNS) * LANE_QUADS * 4 + t % TOGETHER * COLUMNS + n % COLUMNS;
}

// The half that a block has: the first of its vec4.
uint half_of_block(uint block) { return (block / BLOCK & 1u) * 2 * HALF; }

struct Fetch {
    uint n, token;  // a column; the first of FETCH_WIDTH tokens, counted from the block's first
    bool of_C, some;
};

// Fetch k of this invocation. Neighbours follow the fastest axis.
Fetch fetch_of(Place at, uint k) {
    const uint all = at.id + k * gl_WorkGroupSize.x, chunks = BLOCK / FETCH_WIDTH;
    Fetch f;
    f.some = ALL_FETCHED % gl_WorkGroupSize.x == 0 || all < ALL_FETCHED;
    // Known beforehand where whole rounds of fetches are of one of them.
    f.of_C = FETCHES_C && (!FETCHES_B || (FETCHED % gl_WorkGroupSize.x == 0 ? k * gl_WorkGroupSize.x >= FETCHED : all >= FETCHED));
    const uint item = min(f.of_C && FETCHES_B ? all - FETCHED : all, FETCHED - 1);
    const bool along_tokens = f.of_C ? C_s3 <= C_s2 : B_s3 <= B_s2;
    f.n = along_tokens ? item / chunks : item % PADDED;
    f.token = (along_tokens ? item % chunks : item / PADDED) * FETCH_WIDTH;
    return f;
}

#define FETCH(NAME)                                                                                                  \
    void NAME##_fetch(Place at, uint t, uint n, out uint raw[FETCH_WIDTH]) {                                         \
        const uint base = at.b * NAME##_s0 + at.g * NAME##_s1 + min(n, DSTATE - 1) * NAME##_s2;                      \
        const uint safe = FETCH_WIDTH == 1 ? min(t, at.last) : min(t, push.header[HEADER_PLANNED] - FETCH_WIDTH);     \
        NAME##_load_raw(base + safe * NAME##_s3, NAME##_s3, raw);                                                    \
    }                                                                                                                \
    void NAME##_values(Place at, uint block, uint t, uint half_at, out float v[COLUMNS]) {                           \
        const uint token = min(at.first + block + t, at.last);                                                       \
        const uint base = at.b * NAME##_s0 + at.g * NAME##_s1 + token * NAME##_s3;                                   \
        const bool within = block + t < at.count;                                                                    \
        const uint quad = half_at + t / TOGETHER * LANES * LANE_QUADS + at.lane * LANE_QUADS;                        \
        [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {                                                              \
            if (STAGED && QUADS) {                                                                                   \
                const uint element = t % TOGETHER * COLUMNS + j;                                                     \
                v[j] = staged[quad + element / 4][element % 4];                                                      \
            } else if (STAGED) {                                                                                     \
                const uint element = half_at * 4 + t * PADDED + column(at, j);                                       \
                v[j] = staged[element >> 2][element & 3u];                                                           \
            } else {                                                                                                 \
                const float value = NAME##_load(base + min(column(at, j), DSTATE - 1) * NAME##_s2);                  \
                v[j] = within && column(at, j) < DSTATE ? value : 0.0;                                               \
            }                                                                                                        \
        }                                                                                                            \
    }
FETCH(B)
FETCH(C)

void fetch(Place at, uint block) {
    [[unroll]] for (uint k = 0; k < FETCHES; ++k) {
        const Fetch f = fetch_of(at, k);
        uint raw[FETCH_WIDTH];
        if (f.of_C)
            C_fetch(at, at.first + block + f.token, f.n, raw);
        else
            B_fetch(at, at.first + block + f.token, f.n, raw);
        [[unroll]] for (uint e = 0; e < FETCH_WIDTH; ++e) fetched[k * FETCH_WIDTH + e] = raw[e];
    }
}

void put(Place at, uint block) {
    const bool whole = block + BLOCK <= at.count;
    [[unroll]] for (uint k = 0; k < FETCHES; ++k) {
        const Fetch f = fetch_of(at, k);
        uint raw[FETCH_WIDTH];
        [[unroll]] for (uint e = 0; e < FETCH_WIDTH; ++e) raw[e] = fetched[k * FETCH_WIDTH + e];
        float v[FETCH_WIDTH], v_C[FETCH_WIDTH];
        B_unpack(B_s3, raw, v);
        C_unpack(C_s3, raw, v_C);
        [[unroll]] for (uint e = 0; e < FETCH_WIDTH; ++e) v[e] = mix(v[e], v_C[e], f.of_C);
        if (PADDED != DSTATE)
            [[unroll]] for (uint e = 0; e < FETCH_WIDTH; ++e) v[e] = mix(0.0, v[e], f.n < DSTATE);
        if (!whole)
            [[unroll]] for (uint e = 0; e < FETCH_WIDTH; ++e) v[e] = mix(0.0, v[e], block + f.token + e < at.count);
        const uint to = (half_of_block(block) + (f.of_C ? HALF : 0)) * 4;
        if (!f.some) continue;
        [[unroll]] for (uint e = 0; e < FETCH_WIDTH; ++e) {
            const uint element = to + place_in(f.n, f.token + e);
            staged[element >> 2][element & 3u] = v[e];
        }
    }
    if (PACKING == PACKING_SEQ_IDX)
        for (uint i = at.id; i < BLOCK; i += gl_WorkGroupSize.x)
            restarts[(block / BLOCK & 1u) * BLOCK + min(i, BLOCK - 1)] = is_restart(at, block + i) ? 1 : 0;
    barrier();  // the half is complete, and all are done with the other
}

// ---- between the lanes of a channel -------------------------------------------------------------

#if SUBGROUP

void share_steps(Place at) {}

// Step and scaled x of token k of lane m.
vec2 step_of(Place at, uint m, uint k) {
    if (LANES == 1) return vec2(own_step[k], own_scaled[k]);
    const uint from = gl_SubgroupInvocationID - at.lane + m;
    return vec2(subgroupShuffle(own_step[k], from), subgroupShuffle(own_scaled[k], from));
}

// Each lane's sums, over all lanes, of its own tokens: at every step a lane keeps half of its tokens and gives the
// others to the lane that keeps those.
void sum_over_lanes(Place at, float sums[BLOCK], out float own[WIDTH]) {
    [[unroll]] for (uint halves = 2; halves <= LANES; halves *= 2) {
        const uint kept = BLOCK / halves, other = LANES / halves;
        const bool upper = (at.lane & other) != 0;
        [[unroll]] for (uint k = 0; k < BLOCK / 2; ++k) {
            if (k >= kept) continue;
            const float mine = upper ? sums[k + kept] : sums[k], given = upper ? sums[k] : sums[k + kept];
            sums[k] = mine + subgroupShuffleXor(given, other);
        }
    }
    [[unroll]] for (uint e = 0; e < WIDTH; ++e) own[e] = sums[e];
}

float sum_of_steps(Place at) {
    float sum = step_sum;
    [[unroll]] for (uint other = 1; other < LANES; other *= 2) sum += subgroupShuffleXor(sum, other);
    return sum;
}

#else

shared vec2 shared_steps[LANES > 1 ? SHARES * BLOCK : 1];
shared float partial[LANES > 1 ? gl_WorkGroupSize.x * BLOCK : 1];

void share_steps(Place at) {
    if (LANES == 1) return;
    if (!RUNS_Y) barrier();  // all are done with the block before; otherwise sum_over_lanes sees to it
    [[unroll]] for (uint e = 0; e < WIDTH; ++e)
        shared_steps[at.id / LANES * BLOCK + at.lane * WIDTH + e] = vec2(own_step[e], own_scaled[e]);
    barrier();  // the steps are complete
}

vec2 step_of(Place at, uint m, uint k) {
    if (LANES == 1) return vec2(own_step[k], own_scaled[k]);
    return shared_steps[at.id / LANES * BLOCK + m * WIDTH + k];
}

void sum_over_lanes(Place at, float sums[BLOCK], out float own[WIDTH]) {
    if (LANES > 1) {
        [[unroll]] for (uint t = 0; t < BLOCK; ++t) partial[at.id * BLOCK + t] = sums[t];
        barrier();  // all parts are there, and all are done with the steps
    }
    [[unroll]] for (uint e = 0; e < WIDTH; ++e) {
        own[e] = sums[e];
        if (LANES == 1) continue;
        own[e] = 0.0;
        for (uint m = 0; m < LANES; ++m) own[e] += partial[((at.id - at.lane) + min(m, LANES - 1)) * BLOCK + at.lane * WIDTH + e];
    }
}

float sum_of_steps(Place at) {
    if (LANES == 1) return step_sum;
    barrier();
    partial[at.id] = step_sum;
    barrier();
    float sum = 0.0;
    for (uint m = 0; m < LANES; ++m) sum += partial[at.id - at.lane + min(m, LANES - 1)];
    return sum;
}

#endif

// ---- the recurrence -----------------------------------------------------------------------------

// state = exp(step A) state + step x B of one token, and this lane's share of the sum of C state.
float advance(Place at, uint block, uint t, vec2 step) {
    float B_n[COLUMNS], C_n[COLUMNS];
    if (FETCHES_B) B_values(at, block, t, half_of_block(block), B_n);
    if (FETCHES_C) C_values(at, block, t, half_of_block(block) + HALF, C_n);
    bool restart = false;
    if (PACKING == PACKING_SEQ_IDX) restart = STAGED ? restarts[(block / BLOCK & 1u) * BLOCK + t] != 0 : is_restart(at, block + t);
    float even = taint, odd = 0.0;  // two chains, each half as long
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
        // A restart must forget even an infinite state, which 0 * state would not.
        if (PACKING == PACKING_SEQ_IDX && restart) state[j] = 0.0;
        state[j] = fma(state[j], exp2(step.x * rates[j]), step.y * (B_FIXED ? fixed_B[B_FIXED ? j : 0] : B_n[j]));
        if (!RUNS_Y) continue;
        const float c_n = C_FIXED ? fixed_C[C_FIXED ? j : 0] : C_n[j];
        if (j % 2 == 0)
            even = fma(state[j], c_n, even);
        else
            odd = fma(state[j], c_n, odd);
    }
    return even + odd;
}

void run_block(Place at, uint block) {
    float sums[BLOCK], own[WIDTH];
    uint raw_z[WIDTH];
    if (RUNS_Y && z_present) z_load_steps(at, block + at.lane * WIDTH, raw_z);
    share_steps(at);
    [[unroll]] for (uint m = 0; m < LANES; ++m)
        [[unroll]] for (uint k = 0; k < WIDTH; ++k) sums[m * WIDTH + k] = advance(at, block, m * WIDTH + k, step_of(at, m, k));
    if (!RUNS_Y) return;
    sum_over_lanes(at, sums, own);
    store_y(at, block, raw_z, own);
}

void main() {
    const Place at = my_place();
    if (at.count == 0 && at.segment != 0) return;
    load_channel(at);
    if (IN_SEGMENTS && RUNS_Y) {
        enter_segment(at);
    } else {
        load_initial(at);  // of the first segment; zero for the others
        if (IN_SEGMENTS && at.segment == 0) store_segment(at, 0);
    }
    load_next(at, 0);
    if (STAGED) {
        fetch(at, 0);
        put(at, 0);
    }
    for (uint block = 0; block < at.count; block += BLOCK) {
        take_steps(at, block);
        load_next(at, block + BLOCK);
        if (STAGED) fetch(at, block + BLOCK);
        run_block(at, block);
        if (STAGED) put(at, block + BLOCK);
    }
    if (IN_SEGMENTS && !RUNS_Y) {
        store_segment(at, at.segment + 1);
        const float sum = sum_of_steps(at);
        if (at.inside && at.lane == 0)
            elapsed_store(at.b * elapsed_s0 + (at.segment + 1) * elapsed_s1 + at.channel * elapsed_s2, sum);
    }
    const bool ends = PACKING == PACKING_CU_SEQLENS || at.first + at.count == push.header[HEADER_TOKENS];
    if (final_states_present && ends) store_final(at);
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
// y = x weight^T + bias + residual for few rows of x, as in decoding: bound by the weights' way from memory.
//
// A team of LANES lanes takes OUTS rows of the weight, and ROWS rows of x. Lane k has units k, k + LANES... of them: 16 bytes
// each, neighbours side by side, DEPTH of each row under way at a time. What the lanes have summed is added up through
// subgroups, and shared memory where a team is several (`subgroup`), or shared memory alone (`scalar`).
//
// STAGED: x lies in shared memory, as f32 and times the norm's weight. Lanes would read it from places as far apart as their units
// are in f32, which costs caches a line for each lane; there a piece of 4 of each unit stands beside that of the next unit.
// Grid: (1, out_features / OUTS of a workgroup's teams, batch).
#include "lib/linear.glsl"
#include "lib/linear_step.glsl"

layout(constant_id = SPEC_SUBGROUP_SIZE) const uint SUBGROUP_SIZE = 32;
layout(constant_id = SPEC_LINEAR_ROWS) const uint ROWS = 1;
layout(constant_id = SPEC_LINEAR_OUTS) const uint OUTS = 2;
layout(constant_id = SPEC_LINEAR_LANES) const uint LANES = 32;
layout(constant_id = SPEC_LINEAR_DEPTH) const uint DEPTH = 2;
layout(constant_id = SPEC_LINEAR_STAGED) const bool STAGED = false;

const uint VALUES = ROWS * OUTS;  // sums of a team
const uint TEAMS = gl_WorkGroupSize.x / LANES;
const uint UNITS = (IN + UNIT - 1) / UNIT;      // of a row
const uint MOST = (UNITS + LANES - 1) / LANES;  // of any lane
const bool NO_CUT = IN % UNIT == 0;             // all units are whole
const bool NO_TAIL = IN % (UNIT * LANES * DEPTH) == 0;
const uint PITCH = UNITS + 1;                   // of staged pieces; the last unit is zeros

#if SUBGROUP
const uint PARTS = LANES / SUBGROUP_SIZE;  // of a sum, that go through shared memory
const uint SQUARES_PARTS = gl_WorkGroupSize.x / SUBGROUP_SIZE;
uint invocation() { return gl_SubgroupID * SUBGROUP_SIZE + gl_SubgroupInvocationID; }
#else
const uint PARTS = LANES;
const uint SQUARES_PARTS = gl_WorkGroupSize.x;
uint invocation() { return gl_LocalInvocationID.x; }
#endif

shared float partial[TEAMS * VALUES * PARTS];
shared float squares[norm_weight_present ? ROWS * SQUARES_PARTS : 1];  // parts of the sums of x^2
shared vec4 staged[STAGED ? ROWS * (UNIT / 4) * PITCH : 1];            // [row][piece of a unit][unit]

float sums[VALUES];  // [row][out]

uint first_out, x_base;

uint weight_row(uint o) { return min(first_out + o, push.header[HEADER_OUTS] - 1); }
uint x_row(uint r) { return x_base + min(r, push.header[HEADER_TOKENS] - 1) * x_s1; }

// ---- x ----------------------------------------------------------------------------------------------------------------

Pack factor_pack(uint k, uint count) {
    if (norm_weight_present) return norm_weight_get(k * norm_weight_s0, norm_weight_s0, count);
    return Pack(vec4(1.0), vec4(1.0));
}

// Precise, so that it has the same bits whether it is staged or not.
Pack scaled(Pack a, Pack factor) {
    precise vec4 low = a.low * factor.low, high = a.high * factor.high;
    return Pack(low, high);
}

// Stages x, and leaves parts of the sums of x^2.
void stage(uint id) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        float sum = 0.0;
        for (uint i = id; i < (STAGED ? PITCH * UNIT : IN + 7) / 8; i += gl_WorkGroupSize.x) {
            const uint k = i * 8, count = k < IN ? min(IN - k, 8) : 0;
            const Pack a = x_get(x_row(r) + min(k, IN - 1), 1, count), factor = factor_pack(min(k, IN - 1), count);
            sum += dot(a.low, a.low) + dot(a.high, a.high);
            if (STAGED) {
                const uint at = (r * (UNIT / 4) + k % UNIT / 4) * PITCH + k / UNIT;
                const Pack v = scaled(a, factor);
                staged[at] = v.low;
                staged[at + PITCH] = v.high;
            }
        }
        if (norm_weight_present) {
#if SUBGROUP
            sum = subgroupAdd(sum);
            if (gl_SubgroupInvocationID == 0) squares[r * SQUARES_PARTS + gl_SubgroupID] = sum;
#else
            squares[r * SQUARES_PARTS + id] = sum;
#endif
        }
    }
    barrier();
}

float squares_of(uint r) {
    float sum = 0.0;
    if (norm_weight_present)
        for (uint part = 0; part < SQUARES_PARTS; ++part) sum += squares[r * SQUARES_PARTS + part];
    return sum;
}

// Eight elements from k on, of the unit u that k lies in. Past the end they are zeros.
Pack x_pack(uint r, uint u, uint k) {
    if (STAGED) {
        const uint at = (r * (UNIT / 4) + k % UNIT / 4) * PITCH + min(u, UNITS);
        return Pack(staged[at], staged[at + PITCH]);
    }
    const uint count = NO_TAIL ? 8 : k < IN ? min(IN - k, 8) : 0, from = NO_TAIL ? k : min(k, IN - 1);
    const Pack a = x_get(x_row(r) + from, 1, count);
    return norm_weight_present ? scaled(a, factor_pack(from, count)) : a;
}

// ---- products -----------------------------------------------------------------------------------------------------------

float dot8(Pack a, Pack b, float sum) {
    sum = fma(a.low.x, b.low.x, fma(a.low.y, b.low.y, fma(a.low.z, b.low.z, fma(a.low.w, b.low.w, sum))));
    return fma(a.high.x, b.high.x, fma(a.high.y, b.high.y, fma(a.high.z, b.high.z, fma(a.high.w, b.high.w, sum))));
}

float sum8(Pack a) {
    const vec4 v = a.low + a.high;
    return (v.x + v.y) + (v.z + v.w);
}

// Adds the products of unit u of every row.
void add_products(uint u, Unit units[OUTS]) {
    float part[VALUES], x_sum[ROWS];
    [[unroll]] for (uint v = 0; v < VALUES; ++v) part[v] = FORMAT == LINEAR_DENSE ? sums[v] : 0.0;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) x_sum[r] = 0.0;
    [[unroll]] for (uint p = 0; p < UNIT / 8; ++p) {
        Pack w[OUTS];
        [[unroll]] for (uint o = 0; o < OUTS; ++o)
            w[o] = FORMAT == LINEAR_DENSE ? dense_pack(weight_dtype, units[o]) : mantissa_pack(units[o], p);
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            const Pack a = x_pack(r, u, u * UNIT + p * 8);
            if (FORMAT != LINEAR_DENSE) x_sum[r] += sum8(a);
            [[unroll]] for (uint o = 0; o < OUTS; ++o) part[r * OUTS + o] = dot8(a, w[o], part[r * OUTS + o]);
        }
    }
    [[unroll]] for (uint r = 0; r < ROWS; ++r)
        [[unroll]] for (uint o = 0; o < OUTS; ++o) {
            const uint v = r * OUTS + o;
            sums[v] = FORMAT == LINEAR_DENSE ? part[v] : fma(units[o].scale * STEPS, fma(-MIDDLE, x_sum[r], part[v]), sums[v]);
        }
}

// Unit u of row o: where there is none, zeros without a branch around the load, so that loads stay together.
Unit unit_of(uint o, uint u) {
    if (NO_TAIL) return weight_unit(weight_row(o), u * UNIT);
    if (!NO_CUT) return weight_unit_part(weight_row(o), u * UNIT);
    const Unit unit = weight_unit(weight_row(o), min(u, UNITS - 1) * UNIT);
    if (u < UNITS) return unit;
    return Unit(uvec4(0), uvec4(0), 0.0);
}

Unit units[DEPTH][OUTS];

void load_units(uint lane, uint i) {
    [[unroll]] for (uint d = 0; d < DEPTH; ++d)
        [[unroll]] for (uint o = 0; o < OUTS; ++o) units[d][o] = unit_of(o, (i + d) * LANES + lane);
}

// The first units are on their way while x is staged.
void sum_lane(uint id, uint lane) {
    load_units(lane, 0);
    if (STAGED || norm_weight_present) stage(id);
    for (uint i = 0;;) {
        [[unroll]] for (uint d = 0; d < DEPTH; ++d) add_products((i + d) * LANES + lane, units[d]);
        i += DEPTH;
        if (i >= MOST) break;
        load_units(lane, i);
    }
}

// Of a team's result v.
uint result_row(uint v) { return v / OUTS; }
uint result_out(uint team, uint v) { return (gl_WorkGroupID.y * TEAMS + team) * OUTS + v % OUTS; }
bool is_result(uint team, uint v) {
    return v < VALUES && result_row(v) < push.header[HEADER_TOKENS] && result_out(team, v) < push.header[HEADER_OUTS];
}

float start_of_result(uint team, uint v) {
    return is_result(team, v) ? start_of(gl_WorkGroupID.z, result_row(v), result_out(team, v)) : 0.0;
}

void finish(uint team, uint v, float sum, float start) {
    if (!is_result(team, v)) return;
    const uint row = result_row(v);
    store_result(gl_WorkGroupID.z, row, result_out(team, v), normalised(sum, squares_of(row)) + start);
}

#if SUBGROUP
// Where a team is a subgroup, lane v finishes result v, and nobody waits for another team.
void finish_in_subgroup(uint team, float start) {
    const uint lane = gl_SubgroupInvocationID;
    [[unroll]] for (uint v = 0; v < VALUES; ++v) sums[v] = subgroupAdd(sums[v]);
    [[unroll]] for (uint first = 0; first < VALUES; first += SUBGROUP_SIZE) {
        float sum = 0.0;
        [[unroll]] for (uint v = first; v < min(first + SUBGROUP_SIZE, VALUES); ++v) sum = lane == v - first ? sums[v] : sum;
        finish(team, first + lane, sum, first == 0 ? start : start_of_result(team, first + lane));
    }
}
#endif

void finish_together(uint team, uint lane, uint id, float start) {
    [[unroll]] for (uint v = 0; v < VALUES; ++v) {
        const uint at = (team * VALUES + v) * PARTS;
#if SUBGROUP
        const float sum = subgroupAdd(sums[v]);
        if (gl_SubgroupInvocationID == 0) partial[at + lane / SUBGROUP_SIZE] = sum;
#else
        partial[at + lane] = sums[v];
#endif
    }
    barrier();
    for (uint i = id; i < TEAMS * VALUES; i += gl_WorkGroupSize.x) {
        float sum = 0.0;
        for (uint part = 0; part < PARTS; ++part) sum += partial[i * PARTS + part];
        finish(i / VALUES, i % VALUES, sum, i == id ? start : start_of_result(i / VALUES, i % VALUES));
    }
}

void main() {
    const uint id = invocation(), team = id / LANES, lane = id % LANES;
    first_out = (gl_WorkGroupID.y * TEAMS + team) * OUTS;
    x_base = gl_WorkGroupID.z * x_s0;
    [[unroll]] for (uint v = 0; v < VALUES; ++v) sums[v] = 0.0;
#if SUBGROUP
    const bool is_alone = PARTS == 1;
#else
    const bool is_alone = false;
#endif
    const uint result = is_alone ? team * VALUES + lane : id;  // the first that this invocation finishes
    const bool is_mine = is_alone ? lane < VALUES : id < TEAMS * VALUES;
    const float start = is_mine ? start_of_result(result / VALUES, result % VALUES) : 0.0;
    sum_lane(id, lane);
#if SUBGROUP
    if (is_alone) {
        finish_in_subgroup(team, start);
        return;
    }
#endif
    finish_together(team, lane, id, start);
}

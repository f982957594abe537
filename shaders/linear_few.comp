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
// Grid: (1, out_features / OUTS of a workgroup's teams, batch).
#include "lib/linear.glsl"
#include "lib/linear_step.glsl"

layout(constant_id = SPEC_SUBGROUP_SIZE) const uint SUBGROUP_SIZE = 32;
layout(constant_id = SPEC_LINEAR_ROWS) const uint ROWS = 1;
layout(constant_id = SPEC_LINEAR_OUTS) const uint OUTS = 2;
layout(constant_id = SPEC_LINEAR_LANES) const uint LANES = 32;
layout(constant_id = SPEC_LINEAR_DEPTH) const uint DEPTH = 2;

const uint VALUES = ROWS * OUTS;                                     // results of a team
const uint TOTALS = norm_weight_present ? VALUES + ROWS : VALUES;    // and the sums of x^2
const uint TEAMS = gl_WorkGroupSize.x / LANES;
const uint UNITS = (IN + UNIT - 1) / UNIT;             // of a row
const uint WHOLE = IN / UNIT / (LANES * DEPTH) * DEPTH;  // of a lane, while all lanes have DEPTH whole units
const uint MOST = (UNITS + LANES - 1) / LANES;         // of any lane
const bool NO_CUT = IN % UNIT == 0;                    // all units are whole

#if SUBGROUP
const uint PARTS = LANES / SUBGROUP_SIZE;  // of a sum, that go through shared memory
uint invocation() { return gl_SubgroupID * SUBGROUP_SIZE + gl_SubgroupInvocationID; }
#else
const uint PARTS = LANES;
uint invocation() { return gl_LocalInvocationID.x; }
#endif

shared float partial[TEAMS * TOTALS * PARTS];

float sums[VALUES + ROWS];  // [row][out], then of x^2 [row]

uint first_out, x_base;

uint weight_row(uint o) { return min(first_out + o, push.header[HEADER_OUTS] - 1); }
uint x_row(uint r) { return x_base + min(r, push.header[HEADER_TOKENS] - 1) * x_s1; }

float dot8(Pack a, Pack b, float sum) {
    sum = fma(a.low.x, b.low.x, fma(a.low.y, b.low.y, fma(a.low.z, b.low.z, fma(a.low.w, b.low.w, sum))));
    return fma(a.high.x, b.high.x, fma(a.high.y, b.high.y, fma(a.high.z, b.high.z, fma(a.high.w, b.high.w, sum))));
}

float sum8(Pack a) {
    const vec4 v = a.low + a.high;
    return (v.x + v.y) + (v.z + v.w);
}

// Adds the products of one unit of every row, of which `count` elements exist; x counts as 0 unless `is_there`.
void add_products(uint k, uint count, bool is_there, Unit units[OUTS]) {
    float part[VALUES], x_sum[ROWS];
    [[unroll]] for (uint v = 0; v < VALUES; ++v) part[v] = FORMAT == LINEAR_DENSE ? sums[v] : 0.0;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) x_sum[r] = 0.0;
    [[unroll]] for (uint p = 0; p < UNIT / 8; ++p) {
        Pack w[OUTS], factor;
        if (norm_weight_present) factor = norm_weight_get((k + p * 8) * norm_weight_s0, norm_weight_s0, count);
        [[unroll]] for (uint o = 0; o < OUTS; ++o)
            w[o] = FORMAT == LINEAR_DENSE ? dense_pack(weight_dtype, units[o]) : mantissa_pack(units[o], p);
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            Pack a = x_get(x_row(r) + k + p * 8, 1, count);
            if (!is_there) a = zero_pack();
            if (norm_weight_present) {
                sums[VALUES + r] = dot8(a, a, sums[VALUES + r]);
                a = Pack(a.low * factor.low, a.high * factor.high);
            }
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

// The unit of row o at k, which may lie past the end or be cut.
Unit last_unit(uint o, uint k) {
    if (!NO_CUT) return weight_unit_part(weight_row(o), k);
    const Unit unit = weight_unit(weight_row(o), min(k, IN - UNIT));
    if (k < IN) return unit;
    return Unit(uvec4(0), uvec4(0), 0.0);
}

void sum_lane(uint lane) {
    for (uint i = 0; i < WHOLE; i += DEPTH) {
        Unit units[DEPTH][OUTS];
        [[unroll]] for (uint d = 0; d < DEPTH; ++d)
            [[unroll]] for (uint o = 0; o < OUTS; ++o) units[d][o] = weight_unit(weight_row(o), ((i + d) * LANES + lane) * UNIT);
        [[unroll]] for (uint d = 0; d < DEPTH; ++d) add_products(((i + d) * LANES + lane) * UNIT, 8, true, units[d]);
    }
    for (uint i = WHOLE; i < MOST; i += DEPTH) {
        Unit units[DEPTH][OUTS];
        [[unroll]] for (uint d = 0; d < DEPTH; ++d)
            [[unroll]] for (uint o = 0; o < OUTS; ++o) units[d][o] = last_unit(o, ((i + d) * LANES + lane) * UNIT);
        [[unroll]] for (uint d = 0; d < DEPTH; ++d) {
            const uint k = ((i + d) * LANES + lane) * UNIT;
            if (NO_CUT)
                add_products(min(k, IN - UNIT), 8, k < IN, units[d]);
            else if (k < IN)
                add_products(k, min(IN - k, 8), true, units[d]);
        }
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

void finish(uint team, uint v, float sum, float squares, float start) {
    if (is_result(team, v)) store_result(gl_WorkGroupID.z, result_row(v), result_out(team, v), normalised(sum, squares) + start);
}

#if SUBGROUP
// Where a team is a subgroup, lane v finishes result v, and nobody waits for another team.
void finish_in_subgroup(uint team, float start) {
    const uint lane = gl_SubgroupInvocationID;
    [[unroll]] for (uint t = 0; t < TOTALS; ++t) sums[t] = subgroupAdd(sums[t]);
    [[unroll]] for (uint first = 0; first < VALUES; first += SUBGROUP_SIZE) {
        float sum = 0.0, squares = 0.0;
        [[unroll]] for (uint v = first; v < min(first + SUBGROUP_SIZE, VALUES); ++v) {
            sum = lane == v - first ? sums[v] : sum;
            squares = lane == v - first ? sums[VALUES + v / OUTS] : squares;
        }
        finish(team, first + lane, sum, squares, first == 0 ? start : start_of_result(team, first + lane));
    }
}
#endif

void finish_together(uint team, uint lane, uint id, float start) {
    [[unroll]] for (uint t = 0; t < TOTALS; ++t) {
        const uint at = (team * TOTALS + t) * PARTS;
#if SUBGROUP
        const float sum = subgroupAdd(sums[t]);
        if (gl_SubgroupInvocationID == 0) partial[at + lane / SUBGROUP_SIZE] = sum;
#else
        partial[at + lane] = sums[t];
#endif
    }
    barrier();
    for (uint i = id; i < TEAMS * VALUES; i += gl_WorkGroupSize.x) {
        const uint base = i / VALUES * TOTALS, v = i % VALUES, of_squares = norm_weight_present ? VALUES + v / OUTS : v;
        float sum = 0.0, squares = 0.0;
        for (uint part = 0; part < PARTS; ++part) {
            sum += partial[(base + v) * PARTS + part];
            squares += partial[(base + of_squares) * PARTS + part];
        }
        finish(i / VALUES, v, sum, squares, i == id ? start : start_of_result(i / VALUES, v));
    }
}

void main() {
    const uint id = invocation(), team = id / LANES, lane = id % LANES;
    first_out = (gl_WorkGroupID.y * TEAMS + team) * OUTS;
    x_base = gl_WorkGroupID.z * x_s0;
    [[unroll]] for (uint t = 0; t < TOTALS; ++t) sums[t] = 0.0;
#if SUBGROUP
    const bool is_alone = PARTS == 1;
#else
    const bool is_alone = false;
#endif
    const uint result = is_alone ? team * VALUES + lane : id;  // the first that this invocation finishes
    const bool is_mine = is_alone ? lane < VALUES : id < TEAMS * VALUES;
    const float start = is_mine ? start_of_result(result / VALUES, result % VALUES) : 0.0;
    sum_lane(lane);
#if SUBGROUP
    if (is_alone) {
        finish_in_subgroup(team, start);
        return;
    }
#endif
    finish_together(team, lane, id, start);
}

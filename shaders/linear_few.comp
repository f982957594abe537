#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
// y = x weight^T + bias for few rows of x, as in decoding: bound by the weights' way from memory.
//
// A team of LANES lanes takes OUTS rows of the weight, and ROWS rows of x. Lane k has units k, k + LANES... of them: 16 bytes
// each, neighbours side by side, DEPTH of each row under way at a time. What the lanes have summed is added up through
// subgroups and shared memory (`subgroup`), or shared memory alone (`scalar`).
// Grid: (1, out_features / OUTS of a workgroup's teams, batch).
#include "lib/linear.glsl"

layout(constant_id = SPEC_SUBGROUP_SIZE) const uint SUBGROUP_SIZE = 32;
layout(constant_id = SPEC_LINEAR_ROWS) const uint ROWS = 1;
layout(constant_id = SPEC_LINEAR_OUTS) const uint OUTS = 2;
layout(constant_id = SPEC_LINEAR_LANES) const uint LANES = 32;
layout(constant_id = SPEC_LINEAR_DEPTH) const uint DEPTH = 2;

const uint VALUES = ROWS * OUTS;  // sums of a team
const uint TEAMS = gl_WorkGroupSize.x / LANES;
const uint UNITS = (IN + UNIT - 1) / UNIT;                    // of a row
// Of a lane, while all lanes have DEPTH whole units. With a DEPTH of 1 they gain nothing from a loop of their own.
const uint WHOLE = DEPTH == 1 ? 0 : IN / UNIT / (LANES * DEPTH) * DEPTH;
const uint MOST = (UNITS + LANES - 1) / LANES;                // of any lane

#if SUBGROUP
const uint PARTS = LANES / SUBGROUP_SIZE;  // of a sum, that go through shared memory
uint invocation() { return gl_SubgroupID * SUBGROUP_SIZE + gl_SubgroupInvocationID; }
#else
const uint PARTS = LANES;
uint invocation() { return gl_LocalInvocationID.x; }
#endif

shared float partial[TEAMS * VALUES * PARTS];

float sums[VALUES];  // [row][out]

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

// Adds the products of one unit of every row, of which `count` elements exist.
void add_products(uint k, uint count, Unit units[OUTS]) {
    float part[VALUES], x_sum[ROWS];
    [[unroll]] for (uint v = 0; v < VALUES; ++v) part[v] = FORMAT == LINEAR_DENSE ? sums[v] : 0.0;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) x_sum[r] = 0.0;
    [[unroll]] for (uint p = 0; p < UNIT / 8; ++p) {
        Pack w[OUTS];
        [[unroll]] for (uint o = 0; o < OUTS; ++o)
            w[o] = FORMAT == LINEAR_DENSE ? dense_pack(weight_dtype, units[o]) : mantissa_pack(units[o], p);
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            const Pack a = x_get(x_row(r) + k + p * 8, 1, count);
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

void sum_lane(uint lane) {
    for (uint i = 0; i < WHOLE; i += DEPTH) {
        Unit units[DEPTH][OUTS];
        [[unroll]] for (uint d = 0; d < DEPTH; ++d)
            [[unroll]] for (uint o = 0; o < OUTS; ++o) units[d][o] = weight_unit(weight_row(o), ((i + d) * LANES + lane) * UNIT);
        [[unroll]] for (uint d = 0; d < DEPTH; ++d) add_products(((i + d) * LANES + lane) * UNIT, 8, units[d]);
    }
    for (uint i = WHOLE; i < MOST; ++i) {
        const uint k = (i * LANES + lane) * UNIT;
        if (k >= IN) continue;
        Unit units[OUTS];
        [[unroll]] for (uint o = 0; o < OUTS; ++o) units[o] = weight_unit_part(weight_row(o), k);
        add_products(k, min(IN - k, 8), units);
    }
}

void share_sums(uint team, uint lane) {
    [[unroll]] for (uint v = 0; v < VALUES; ++v) {
        const uint at = (team * VALUES + v) * PARTS;
#if SUBGROUP
        const float sum = subgroupAdd(sums[v]);
        if (gl_SubgroupInvocationID == 0) partial[at + lane / SUBGROUP_SIZE] = sum;
#else
        partial[at + lane] = sums[v];
#endif
    }
}

void main() {
    const uint id = invocation(), team = id / LANES, lane = id % LANES;
    first_out = (gl_WorkGroupID.y * TEAMS + team) * OUTS;
    x_base = gl_WorkGroupID.z * x_s0;
    [[unroll]] for (uint v = 0; v < VALUES; ++v) sums[v] = 0.0;
    sum_lane(lane);
    share_sums(team, lane);
    barrier();
    for (uint i = id; i < TEAMS * VALUES; i += gl_WorkGroupSize.x) {
        float sum = 0.0;
        for (uint part = 0; part < PARTS; ++part) sum += partial[i * PARTS + part];
        const uint row = i % VALUES / OUTS, o = (gl_WorkGroupID.y * TEAMS + i / VALUES) * OUTS + i % OUTS;
        if (row >= push.header[HEADER_TOKENS] || o >= push.header[HEADER_OUTS]) continue;
        if (bias_present) sum += bias_load(o * bias_s0);
        y_store(gl_WorkGroupID.z * y_s0 + row * y_s1 + o, sum);
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
// out[t] = table[ids[t]], or zeros where the id is not in the table.
// LANES lanes share a row of out; a workgroup takes as many rows as that leaves. Of a table that is too large to bind, a
// dispatch sees the rows from HEADER_FIRST_ID on and writes what they give; the first one also writes the zeros.
// Grid: (rows / rows of a workgroup, 1, batch).
#include "lib/tensor.glsl"
#include "lib/pack.glsl"
#include "shared/elementwise.h"

layout(constant_id = SPEC_EMBEDDING_DIM) const uint DIM = 64;
layout(constant_id = SPEC_EMBEDDING_LANES) const uint LANES = 8;

TENSOR(EMBEDDING_IDS, ids)
TENSOR(EMBEDDING_TABLE, table)
TENSOR_PACK(table)
TENSOR(EMBEDDING_OUT, out)
TENSOR_PACK(out)

void main() {
    const uint team = gl_LocalInvocationID.x / LANES, lane = gl_LocalInvocationID.x % LANES;
    const uint b = gl_WorkGroupID.z, rows = push.header[HEADER_TOKENS];
    const uint row = gl_WorkGroupID.x * (gl_WorkGroupSize.x / LANES) + team;
    const uint id = uint(ids_load_int(b * ids_s0 + min(row, rows - 1) * ids_s1));  // negative ones are beyond any table
    const uint entry = id - push.header[HEADER_FIRST_ID];
    const bool is_here = entry < push.header[HEADER_ID_COUNT];
    const bool is_unknown = id >= push.header[HEADER_VOCAB] && push.header[HEADER_FIRST_ID] == 0;
    if (row >= rows || !(is_here || is_unknown)) return;
    const uint from = min(entry, push.header[HEADER_ID_COUNT] - 1) * table_s0;
    for (uint j = lane * PACK; j < DIM; j += LANES * PACK) {
        const uint count = min(DIM - j, PACK);
        const Pack p = table_get(from + j * table_s1, table_s1, is_here ? count : 0);
        out_put(b * out_s0 + row * out_s1 + j * out_s2, out_s2, count, p);
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
// The same as embedding.comp on a CPU, for a table and an output of one element type whose rows are words side by side: a
// workgroup is a subgroup, which copies a row. Grid: (rows, 1, batch).
#include "lib/tensor.glsl"
#include "lib/words.glsl"
#include "shared/elementwise.h"

layout(constant_id = SPEC_EMBEDDING_DIM) const uint DIM = 64;

TENSOR(EMBEDDING_IDS, ids)
TENSOR(EMBEDDING_TABLE, table)
DECLARE_WORDS_OF(table)
TENSOR(EMBEDDING_OUT, out)
DECLARE_WORDS_OF(out)

const uint WORDS = DIM / (IS_WIDE(out) ? 1 : 2);

void main() {
    find_lanes();
    const uint b = gl_WorkGroupID.z, row = min(gl_WorkGroupID.x, push.header[HEADER_TOKENS] - 1);
    const uint id = uint(ids_load_int(b * ids_s0 + row * ids_s1));  // negative ones are beyond any table
    const uint entry = id - push.header[HEADER_FIRST_ID];
    const bool is_here = entry < push.header[HEADER_ID_COUNT];
    const bool is_unknown = id >= push.header[HEADER_VOCAB] && push.header[HEADER_FIRST_ID] == 0;
    if (row != gl_WorkGroupID.x || !(is_here || is_unknown)) return;
    const ROW from = table_row(min(entry, push.header[HEADER_ID_COUNT] - 1) * table_s0), to = out_row(b * out_s0 + row * out_s1);
    uint w = 0;
    if (WORDS >= STEP) {
        for (; w + STEP <= WORDS; w += STEP) {
            const uint at = min(w, WORDS - STEP);
            uint words[WORDS_DEPTH];
            [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) words[d] = table_neighbours(from, at + d * LANES);
            [[unroll]] for (uint d = 0; d < WORDS_DEPTH; ++d) out_put_neighbours(to, at + d * LANES, is_here ? words[d] : 0);
        }
    }
    for (w += gl_SubgroupInvocationID; w < WORDS; w += LANES) out_put_word(to, w, is_here ? table_word(from, w) : 0);
}

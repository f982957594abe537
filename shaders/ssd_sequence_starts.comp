#version 460
#extension GL_GOOGLE_include_directive : require
// starts[k] = first token of the k-th sequence of a row, from seq_idx: a sequence starts at token 0 and
// wherever seq_idx changes. Entries beyond the last sequence hold the number of tokens; entry
// max_sequences + 1 holds the number of sequences, which may be more than there is room for.
//
// One workgroup a row. Each invocation looks at RUN consecutive tokens; an inclusive scan over the
// workgroup says how many starts lie before them.
#include "lib/ssd.glsl"
#include "lib/workgroup_scan.glsl"

TENSOR(STARTS_SEQ_IDX, seq_idx)
TENSOR(STARTS_STARTS, starts)

const uint RUN = 16;

bool is_start(uint row, uint t) {
    if (t >= push.header[HEADER_TOKENS]) return false;
    return t == 0 || seq_idx_load_int(row + t * seq_idx_s1) != seq_idx_load_int(row + (t - 1) * seq_idx_s1);
}

void main() {
    const uint b = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    const uint row = b * seq_idx_s0, out_row = b * starts_s0;
    const uint tokens = push.header[HEADER_TOKENS], sequences = push.header[HEADER_SEQUENCES];
    uint found = 0;  // starts before this block
    for (uint block = 0; block < tokens; block += gl_WorkGroupSize.x * RUN) {
        const uint first = block + lane * RUN;
        uint count = 0;
        for (uint i = 0; i < RUN; ++i) count += is_start(row, first + i) ? 1 : 0;
        uint k = found + workgroup_inclusive_sum(count) - count;
        for (uint i = 0; i < RUN; ++i) {
            if (!is_start(row, first + i)) continue;
            if (k < sequences) starts_store_int(out_row + k, int(first + i));
            ++k;
        }
        found += workgroup_sum();
        barrier();  // the sums are about to be overwritten
    }
    for (uint k = min(found, sequences) + lane; k <= sequences; k += gl_WorkGroupSize.x)
        starts_store_int(out_row + k, int(tokens));
    if (lane == 0) starts_store_int(out_row + sequences + 1, int(found));
}

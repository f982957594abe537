#version 460
#extension GL_GOOGLE_include_directive : require
// Cuts the sequences of a packed row into chunks: sequence s has ceil(length / chunk_size), at least one
// so that an empty sequence still hands its initial state on. See shared/ssd.h for the table.
//
// One workgroup a row; an invocation writes the chunks of one sequence after a scan over the workgroup
// told it where they go. Offsets that fall or leave the row are clamped: they come from device memory.
#include "lib/ssd.glsl"
#include "lib/workgroup_scan.glsl"

TENSOR(TABLE_ARG_STARTS, starts)  // from ssd_sequence_starts, or cu_seqlens
TENSOR(TABLE_ARG_TABLE, table)

void write_chunks(uint row, uint c, uint chunks, uint sequence, uint first, uint end) {
    for (uint i = 0; i < chunks && c + i < push.header[HEADER_CHUNKS]; ++i) {
        const uint entry = row + TABLE_HEAD + (c + i) * TABLE_ENTRY;
        const uint at = first + i * CHUNK_SIZE;
        table_store_int(entry + TABLE_FIRST, int(at));
        table_store_int(entry + TABLE_COUNT, int(min(CHUNK_SIZE, end - at)));
        table_store_int(entry + TABLE_SEQUENCE, int(sequence));
        table_store_int(entry + TABLE_FLAGS, (i == 0 ? TABLE_STARTS : 0) | (i + 1 == chunks ? TABLE_ENDS : 0));
    }
}

void main() {
    const uint b = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    const uint tokens = push.header[HEADER_TOKENS], room = push.header[HEADER_SEQUENCES];
    const uint starts_row = b * starts_s0, row = b * table_s0;
    const uint found = PACKING == PACKING_SEQ_IDX ? uint(starts_load_int(starts_row + room + 1)) : room;
    const bool overflow = found > room;
    const uint sequences = overflow ? 1 : found;  // one sequence over the row, so that all of it is visited
    uint total = 0;  // chunks of earlier blocks
    for (uint block = 0; block < sequences; block += gl_WorkGroupSize.x) {
        const uint s = block + lane;
        uint first = 0, end = 0, chunks = 0;
        if (s < sequences) {
            first = uint(clamp(starts_load_int(starts_row + s * starts_s1), 0, int(tokens)));
            end = overflow ? tokens : uint(clamp(starts_load_int(starts_row + (s + 1) * starts_s1), int(first), int(tokens)));
            chunks = max((end - first + CHUNK_SIZE - 1) / CHUNK_SIZE, 1u);
        }
        const uint c = total + workgroup_inclusive_sum(chunks) - chunks;
        write_chunks(row, c, chunks, s, first, end);
        total += workgroup_sum();
        barrier();  // the sums are about to be overwritten
    }
    if (lane == 0) {
        table_store_int(row + TABLE_CHUNKS, int(min(total, push.header[HEADER_CHUNKS])));
        table_store_int(row + TABLE_OVERFLOW, overflow ? 1 : 0);
    }
}

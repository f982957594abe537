// Where chunk c of batch row b lies. Unpacked, chunks tile the sequence; packed, the table built by
// ssd_chunk_table lists them, each inside one sequence, so that no stage needs a mask between sequences and
// a sequence is cut the same way whatever it is packed with. Needs TENSOR(..., table).
struct Chunk {
    uint first;     // token
    uint count;     // tokens; 0: nothing to do
    uint sequence;  // packed: index of the sequence in its row
    bool starts, ends;
};

// A row with more sequences than the tables hold cannot be right: it gets NaN, not something plausible. By its
// bits, since a compiler may take arithmetic to be free of NaN.
#define NOT_A_NUMBER uintBitsToFloat(0x7fc00000u)
bool has_overflow(uint b) { return PACKING == PACKING_SEQ_IDX && table_load_int(b * table_s0 + TABLE_OVERFLOW) != 0; }

uint chunk_count(uint b) {
    if (PACKING == PACKING_NONE) return (push.header[HEADER_TOKENS] + CHUNK_SIZE - 1) / CHUNK_SIZE;
    return min(uint(table_load_int(b * table_s0 + TABLE_CHUNKS)), push.header[HEADER_CHUNKS]);
}

Chunk get_chunk(uint b, uint c) {
    Chunk chunk;
    const uint chunks = chunk_count(b);
    if (PACKING == PACKING_NONE) {
        const uint tokens = push.header[HEADER_TOKENS];
        chunk.first = c * CHUNK_SIZE;
        chunk.count = c < chunks ? min(CHUNK_SIZE, tokens - chunk.first) : 0;
        chunk.sequence = 0;
        chunk.starts = c == 0;
        chunk.ends = c + 1 == chunks;
    } else {
        const uint entry = b * table_s0 + TABLE_HEAD + min(c, push.header[HEADER_CHUNKS] - 1) * TABLE_ENTRY;
        const uint flags = uint(table_load_int(entry + TABLE_FLAGS));
        chunk.first = uint(table_load_int(entry + TABLE_FIRST));
        chunk.count = c < chunks ? uint(table_load_int(entry + TABLE_COUNT)) : 0;
        chunk.sequence = uint(table_load_int(entry + TABLE_SEQUENCE));
        chunk.starts = (flags & TABLE_STARTS) != 0;
        chunk.ends = (flags & TABLE_ENDS) != 0;
    }
    return chunk;
}

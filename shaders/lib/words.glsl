// Neighbouring words at once, on a CPU. There a load from a place of each lane's own is as many loads as there are lanes, and
// one from a place that all lanes share is a single one. So LANES neighbouring words, as many as the subgroup has lanes, are
// read as if for all lanes, and lane j keeps the j-th: a compiler that knows the lanes' numbers makes one load of it. It knows
// them only of what is computed before the loops: what is used in one and after it passes through a variable that inactive
// lanes keep (so is_lane; call find_lanes first).
//
// Such loads ignore which lanes are active, and a loop may be run once too often with none: places have to stay inside.
//
// A ROW is what words are read from: an address, taken from the push constants once, or the index of its first element. Of
// neighbours the first has an address of its own, since their distances are constants only then. DECLARE_WORDS_OF(name), after
// TENSOR, gives:
//   name_row(i)                    the row that begins at element i, of two if these are 16 bits wide
//   name_word(row, w)              word w, at a place of each lane's own
//   name_neighbours(row, first)    word first + j for lane j
//   name_put_word(row, w, word)    stores
//   name_put_neighbours(row, first, word)
//   name_element(row, i)           element i
#include "shared/words.h"

layout(constant_id = SPEC_SUBGROUP_SIZE) const uint LANES = 8;

const uint STEP = WORDS_DEPTH * LANES;

bool is_lane[LANES];

void find_lanes() {
    [[unroll]] for (uint j = 0; j < LANES; ++j) is_lane[j] = gl_SubgroupInvocationID == j;
}

// The elements of a word: one of 32 bits, and 0, or two of 16.
vec2 elements_of(uint dtype, uint word) {
    if (dtype == DTYPE_F32) return vec2(uintBitsToFloat(word), 0.0);
    if (dtype == DTYPE_F16) return unpackHalf2x16(word);
    return vec2(uintBitsToFloat(word << 16), uintBitsToFloat(word & 0xffff0000u));
}

uint word_of(uint dtype, vec2 v) {
    if (dtype == DTYPE_F32) return floatBitsToUint(v.x);
    if (dtype == DTYPE_F16) return f32_to_f16(v.x) | f32_to_f16(v.y) << 16;
    return f32_to_bf16(v.x) | f32_to_bf16(v.y) << 16;
}

#define IS_WIDE(NAME) (NAME##_dtype == DTYPE_F32 || NAME##_dtype == DTYPE_I32)

#if MEMORY_ADDRESS
#define ROW uvec2
uvec2 advanced(uvec2 address, uint bytes) {
    uint carry;
    const uint low = uaddCarry(address.x, bytes, carry);
    return uvec2(low, address.y + carry);
}
#if STORAGE_16BIT
uint half_at(ROW row, uint i) { return uint(Halves(row).v[i]); }
#else
uint half_at(ROW row, uint i) {
    const uint at = i + ((row.x >> 1) & 1u);  // the address may lie in the middle of a word
    return Words(uvec2(row.x & ~3u, row.y)).v[at >> 1] >> ((at & 1u) * 16u) & 0xffffu;
}
#endif
#define DECLARE_ROW_OF(NAME)                                                                                 \
    ROW NAME##_row(uint i) { return advanced(push.address[NAME##_argument], i * (IS_WIDE(NAME) ? 4 : 2)); }  \
    ROW NAME##_advanced(ROW row, uint w) { return advanced(row, w * 4); }                                    \
    uint NAME##_word(ROW row, uint w) { return Words(row).v[w]; }                                            \
    void NAME##_put_word(ROW row, uint w, uint word) { Words(row).v[w] = word; }                             \
    float NAME##_element(ROW row, uint i) {                                                                  \
        if (NAME##_dtype == DTYPE_F32) return uintBitsToFloat(Words(row).v[i]);                              \
        return elements_of(NAME##_dtype, half_at(row, i)).x;                                                 \
    }
#else
#define ROW uint
#define DECLARE_ROW_OF(NAME)                                                                                 \
    ROW NAME##_row(uint i) { return i; }                                                                     \
    ROW NAME##_advanced(ROW row, uint w) { return row + w * (IS_WIDE(NAME) ? 1 : 2); }                       \
    uint NAME##_word(ROW row, uint w) {                                                                      \
        if (IS_WIDE(NAME)) return WORD(NAME, row + w);                                                       \
        return NAME##_load_half(row + 2 * w) | NAME##_load_half(row + 2 * w + 1) << 16;                      \
    }                                                                                                        \
    void NAME##_put_word(ROW row, uint w, uint word) {                                                       \
        if (IS_WIDE(NAME)) {                                                                                 \
            WORD(NAME, row + w) = word;                                                                      \
        } else {                                                                                             \
            NAME##_store_half(row + 2 * w, word & 0xffffu);                                                  \
            NAME##_store_half(row + 2 * w + 1, word >> 16);                                                  \
        }                                                                                                    \
    }                                                                                                        \
    float NAME##_element(ROW row, uint i) { return NAME##_load(row + i); }
#endif

#define DECLARE_WORDS_OF(NAME)                                                                               \
    DECLARE_ROW_OF(NAME)                                                                                     \
    uint NAME##_neighbours(ROW row, uint first) {                                                            \
        const ROW from = NAME##_advanced(row, first);                                                        \
        uint word = NAME##_word(from, 0);                                                                    \
        [[unroll]] for (uint j = 1; j < LANES; ++j) word = mix(word, NAME##_word(from, j), is_lane[j]);      \
        return word;                                                                                         \
    }                                                                                                        \
    void NAME##_put_neighbours(ROW row, uint first, uint word) {                                             \
        NAME##_put_word(NAME##_advanced(row, first), gl_SubgroupInvocationID, word);                         \
    }

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// y = x weight^T + bias on a CPU with subgroups of 8 lanes. There a load from a place of each lane's own is eight loads, and
// one from a place that all lanes share is a single one. So eight neighbouring words are read as if for all lanes, and lane
// j keeps the j-th: a compiler that knows the lanes' numbers makes one load of it. It knows them only of what is computed
// before the loops: what is used in one and after it passes through a variable that inactive lanes keep (so is_lane).
//
// A workgroup is a subgroup. It computes ROWS x OUTS results, lane j of words j, j + 8... of each row; the sums stay in
// registers, and the lanes' parts are added up at the end.
// Grid: (rows / ROWS, out_features / OUTS, batch).
#include "lib/linear.glsl"

layout(constant_id = SPEC_LINEAR_ROWS) const uint ROWS = 1;
layout(constant_id = SPEC_LINEAR_OUTS) const uint OUTS = 8;
layout(constant_id = SPEC_LINEAR_DEPTH) const uint DEPTH = 4;

const uint LANES = 8;
const uint IN_WORD = FORMAT == LINEAR_Q4 ? 8 : FORMAT == LINEAR_Q8 ? 4 : weight_dtype == DTYPE_F32 ? 1 : 2;
const uint X_BYTES = x_dtype == DTYPE_F32 ? 4 : 2, WEIGHT_BYTES = weight_dtype == DTYPE_F32 ? 4 : 2;
const bool X_IS_ALIKE = FORMAT == LINEAR_DENSE && X_BYTES == WEIGHT_BYTES;  // a word of x has the same k as one of the weight
const uint STEPS_OF_ROW = (IN + LANES * IN_WORD - 1) / (LANES * IN_WORD);
const uint WHOLE = IN / (LANES * IN_WORD) / DEPTH * DEPTH;  // steps in which every lane has a word

// A row, for words to be read from: its address, taken from the push constants once, or the index of its first element.
// Of neighbours the first has an address of its own, since their distances are constants only then.
#if MEMORY_ADDRESS
#define ROW uvec2
uvec2 advanced(uvec2 address, uint bytes) {
    uint carry;
    const uint low = uaddCarry(address.x, bytes, carry);
    return uvec2(low, address.y + carry);
}
#define DECLARE_ROW(NAME)                                                                                     \
    ROW NAME##_row(uint i) {                                                                                  \
        const bool is_wide = NAME##_dtype == DTYPE_F32 || NAME##_dtype == DTYPE_I32;                          \
        return advanced(push.address[NAME##_argument], i * (is_wide ? 4 : 2));                                \
    }                                                                                                         \
    ROW NAME##_words_from(ROW row, uint w) { return advanced(row, w * 4); }                                   \
    uint NAME##_word(ROW row, uint w) { return Words(row).v[w]; }
#else
#define ROW uint
#define DECLARE_ROW(NAME)                                                                                     \
    ROW NAME##_row(uint i) { return i; }                                                                      \
    ROW NAME##_words_from(ROW row, uint w) {                                                                  \
        const bool is_wide = NAME##_dtype == DTYPE_F32 || NAME##_dtype == DTYPE_I32;                          \
        return row + w * (is_wide ? 1 : 2);                                                                   \
    }                                                                                                         \
    uint NAME##_word(ROW row, uint w) {                                                                       \
        if (NAME##_dtype == DTYPE_F32 || NAME##_dtype == DTYPE_I32) return WORD(NAME, row + w);               \
        return NAME##_halves(row + 2 * w);                                                                    \
    }
#endif

bool is_lane[LANES];

#define DECLARE_NEIGHBOURS(NAME)                                                                              \
    uint NAME##_neighbours(ROW row, uint first) {                                                             \
        const ROW from = NAME##_words_from(row, first);                                                       \
        uint word = NAME##_word(from, 0);                                                                     \
        [[unroll]] for (uint j = 1; j < LANES; ++j)                                                           \
            word = mix(word, NAME##_word(from, j), is_lane[j]);                                               \
        return word;                                                                                          \
    }

DECLARE_ROW(x)
DECLARE_ROW(weight)
DECLARE_NEIGHBOURS(x)
DECLARE_NEIGHBOURS(weight)

float sums[ROWS * OUTS];  // [row][out]

// Element e of a word; integers without their scale, as parts of STEPS.
float element_of(uint dtype, uint word, uint e) {
    if (dtype == DTYPE_F32) return uintBitsToFloat(word);
    if (dtype == DTYPE_F16) return e == 0 ? unpackHalf2x16(word).x : unpackHalf2x16(word).y;
    if (dtype == DTYPE_BF16) return uintBitsToFloat(e == 0 ? word << 16 : word & 0xffff0000u);
    if (FORMAT == LINEAR_Q4) return as_mantissas(uvec4(word >> (4 * e) & 15u)).x - MIDDLE;
    return as_mantissas(uvec4((word ^ 0x80808080u) >> (8 * e) & 255u)).x - MIDDLE;
}

// Adds the products of word w of each row, of which this lane has `words`; its elements from IN on count as 0.
void add_products(uint first_out, uint x_at[ROWS], uint w, uint words[OUTS], uint x_words[ROWS], bool whole) {
    float part[ROWS * OUTS];
    [[unroll]] for (uint v = 0; v < ROWS * OUTS; ++v) part[v] = FORMAT == LINEAR_DENSE ? sums[v] : 0.0;
    [[unroll]] for (uint e = 0; e < IN_WORD; ++e) {
        const uint k = w * IN_WORD + e;
        const bool is_there = whole || k < IN;
        float a[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            a[r] = X_IS_ALIKE ? element_of(x_dtype, x_words[r], e) : x_load(x_at[r] + (whole ? k : min(k, IN - 1)));
            if (!whole) a[r] = mix(0.0, a[r], is_there);
        }
        [[unroll]] for (uint o = 0; o < OUTS; ++o) {
            float b = element_of(weight_dtype, words[o], e);
            if (!whole) b = mix(0.0, b, is_there);
            [[unroll]] for (uint r = 0; r < ROWS; ++r) part[r * OUTS + o] = fma(a[r], b, part[r * OUTS + o]);
        }
    }
    [[unroll]] for (uint o = 0; o < OUTS; ++o) {
        float scale = 1.0;
        if (FORMAT != LINEAR_DENSE) {
            const uint row = min(first_out + o, push.header[HEADER_OUTS] - 1);
            scale = STEPS * scales_load(row * scales_s0 + min(w * IN_WORD, IN - 1) / BLOCK * scales_s1);
        }
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            const uint v = r * OUTS + o;
            sums[v] = FORMAT == LINEAR_DENSE ? part[v] : fma(part[v], scale, sums[v]);
        }
    }
}

void main() {
    const uint first_row = gl_WorkGroupID.x * ROWS, first_out = gl_WorkGroupID.y * OUTS, lane = gl_SubgroupInvocationID;
    const uint rows = push.header[HEADER_TOKENS], outs = push.header[HEADER_OUTS];
    [[unroll]] for (uint j = 0; j < LANES; ++j) is_lane[j] = lane == j;
    uint x_at[ROWS], x_words[ROWS], words[OUTS];
    ROW x_rows[ROWS], w_rows[OUTS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        x_at[r] = gl_WorkGroupID.z * x_s0 + min(first_row + r, rows - 1) * x_s1;
        x_rows[r] = x_row(x_at[r]);
        x_words[r] = 0;
    }
    [[unroll]] for (uint o = 0; o < OUTS; ++o) w_rows[o] = weight_row(min(first_out + o, outs - 1) * weight_s0);
    [[unroll]] for (uint v = 0; v < ROWS * OUTS; ++v) sums[v] = 0.0;

    for (uint i = 0; i < WHOLE; i += DEPTH) {
        // Such loads ignore which lanes are active, and a loop may be run once too often with none: they stay inside.
        const uint first = min(i, WHOLE - DEPTH) * LANES;
        [[unroll]] for (uint d = 0; d < DEPTH; ++d) {
            [[unroll]] for (uint o = 0; o < OUTS; ++o) words[o] = weight_neighbours(w_rows[o], first + d * LANES);
            if (X_IS_ALIKE) [[unroll]] for (uint r = 0; r < ROWS; ++r) x_words[r] = x_neighbours(x_rows[r], first + d * LANES);
            add_products(first_out, x_at, first + d * LANES + lane, words, x_words, true);
        }
    }
    for (uint i = WHOLE; i < STEPS_OF_ROW; ++i) {
        const uint w = i * LANES + lane, at = min(w, (IN - 1) / IN_WORD);
        [[unroll]] for (uint o = 0; o < OUTS; ++o) words[o] = weight_word(w_rows[o], at);
        if (X_IS_ALIKE) [[unroll]] for (uint r = 0; r < ROWS; ++r) x_words[r] = x_word(x_rows[r], at);
        add_products(first_out, x_at, w, words, x_words, false);
    }

    [[unroll]] for (uint v0 = 0; v0 < ROWS * OUTS; v0 += LANES) {
        float sum = 0.0;
        [[unroll]] for (uint j = 0; j < LANES; ++j)
            if (v0 + j < ROWS * OUTS) sum = mix(sum, subgroupAdd(sums[v0 + j]), is_lane[j]);
        const uint v = v0 + lane, row = first_row + v / OUTS, o = first_out + v % OUTS;
        if (v >= ROWS * OUTS || row >= rows || o >= outs) continue;
        if (bias_present) sum += bias_load(o * bias_s0);
        y_store(gl_WorkGroupID.z * y_s0 + row * y_s1 + o, sum);
    }
}

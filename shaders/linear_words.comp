#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// y = x weight^T + bias on a CPU with subgroups of 8 lanes, by words side by side (lib/words.glsl).
//
// A workgroup is a subgroup. It computes ROWS x OUTS results, lane j of words j, j + 8... of each row; the sums stay in
// registers, and the lanes' parts are added up at the end.
//
// Integers are converted where they stand in their word, x being divided by what that multiplies them with, once for all OUTS.
// Of x a lane then needs elements that are no neighbours of those of the next: these are loads from a place of each lane's own.
// Grid: (rows / ROWS, out_features / OUTS, batch).
#include "lib/linear.glsl"
#include "lib/words.glsl"

layout(constant_id = SPEC_LINEAR_ROWS) const uint ROWS = 1;
layout(constant_id = SPEC_LINEAR_OUTS) const uint OUTS = 8;
layout(constant_id = SPEC_LINEAR_DEPTH) const uint DEPTH = 4;

const uint IN_WORD = FORMAT == LINEAR_Q4 ? 8 : FORMAT == LINEAR_Q8 ? 4 : weight_dtype == DTYPE_F32 ? 1 : 2;
const uint X_BYTES = x_dtype == DTYPE_F32 ? 4 : 2, WEIGHT_BYTES = weight_dtype == DTYPE_F32 ? 4 : 2;
const bool X_IS_ALIKE = FORMAT == LINEAR_DENSE && X_BYTES == WEIGHT_BYTES;  // a word of x has the same k as one of the weight
const uint STEPS_OF_ROW = (IN + LANES * IN_WORD - 1) / (LANES * IN_WORD);
const uint WHOLE = IN / (LANES * IN_WORD) / DEPTH * DEPTH;  // steps in which every lane has a word

DECLARE_WORDS_OF(x)
DECLARE_WORDS_OF(weight)
DECLARE_WORDS_OF(scales)

float sums[ROWS * OUTS];  // [row][out]
ROW x_rows[ROWS], weight_rows[OUTS], scale_rows[OUTS];
bool is_second_block;  // whether this lane's word is of the second block of 32 integers that 8 words have in q4

// Element e of a word of floats.
float float_of(uint dtype, uint word, uint e) {
    if (dtype == DTYPE_F32) return uintBitsToFloat(word);
    if (dtype == DTYPE_F16) return e == 0 ? unpackHalf2x16(word).x : unpackHalf2x16(word).y;
    return uintBitsToFloat(e == 0 ? word << 16 : word & 0xffff0000u);
}

// Integer e of a word, times 1 / over_unit(e). In q4 it is what is stored, 8 more than what is meant.
float integer_of(uint word, uint e) {
    if (FORMAT == LINEAR_Q4) return e == 7 ? float(word >> 28) : float(int(word & (15u << (4 * e))));
    if (e == 0) return float(int(word << 24));
    return float(int(e == 3 ? word & 0xff000000u : (word << (24 - 8 * e)) & 0xff000000u));
}
float over_unit(uint e) {
    if (FORMAT == LINEAR_Q8) return 1.0 / 16777216.0;
    return e == 7 ? 1.0 : 1.0 / float(1u << (4 * e));
}

// What the words from `first` of each row add to the sums.
void add_floats(uint first, uint words[OUTS], uint x_words[ROWS], bool whole) {
    [[unroll]] for (uint e = 0; e < IN_WORD; ++e) {
        const uint k = (first + gl_SubgroupInvocationID) * IN_WORD + e;
        const bool is_there = whole || k < IN;
        float a[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            a[r] = X_IS_ALIKE ? float_of(x_dtype, x_words[r], e) : x_element(x_rows[r], whole ? k : min(k, IN - 1));
            if (!whole) a[r] = mix(0.0, a[r], is_there);
        }
        [[unroll]] for (uint o = 0; o < OUTS; ++o) {
            float b = float_of(weight_dtype, words[o], e);
            if (!whole) b = mix(0.0, b, is_there);
            [[unroll]] for (uint r = 0; r < ROWS; ++r) sums[r * OUTS + o] = fma(a[r], b, sums[r * OUTS + o]);
        }
    }
}

void add_integers(uint first, uint words[OUTS], bool whole) {
    const uint w = first + gl_SubgroupInvocationID, x_first = min(w, IN / IN_WORD - 1) * IN_WORD;
    const bool is_there = whole || w * IN_WORD < IN;
    float part[ROWS * OUTS], excess[ROWS];
    [[unroll]] for (uint v = 0; v < ROWS * OUTS; ++v) part[v] = 0.0;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) excess[r] = 0.0;
    const uint x_in_word = x_dtype == DTYPE_F32 ? 1 : 2;
    [[unroll]] for (uint e = 0; e < IN_WORD; e += x_in_word) {
        uint x_words[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            x_words[r] = x_word(x_rows[r], (x_first + e) / x_in_word);
            if (!whole) x_words[r] = is_there ? x_words[r] : 0;
        }
        [[unroll]] for (uint h = 0; h < x_in_word; ++h) {
            float a[ROWS];
            [[unroll]] for (uint r = 0; r < ROWS; ++r) {
                const float value = float_of(x_dtype, x_words[r], h);
                if (FORMAT == LINEAR_Q4) excess[r] += value;
                a[r] = value * over_unit(e + h);
            }
            [[unroll]] for (uint o = 0; o < OUTS; ++o) {
                const float b = integer_of(words[o], e + h);
                [[unroll]] for (uint r = 0; r < ROWS; ++r) part[r * OUTS + o] = fma(a[r], b, part[r * OUTS + o]);
            }
        }
    }
    const uint block = first * IN_WORD / BLOCK, last = IN / BLOCK - 1;
    [[unroll]] for (uint o = 0; o < OUTS; ++o) {
        float scale = scales_element(scale_rows[o], block * scales_s1);
        if (FORMAT == LINEAR_Q4) scale = mix(scale, scales_element(scale_rows[o], min(block + 1, last) * scales_s1), is_second_block);
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            const uint v = r * OUTS + o;
            if (FORMAT == LINEAR_Q4) part[v] -= 8.0 * excess[r];
            sums[v] = fma(part[v], scale, sums[v]);
        }
    }
}

void main() {
    const uint first_row = gl_WorkGroupID.x * ROWS, first_out = gl_WorkGroupID.y * OUTS, lane = gl_SubgroupInvocationID;
    const uint rows = push.header[HEADER_TOKENS], outs = push.header[HEADER_OUTS];
    find_lanes();
    is_second_block = lane >= 4;
    uint x_words[ROWS], words[OUTS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        x_rows[r] = x_row(gl_WorkGroupID.z * x_s0 + min(first_row + r, rows - 1) * x_s1);
        x_words[r] = 0;
    }
    [[unroll]] for (uint o = 0; o < OUTS; ++o) {
        weight_rows[o] = weight_row(min(first_out + o, outs - 1) * weight_s0);
        scale_rows[o] = scales_row(min(first_out + o, outs - 1) * scales_s0);
    }
    [[unroll]] for (uint v = 0; v < ROWS * OUTS; ++v) sums[v] = 0.0;

    for (uint i = 0; i < WHOLE; i += DEPTH) {
        const uint first = min(i, WHOLE - DEPTH) * LANES;
        [[unroll]] for (uint d = 0; d < DEPTH; ++d) {
            [[unroll]] for (uint o = 0; o < OUTS; ++o) words[o] = weight_neighbours(weight_rows[o], first + d * LANES);
            if (X_IS_ALIKE) [[unroll]] for (uint r = 0; r < ROWS; ++r) x_words[r] = x_neighbours(x_rows[r], first + d * LANES);
            if (FORMAT == LINEAR_DENSE)
                add_floats(first + d * LANES, words, x_words, true);
            else
                add_integers(first + d * LANES, words, true);
        }
    }
    for (uint i = WHOLE; i < STEPS_OF_ROW; ++i) {
        const uint first = min(i, STEPS_OF_ROW - 1) * LANES, at = min(first + lane, (IN - 1) / IN_WORD);
        [[unroll]] for (uint o = 0; o < OUTS; ++o) words[o] = weight_word(weight_rows[o], at);
        if (X_IS_ALIKE) [[unroll]] for (uint r = 0; r < ROWS; ++r) x_words[r] = x_word(x_rows[r], at);
        if (FORMAT == LINEAR_DENSE)
            add_floats(first, words, x_words, false);
        else
            add_integers(first, words, false);
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

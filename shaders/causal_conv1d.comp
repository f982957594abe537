#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// y[t] = act(bias + sum over k of weight[k] * x[t - (TAPS - 1) + k]) for each channel; before a sequence lie its initial
// states or zeros. Also the form for decoding, where the inputs before the first token come from a slot and the last
// ones go back to it.
//
// An invocation has WIDTH neighbouring channels (16 bytes where the layout allows) and walks TOKENS tokens with the last
// TAPS - 1 inputs in registers, so that each input is loaded once, and those before its first token once more.
// Grid: (channels, blocks of tokens, batch); a workgroup has LANES invocations along the channels, the rest along tokens.
#include "lib/activation.glsl"
#include "lib/tensor.glsl"
#include "shared/causal_conv1d.h"

TENSOR(CONV_X, x)
TENSOR(CONV_WEIGHT, weight)
TENSOR(CONV_BIAS, bias)
TENSOR(CONV_INITIAL, initial)
TENSOR(CONV_SEQ_IDX, seq_idx)
TENSOR(CONV_INDICES, indices)
TENSOR(CONV_INDICES_OUT, indices_out)
TENSOR(CONV_Y, y)
TENSOR(CONV_FINAL, final)

layout(constant_id = SPEC_CONV_CHANNELS) const uint CHANNELS = 1;
layout(constant_id = SPEC_CONV_TAPS) const uint TAPS = 4;
layout(constant_id = SPEC_CONV_WIDTH) const uint WIDTH = 4;
layout(constant_id = SPEC_CONV_LANES) const uint LANES = 64;
layout(constant_id = SPEC_CONV_TOKENS) const uint TOKENS = 32;
layout(constant_id = SPEC_CONV_SILU) const bool SILU = false;
layout(constant_id = SPEC_CONV_IN_PLACE) const bool IN_PLACE = false;
layout(constant_id = SPEC_CONV_WEIGHT_FLAT) const bool WEIGHT_FLAT = false;
layout(constant_id = SPEC_CONV_INITIAL_FLAT) const bool INITIAL_FLAT = false;
layout(constant_id = SPEC_CONV_FINAL_FLAT) const bool FINAL_FLAT = false;

#include "lib/slots.glsl"
#include "lib/wide.glsl"

WIDE(x)
WIDE(weight)
WIDE(bias)
WIDE(initial)
WIDE(y)
WIDE(final)

const uint BEFORE = TAPS - 1;
const uint AHEAD = 4;  // tokens whose loads are under way together

const uint WEIGHTS = TAPS * WIDTH;
const uint WINDOW = BEFORE * WIDTH;
float weights[WEIGHTS];  // tap * WIDTH + channel
float window[WINDOW];    // the inputs before the next token, oldest first

// Where the q-th group of WIDTH values of a flat tensor with COUNT taps belongs in the order of `window`.
uint flat_place(uint count, uint q, uint e) { return (q * WIDTH + e) % count * WIDTH + (q * WIDTH + e) / count; }

// COUNT taps of the channels from c on, to and from an array of VALUES in the order of `window`.
#define TAPS_LOAD(NAME, COUNT, VALUES, FLAT, TAP_STRIDE, CHANNEL_STRIDE)                                       \
    void NAME##_load_taps(uint base, uint c, out float taps[VALUES]) {                                         \
        [[unroll]] for (uint q = 0; q < COUNT; ++q) {                                                          \
            float v[WIDTH];                                                                                    \
            NAME##_load_wide(base + (FLAT ? c * COUNT + q * WIDTH : q * TAP_STRIDE + c * CHANNEL_STRIDE),      \
                             FLAT ? 1 : CHANNEL_STRIDE, v);                                                    \
            [[unroll]] for (uint e = 0; e < WIDTH; ++e) taps[FLAT ? flat_place(COUNT, q, e) : q * WIDTH + e] = v[e]; \
        }                                                                                                      \
    }

#define WINDOW_STORE(NAME, FLAT)                                                                               \
    void NAME##_store_window(uint base, uint c) {                                                              \
        [[unroll]] for (uint q = 0; q < BEFORE; ++q) {                                                         \
            float v[WIDTH];                                                                                    \
            [[unroll]] for (uint e = 0; e < WIDTH; ++e) v[e] = window[FLAT ? flat_place(BEFORE, q, e) : q * WIDTH + e]; \
            NAME##_store_wide(base + (FLAT ? c * BEFORE + q * WIDTH : q * NAME##_s1 + c * NAME##_s2),          \
                              FLAT ? 1 : NAME##_s2, v);                                                        \
        }                                                                                                      \
    }

TAPS_LOAD(weight, TAPS, WEIGHTS, WEIGHT_FLAT, weight_s0, weight_s1)
TAPS_LOAD(initial, BEFORE, WINDOW, INITIAL_FLAT, initial_s1, initial_s2)
WINDOW_STORE(initial, INITIAL_FLAT)
WINDOW_STORE(final, FINAL_FLAT)

struct Place {
    uint b, c, first;    // batch row, first channel, first token
    uint before, count;  // tokens of x before the dispatch's first, and from it on
};

// Row of x and seq_idx that holds token t. Inside even past the end: software drivers read an address that is uniform
// over a subgroup even where no lane is active.
uint row_of(Place at, uint t) { return at.before + min(t, max(at.count, 1u) - 1); }

// Whether a sequence begins at a row of seq_idx, other than the first.
bool begins(Place at, uint row) {
    if (!seq_idx_present || row == 0) return false;
    const uint base = at.b * seq_idx_s0;
    return seq_idx_load_int(base + row * seq_idx_s1) != seq_idx_load_int(base + (max(row, 1u) - 1) * seq_idx_s1);
}

// The first `count` inputs of the window belong to another sequence.
void forget(uint count) {
    [[unroll]] for (uint e = 0; e < WINDOW; ++e)
        if (e < count * WIDTH) window[e] = 0.0;
}

// The inputs before the invocation's first token. Blocks hold at least as many tokens as the window, so that only the
// first one's window reaches before the row.
void fill_window(Place at, uint slot) {
    const uint next = at.before + at.first;
    if (next == 0) {
        forget(BEFORE);
        if (initial_present) initial_load_taps(slot * initial_s0, at.c, window);
        return;
    }
    [[unroll]] for (uint k = 0; k < BEFORE; ++k) {
        const uint row = max(next, BEFORE) - BEFORE + k;
        float v[WIDTH];
        x_load_wide(at.b * x_s0 + row * x_s1 + at.c * x_s2, x_s2, v);
        if (begins(at, row)) forget(k);
        [[unroll]] for (uint i = 0; i < WIDTH; ++i) window[k * WIDTH + i] = v[i];
    }
}

// The inputs of AHEAD tokens from t on, as they lie in memory.
uint block_raw[AHEAD * WIDTH];
void load_block(Place at, uint t) {
    [[unroll]] for (uint a = 0; a < AHEAD; ++a) {
        uint raw[WIDTH];
        x_load_raw(at.b * x_s0 + row_of(at, t + a) * x_s1 + at.c * x_s2, x_s2, raw);
        [[unroll]] for (uint i = 0; i < WIDTH; ++i) block_raw[a * WIDTH + i] = raw[i];
    }
}

// The outputs of up to AHEAD tokens from t on, whose inputs have been loaded, and the window moved on past them. Loads of the
// tokens after them are under way meanwhile.
void finish_block(Place at, uint t, uint end, float start[WIDTH]) {
    float inputs[(BEFORE + AHEAD) * WIDTH];
    [[unroll]] for (uint e = 0; e < WINDOW; ++e) inputs[e] = window[e];
    [[unroll]] for (uint a = 0; a < AHEAD; ++a) {
        uint raw[WIDTH];
        [[unroll]] for (uint i = 0; i < WIDTH; ++i) raw[i] = block_raw[a * WIDTH + i];
        float v[WIDTH];
        x_unpack(x_s2, raw, v);
        [[unroll]] for (uint i = 0; i < WIDTH; ++i) inputs[(BEFORE + a) * WIDTH + i] = v[i];
    }
    if (t + AHEAD < end) load_block(at, t + AHEAD);
    [[unroll]] for (uint a = 0; a < AHEAD; ++a) {
        if (seq_idx_present && t + a < end && begins(at, row_of(at, t + a)))
            [[unroll]] for (uint e = 0; e < (BEFORE + a) * WIDTH; ++e) inputs[e] = 0.0;
        float sums[WIDTH];
        [[unroll]] for (uint i = 0; i < WIDTH; ++i) {
            float sum = start[i];
            [[unroll]] for (uint k = 0; k < TAPS; ++k) sum = fma(weights[k * WIDTH + i], inputs[(a + k) * WIDTH + i], sum);
            sums[i] = SILU ? silu(sum) : sum;
        }
        if (t + a < end) y_store_wide(at.b * y_s0 + (t + a) * y_s1 + at.c * y_s2, y_s2, sums);
    }
    [[unroll]] for (uint a = 1; a <= AHEAD; ++a) {
        if (a == AHEAD ? t + AHEAD > end : t + a != end) continue;
        [[unroll]] for (uint e = 0; e < WINDOW; ++e) window[e] = inputs[a * WIDTH + e];
    }
}

void walk(Place at) {
    float start[WIDTH];
    [[unroll]] for (uint i = 0; i < WIDTH; ++i) start[i] = 0.0;
    if (bias_present) bias_load_wide(at.c * bias_s0, bias_s0, start);
    const uint end = min(at.first + TOKENS, at.count);
    load_block(at, at.first);
    for (uint t = at.first; t < end; t += AHEAD) finish_block(at, t, end, start);
}

// By the invocation that has the last token, whose window is then what a following call begins with.
void store_window(Place at, uint slot) {
    if (IN_PLACE)
        initial_store_window(slot * initial_s0, at.c);
    else if (final_present)
        final_store_window(slot * final_s0, at.c);
}

void main() {
    const uint lane = gl_LocalInvocationID.x % LANES, block = gl_WorkGroupID.y * (gl_WorkGroupSize.x / LANES) + gl_LocalInvocationID.x / LANES;
    const uint c = (gl_WorkGroupID.x * LANES + lane) * WIDTH;
    Place at;
    at.b = gl_WorkGroupID.z;
    at.c = min(c, CHANNELS - WIDTH);
    at.first = block * TOKENS;
    at.before = push.header[HEADER_CONV_BEFORE];
    at.count = push.header[HEADER_TOKENS];
    const Slots slots = slots_of_row(at.b);
    if (slots.skip || c >= CHANNELS || at.first >= at.count) return;
    weight_load_taps(0, at.c, weights);
    fill_window(at, slots.from);
    walk(at);
    if (at.first + TOKENS >= at.count) store_window(at, slots.to);
}

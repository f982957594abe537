#version 460
#extension GL_GOOGLE_include_directive : require
// ssd_scan's fused form: a workgroup walks the chunks of a head and a block of its rows of headdim, with the
// state in accumulators from the first token to the last. Per chunk of Q tokens, with s and t in it, cs the sums of
// dt' A over it and S the state that enters it:
//   y[t,p] = exp(cs_t) * sum over n of S[p,n] C[t,n] + sum over s <= t of x[s,p] M[t,s] + D x[t,p],  times silu(z[t,p])
//   M[t,s] = CB[t,s] exp(cs_t - cs_s) dt'_s
//   S[p,n] = exp(cs_end) S[p,n] + sum over s of x[s,p] w_s B[s,n],  w_s = exp(cs_end - cs_s) dt'_s
// Reference: arXiv:2405.21060, section 6. CB, dt' and cs come from ssd_fused_cb.
//
// All products have p along the rows of their result, and a subgroup owns ROW_TILES tiles of rows with all
// columns n: then S is an accumulator and, rounded, an operand of the same subgroup, which takes it through shared memory
// that no other subgroup touches, or converts it (COOPMAT_CONVERT).
//
// A chunk's x, B, C and CB are read into registers while the chunk before is multiplied (lib/ssd_fused_stage.glsl), then
// laid out as operands in shared memory, decays and steps multiplied in. lib/ssd_fused_product.glsl multiplies.
//
// f16 has little range: S and w B are kept times one power of two, and M times another, which follow upper bounds of the
// chunk's values (lib/ssd_fused_scale.glsl).
//
// Few heads leave a large GPU idle. Then a sequence is split into segments that run side by side, after a dispatch of the same kernel
// that only computes states, those of all segments but the last, each from zero: lib/ssd_fused_segments.glsl.
//
// Grid: (blocks of headdim, heads, batch x segments).
#include "lib/ssd.glsl"
#include "shared/ssd_fused.h"

TENSOR(FUSED_X, x)
TENSOR(FUSED_B, B)
TENSOR(FUSED_C, C)
TENSOR(FUSED_CB_IN, CB)
TENSOR(FUSED_LARGEST_IN, largest)
TENSOR(FUSED_STEPS_IN, steps)
TENSOR(FUSED_D, D)
TENSOR(FUSED_Z, z)
TENSOR_VECTOR(z)
TENSOR(FUSED_INITIAL, initial_states)
TENSOR(FUSED_Y, y)
TENSOR_VECTOR(y)
TENSOR(FUSED_FINAL, final_states)
TENSOR(FUSED_SEGMENT_STATES, segment_states)

#include "lib/ssd_fused.glsl"
#if COOPMAT_CONVERT
#extension GL_NV_cooperative_matrix2 : require
#endif

layout(constant_id = SPEC_FUSED_ROWS) const uint ROWS = 64;
layout(constant_id = SPEC_FUSED_ROW_TILES) const uint ROW_TILES = 1;
layout(constant_id = SPEC_FUSED_SPLIT_STATE) const bool SPLIT_STATE = false;
layout(constant_id = SPEC_FUSED_SPLIT_M) const bool SPLIT_M = false;
layout(constant_id = SPEC_FUSED_UNROLL) const bool UNROLL = true;
layout(constant_id = SPEC_FUSED_SEGMENTS) const uint SEGMENTS = 1;
layout(constant_id = SPEC_FUSED_SEGMENT_CHUNKS) const uint SEGMENT_CHUNKS = 0;
layout(constant_id = SPEC_FUSED_STATES_ONLY) const bool STATES_ONLY = false;
layout(constant_id = SPEC_FUSED_KEPT_INITIAL) const bool KEPT_INITIAL = false;

// ---- shared memory, in pieces -------------------------------------------------------------------

// A row for each token: C, and from AT_B on B times w. Of C, tiles 2i and 2i + 1 lie interleaved, element by element: see store_pair.
const uint PITCH_BC = COLUMNS / (STATES_ONLY ? 8 : 4) | 1;
const uint AT_B = STATES_ONLY ? 0 : COLUMNS / 8;
// A row for each token, in which each tile of rows p has a segment of its own with x. A subgroup that has read its segments
// uses them for the state as an operand, and leaves y there. Behind them M, of which the token is t, and with SPLIT_M what
// rounding it lost; before the first chunk, the identity.
#if COOPMAT_CONVERT
const bool PACKED_Y = !z_present && y_dtype == MATRIX_DTYPE;  // y lies there as it goes to memory
#else
const bool PACKED_Y = false;
#endif
const uint SEGMENT = (PACKED_Y || STATES_ONLY ? 1 : 2) * MATRIX_M / 8;
const uint PITCH_X = ROWS / MATRIX_M * SEGMENT + (STATES_ONLY ? 0 : SPLIT_M ? 2 : 1) * Q / 8 | 1;
const uint AT_X = Q * PITCH_BC;
const uint AT_M = AT_X + ROWS / MATRIX_M * SEGMENT;

shared uvec4 memory[AT_X + Q * PITCH_X];
shared vec4 steps_of[2][FUSED_STEP_VECTORS];  // of two chunks in turn
shared float factor_of[Q];                    // what the state's part of y is multiplied with

MATRIX_SUM state[ROW_TILES][COLUMNS / MATRIX_N];

// ---- where this invocation and its subgroup are -------------------------------------------------

// A dispatch of states leaves the last segment out.
uint batch_row() { return gl_WorkGroupID.z / (SEGMENTS - uint(STATES_ONLY)); }
uint segment() { return gl_WorkGroupID.z % (SEGMENTS - uint(STATES_ONLY)); }
uint head() { return gl_WorkGroupID.y; }
uint first_row() { return gl_WorkGroupID.x * ROWS; }
uint chunk_count() { return (push.header[HEADER_TOKENS] + Q - 1) / Q; }
uint my_tile() { return gl_SubgroupID * ROW_TILES; }

// The subgroup's segments in the row of token t.
uint my_segments(uint t) { return AT_X + t * PITCH_X + my_tile() * SEGMENT; }

// The sum of dt' A, times log2 e, over all of chunk c.
float sum_of_chunk(uint c) { return steps_of[c % 2][FUSED_SUMS + Q / 4 - 1].w; }

#include "lib/ssd_fused_scale.glsl"
#include "lib/ssd_fused_stage.glsl"
#include "lib/ssd_fused_product.glsl"
#include "lib/ssd_fused_state.glsl"
#include "lib/ssd_fused_segments.glsl"

// Chunks from `first` to `end`: y of each goes to memory while the next is under way.
void walk(uint first, uint end) {
    for (uint c = first; c < end; ++c) {
        if (!STATES_ONLY && c > first) write_y(c - 1);
        subgroup_barrier();  // y has been read from where x goes now: by lanes of this subgroup, see write_y
        update_scales(c);
        stage(c);
        stage_steps(c + 1);
        load_steps(c + 2);
        load_chunk(c + 1);
        barrier();  // the chunk's operands and the next one's steps are complete
        forget_largest_x(c);
        load_operands();
        if (!STATES_ONLY) multiply();
        advance(c);
        elapsed += sum_of_chunk(c);
        note_largest_x(c + 1);
        barrier();  // operands have been read; y and the next chunk's magnitudes are complete
    }
    if (!STATES_ONLY && first < end) write_y(end - 1);
}

void main() {
    const uint first = first_chunk(), end = end_chunk();
    if (first > 0 && first >= end) return;  // recorded with fewer tokens
    start_scales();
    if (!STATES_ONLY) make_identity();
    barrier();  // the identity is complete, the scales' shared values are cleared
    if (!STATES_ONLY) load_D();
    load_state();
    if (first < end) {
        load_steps(first);
        load_chunk(first);
        stage_steps(first);
        load_steps(first + 1);
        note_largest_x(first);
    }
    barrier();  // segments and identity have been read; the first chunk's steps, and magnitudes, are complete
    finish_initial();
    walk(first, end);
    barrier();  // y and operands have been read from where the state goes
    if (STATES_ONLY)
        keep_state();
    else if (end == chunk_count())
        store_final();
}

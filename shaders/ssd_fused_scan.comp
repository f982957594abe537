#version 460
#extension GL_GOOGLE_include_directive : require
// ssd_scan's fused form: a workgroup walks the chunks of a head and a block of its rows of headdim, with the
// state in accumulators from the first token to the last. Per chunk of Q tokens, with s and t in it, cs the sums of
// dt' A over it and S the state that enters it:
//   y[t,p] = exp(cs_t) * sum over n of S[p,n] C[t,n] + sum over s <= t of x[s,p] M[t,s] + D x[t,p],  times silu(z[t,p])
//   M[t,s] = CB[t,s] exp(cs_t - cs_s) dt'_s
//   S[p,n] = exp(cs_end) S[p,n] + sum over s of x[s,p] w_s B[s,n],  w_s = exp(cs_end - cs_s) dt'_s
// Reference: arXiv:2405.21060, section 6. CB comes from ssd_fused_cb.
//
// All products have p along the rows of their result, and a subgroup owns ROW_TILES tiles of rows with all
// columns n: then S is an accumulator and, rounded, an operand of the same subgroup, which takes it through shared memory
// that no other subgroup touches.
//
// A chunk's x, B, C and CB are read into registers while the chunk before is multiplied (lib/ssd_fused_stage.glsl), then
// laid out as operands in shared memory, decays and steps multiplied in. lib/ssd_fused_product.glsl multiplies.
//
// f16 has little range: S and x w are kept times one power of two, and M times another, which follow upper bounds of the
// chunk's values (lib/ssd_fused_scale.glsl).
//
// Grid: (blocks of headdim, heads, batch).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"
#include "shared/ssd_fused.h"

TENSOR(FUSED_X, x)
TENSOR(FUSED_DT, dt)
TENSOR(FUSED_A, A)
TENSOR(FUSED_B, B)
TENSOR(FUSED_C, C)
TENSOR(FUSED_CB_IN, CB)
TENSOR(FUSED_LARGEST_IN, largest)
TENSOR(FUSED_D, D)
TENSOR(FUSED_Z, z)
TENSOR_VECTOR(z)
TENSOR(FUSED_DT_BIAS, dt_bias)
TENSOR(FUSED_INITIAL, initial_states)
TENSOR(FUSED_Y, y)
TENSOR_VECTOR(y)
TENSOR(FUSED_FINAL, final_states)

#include "lib/ssd_fused.glsl"

CURSOR(x)
CURSOR(B)
CURSOR(C)

layout(constant_id = SPEC_FUSED_ROWS) const uint ROWS = 64;
layout(constant_id = SPEC_FUSED_ROW_TILES) const uint ROW_TILES = 1;
layout(constant_id = SPEC_FUSED_SPLIT_STATE) const bool SPLIT_STATE = false;
layout(constant_id = SPEC_FUSED_UNROLL) const bool UNROLL = true;

// ---- shared memory, in pieces -------------------------------------------------------------------

// A row for each token: of C, and when that has been read, of B. So two workgroups fit where only one would, and one computes
// while the other waits. Of C, tiles 2i and 2i + 1 lie interleaved, element by element: see store_pair.
const uint PITCH_BC = COLUMNS / 8 | 1;
// A row for each token, in which each tile of rows p has a segment of its own: x, then x w. A subgroup that has read its segments uses them for the state as an operand, and leaves y there in f32.
const uint SEGMENT = 2 * MATRIX_M / 8;
const uint PITCH_X = ROWS / MATRIX_M * SEGMENT | 1;
const uint AT_X = Q * PITCH_BC;
const uint OF_X = 0, OF_WEIGHTED = MATRIX_M / 8;  // within a segment
// A row for each token t: M, then what rounding it lost. Before the first chunk, the identity.
const uint PITCH_M = Q / 4 | 1;
const uint AT_M = AT_X + Q * PITCH_X;

shared uvec4 memory[AT_M + Q * PITCH_M];

// Per token; [0] and [1] serve chunks in turn.
shared vec4 sum_of[2][Q / 4];  // cs, times log2 e
shared vec4 step_of[2][Q / 4];
shared float weight_of[2][Q];
shared float factor_of[Q];     // what the state's part of y is multiplied with

MATRIX_SUM state[ROW_TILES][COLUMNS / MATRIX_N];

// ---- where this invocation and its subgroup are -------------------------------------------------

uint batch_row() { return gl_WorkGroupID.z; }
uint head() { return gl_WorkGroupID.y; }
uint first_row() { return gl_WorkGroupID.x * ROWS; }
uint my_tile() { return gl_SubgroupID * ROW_TILES; }

// The subgroup's segments in the row of token t.
uint my_segments(uint t) { return AT_X + t * PITCH_X + my_tile() * SEGMENT; }

#include "lib/ssd_fused_scale.glsl"
#include "lib/ssd_fused_stage.glsl"
#include "lib/ssd_fused_product.glsl"
#include "lib/ssd_fused_state.glsl"

void main() {
    const uint tokens = push.header[HEADER_TOKENS], chunks = (tokens + Q - 1) / Q;
    start_scales();
    make_identity();
    barrier();  // the identity is complete, the scales' shared values are cleared
    load_constants();
    load_initial();
    start_loads();
    if (chunks > 0) {
        load_steps(0);
        prepare_steps(0);
        load_steps(1);
        load_chunk(0);
        load_B(0);
        note_largest_x(0);
    }
    barrier();  // segments and identity have been read; the first chunk's steps, and magnitudes, are complete
    finish_initial();
    for (uint c = 0; c <= chunks; ++c) {
        if (c > 0) write_y(c - 1);
        if (c == chunks) break;
        subgroup_barrier();  // y has been read from where x goes now: by lanes of this subgroup, see write_y
        if (c + 1 < chunks) prepare_steps(c + 1);
        update_scales(c);
        stage(c);
        if (c + 1 < chunks) {
            load_steps(c + 2);
            load_chunk(c + 1);
        }
        barrier();  // the chunk's operands but B and the next one's steps are complete
        forget_largest_x(c);
        multiply(c);
        barrier();  // C has been read
        stage_B();
        if (c + 1 < chunks) load_B(c + 1);
        barrier();  // B is complete
        advance(c);
        if (c + 1 < chunks) note_largest_x(c + 1);
        barrier();  // operands have been read; y and the next chunk's magnitudes are complete
    }
    barrier();  // y has been read from where the final state goes
    store_final();
}

// What the kernels of the recurrence share: the arguments, and a lane's part of the state of a head, which is headdim rows of
// dstate. LANES neighbouring invocations share ROWS rows: lane k holds columns k, k + LANES, k + 2 LANES..., COLUMNS of them.
// The kernel that includes this says how many.
TENSOR(RECURRENT_X, x)
TENSOR(RECURRENT_B, B)
TENSOR(RECURRENT_C, C)
TENSOR(RECURRENT_D, D)
TENSOR(RECURRENT_Z, z)
TENSOR(RECURRENT_INITIAL, initial_states)
TENSOR(RECURRENT_SEQ, seq)
TENSOR(RECURRENT_Y, y)
TENSOR(RECURRENT_FINAL, final_states)
TENSOR(RECURRENT_STATES, states)

float state[ROWS * COLUMNS];

struct Place {
    uint b, h, g;         // batch row, head, group
    uint first, count;    // tokens
    uint sequence;        // row of initial_states and final_states
    uint lane, row;       // of this invocation: column it starts at, first of its rows
};

Place my_place() {
    Place at;
#if SUBGROUP
    const uint id = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
#else
    const uint id = gl_LocalInvocationID.x;
#endif
    at.h = gl_WorkGroupID.y;
    at.g = at.h / HEADS_PER_GROUP;
    at.sequence = gl_WorkGroupID.z;
    at.lane = id % LANES;
    at.row = (gl_WorkGroupID.x * (gl_WorkGroupSize.x / LANES) + id / LANES) * ROWS;
    const uint tokens = push.header[HEADER_TOKENS];
    if (PACKING == PACKING_CU_SEQLENS) {  // offsets come from device memory: keep them inside
        at.b = 0;
        at.first = uint(clamp(seq_load_int(at.sequence * seq_s1), 0, int(tokens)));
        at.count = uint(clamp(seq_load_int((at.sequence + 1) * seq_s1), int(at.first), int(tokens))) - at.first;
    } else {
        at.b = at.sequence;
        at.first = 0;
        at.count = tokens;
    }
    return at;
}

// Rows and columns are asked for apart: where a lane has whole rows, only the first is left for it to ask.
bool has_row(Place at, uint r) { return at.row + r < HEADDIM; }
bool has_column(Place at, uint j) { return at.lane + j * LANES < DSTATE; }

void load_initial(Place at) {
    [[unroll]] for (uint e = 0; e < ROWS * COLUMNS; ++e) state[e] = 0.0;
    if (!initial_states_present) return;
    [[unroll]] for (uint r = 0; r < ROWS; ++r)
        if (has_row(at, r)) {
            const uint base = at.sequence * initial_states_s0 + at.h * initial_states_s1 + (at.row + r) * initial_states_s2;
            [[unroll]] for (uint j = 0; j < COLUMNS; ++j)
                if (has_column(at, j)) state[r * COLUMNS + j] = initial_states_load(base + (at.lane + j * LANES) * initial_states_s3);
        }
}

void store_final(Place at) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r)
        if (has_row(at, r)) {
            const uint base = at.sequence * final_states_s0 + at.h * final_states_s1 + (at.row + r) * final_states_s2;
            [[unroll]] for (uint j = 0; j < COLUMNS; ++j)
                if (has_column(at, j)) final_states_store(base + (at.lane + j * LANES) * final_states_s3, state[r * COLUMNS + j]);
        }
}

// The state that enters chunk c.
void store_chunk(Place at, uint c) {
    [[unroll]] for (uint r = 0; r < ROWS; ++r)
        if (has_row(at, r)) {
            const uint base = at.b * states_s0 + c * states_s1 + at.h * states_s2 + (at.row + r) * states_s3;
            [[unroll]] for (uint j = 0; j < COLUMNS; ++j)
                if (has_column(at, j)) states_store(base + (at.lane + j * LANES) * states_s4, state[r * COLUMNS + j]);
        }
}

void store_y(Place at, uint token, uint p, float sum) {
    if (p >= HEADDIM) return;
    precise float value = sum;
    if (D_present) value = fma(D_load(at.h * D_s0 + p * D_s1), x_load(at.b * x_s0 + token * x_s1 + at.h * x_s2 + p * x_s3), value);
    if (z_present) value *= silu(z_load(at.b * z_s0 + token * z_s1 + at.h * z_s2 + p * z_s3));
    y_store(at.b * y_s0 + token * y_s1 + at.h * y_s2 + p * y_s3, value);
}

// A restart must forget even an infinite state, which 0 * S would not.
void forget() {
    [[unroll]] for (uint e = 0; e < ROWS * COLUMNS; ++e) state[e] = 0.0;
}

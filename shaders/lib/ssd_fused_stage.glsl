// The fused scan's way of tensors: from memory to registers a chunk ahead, from there to operands in shared memory, and y
// from shared memory back.

// Rows of pieces are dealt to as many neighbouring invocations as the next power of two, so that what an invocation reads
// next lies a constant further on; a few idle where the size is none.
#define POWER_OF_TWO_FROM(v) ((v) <= 1 ? 1 : (v) <= 2 ? 2 : (v) <= 4 ? 4 : (v) <= 8 ? 8 : (v) <= 16 ? 16 : 32)

// ---- the step -------------------------------------------------------------------------------------

// The last subgroup computes them; a lane has token k * SUBGROUP_SIZE + lane.
const uint STEPS_OF_LANE = (Q + SUBGROUP_SIZE - 1) / SUBGROUP_SIZE;
const uint LAST_LANE = (Q < SUBGROUP_SIZE ? Q : SUBGROUP_SIZE) - 1;

float next_step[STEPS_OF_LANE], step_A, step_bias;

bool has_steps() { return gl_SubgroupID == gl_NumSubgroups - 1; }

void load_constants() {
    if (!has_steps()) return;
    step_A = A_load(head() * A_s0) * 1.44269504088896341;  // exponentials are those of 2
    step_bias = dt_bias_present ? dt_bias_load(head() * dt_bias_s0) : 0.0;
}

void load_steps(uint c) {
    if (!has_steps()) return;
    const uint base = batch_row() * dt_s0 + head() * dt_s2;
    [[unroll]] for (uint k = 0; k < STEPS_OF_LANE; ++k) {
        const uint i = k * SUBGROUP_SIZE + gl_SubgroupInvocationID, token = c * Q + i;
        next_step[k] = 0.0;
        if (i < Q && token < push.header[HEADER_TOKENS]) next_step[k] = dt_load(base + token * dt_s1);
    }
}

// Sums and weights of chunk c. Tokens past the last have the step 0: they change nothing.
void prepare_steps(uint c) {
    if (!has_steps()) return;
    float steps[STEPS_OF_LANE], sums[STEPS_OF_LANE], carry = 0.0, most = 0.0, total = 0.0;
    [[unroll]] for (uint k = 0; k < STEPS_OF_LANE; ++k) {
        const uint i = k * SUBGROUP_SIZE + gl_SubgroupInvocationID;
        steps[k] = i < Q && c * Q + i < push.header[HEADER_TOKENS] ? step_size(next_step[k], step_bias, step_A) : 0.0;
        sums[k] = subgroupInclusiveAdd(steps[k] * step_A) + carry;
        carry = subgroupShuffle(sums[k], LAST_LANE);
        most = max(most, steps[k]);
    }
    [[unroll]] for (uint k = 0; k < STEPS_OF_LANE; ++k) {
        const uint i = k * SUBGROUP_SIZE + gl_SubgroupInvocationID;
        const float weight = steps[k] * exp2(min(carry - sums[k], 0.0));
        total += weight;
        if (i >= Q) continue;
        sum_of[c % 2][i / 4][i % 4] = sums[k];
        step_of[c % 2][i / 4][i % 4] = steps[k];
        weight_of[c % 2][i] = weight;
    }
    note_steps(c, most, total);
}

// ---- x ----------------------------------------------------------------------------------------------

const uint X_LANES = POWER_OF_TWO_FROM(ROWS / 8), X_STEP = THREADS / X_LANES;  // a row for each token
const uint X_PIECES = (Q + X_STEP - 1) / X_STEP;

uvec4 next_x[X_PIECES];

// Of this invocation's pieces: the first row, the token of piece k.
uint x_row() { return thread_index() % X_LANES * 8; }
uint x_token(uint k) { return k * X_STEP + thread_index() / X_LANES; }
bool has_x(uint k) { return (X_LANES * 8 == ROWS || x_row() < ROWS) && (Q % X_STEP == 0 || x_token(k) < Q); }
bool is_inside_x(uint k) { return has_x(k) && (HEADDIM % ROWS == 0 || first_row() + x_row() < HEADDIM); }
// Its segment in shared memory, and the piece within a part of that.
uint x_segment(uint k) { return AT_X + x_token(k) * PITCH_X + x_row() / MATRIX_M * SEGMENT; }
uint x_part() { return x_row() % MATRIX_M / 8; }

#if !COOPMAT_BF16
void note_largest_x(uint c) {
    float most = 0.0;
    [[unroll]] for (uint k = 0; k < X_PIECES; ++k) {
        f16vec2 both = f16vec2(0.0);
        [[unroll]] for (uint i = 0; i < 4; ++i) both = max(both, finite_magnitudes(next_x[k][i]));
        most = max(most, float(max(both.x, both.y)));
    }
    most = subgroupMax(most);
    if (gl_SubgroupInvocationID == 0) atomicMax(largest_x[c % 2], floatBitsToUint(most));
}
#endif

void stage_x(uint c) {
    [[unroll]] for (uint k = 0; k < X_PIECES; ++k) {
        if (!has_x(k)) continue;
        const uint at = x_segment(k) + x_part();
        memory[at + OF_X] = next_x[k];
        const float weight = weight_of[c % 2][x_token(k)] * state_scale();
        float v[8] = unpack_piece(next_x[k]);
        [[unroll]] for (uint i = 0; i < 8; ++i) v[i] *= weight;
        memory[at + OF_WEIGHTED] = pack_piece(v, false);
    }
}

// y lies in f32 in the segments of x: two pieces where x has one in each of two parts. So the lanes that read a segment are
// those that write x to it next; being neighbours, they are of one subgroup.
void write_y(uint c) {
    [[unroll]] for (uint k = 0; k < X_PIECES; ++k) {
        const uint token = c * Q + x_token(k), p = first_row() + x_row();
        if (!is_inside_x(k) || token >= push.header[HEADER_TOKENS]) continue;
        const uint at = x_segment(k) + 2 * x_part();
        vec4 low = uintBitsToFloat(memory[at]), high = uintBitsToFloat(memory[at + 1]);
        if (z_present) {
            vec4 z_low, z_high;
            z_load8(batch_row() * z_s0 + token * z_s1 + head() * z_s2 + p, z_low, z_high);
            [[unroll]] for (uint i = 0; i < 4; ++i) {
                low[i] *= silu(z_low[i]);
                high[i] *= silu(z_high[i]);
            }
        }
        const uint to = batch_row() * y_s0 + token * y_s1 + head() * y_s2 + p;
        if (y_dtype == MATRIX_DTYPE && y_vector == 8)
            QUAD16(y, to) = uvec4(pack_results(low.x, low.y), pack_results(low.z, low.w), pack_results(high.x, high.y),
                                  pack_results(high.z, high.w));
        else
            y_store8(to, low, high);
    }
}

// ---- B and C ----------------------------------------------------------------------------------------

// An invocation has a piece in the first tile of a pair and the one at the same place in the second.
const uint BC_UNITS = COLUMNS / 16, BC_LANES = POWER_OF_TWO_FROM(BC_UNITS), BC_STEP = THREADS / BC_LANES;
const uint BC_PIECES = (Q + BC_STEP - 1) / BC_STEP;

uvec4 next_B[BC_PIECES][2], next_C[BC_PIECES][2];

uint bc_unit() { return thread_index() % BC_LANES; }
uint bc_token(uint k) { return k * BC_STEP + thread_index() / BC_LANES; }
uint bc_column() { return bc_unit() / (MATRIX_N / 8) * 2 * MATRIX_N + bc_unit() % (MATRIX_N / 8) * 8; }
bool has_bc(uint k) { return (BC_LANES == BC_UNITS || bc_unit() < BC_UNITS) && (Q % BC_STEP == 0 || bc_token(k) < Q); }
bool is_inside_bc(uint i) { return DSTATE == COLUMNS || bc_column() + i * MATRIX_N < DSTATE; }

void stage_B() {
    [[unroll]] for (uint k = 0; k < BC_PIECES; ++k) {
        if (!has_bc(k)) continue;
        [[unroll]] for (uint i = 0; i < 2; ++i) memory[bc_token(k) * PITCH_BC + (bc_column() + i * MATRIX_N) / 8] = next_B[k][i];
    }
}

void stage_C() {
    [[unroll]] for (uint k = 0; k < BC_PIECES; ++k) {
        if (!has_bc(k)) continue;
        const uvec4 first = next_C[k][0], second = next_C[k][1];
        const uvec4 even = (first & 0xffffu) | second << 16, odd = first >> 16 | (second & 0xffff0000u);
        const uint at = bc_token(k) * PITCH_BC + bc_unit() / (MATRIX_N / 8) * (2 * MATRIX_N / 8) + bc_unit() % (MATRIX_N / 8) * 2;
        memory[at] = uvec4(even.x, odd.x, even.y, odd.y);
        memory[at + 1] = uvec4(even.z, odd.z, even.w, odd.w);
    }
}

// ---- M ------------------------------------------------------------------------------------------------

const uint M_LANES = Q / 8, M_STEP = THREADS / M_LANES;  // a row for each token t
const uint M_PIECES = (Q + M_STEP - 1) / M_STEP;

uvec4 next_CB[M_PIECES][2];

uint m_row(uint k) { return k * M_STEP + thread_index() / M_LANES; }
uint m_column() { return thread_index() % M_LANES * 8; }

void load_cb(uint c) {
    const uint base = batch_row() * CB_s0 + c * CB_s1 + head() / HEADS_PER_GROUP * CB_s2 + m_column();
    [[unroll]] for (uint k = 0; k < M_PIECES; ++k) {
        const uint at = base + min(m_row(k), Q - 1) * Q;
        next_CB[k][0] = QUAD32(CB, at);
        next_CB[k][1] = QUAD32(CB, at + 4);
    }
}

void stage_m(uint c) {
    [[unroll]] for (uint k = 0; k < M_PIECES; ++k) {
        const uint t = m_row(k), s = m_column();
        if (t >= Q) continue;
        const float sum = sum_of[c % 2][t / 4][t % 4];
        float v[8];
        [[unroll]] for (uint half_piece = 0; half_piece < 2; ++half_piece) {
            const uint at = s / 4 + half_piece;
            const vec4 kept = exp2(min(sum - sum_of[c % 2][at], 0.0)) * (step_of[c % 2][at] * scale_of_cb());
            const vec4 value = kept * uintBitsToFloat(next_CB[k][half_piece]);
            // Above the diagonal CB may be anything: not multiplied with 0 but left out.
            [[unroll]] for (uint i = 0; i < 4; ++i) v[4 * half_piece + i] = s + 4 * half_piece + i <= t ? value[i] : 0.0;
        }
        memory[AT_M + t * PITCH_M + s / 8] = pack_piece(v, true);
        memory[AT_M + t * PITCH_M + (Q + s) / 8] = pack_rest(v);
    }
}

// ---- all of a chunk -------------------------------------------------------------------------------

void start_loads() {
    const uint g = head() / HEADS_PER_GROUP;
    x_start(batch_row() * x_s0 + x_token(0) * x_s1 + head() * x_s2 + first_row() + x_row());
    B_start(batch_row() * B_s0 + bc_token(0) * B_s1 + g * B_s2 + bc_column());
    C_start(batch_row() * C_s0 + bc_token(0) * C_s1 + g * C_s2 + bc_column());
}

// Tokens past the last (if not all are there) read as 0, as do columns and rows past the tensors' own.
void load_pieces(bool all, uint valid) {
    [[unroll]] for (uint k = 0; k < BC_PIECES; ++k)
        [[unroll]] for (uint i = 0; i < 2; ++i) {
            next_C[k][i] = uvec4(0);
            if (has_bc(k) && is_inside_bc(i) && (all || bc_token(k) < valid)) next_C[k][i] = C_piece(k * BC_STEP * C_s1 + i * MATRIX_N);
        }
    [[unroll]] for (uint k = 0; k < X_PIECES; ++k) {
        next_x[k] = uvec4(0);
        if (is_inside_x(k) && (all || x_token(k) < valid)) next_x[k] = x_piece(k * X_STEP * x_s1);
    }
}

void load_pieces_of_B(bool all, uint valid) {
    [[unroll]] for (uint k = 0; k < BC_PIECES; ++k)
        [[unroll]] for (uint i = 0; i < 2; ++i) {
            next_B[k][i] = uvec4(0);
            if (has_bc(k) && is_inside_bc(i) && (all || bc_token(k) < valid)) next_B[k][i] = B_piece(k * BC_STEP * B_s1 + i * MATRIX_N);
        }
}

// Chunks in turn; B apart, whose registers are free later.
void load_B(uint c) {
    const uint left = push.header[HEADER_TOKENS] - c * Q;
    if (left >= Q)
        load_pieces_of_B(true, Q);
    else
        load_pieces_of_B(false, left);
    B_advance(Q * B_s1);
}
void load_chunk(uint c) {
    const uint left = push.header[HEADER_TOKENS] - c * Q;
    if (left >= Q)
        load_pieces(true, Q);
    else
        load_pieces(false, left);
    load_cb(c);
    load_largest(c);
    x_advance(Q * x_s1);
    C_advance(Q * C_s1);
}

void stage(uint c) {
    stage_x(c);
    stage_C();
    stage_m(c);
    for (uint t = thread_index(); t < Q; t += THREADS) factor_of[t] = exp2(min(sum_of[c % 2][t / 4][t % 4], 0.0)) * scale_of_state_in_y();
}

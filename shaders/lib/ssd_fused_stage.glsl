// The fused scan's way of tensors: from memory to registers a chunk ahead, from there to operands in shared memory, and y
// from shared memory back.

// Rows of pieces are dealt to as many neighbouring invocations as the next power of two, so that an invocation keeps its columns;
// a few idle where the size is none.
#define POWER_OF_TWO_FROM(v) ((v) <= 1 ? 1 : (v) <= 2 ? 2 : (v) <= 4 ? 4 : (v) <= 8 ? 8 : (v) <= 16 ? 16 : 32)

// ---- the steps: rows from the pre-pass (shared/ssd_fused.h), a chunk further ahead ------------------

const uint STEP_PIECES = (FUSED_STEP_VECTORS + THREADS - 1) / THREADS;

vec4 next_steps[STEP_PIECES];

bool has_steps(uint k) { return k * THREADS + thread_index() < FUSED_STEP_VECTORS; }

void load_steps(uint c) {
    const uint base = batch_row() * steps_s0 + min(c, chunk_count() - 1) * steps_s1 + head() * steps_s2;
    [[unroll]] for (uint k = 0; k < STEP_PIECES; ++k)
        if (has_steps(k)) next_steps[k] = uintBitsToFloat(QUAD32(steps, base + 4 * (k * THREADS + thread_index())));
}

void stage_steps(uint c) {
    [[unroll]] for (uint k = 0; k < STEP_PIECES; ++k)
        if (has_steps(k)) steps_of[c % 2][k * THREADS + thread_index()] = next_steps[k];
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
// Its segment in shared memory, and the piece within that.
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
    [[unroll]] for (uint k = 0; k < X_PIECES; ++k)
        if (has_x(k)) memory[x_segment(k) + x_part()] = c * Q + x_token(k) < push.header[HEADER_TOKENS] ? next_x[k] : uvec4(0);
}

// y lies in the segments of x, in f32 two pieces where x has one. So the lanes that read a segment are those that write x to it
// next; being neighbours, they are of one subgroup.
void write_y(uint c) {
    [[unroll]] for (uint k = 0; k < X_PIECES; ++k) {
        const uint token = c * Q + x_token(k), p = first_row() + x_row();
        if (!is_inside_x(k) || token >= push.header[HEADER_TOKENS]) continue;
        const uint to = batch_row() * y_s0 + token * y_s1 + head() * y_s2 + p;
        if (PACKED_Y) {
            const uvec4 words = memory[x_segment(k) + x_part()];
            if (y_vector == 8)
                QUAD16(y, to) = words;
            else
                y_store8(to, unpack4(MATRIX_DTYPE, words.xy), unpack4(MATRIX_DTYPE, words.zw));
            continue;
        }
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
uvec4 inside_bc(uvec4 read[2], uint i) { return DSTATE == COLUMNS || bc_column() + i * MATRIX_N < DSTATE ? read[i] : uvec4(0); }

// Times the weights w of their tokens.
void stage_B(uint c) {
    [[unroll]] for (uint k = 0; k < BC_PIECES; ++k) {
        if (!has_bc(k)) continue;
        const uint s = bc_token(k);
        const float sum = steps_of[c % 2][FUSED_SUMS + s / 4][s % 4], step = steps_of[c % 2][FUSED_STEPS + s / 4][s % 4];
        const float weight = step * exp2(min(sum_of_chunk(c) - sum, 0.0)) * state_scale();
        [[unroll]] for (uint i = 0; i < 2; ++i) {
            float v[8] = unpack_piece(inside_bc(next_B[k], i));
            [[unroll]] for (uint e = 0; e < 8; ++e) v[e] *= weight;
            memory[s * PITCH_BC + AT_B + (bc_column() + i * MATRIX_N) / 8] = pack_piece(v);
        }
    }
}

void stage_C() {
    [[unroll]] for (uint k = 0; k < BC_PIECES; ++k) {
        if (!has_bc(k)) continue;
#if COOPMAT_CONVERT
        [[unroll]] for (uint i = 0; i < 2; ++i) memory[bc_token(k) * PITCH_BC + (bc_column() + i * MATRIX_N) / 8] = inside_bc(next_C[k], i);
#else
        const uvec4 first = inside_bc(next_C[k], 0), second = inside_bc(next_C[k], 1);
        const uvec4 even = (first & 0xffffu) | second << 16, odd = first >> 16 | (second & 0xffff0000u);
        const uint at = bc_token(k) * PITCH_BC + bc_unit() / (MATRIX_N / 8) * (2 * MATRIX_N / 8) + bc_unit() % (MATRIX_N / 8) * 2;
        memory[at] = uvec4(even.x, odd.x, even.y, odd.y);
        memory[at + 1] = uvec4(even.z, odd.z, even.w, odd.w);
#endif
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
        const float sum = steps_of[c % 2][FUSED_SUMS + t / 4][t % 4];
        float v[8];
        [[unroll]] for (uint half_piece = 0; half_piece < 2; ++half_piece) {
            const uint at = s / 4 + half_piece;
            const vec4 kept = exp2(min(sum - steps_of[c % 2][FUSED_SUMS + at], 0.0)) * (steps_of[c % 2][FUSED_STEPS + at] * scale_of_cb());
            const vec4 value = kept * uintBitsToFloat(next_CB[k][half_piece]);
            // Above the diagonal CB may be anything: not multiplied with 0 but left out.
            [[unroll]] for (uint i = 0; i < 4; ++i) v[4 * half_piece + i] = s + 4 * half_piece + i <= t ? value[i] : 0.0;
        }
        float rest[8];
        [[unroll]] for (uint i = 0; i < 8; ++i) {
            rest[i] = rest_part(v[i]);
            if (SPLIT_M) v[i] = leading_part(v[i]);
        }
        memory[AT_M + t * PITCH_X + s / 8] = pack_piece(v);
        if (SPLIT_M) memory[AT_M + t * PITCH_X + (Q + s) / 8] = pack_piece(rest);
    }
}

// ---- all of a chunk -------------------------------------------------------------------------------

// Of chunk c, without branches: in place of a token past the last, the last one; in place of columns and rows past the tensors' own,
// others.
void load_chunk(uint c) {
    const uint last = push.header[HEADER_TOKENS] - 1, g = head() / HEADS_PER_GROUP;
    const uint column = bc_column(), row = min(first_row() + x_row(), HEADDIM - 8);
    [[unroll]] for (uint k = 0; k < BC_PIECES; ++k) {
        const uint token = min(c * Q + bc_token(k), last);
        [[unroll]] for (uint i = 0; i < 2; ++i) {
            const uint n = min(column + i * MATRIX_N, DSTATE - 8);
            if (!STATES_ONLY) next_C[k][i] = QUAD16(C, batch_row() * C_s0 + token * C_s1 + g * C_s2 + n);
            next_B[k][i] = QUAD16(B, batch_row() * B_s0 + token * B_s1 + g * B_s2 + n);
        }
    }
    [[unroll]] for (uint k = 0; k < X_PIECES; ++k)
        next_x[k] = QUAD16(x, batch_row() * x_s0 + min(c * Q + x_token(k), last) * x_s1 + head() * x_s2 + row);
    if (!STATES_ONLY) load_cb(min(c, chunk_count() - 1));
    load_largest(min(c, chunk_count() - 1));
}

void stage(uint c) {
    stage_x(c);
    stage_B(c);
    if (STATES_ONLY) return;
    stage_C();
    stage_m(c);
    for (uint t = thread_index(); t < Q; t += THREADS)
        factor_of[t] = exp2(min(steps_of[c % 2][FUSED_SUMS + t / 4][t % 4], 0.0)) * scale_of_state_in_y();
}

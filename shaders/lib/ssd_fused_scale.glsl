// Powers of two that keep the fused scan's computed operands within f16, the same in all invocations.
//
// They follow upper bounds: of a state's elements, by its own recurrence over the largest |x|, |B| and the weights of each
// chunk; of M, by the largest |CB| and step. A bound comes to 2^15 at most, and what it exceeds the values by costs
// nothing until they are some 2^20 smaller, because f16 is a floating-point type too. bf16 has f32's range and needs none.

#if COOPMAT_BF16

void start_scales() {}
void note_largest_x(uint c) {}
void forget_largest_x(uint c) {}
void note_largest_state(float magnitude) {}
void update_scales(uint c) {}
float state_scale(uint h) { return 1.0; }
float scale_of_state_in_y(uint h) { return 1.0; }
float scale_of_cb(uint h) { return 1.0; }
float scale_of_state_change() { return 1.0; }
float unscale_of_my_cb() { return 1.0; }
void load_largest(uint c) {}

#else

shared uint largest_x[2][HEADS];  // of a chunk; bits, which order like the floats
shared uint largest_state[HEADS];

float bound[HEADS];                                 // of the state's elements, unscaled
int state_exponent[HEADS], state_exponent_before[HEADS], cb_exponent[HEADS];
float next_largest[FUSED_LARGEST];                  // from the pre-pass, of the chunk to stage

float power_of_two(int exponent) { return uintBitsToFloat(uint(exponent + 127) << 23); }

// The power of two that takes a bound to between 2^14 and 2^15. Held within limits that leave f32 room on both sides.
int exponent_for(float magnitude) { return clamp(14 - (int(floatBitsToUint(magnitude) >> 23) - 127), -40, 40); }

void start_scales() {
    if (thread_index() >= HEADS) return;
    largest_x[0][thread_index()] = largest_x[1][thread_index()] = 0;
    largest_state[thread_index()] = 0;
}

void load_largest(uint c) {
    const uint at = batch_row() * largest_s0 + c * largest_s1 + tensor_head(0) / HEADS_PER_GROUP * largest_s2;
    [[unroll]] for (uint i = 0; i < FUSED_LARGEST; ++i) next_largest[i] = largest_load(at + i);
}

void forget_largest_x(uint c) {
    if (thread_index() < HEADS) largest_x[c % 2][thread_index()] = 0;
}

void note_largest_state(float magnitude) {
    const float most = subgroupMax(magnitude);
    if (gl_SubgroupInvocationID == 0) atomicMax(largest_state[my_head()], floatBitsToUint(most));
}

void start_bounds() {
    [[unroll]] for (uint h = 0; h < HEADS; ++h) {
        bound[h] = uintBitsToFloat(largest_state[h]);
        state_exponent[h] = exponent_for(bound[h]);
    }
}

// Before chunk c is staged: what the state will be kept times after it, and its M.
void update_scales(uint c) {
    [[unroll]] for (uint h = 0; h < HEADS; ++h) {
        const float keep = exp2(min(sum_of[c % 2][(h + 1) * Q / 4 - 1].w, 0.0));
        const float weighted_x = uintBitsToFloat(largest_x[c % 2][h]) * total_weight[c % 2][h];  // bounds x w too
        bound[h] = bound[h] * keep + weighted_x * max(next_largest[FUSED_LARGEST_B], 1.0);
        state_exponent_before[h] = state_exponent[h];
        state_exponent[h] = exponent_for(bound[h]);
        cb_exponent[h] = exponent_for(next_largest[FUSED_LARGEST_CB] * largest_step[c % 2][h]);
    }
}

float state_scale(uint h) { return power_of_two(state_exponent[h]); }
// In y's sums both parts are times M's power of two.
float scale_of_state_in_y(uint h) { return power_of_two(cb_exponent[h] - state_exponent_before[h]); }
float scale_of_cb(uint h) { return power_of_two(cb_exponent[h]); }
float scale_of_state_change() {
    float scale = 1.0;
    [[unroll]] for (uint h = 0; h < HEADS; ++h)
        if (h == my_head()) scale = power_of_two(state_exponent[h] - state_exponent_before[h]);
    return scale;
}
float unscale_of_my_cb() {
    float scale = 1.0;
    [[unroll]] for (uint h = 0; h < HEADS; ++h)
        if (h == my_head()) scale = power_of_two(-cb_exponent[h]);
    return scale;
}

#endif

// Powers of two that keep the fused scan's computed operands within f16, the same in all invocations.
//
// They follow upper bounds: of a state's elements, by its own recurrence over the largest |x|, |B| and the weights of each
// chunk; of M, by the largest |CB| and step. A bound comes to 2^15 at most, and what it exceeds the values by costs
// nothing until they are some 2^20 smaller, because f16 is a floating-point type too. bf16 has f32's range and needs none.

#if COOPMAT_BF16

void start_scales() {}
void note_largest_x(uint c) {}
float magnitude_for_bounds(float v) { return 0.0; }
void forget_largest_x(uint c) {}
void note_largest_state(float magnitude) {}
void update_scales(uint c) {}
float state_scale() { return 1.0; }
float scale_of_state_in_y() { return 1.0; }
float scale_of_cb() { return 1.0; }
float scale_of_state_change() { return 1.0; }
float unscale_of_cb() { return 1.0; }
void load_largest(uint c) {}

#else

shared uint largest_x[2];  // of a chunk; bits, which order like the floats
shared uint largest_state;

float bound;  // of the state's elements, unscaled
int state_exponent, state_exponent_before, cb_exponent;
float next_largest[FUSED_LARGEST];  // from the pre-pass, of the chunk to stage

float power_of_two(int exponent) { return uintBitsToFloat(uint(exponent + 127) << 23); }

// The power of two that takes a bound to between 2^14 and 2^15. Held within limits that leave f32 room on both sides.
// A bound that is an infinity or NaN bounds nothing: 1 then.
int exponent_for(float magnitude) {
    const uint bits = floatBitsToUint(magnitude);
    return bits < 0x7f800000u ? clamp(14 - (int(bits >> 23) - 127), -40, 40) : 0;
}

float magnitude_for_bounds(float v) { return finite_magnitude(v); }

void start_scales() {
    if (thread_index() == 0) largest_x[0] = largest_x[1] = largest_state = 0;
}

void load_largest(uint c) {
    const uint at = batch_row() * largest_s0 + c * largest_s1 + head() / HEADS_PER_GROUP * largest_s2;
    [[unroll]] for (uint i = 0; i < FUSED_LARGEST; ++i) next_largest[i] = largest_load(at + i);
}

void forget_largest_x(uint c) {
    if (thread_index() == 0) largest_x[c % 2] = 0;
}

void note_largest_state(float magnitude) {
    const float most = subgroupMax(magnitude);
    if (gl_SubgroupInvocationID == 0) atomicMax(largest_state, floatBitsToUint(most));
}

void start_bounds() {
    bound = uintBitsToFloat(largest_state);
    state_exponent = exponent_for(bound);
}

// Before chunk c is staged: what the state will be kept times after it, and its M.
void update_scales(uint c) {
    const float keep = exp2(min(sum_of_chunk(c), 0.0));
    const vec4 of_steps = steps_of[c % 2][FUSED_OF_STEPS];  // the largest, the sum of the weights
    const float weighted_B = of_steps.y * next_largest[FUSED_LARGEST_B];  // bounds B w too
    bound = bound * keep + weighted_B * max(uintBitsToFloat(largest_x[c % 2]), 1.0);
    state_exponent_before = state_exponent;
    state_exponent = exponent_for(bound);
    cb_exponent = exponent_for(next_largest[FUSED_LARGEST_CB] * of_steps.x);
}

float state_scale() { return power_of_two(state_exponent); }
// In y's sums both parts are times M's power of two.
float scale_of_state_in_y() { return power_of_two(cb_exponent - state_exponent_before); }
float scale_of_cb() { return power_of_two(cb_exponent); }
float unscale_of_cb() { return power_of_two(-cb_exponent); }
float scale_of_state_change() { return power_of_two(state_exponent - state_exponent_before); }

#endif

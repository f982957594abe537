// The steps of a chunk for the fused scan, a row of FUSED_STEP_VECTORS vectors for each head (shared/ssd_fused.h). An invocation
// walks the tokens of a head; neighbours have neighbouring heads, whose dt lie side by side.

// Of head h: `at` is its row's place, `count` how many tokens the chunk has. Those past the last have the step 0, which changes nothing.
void write_steps_of_head(uint at, uint h, uint from, uint count) {
    const float a = A_load(h * A_s0) * 1.44269504088896341;  // exponentials are those of 2
    const float bias = dt_bias_present ? dt_bias_load(h * dt_bias_s0) : 0.0;
    float dt[Q], step[Q], sums[Q], sum = 0.0;
    [[unroll]] for (uint i = 0; i < Q; ++i) dt[i] = dt_load(from + min(i, count - 1) * dt_s1);
    [[unroll]] for (uint i = 0; i < Q; ++i) {
        step[i] = i < count ? step_size(dt[i], bias, a) : 0.0;
        sum += step[i] * a;
        sums[i] = sum;
    }
    [[unroll]] for (uint i = 0; i < Q; i += 4) {
        QUAD32(steps, at + 4 * FUSED_SUMS + i) = floatBitsToUint(vec4(sums[i], sums[i + 1], sums[i + 2], sums[i + 3]));
        QUAD32(steps, at + 4 * FUSED_STEPS + i) = floatBitsToUint(vec4(step[i], step[i + 1], step[i + 2], step[i + 3]));
    }
#if !COOPMAT_BF16
    float most = 0.0, total = 0.0;
    [[unroll]] for (uint i = 0; i < Q; ++i) {
        most = max(most, finite_magnitude(step[i]));
        total += finite_magnitude(step[i] * exp2(min(sum - sums[i], 0.0)));
    }
    QUAD32(steps, at + 4 * FUSED_OF_STEPS) = floatBitsToUint(vec4(most, total, 0.0, 0.0));
#endif
}

void write_steps(uint b, uint c, uint g, uint count) {
    const uint first = g * HEADS_PER_GROUP, end = min(first + HEADS_PER_GROUP, push.header[HEADER_HEADS]);
    for (uint h = first + thread_index(); h < end; h += THREADS)
        write_steps_of_head(b * steps_s0 + c * steps_s1 + h * steps_s2, h, b * dt_s0 + c * Q * dt_s1 + h * dt_s2, count);
}

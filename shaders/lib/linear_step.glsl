// What linear's kernels for few rows do beside the product, so that a step of decoding needs no dispatch for it. Included after
// lib/linear.glsl.
//   norm         x[k] * norm_weight[k] takes the place of x[k], and normalised() that of a sum: the scale of a row is a factor of
//                all its results, so nobody has to wait for it
//   convolution  CONV_CHANNELS columns from CONV_FIRST on are a causal convolution's next inputs: its result takes their place, and
//                the inputs before them, in the row's slot of conv_state, move on by one
#include "lib/activation.glsl"

TENSOR(LINEAR_NORM_WEIGHT, norm_weight)
TENSOR_PACK(norm_weight)
TENSOR(LINEAR_CONV_WEIGHT, conv_weight)
TENSOR(LINEAR_CONV_BIAS, conv_bias)
TENSOR(LINEAR_CONV_STATE, conv_state)
TENSOR(LINEAR_INDICES, indices)
TENSOR(LINEAR_INDICES_OUT, indices_out)

#include "lib/slots.glsl"

layout(constant_id = SPEC_LINEAR_NORM_EPS) const float NORM_EPS = 1e-5;
layout(constant_id = SPEC_LINEAR_CONV_FIRST) const uint CONV_FIRST = 0;
layout(constant_id = SPEC_LINEAR_CONV_CHANNELS) const uint CONV_CHANNELS = 1;
layout(constant_id = SPEC_LINEAR_CONV_TAPS) const uint CONV_TAPS = 4;
layout(constant_id = SPEC_LINEAR_CONV_SILU) const bool CONV_SILU = false;

const uint CONV_BEFORE = CONV_TAPS - 1;

// `squares`: the sum of x^2 over the row.
float normalised(float sum, float squares) { return norm_weight_present ? sum * inversesqrt(squares / float(IN) + NORM_EPS) : sum; }

// Of channel c, whose next input is `value`.
float convolved(uint r, uint c, float value) {
    // Inside even where no lane is active: software drivers read addresses that are uniform over a subgroup all the same.
    const Slots slots = slots_of_row(min(r, push.header[HEADER_TOKENS] - 1));
    if (slots.skip) return value;
    const uint from = slots.from * conv_state_s0 + c * conv_state_s1, to = slots.to * conv_state_s0 + c * conv_state_s1;
    float window[CONV_TAPS];
    [[unroll]] for (uint k = 0; k < CONV_BEFORE; ++k) window[k] = conv_state_load(from + k * conv_state_s2);
    window[CONV_BEFORE] = value;
    float sum = conv_bias_present ? conv_bias_load(c * conv_bias_s0) : 0.0;
    [[unroll]] for (uint k = 0; k < CONV_TAPS; ++k) sum = fma(conv_weight_load(c * conv_weight_s0 + k * conv_weight_s1), window[k], sum);
    [[unroll]] for (uint k = 0; k < CONV_BEFORE; ++k) conv_state_store(to + k * conv_state_s2, window[k + 1]);
    return CONV_SILU ? silu(sum) : sum;
}

// What is added to result o of row r of batch row b, and then the result. Apart, so that the first can be loaded early.
float start_of(uint b, uint r, uint o) {
    float start = bias_present ? bias_load(o * bias_s0) : 0.0;
    if (residual_present) start += residual_load(b * residual_s0 + r * residual_s1 + o);
    return start;
}

void store_result(uint b, uint r, uint o, float sum) {
    const uint c = o - CONV_FIRST;
    if (conv_weight_present && c < CONV_CHANNELS) sum = convolved(r, c, sum);
    y_store(b * y_s0 + r * y_s1 + o, sum);
}

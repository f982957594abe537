// The step of one token: softplus?(dt + bias), kept within dt_limit. Needs lib/activation.glsl.
#include "shared/ssd_dt.h"

layout(constant_id = SPEC_SSD_DT_SOFTPLUS) const bool DT_SOFTPLUS = false;
layout(constant_id = SPEC_SSD_DT_MIN) const float DT_MIN = 0.0;
layout(constant_id = SPEC_SSD_DT_MAX) const float DT_MAX = 3.402823466e+38;

// `value`, or NaN where `from` is one. By its bits: min, max and clamp may drop a NaN, and a compiler may take arithmetic to
// be free of it.
float nan_of(float from, float value) { return (floatBitsToUint(from) & 0x7fffffffu) > 0x7f800000u ? from : value; }

float step_size(float dt, float bias) {
    precise float v = dt + bias;
    return nan_of(v, clamp(DT_SOFTPLUS ? softplus(v) : v, DT_MIN, DT_MAX));
}

// A head's step where A is one number. Whatever else decay() makes of a NaN in A, every product with the step is NaN.
float step_size(float dt, float bias, float a) {
    const float step = step_size(dt, bias);
    return nan_of(step * a, step);
}

// exp of what a sum of dt * A has grown by: never positive, since A <= 0 and dt >= 0, but rounding of the
// sums may make it so.
float decay(float difference) { return exp(min(difference, 0.0)); }

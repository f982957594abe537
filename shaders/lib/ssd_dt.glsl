// The step of one token: softplus?(dt + bias), kept within dt_limit. Needs lib/activation.glsl.
#include "shared/ssd_dt.h"

layout(constant_id = SPEC_SSD_DT_SOFTPLUS) const bool DT_SOFTPLUS = false;
layout(constant_id = SPEC_SSD_DT_MIN) const float DT_MIN = 0.0;
layout(constant_id = SPEC_SSD_DT_MAX) const float DT_MAX = 3.402823466e+38;

float step_size(float dt, float bias) {
    precise float v = dt + bias;
    return clamp(DT_SOFTPLUS ? softplus(v) : v, DT_MIN, DT_MAX);
}

// exp of what a sum of dt * A has grown by: never positive, since A <= 0 and dt >= 0, but rounding of the
// sums may make it so.
float decay(float difference) { return exp(min(difference, 0.0)); }

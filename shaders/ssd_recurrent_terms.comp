#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// What ssd_recurrent_tile needs of a token and does not depend on a row of the state. Of each token: step and decay of every
// head, then of every group C times B of the token itself, of the one before, and so on, SSD_TILE of them.
// Grid: (tokens / local size, heads + groups * SSD_TILE, batch).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"

TENSOR(TERMS_DT, dt)
TENSOR(TERMS_A, A)
TENSOR(TERMS_DT_BIAS, dt_bias)
TENSOR(TERMS_B, B)
TENSOR(TERMS_C, C)
TENSOR(TERMS_TERMS, terms)

void main() {
    const uint token = gl_GlobalInvocationID.x, heads = push.header[HEADER_HEADS], b = gl_WorkGroupID.z;
    if (token >= push.header[HEADER_TOKENS]) return;
    const uint out_index = b * terms_s0 + token * terms_s1;
    if (gl_WorkGroupID.y < heads) {
        const uint h = gl_WorkGroupID.y;
        const float a = A_load(h * A_s0), bias = dt_bias_present ? dt_bias_load(h * dt_bias_s0) : 0.0;
        const float step = step_size(dt_load(b * dt_s0 + token * dt_s1 + h * dt_s2), bias, a);
        precise float exponent = step * a;
        terms_store(out_index + 2 * h, step);
        terms_store(out_index + 2 * h + 1, decay(exponent));
        return;
    }
    const uint g = (gl_WorkGroupID.y - heads) / SSD_TILE, back = (gl_WorkGroupID.y - heads) % SSD_TILE;
    const uint base_B = b * B_s0 + (token - min(back, token)) * B_s1 + g * B_s2, base_C = b * C_s0 + token * C_s1 + g * C_s2;
    float sum = 0.0;
    for (uint n = 0; n < DSTATE; ++n) sum = fma(C_load(base_C + n * C_s3), B_load(base_B + n * B_s3), sum);
    terms_store(out_index + 2 * heads + SSD_TILE * g + back, sum);
}

#version 460
#extension GL_GOOGLE_include_directive : require
// to[i] = from[i] over boxes of the same shape, whatever their strides and element types. Between equal types it
// copies bits, so that a NaN stays the one it was.
// An invocation copies one element; the grid is flat, folded into x and y.
#include "lib/tensor.glsl"
#include "shared/tensor_copy.h"

layout(constant_id = SPEC_COPY_SHAPE + 0) const uint SIZE0 = 1;
layout(constant_id = SPEC_COPY_SHAPE + 1) const uint SIZE1 = 1;
layout(constant_id = SPEC_COPY_SHAPE + 2) const uint SIZE2 = 1;
layout(constant_id = SPEC_COPY_SHAPE + 3) const uint SIZE3 = 1;
layout(constant_id = SPEC_COPY_SHAPE + 4) const uint SIZE4 = 1;

TENSOR(COPY_FROM, from)
TENSOR(COPY_TO, to)

void main() {
    uint rest = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    if (rest >= SIZE0 * SIZE1 * SIZE2 * SIZE3 * SIZE4) return;
    const uint i4 = rest % SIZE4;
    rest /= SIZE4;
    const uint i3 = rest % SIZE3;
    rest /= SIZE3;
    const uint i2 = rest % SIZE2;
    rest /= SIZE2;
    const uint i1 = rest % SIZE1, i0 = rest / SIZE1;
    const uint source = i0 * from_s0 + i1 * from_s1 + i2 * from_s2 + i3 * from_s3 + i4 * from_s4;
    const uint target = i0 * to_s0 + i1 * to_s1 + i2 * to_s2 + i3 * to_s3 + i4 * to_s4;
    if (to_dtype != from_dtype)
        to_store(target, from_load(source));
    else if (to_dtype == DTYPE_F16 || to_dtype == DTYPE_BF16)
        to_store_half(target, from_load_half(source));
    else
        to_store_int(target, from_load_int(source));
}

// Packs: PACK neighbours along a tensor's last axis, which is what a lane moves at a time. 8 suit 16-bit elements and 4
// suit f32: 16 bytes. TENSOR_PACK(name), after TENSOR, gives:
//   name_get(i, stride, count)      elements i, i + stride...; those from `count` on are 0
//   name_put(i, stride, count, p)   stores the first `count`
// Whole packs of a tensor whose layout allows it go in one access.
#include "shared/pack.h"

layout(constant_id = SPEC_PACK) const uint PACK = 8;
layout(constant_id = SPEC_PACK_WIDE) const bool PACK_WIDE = false;

struct Pack {
    vec4 low, high;  // high: elements 4 to 7, 0 where PACK is 4
};

Pack zero_pack() { return Pack(vec4(0.0), vec4(0.0)); }

// One element, without indexing a vector, which some drivers put in memory.
float pack_element(Pack p, uint e) {
    const vec4 v = e < 4 ? p.low : p.high;
    const vec2 pair = (e & 2u) == 0 ? v.xy : v.zw;
    return (e & 1u) == 0 ? pair.x : pair.y;
}
void set_pack_element(inout Pack p, uint e, float value) {
    p.low = mix(p.low, vec4(value), equal(uvec4(0, 1, 2, 3), uvec4(e)));
    p.high = mix(p.high, vec4(value), equal(uvec4(4, 5, 6, 7), uvec4(e)));
}

#define TENSOR_PACK(NAME)                                                                        \
    Pack NAME##_get(uint i, uint stride, uint count) {                                           \
        Pack p = zero_pack();                                                                    \
        if (PACK_WIDE && NAME##_vector != 1 && count == PACK) {                                  \
            if (NAME##_dtype == DTYPE_F32) {                                                     \
                p.low = uintBitsToFloat(QUAD32(NAME, i));                                        \
                if (PACK == 8) p.high = uintBitsToFloat(QUAD32(NAME, i + 4));                    \
            } else if (PACK == 8 && NAME##_vector == 8) {                                        \
                const uvec4 words = QUAD16(NAME, i);                                             \
                p = Pack(unpack4(NAME##_dtype, words.xy), unpack4(NAME##_dtype, words.zw));      \
            } else {                                                                             \
                p.low = unpack4(NAME##_dtype, PAIR(NAME, i));                                    \
                if (PACK == 8) p.high = unpack4(NAME##_dtype, PAIR(NAME, i + 4));                \
            }                                                                                    \
        } else {                                                                                 \
            for (uint e = 0; e < count; ++e) set_pack_element(p, e, NAME##_load(i + e * stride)); \
        }                                                                                        \
        return p;                                                                                \
    }                                                                                            \
    void NAME##_put(uint i, uint stride, uint count, Pack p) {                                   \
        if (PACK_WIDE && NAME##_vector != 1 && count == PACK) {                                  \
            if (NAME##_dtype == DTYPE_F32) {                                                     \
                QUAD32(NAME, i) = floatBitsToUint(p.low);                                        \
                if (PACK == 8) QUAD32(NAME, i + 4) = floatBitsToUint(p.high);                    \
            } else if (PACK == 8 && NAME##_vector == 8) {                                        \
                QUAD16(NAME, i) = uvec4(pack4(NAME##_dtype, p.low), pack4(NAME##_dtype, p.high)); \
            } else {                                                                             \
                PAIR(NAME, i) = pack4(NAME##_dtype, p.low);                                      \
                if (PACK == 8) PAIR(NAME, i + 4) = pack4(NAME##_dtype, p.high);                  \
            }                                                                                    \
        } else {                                                                                 \
            for (uint e = 0; e < count; ++e) NAME##_store(i + e * stride, pack_element(p, e));   \
        }                                                                                        \
    }

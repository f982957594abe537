// Packs: PACK neighbours along a tensor's last axis, which is what a lane moves at a time. 8 suit 16-bit elements and 4
// suit f32: 16 bytes. TENSOR_PACK(name), after TENSOR, gives:
//   name_get(i, stride, count)      elements i, i + stride...; those from `count` on are 0
//   name_get_bits(i, stride, count) the same as they lie in memory, for pack_of
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

// A pack as it lies in memory. Numbers are made of it where they are needed: loads stay under way, also past a branch, and
// take few registers.
struct PackBits {
    uvec4 low, high;  // high: elements 4 to 7 of f32
};

PackBits no_bits() { return PackBits(uvec4(0), uvec4(0)); }

void set_pack_bits(inout PackBits p, uint dtype, uint e, uint bits) {
    if (dtype == DTYPE_F32) {
        p.low = mix(p.low, uvec4(bits), equal(uvec4(0, 1, 2, 3), uvec4(e)));
        p.high = mix(p.high, uvec4(bits), equal(uvec4(4, 5, 6, 7), uvec4(e)));
    } else {
        p.low |= mix(uvec4(0), uvec4(bits << ((e & 1u) * 16)), equal(uvec4(0, 1, 2, 3), uvec4(e / 2)));
    }
}

Pack pack_of(uint dtype, PackBits p) {
    if (dtype == DTYPE_F32) return Pack(uintBitsToFloat(p.low), uintBitsToFloat(p.high));
    return Pack(unpack4(dtype, p.low.xy), unpack4(dtype, p.low.zw));
}

#define TENSOR_PACK(NAME)                                                                        \
    PackBits NAME##_get_bits(uint i, uint stride, uint count) {                                  \
        PackBits p = no_bits();                                                                  \
        if (PACK_WIDE && NAME##_vector != 1 && count == PACK) {                                  \
            if (NAME##_dtype == DTYPE_F32) {                                                     \
                p.low = QUAD32(NAME, i);                                                         \
                if (PACK == 8) p.high = QUAD32(NAME, i + 4);                                     \
            } else if (PACK == 8 && NAME##_vector == 8) {                                        \
                p.low = QUAD16(NAME, i);                                                         \
            } else {                                                                             \
                p.low.xy = PAIR(NAME, i);                                                        \
                if (PACK == 8) p.low.zw = PAIR(NAME, i + 4);                                     \
            }                                                                                    \
        } else {                                                                                 \
            for (uint e = 0; e < count; ++e) {                                                   \
                const uint at = i + e * stride;                                                  \
                const uint bits = NAME##_dtype == DTYPE_F32 ? WORD(NAME, at) : NAME##_load_half(at); \
                set_pack_bits(p, NAME##_dtype, e, bits);                                         \
            }                                                                                    \
        }                                                                                        \
        return p;                                                                                \
    }                                                                                            \
    Pack NAME##_get(uint i, uint stride, uint count) { return pack_of(NAME##_dtype, NAME##_get_bits(i, stride, count)); } \
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

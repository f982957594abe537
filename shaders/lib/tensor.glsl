// How kernels reach tensors. TENSOR(I, name) declares argument I of the dispatch and gives:
//   name_dtype, name_s0..name_s4   element type and strides in elements (specialization constants)
//   name_present                   false if the caller left the tensor out
//   name_load(i), name_store(i, v) element i as f32, converted from and to the stored type
//   name_load_int(i), name_store_int(i, v)   the same for i32
// TENSOR_VECTOR(name), after TENSOR, adds what moves several elements at once where the layout lets it:
//   name_load4(i), name_store4(i, v)         elements i to i + 3 as a vec4; i is a multiple of 4
//   name_load8(i, low, high), name_store8    elements i to i + 7; i is a multiple of 8
//   name_vector                              1, 4 or 8: how many really go at once (they work whatever it is)
// i counts elements from the dispatch's own part of the tensor and fits 32 bits: the host splits larger work.
//
// Two back ends behind the same names: buffer device addresses (MEMORY_ADDRESS) and descriptors. And two
// ways to 16-bit elements: 16-bit storage (STORAGE_16BIT), or words, where neighbours written by different
// invocations share a word, so a store clears and sets its half with atomics.
#include "lib/floats.glsl"
#include "shared/layout.h"

#if MEMORY_ADDRESS
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#endif
#if STORAGE_16BIT
#extension GL_EXT_shader_16bit_storage : require
#endif

layout(local_size_x = 64, local_size_x_id = SPEC_LOCAL_SIZE) in;

layout(push_constant, std430) uniform Push {
    uint header[HEADER_WORDS];
#if MEMORY_ADDRESS
    uvec2 address[MAX_ARGUMENTS];
#else
    uint first[MAX_ARGUMENTS];
#endif
} push;

#if MEMORY_ADDRESS

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) buffer Pairs { uvec2 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Quads { uvec4 v[]; };
#define WORD(NAME, i) Words(push.address[NAME##_argument]).v[i]
#define PAIR(NAME, i) Pairs(push.address[NAME##_argument]).v[(i) >> 2]  // i in 16-bit elements
#define QUAD32(NAME, i) Quads(push.address[NAME##_argument]).v[(i) >> 2]
#define QUAD16(NAME, i) Quads(push.address[NAME##_argument]).v[(i) >> 3]
#if STORAGE_16BIT
layout(buffer_reference, std430, buffer_reference_align = 2) buffer Halves { uint16_t v[]; };
#define HALF(NAME, i) Halves(push.address[NAME##_argument]).v[i]
#else
// The address may lie in the middle of a word.
#define HALF_INDEX(NAME, i) ((i) + ((push.address[NAME##_argument].x >> 1) & 1u))
#define HALF_WORD(NAME, i) Words(uvec2(push.address[NAME##_argument].x & ~3u, push.address[NAME##_argument].y)).v[i]
#endif

#else

// The same memory is declared with several element sizes, so none may be taken to be the only way to it.
#extension GL_EXT_spirv_intrinsics : require
#define ALIASED spirv_decorate(20)

ALIASED layout(set = 0, binding = 0, std430) buffer Words { uint v[]; } slots[DESCRIPTOR_SLOTS];
ALIASED layout(set = 0, binding = 0, std430) buffer Pairs { uvec2 v[]; } pair_slots[DESCRIPTOR_SLOTS];
ALIASED layout(set = 0, binding = 0, std430) buffer Quads { uvec4 v[]; } quad_slots[DESCRIPTOR_SLOTS];
#define WORD(NAME, i) slots[NAME##_slot].v[push.first[NAME##_argument] + (i)]
#define PAIR(NAME, i) pair_slots[NAME##_slot].v[(push.first[NAME##_argument] + (i)) >> 2]
#define QUAD32(NAME, i) quad_slots[NAME##_slot].v[(push.first[NAME##_argument] + (i)) >> 2]
#define QUAD16(NAME, i) quad_slots[NAME##_slot].v[(push.first[NAME##_argument] + (i)) >> 3]
#if STORAGE_16BIT
ALIASED layout(set = 0, binding = 0, std430) buffer Halves { uint16_t v[]; } half_slots[DESCRIPTOR_SLOTS];
#define HALF(NAME, i) half_slots[NAME##_slot].v[push.first[NAME##_argument] + (i)]
#else
#define HALF_INDEX(NAME, i) (push.first[NAME##_argument] + (i))
#define HALF_WORD(NAME, i) slots[NAME##_slot].v[i]
#endif

#endif

#if STORAGE_16BIT
#define HALF_FUNCTIONS(NAME)                                                  \
    uint NAME##_load_half(uint i) { return uint(HALF(NAME, i)); }             \
    void NAME##_store_half(uint i, uint bits) { HALF(NAME, i) = uint16_t(bits); }
#else
#define HALF_FUNCTIONS(NAME)                                                  \
    uint NAME##_load_half(uint i) {                                           \
        const uint at = HALF_INDEX(NAME, i);                                  \
        return (HALF_WORD(NAME, at >> 1) >> ((at & 1u) * 16u)) & 0xffffu;     \
    }                                                                         \
    void NAME##_store_half(uint i, uint bits) {                               \
        const uint at = HALF_INDEX(NAME, i), shift = (at & 1u) * 16u;         \
        atomicAnd(HALF_WORD(NAME, at >> 1), ~(0xffffu << shift));             \
        atomicOr(HALF_WORD(NAME, at >> 1), bits << shift);                    \
    }
#endif

#define TENSOR(I, NAME)                                                                                        \
    const uint NAME##_argument = I;                                                                            \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_DTYPE) const uint NAME##_dtype = DTYPE_NONE; \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_SLOT) const uint NAME##_slot = 0;    \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_STRIDE + 0) const uint NAME##_s0 = 0; \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_STRIDE + 1) const uint NAME##_s1 = 0; \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_STRIDE + 2) const uint NAME##_s2 = 0; \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_STRIDE + 3) const uint NAME##_s3 = 0; \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_STRIDE + 4) const uint NAME##_s4 = 0; \
    layout(constant_id = SPEC_TENSOR + I * SPEC_TENSOR_STEP + SPEC_TENSOR_VECTOR) const uint NAME##_vector = 1; \
    const bool NAME##_present = NAME##_dtype != DTYPE_NONE;                                                    \
    HALF_FUNCTIONS(NAME)                                                                                       \
    int NAME##_load_int(uint i) { return int(WORD(NAME, i)); }                                                 \
    void NAME##_store_int(uint i, int value) { WORD(NAME, i) = uint(value); }                                  \
    float NAME##_load(uint i) {                                                                                \
        if (NAME##_dtype == DTYPE_F32) return uintBitsToFloat(WORD(NAME, i));                                  \
        const uint bits = NAME##_load_half(i);                                                                 \
        return NAME##_dtype == DTYPE_F16 ? f16_to_f32(bits) : bf16_to_f32(bits);                               \
    }                                                                                                          \
    void NAME##_store(uint i, float value) {                                                                   \
        if (NAME##_dtype == DTYPE_F32)                                                                         \
            WORD(NAME, i) = floatBitsToUint(value);                                                            \
        else                                                                                                   \
            NAME##_store_half(i, NAME##_dtype == DTYPE_F16 ? f32_to_f16(value) : f32_to_bf16(value));          \
    }

// The four 16-bit floats of two words, and back.
vec4 unpack4(uint dtype, uvec2 words) {
    if (dtype == DTYPE_F16) return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
    return vec4(uintBitsToFloat(words.x << 16), uintBitsToFloat(words.x & 0xffff0000u), uintBitsToFloat(words.y << 16),
                uintBitsToFloat(words.y & 0xffff0000u));
}

uvec2 pack4(uint dtype, vec4 v) {
    if (dtype == DTYPE_F16) return uvec2(f32_to_f16(v.x) | f32_to_f16(v.y) << 16, f32_to_f16(v.z) | f32_to_f16(v.w) << 16);
    return uvec2(f32_to_bf16(v.x) | f32_to_bf16(v.y) << 16, f32_to_bf16(v.z) | f32_to_bf16(v.w) << 16);
}

#define TENSOR_VECTOR(NAME)                                                                                        \
    vec4 NAME##_load4(uint i) {                                                                                    \
        if (NAME##_vector == 1) return vec4(NAME##_load(i), NAME##_load(i + 1), NAME##_load(i + 2), NAME##_load(i + 3)); \
        if (NAME##_dtype == DTYPE_F32) return uintBitsToFloat(QUAD32(NAME, i));                                    \
        return unpack4(NAME##_dtype, PAIR(NAME, i));                                                               \
    }                                                                                                              \
    void NAME##_store4(uint i, vec4 v) {                                                                           \
        if (NAME##_vector == 1) {                                                                                  \
            NAME##_store(i, v.x);                                                                                  \
            NAME##_store(i + 1, v.y);                                                                              \
            NAME##_store(i + 2, v.z);                                                                              \
            NAME##_store(i + 3, v.w);                                                                              \
        } else if (NAME##_dtype == DTYPE_F32) {                                                                    \
            QUAD32(NAME, i) = floatBitsToUint(v);                                                                  \
        } else {                                                                                                   \
            PAIR(NAME, i) = pack4(NAME##_dtype, v);                                                                \
        }                                                                                                          \
    }                                                                                                              \
    void NAME##_load8(uint i, out vec4 low, out vec4 high) {                                                       \
        if (NAME##_vector == 8 && NAME##_dtype != DTYPE_F32) {                                                     \
            const uvec4 words = QUAD16(NAME, i);                                                                   \
            low = unpack4(NAME##_dtype, words.xy);                                                                 \
            high = unpack4(NAME##_dtype, words.zw);                                                                \
        } else {                                                                                                   \
            low = NAME##_load4(i);                                                                                 \
            high = NAME##_load4(i + 4);                                                                            \
        }                                                                                                          \
    }                                                                                                              \
    void NAME##_store8(uint i, vec4 low, vec4 high) {                                                              \
        if (NAME##_vector == 8 && NAME##_dtype != DTYPE_F32) {                                                     \
            QUAD16(NAME, i) = uvec4(pack4(NAME##_dtype, low), pack4(NAME##_dtype, high));                          \
        } else {                                                                                                   \
            NAME##_store4(i, low);                                                                                 \
            NAME##_store4(i + 4, high);                                                                            \
        }                                                                                                          \
    }

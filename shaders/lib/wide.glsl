// Groups of WIDTH (1, 4 or 8) neighbouring elements in registers, 16 bytes at once where the layout lets them be. WIDE(name),
// after TENSOR, gives name_load_wide(i, stride, v) and name_store_wide(i, stride, v) for the elements i, i + stride... Where
// stride is 1, i is a multiple of WIDTH. Loops, where TENSOR_VECTOR spells out each element: the modules stay small.
//
// A load in two halves: name_load_raw(i, stride, raw) brings words as they lie in memory, name_unpack(stride, raw, v) makes
// floats of them. What is used much later is kept raw, so that nothing waits for it before then.
#define WIDE(NAME)                                                                                    \
    bool NAME##_packs(uint stride) { return WIDTH > 1 && stride == 1 && NAME##_vector != 1; }         \
    void NAME##_load_raw(uint i, uint stride, out uint raw[WIDTH]) {                                  \
        if (!NAME##_packs(stride)) {                                                                  \
            [[unroll]] for (uint e = 0; e < WIDTH; ++e) raw[e] = floatBitsToUint(NAME##_load(i + e * stride)); \
        } else if (NAME##_dtype == DTYPE_F32) {                                                       \
            [[unroll]] for (uint q = 0; q < WIDTH / 4; ++q) {                                         \
                const uvec4 words = QUAD32(NAME, i + q * 4);                                          \
                [[unroll]] for (uint e = 0; e < 4; ++e) raw[q * 4 + e] = words[e];                    \
            }                                                                                         \
        } else if (WIDTH == 8 && NAME##_vector == 8) {                                                \
            const uvec4 words = QUAD16(NAME, i);                                                      \
            [[unroll]] for (uint k = 0; k < WIDTH / 2; ++k) raw[k] = words[k];                        \
        } else {                                                                                      \
            [[unroll]] for (uint k = 0; k < WIDTH / 2; k += 2) {                                      \
                const uvec2 pair = PAIR(NAME, i + k * 2);                                             \
                raw[k] = pair.x;                                                                      \
                raw[k + 1] = pair.y;                                                                  \
            }                                                                                         \
        }                                                                                             \
    }                                                                                                 \
    void NAME##_unpack(uint stride, uint raw[WIDTH], out float v[WIDTH]) {                            \
        const bool halves = NAME##_packs(stride) && NAME##_dtype != DTYPE_F32;                        \
        [[unroll]] for (uint e = 0; e < WIDTH; ++e)                                                   \
            v[e] = halves ? half_of(NAME##_dtype, raw[e / 2], e % 2) : uintBitsToFloat(raw[e]);       \
    }                                                                                                 \
    void NAME##_load_wide(uint i, uint stride, out float v[WIDTH]) {                                  \
        uint raw[WIDTH];                                                                              \
        NAME##_load_raw(i, stride, raw);                                                              \
        NAME##_unpack(stride, raw, v);                                                                \
    }                                                                                                 \
    void NAME##_store_wide(uint i, uint stride, float v[WIDTH]) {                                     \
        if (!NAME##_packs(stride)) {                                                                  \
            [[unroll]] for (uint e = 0; e < WIDTH; ++e) NAME##_store(i + e * stride, v[e]);           \
            return;                                                                                   \
        }                                                                                             \
        uvec2 first = uvec2(0);                                                                       \
        [[unroll]] for (uint q = 0; q < WIDTH / 4; ++q) {                                             \
            const vec4 four = vec4(v[q * 4], v[q * 4 + 1], v[q * 4 + 2], v[q * 4 + 3]);               \
            if (NAME##_dtype == DTYPE_F32) {                                                          \
                QUAD32(NAME, i + q * 4) = floatBitsToUint(four);                                      \
                continue;                                                                             \
            }                                                                                         \
            const uvec2 pair = pack4(NAME##_dtype, four);                                             \
            if (WIDTH == 4 || NAME##_vector == 4)                                                     \
                PAIR(NAME, i + q * 4) = pair;                                                         \
            else if (q == 0)                                                                          \
                first = pair;                                                                         \
            else                                                                                      \
                QUAD16(NAME, i) = uvec4(first, pair);                                                 \
        }                                                                                             \
    }

// Element 0 or 1 of a word of two 16-bit floats.
float half_of(uint dtype, uint word, uint which) {
    if (dtype == DTYPE_F16) return unpackHalf2x16(word)[which];
    return uintBitsToFloat(which == 0 ? word << 16 : word & 0xffff0000u);
}

// Groups of WIDTH (1, 4 or 8) neighbouring elements in registers, 16 bytes at once where the layout lets them be. WIDE(name),
// after TENSOR, gives name_load_wide(i, stride, v) and name_store_wide(i, stride, v) for the elements i, i + stride... Where
// stride is 1, i is a multiple of WIDTH. Loops, where TENSOR_VECTOR spells out each element: the modules stay small.
#define WIDE(NAME)                                                                                    \
    void NAME##_load_wide(uint i, uint stride, out float v[WIDTH]) {                                  \
        if (WIDTH == 1 || stride != 1 || NAME##_vector == 1) {                                        \
            [[unroll]] for (uint e = 0; e < WIDTH; ++e) v[e] = NAME##_load(i + e * stride);           \
            return;                                                                                   \
        }                                                                                             \
        uvec4 words = uvec4(0);                                                                       \
        if (NAME##_dtype != DTYPE_F32 && WIDTH == 8 && NAME##_vector == 8) words = QUAD16(NAME, i);   \
        [[unroll]] for (uint q = 0; q < WIDTH / 4; ++q) {                                             \
            vec4 four;                                                                                \
            if (NAME##_dtype == DTYPE_F32) {                                                          \
                four = uintBitsToFloat(QUAD32(NAME, i + q * 4));                                      \
            } else {                                                                                  \
                uvec2 pair = q == 0 ? words.xy : words.zw;                                            \
                if (WIDTH == 4 || NAME##_vector == 4) pair = PAIR(NAME, i + q * 4);                   \
                four = unpack4(NAME##_dtype, pair);                                                   \
            }                                                                                         \
            [[unroll]] for (uint e = 0; e < 4; ++e) v[q * 4 + e] = four[e];                           \
        }                                                                                             \
    }                                                                                                 \
    void NAME##_store_wide(uint i, uint stride, float v[WIDTH]) {                                     \
        if (WIDTH == 1 || stride != 1 || NAME##_vector == 1) {                                        \
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

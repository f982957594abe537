// What the choice of a variant asks of a device, whatever the operator. Pure functions of Caps.
#pragma once

#include <cstdarg>
#include <cstdio>

#include "graph/dispatch.h"
#include "scandium/device.h"

namespace scandium {

template <size_t N>
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void say(char (&reason)[N], const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(reason, N, format, arguments);
    va_end(arguments);
}

// The size that subgroups are sure to have, and whether it must be required; 0 if a driver may vary it.
struct SubgroupSize {
    uint32_t size = 0, require = 0;
};
SubgroupSize fixed_subgroup_size(const Caps& caps);

// Why lanes cannot be trusted to be where gl_SubgroupInvocationID says, all of them; null if they can.
const char* why_no_subgroups(const Caps& caps);

// Subgroups that move as many neighbouring words as they have lanes at once (shaders/lib/words.glsl); size 0 where that is no gain:
// on GPUs, which do so with any load, and on CPUs with few lanes.
SubgroupSize words_subgroup(const Caps& caps);

// Why `kernel` cannot run on cooperative matrices of `type` whatever their shape, or null with its flavour in `out`.
const char* why_no_matrices(const Caps& caps, DType type, Kernel kernel, Flavour* out);

// The largest of the device's shapes that multiplies `type`, accumulates in f32 and is accepted. False if there is none.
template <class Accept>
bool find_largest_shape(const Caps& caps, DType type, CooperativeMatrixShape* out, Accept accept) {
    uint32_t best = 0;
    for (uint32_t i = 0; i < caps.cooperative_matrix_count; ++i) {
        const CooperativeMatrixShape& shape = caps.cooperative_matrices[i];
        if (shape.a != type || shape.b != type || shape.c != DType::f32 || shape.result != DType::f32) continue;
        if (!accept(shape) || shape.m * shape.n * shape.k <= best) continue;
        best = shape.m * shape.n * shape.k;
        *out = shape;
    }
    return best != 0;
}

uint32_t power_of_two_from(uint32_t value);  // the smallest that is not less

}  // namespace scandium

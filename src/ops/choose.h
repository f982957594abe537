// What the choice of a variant asks of a device, whatever the operator. Pure functions of Caps.
#pragma once

#include <cstdarg>
#include <cstdio>

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

uint32_t power_of_two_from(uint32_t value);  // the smallest that is not less

}  // namespace scandium

// The copy dispatch that staging inserts.
#include <cstdio>

#include "graph/schedule.h"
#include "shared/tensor_copy.h"

namespace scandium {

Dispatch make_copy(const Caps& caps, const View& from, const View& to) {
    Dispatch d;
    d.kernel = Kernel::tensor_copy;
    d.name = "tensor_copy";
    std::snprintf(d.reason, sizeof d.reason, "scalar: the only one");
    d.local_size = 64;
    d.argument(COPY_FROM, from, Access::read);
    d.argument(COPY_TO, to, Access::write);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < kMaxRank; ++i) {
        const uint64_t size = i < from.rank ? from.shape[i] : 1;
        d.spec(SPEC_COPY_SHAPE + i, uint32_t(size));
        elements *= size;
    }
    const uint64_t groups = (elements + d.local_size - 1) / d.local_size;
    const uint64_t x = groups < caps.max_workgroups[0] ? groups : caps.max_workgroups[0];
    d.groups[0] = uint32_t(x);
    d.groups[1] = uint32_t((groups + x - 1) / x);
    return d;
}

}  // namespace scandium

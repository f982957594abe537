// The steps of a scan: the constants of lib/ssd_dt.glsl.
#pragma once

#include <cmath>
#include <limits>

#include "graph/dispatch.h"
#include "shared/ssd_dt.h"

namespace scandium {

// dt_max may be infinite, which a device's clamp() need not understand.
inline void add_step_constants(bool dt_softplus, float dt_min, float dt_max, Dispatch* dispatch) {
    dispatch->spec(SPEC_SSD_DT_SOFTPLUS, uint32_t(dt_softplus));
    dispatch->spec(SPEC_SSD_DT_MIN, dt_min);
    dispatch->spec(SPEC_SSD_DT_MAX, std::isinf(dt_max) ? std::numeric_limits<float>::max() : dt_max);
}

}  // namespace scandium

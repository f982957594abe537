// Read by GLSL and C++: the step's constants (lib/ssd_dt.glsl).
#ifndef SCANDIUM_SHARED_SSD_DT_H
#define SCANDIUM_SHARED_SSD_DT_H
#include "shared/layout.h"

#define SPEC_SSD_DT_SOFTPLUS (SPEC_OP + 8)
#define SPEC_SSD_DT_MIN (SPEC_OP + 9)
#define SPEC_SSD_DT_MAX (SPEC_OP + 10)

#endif

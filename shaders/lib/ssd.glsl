// What the stages of ssd_scan share: sizes, the step dt, and where a chunk lies.
#include "lib/activation.glsl"
#include "lib/tensor.glsl"
#include "shared/ssd.h"

layout(constant_id = SPEC_SSD_HEADDIM) const uint HEADDIM = 64;
layout(constant_id = SPEC_SSD_DSTATE) const uint DSTATE = 128;
layout(constant_id = SPEC_SSD_CHUNK_SIZE) const uint CHUNK_SIZE = 64;
layout(constant_id = SPEC_SSD_HEADS_PER_GROUP) const uint HEADS_PER_GROUP = 1;
layout(constant_id = SPEC_SSD_PACKING) const uint PACKING = PACKING_NONE;

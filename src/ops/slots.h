// Operators over states in slots that batch rows choose by index.
#pragma once

#include "graph/graph_state.h"
#include "shared/slots.h"

namespace scandium {

// The slots that a dispatch reads from and writes to. Larger states are cut into ranges of slots, with a dispatch of all
// rows for each: a row is skipped where its slots are not among them (shaders/lib/slots.glsl).
struct SlotRange {
    uint64_t first = 0, count = 1;
};

inline void set_slots(const SlotRange& from, const SlotRange& to, int32_t pad, Dispatch* dispatch) {
    dispatch->spec(SPEC_SLOT_COUNT, uint32_t(from.count));
    dispatch->spec(SPEC_SLOT_COUNT_OUT, uint32_t(to.count));
    dispatch->spec(SPEC_SLOT_PAD, uint32_t(pad));
    dispatch->header[HEADER_FIRST_SLOT] = uint32_t(from.first);
    dispatch->header[HEADER_FIRST_SLOT_OUT] = uint32_t(to.first);
}

}  // namespace scandium

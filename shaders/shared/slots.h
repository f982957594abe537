// Read by GLSL and C++: states in slots that rows choose by index (lib/slots.glsl).
#ifndef SCANDIUM_SHARED_SLOTS_H
#define SCANDIUM_SHARED_SLOTS_H
#include "shared/layout.h"

#define SPEC_SLOT_COUNT (SPEC_OP + 0)      // slots that the dispatch reads from
#define SPEC_SLOT_COUNT_OUT (SPEC_OP + 1)  // slots that it writes to
#define SPEC_SLOT_PAD (SPEC_OP + 2)        // the index of a row that is to be skipped

#define HEADER_FIRST_SLOT 1      // index of the first of them
#define HEADER_FIRST_SLOT_OUT 2

#endif

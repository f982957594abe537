// The slots that a row of the batch reads its state from and writes it to. Rows whose index is the padding's, or none
// that this dispatch has, are skipped. Needs TENSOR(..., indices) and TENSOR(..., indices_out): absent, the row's own
// number and the slot that was read.
#include "shared/slots.h"

layout(constant_id = SPEC_SLOT_COUNT) const uint SLOT_COUNT = 1;
layout(constant_id = SPEC_SLOT_COUNT_OUT) const uint SLOT_COUNT_OUT = 1;
layout(constant_id = SPEC_SLOT_PAD) const uint SLOT_PAD = 0xffffffffu;

struct Slots {
    uint from, to;  // in the dispatch's part of the states; inside even where the row is skipped
    bool skip;
};

Slots slots_of_row(uint b) {
    const uint index = indices_present ? uint(indices_load_int(b * indices_s0)) : b;
    const uint index_out = indices_out_present ? uint(indices_out_load_int(b * indices_out_s0)) : index;
    Slots slots;
    slots.from = index - push.header[HEADER_FIRST_SLOT];
    slots.to = index_out - push.header[HEADER_FIRST_SLOT_OUT];
    slots.skip = slots.from >= SLOT_COUNT || slots.to >= SLOT_COUNT_OUT || (indices_present && index == SLOT_PAD) ||
                 (indices_out_present && index_out == SLOT_PAD);
    if (slots.skip) slots.from = slots.to = 0;
    return slots;
}

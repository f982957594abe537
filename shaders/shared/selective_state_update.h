// Read by GLSL and C++: constants of selective_state_update.
#ifndef SCANDIUM_SHARED_SELECTIVE_STATE_UPDATE_H
#define SCANDIUM_SHARED_SELECTIVE_STATE_UPDATE_H
#include "shared/slots.h"
#include "shared/ssd_dt.h"

#define SPEC_UPDATE_HEADDIM (SPEC_OP + 3)
#define SPEC_UPDATE_DSTATE (SPEC_OP + 4)
#define SPEC_UPDATE_HEADS_PER_GROUP (SPEC_OP + 5)
#define SPEC_UPDATE_LANES (SPEC_OP + 12)   // lanes that share a row of the state
#define SPEC_UPDATE_ROWS (SPEC_OP + 13)    // rows in a lane
#define SPEC_UPDATE_WIDTH (SPEC_OP + 14)   // columns that a lane moves at once: 1, 4 or 8; divides dstate
#define SPEC_UPDATE_PIECES (SPEC_OP + 15)  // such moves for a row
#define SPEC_UPDATE_SEVERAL (SPEC_OP + 16)  // 1: a run may have more than one token

#define UPDATE_STATE 0
#define UPDATE_X 1
#define UPDATE_DT 2
#define UPDATE_A 3
#define UPDATE_B 4
#define UPDATE_C 5
#define UPDATE_D 6
#define UPDATE_Z 7
#define UPDATE_DT_BIAS 8
#define UPDATE_INDICES 9
#define UPDATE_Y 10
#define UPDATE_STATE_OUT 11    // absent: in the place of what was read
#define UPDATE_INDICES_OUT 12
#define UPDATE_SNAPSHOTS 13

#endif

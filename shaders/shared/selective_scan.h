// Read by GLSL and C++: constants of selective_scan.
#ifndef SCANDIUM_SHARED_SELECTIVE_SCAN_H
#define SCANDIUM_SHARED_SELECTIVE_SCAN_H
#include "shared/ssd.h"

// Beside those of shared/ssd_dt.h, 8 to 10.
#define SPEC_SELECTIVE_CHANNELS (SPEC_OP + 0)  // of one group, in the dispatch
#define SPEC_SELECTIVE_DSTATE (SPEC_OP + 1)
#define SPEC_SELECTIVE_PACKING (SPEC_OP + 2)   // a PACKING_ of shared/ssd.h
#define SPEC_SELECTIVE_LANES (SPEC_OP + 3)     // that share a channel: a power of two
#define SPEC_SELECTIVE_COLUMNS (SPEC_OP + 4)   // of the state in a lane
#define SPEC_SELECTIVE_WIDTH (SPEC_OP + 5)     // tokens that a lane moves at once: 1, 4 or 8
#define SPEC_SELECTIVE_PACKS (SPEC_OP + 6)     // 1: no token past the dispatch's last lies in a pack of WIDTH with one before
#define SPEC_SELECTIVE_STAGED (SPEC_OP + 7)    // 1: B and C go through shared memory
#define SPEC_SELECTIVE_FETCH (SPEC_OP + 11)    // tokens of B or C that a lane fetches at once on their way there: 1 or 4
#define SPEC_SELECTIVE_B_FIXED (SPEC_OP + 12)  // 1: B is (channels, dstate), the same for every token
#define SPEC_SELECTIVE_C_FIXED (SPEC_OP + 13)

// Header words beside HEADER_TOKENS.
#define HEADER_SEGMENT 1   // tokens of a segment
#define HEADER_SEGMENTS 2  // of the dispatch
#define HEADER_PLANNED 3   // tokens that the tensors have, of which HEADER_TOKENS are valid

#define SELECTIVE_X 0
#define SELECTIVE_DT 1
#define SELECTIVE_A 2
#define SELECTIVE_B 3
#define SELECTIVE_C 4
#define SELECTIVE_D 5
#define SELECTIVE_Z 6
#define SELECTIVE_DT_BIAS 7
#define SELECTIVE_INITIAL 8
#define SELECTIVE_SEQ 9       // seq_idx or cu_seqlens
#define SELECTIVE_Y 10        // absent: only what the segments come to is wanted
#define SELECTIVE_FINAL 11
#define SELECTIVE_SEGMENTS 12  // (batch, segments, channels, dstate): see the kernel
#define SELECTIVE_ELAPSED 13   // (batch, segments, channels): sums of steps of each segment

#endif

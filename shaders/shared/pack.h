// Read by GLSL and C++: constants of lib/pack.glsl.
#ifndef SCANDIUM_SHARED_PACK_H
#define SCANDIUM_SHARED_PACK_H
#include "shared/layout.h"

#define SPEC_PACK (SPEC_OP + 40)       // elements of a pack: 4 or 8
#define SPEC_PACK_WIDE (SPEC_OP + 41)  // 1: packs begin at multiples of their size

#endif

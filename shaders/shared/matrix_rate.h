// Read by GLSL and C++: constants of matrix_rate's kernel.
#ifndef SCANDIUM_SHARED_MATRIX_RATE_H
#define SCANDIUM_SHARED_MATRIX_RATE_H
#include "shared/layout.h"

#define SPEC_RATE_M (SPEC_OP + 0)  // the device's cooperative matrix shape
#define SPEC_RATE_N (SPEC_OP + 1)
#define SPEC_RATE_K (SPEC_OP + 2)

#define RATE_SUBGROUPS 4  // of a workgroup
#define RATE_SUMS 8       // of a subgroup, which need not wait for each other

#define HEADER_STEPS 1  // products that go into each sum

#define RATE_OUT 0

#endif

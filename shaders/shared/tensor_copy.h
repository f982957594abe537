// Read by GLSL and C++.
#ifndef SCANDIUM_SHARED_TENSOR_COPY_H
#define SCANDIUM_SHARED_TENSOR_COPY_H
#include "shared/layout.h"

#define SPEC_COPY_SHAPE (SPEC_OP + 0)  // 5 sizes, 1 for axes that the tensors lack
#define COPY_FROM 0
#define COPY_TO 1

#endif

// Read by GLSL and C++: constants of the kernels that treat elements, rows of a table or their sums one by one.
#ifndef SCANDIUM_SHARED_ELEMENTWISE_H
#define SCANDIUM_SHARED_ELEMENTWISE_H
#include "shared/pack.h"

// elementwise
#define SPEC_ELEMENTWISE_OP (SPEC_OP + 0)          // an ELEMENTWISE_ below
#define SPEC_ELEMENTWISE_TOKEN_AXIS (SPEC_OP + 1)  // the axis along which the header's tokens count; 5: none
#define SPEC_ELEMENTWISE_SHAPE (SPEC_OP + 2)       // 5 sizes
#define SPEC_ELEMENTWISE_PACKS (SPEC_OP + 7)       // packs of a lane
#define SPEC_ELEMENTWISE_SPAN (SPEC_OP + 8)        // elementwise_words: words of a workgroup

#define ELEMENTWISE_SILU 0
#define ELEMENTWISE_SOFTPLUS 1
#define ELEMENTWISE_ADD 2
#define ELEMENTWISE_SWIGLU 3
#define ELEMENTWISE_COPY 4

#define ELEMENTWISE_A 0
#define ELEMENTWISE_B 1
#define ELEMENTWISE_Y 2

// embedding
#define SPEC_EMBEDDING_DIM (SPEC_OP + 0)
#define SPEC_EMBEDDING_LANES (SPEC_OP + 1)  // lanes that share a row: a power of two

#define HEADER_FIRST_ID 1  // of the part of the table that the dispatch sees
#define HEADER_ID_COUNT 2
#define HEADER_VOCAB 3  // ids of the whole table

#define EMBEDDING_IDS 0
#define EMBEDDING_TABLE 1
#define EMBEDDING_OUT 2

// segsum
#define SPEC_SEGSUM_SEQLEN (SPEC_OP + 0)
#define SPEC_SEGSUM_SHAPE (SPEC_OP + 1)  // 3 sizes: the leading axes

#define SEGSUM_X 0
#define SEGSUM_OUT 1

#endif

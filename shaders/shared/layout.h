// Read by GLSL and C++: the numbers that a kernel and the code that dispatches it must agree on.
// Only #define and integers, which mean the same in both.
#ifndef SCANDIUM_SHARED_LAYOUT_H
#define SCANDIUM_SHARED_LAYOUT_H

// Specialization constant ids of every kernel.
#define SPEC_LOCAL_SIZE 0
#define SPEC_SUBGROUP_SIZE 3
#define SPEC_OP 10              // the operator's own start here
#define SPEC_TENSOR 100         // then SPEC_TENSOR_STEP for each argument:
#define SPEC_TENSOR_STEP 8
#define SPEC_TENSOR_DTYPE 0     // + 0: a DTYPE_ below; DTYPE_NONE: the argument is absent
#define SPEC_TENSOR_SLOT 1      // + 1: descriptor slot
#define SPEC_TENSOR_STRIDE 2    // + 2 to + 6: strides in elements
#define SPEC_TENSOR_VECTOR 7    // + 7: consecutive elements that one wide access may take: 1, 4 or 8

// Element types, in the order of scandium::DType.
#define DTYPE_NONE 0
#define DTYPE_F32 1
#define DTYPE_F16 2
#define DTYPE_BF16 3
#define DTYPE_I32 4

// Push constants: HEADER_WORDS words, then for each argument its address (two words) or, with
// descriptors, its first element in the slot (one word).
#define HEADER_WORDS 4
#define HEADER_TOKENS 0         // valid tokens in the part of the sequence that the dispatch covers
#define MAX_ARGUMENTS 14
#define DESCRIPTOR_SLOTS 4

#endif

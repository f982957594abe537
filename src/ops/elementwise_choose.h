// How the elementwise operators will run on a device: a pure function of the device's capabilities and the problem.
#pragma once

#include "graph/dispatch.h"

namespace scandium {

struct ElementwiseProblem {
    uint64_t rows = 1, row = 1;  // runs along the last axis, and the elements of each
    uint64_t element = 4;        // bytes of one of y
    bool halves = false;         // some tensor's elements are 16 bits wide
    // Shaders reach all tensors by address, elements are of one size, the rows are words side by side, and what tokens count is rows.
    bool words_by_address = false;
};

struct ElementwiseChoice {
    Kernel kernel = Kernel::elementwise;
    Variant variant = Variant::scalar;
    char reason[200] = {};
    uint32_t local_size = 128, subgroup_size = 0;
    uint32_t groups[3] = {1, 1, 1};

    uint32_t pack = 4, packs_of_lane = 1;  // elementwise
    uint32_t span = 0;                     // elementwise_words: words of a workgroup
};

ElementwiseChoice choose_elementwise(const Caps& caps, const ElementwiseProblem& problem);

}  // namespace scandium

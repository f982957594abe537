// A tensor's place in memory, and its way from values to bytes and back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scandium/graph.h"

namespace scandium::test {

// How the axes of a tensor lie in memory.
struct Layout {
    std::vector<uint32_t> order;  // of axes, slowest first; empty: as they are named
    uint64_t padding = 0;         // elements that each line of the fastest axis leaves unused at its end
    uint64_t step = 1;            // stride of the fastest axis
    uint64_t slowest_stride = 0;  // of the slowest axis; 0: none left free between its entries
};

struct PlacedTensor {
    std::string name;
    DType dtype = DType::none;
    std::vector<uint64_t> shape, stride;
    uint32_t alignment = 4;  // bytes

    uint64_t count() const;  // of elements that have a place
    uint64_t bytes() const;  // from the first to just past the last, rounded up to 4
    TensorDesc desc() const;
    // Calls visit(byte offset) for every element in logical order.
    template <class Visit>
    void each_offset(const Visit& visit, size_t axis = 0, uint64_t base = 0) const {
        if (axis == shape.size()) return visit(base);
        const uint64_t step = stride[axis] * size_of(dtype);
        for (uint64_t i = 0; i < shape[axis]; ++i) each_offset(visit, axis + 1, base + i * step);
    }
};

PlacedTensor place(const std::string& name, DType dtype, const std::vector<uint64_t>& shape, const Layout& layout = {});

void encode(const PlacedTensor& tensor, const std::vector<double>& values, uint8_t* bytes);
std::vector<float> decode(const PlacedTensor& tensor, const uint8_t* bytes);

}  // namespace scandium::test

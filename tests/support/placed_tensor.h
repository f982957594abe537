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
    // Byte offset of every element in logical order.
    std::vector<uint64_t> offsets() const;
};

PlacedTensor place(const std::string& name, DType dtype, const std::vector<uint64_t>& shape, const Layout& layout = {});

void encode(const PlacedTensor& tensor, const std::vector<double>& values, uint8_t* bytes);
std::vector<float> decode(const PlacedTensor& tensor, const uint8_t* bytes);

}  // namespace scandium::test

#include "support/placed_tensor.h"

#include <cstring>
#include <numeric>
#include <stdexcept>

#include "support/float16.h"

namespace scandium::test {

uint64_t PlacedTensor::count() const {
    return std::accumulate(shape.begin(), shape.end(), uint64_t(1), [](uint64_t a, uint64_t b) { return a * b; });
}

uint64_t PlacedTensor::bytes() const {
    uint64_t last = 0;
    for (size_t axis = 0; axis < shape.size(); ++axis) last += (shape[axis] - 1) * stride[axis];
    return ((last + 1) * size_of(dtype) + 3) & ~uint64_t(3);
}

TensorDesc PlacedTensor::desc() const {
    TensorDesc out;
    out.name = name.c_str();
    out.dtype = dtype;
    out.alignment = alignment;
    out.rank = uint32_t(shape.size());
    for (size_t axis = 0; axis < shape.size() && axis < kMaxRank; ++axis) {
        out.shape[axis] = shape[axis];
        out.stride[axis] = stride[axis];
    }
    return out;
}

PlacedTensor place(const std::string& name, DType dtype, const std::vector<uint64_t>& shape, const Layout& layout) {
    std::vector<uint32_t> order = layout.order;
    if (order.empty()) {
        order.resize(shape.size());
        std::iota(order.begin(), order.end(), 0u);
    }
    if (order.size() != shape.size()) throw std::logic_error(name + ": a layout of another rank");
    PlacedTensor out;
    out.name = name;
    out.dtype = dtype;
    out.shape = shape;
    out.stride.resize(shape.size());
    uint64_t stride = layout.step;
    for (size_t i = order.size(); i-- > 0;) {
        out.stride[order[i]] = stride;
        stride *= shape[order[i]];
        if (i + 1 == order.size()) stride += layout.padding;
    }
    if (layout.slowest_stride) out.stride[order[0]] = layout.slowest_stride;
    return out;
}

void encode(const PlacedTensor& tensor, const std::vector<double>& values, uint8_t* bytes) {
    if (values.size() != tensor.count()) throw std::logic_error(tensor.name + ": a wrong number of values");
    auto next = values.begin();
    tensor.each_offset([&](uint64_t offset) {
        const double value = *next++;
        const float whole = float(value);
        const int32_t integer = tensor.dtype == DType::i32 ? int32_t(value) : 0;
        const uint16_t half = tensor.dtype == DType::f16 ? to_f16(whole) : to_bf16(whole);
        const void* from = &half;
        if (tensor.dtype == DType::f32) from = &whole;
        if (tensor.dtype == DType::i32) from = &integer;
        std::memcpy(bytes + offset, from, size_of(tensor.dtype));
    });
}

std::vector<float> decode(const PlacedTensor& tensor, const uint8_t* bytes) {
    std::vector<float> values;
    values.reserve(tensor.count());
    tensor.each_offset([&](uint64_t offset) {
        uint16_t half = 0;
        float whole = 0;
        if (tensor.dtype == DType::f32)
            std::memcpy(&whole, bytes + offset, 4);
        else
            std::memcpy(&half, bytes + offset, 2);
        if (tensor.dtype == DType::f16) whole = from_f16(half);
        if (tensor.dtype == DType::bf16) whole = from_bf16(half);
        values.push_back(whole);
    });
    return values;
}

}  // namespace scandium::test

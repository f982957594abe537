// The library's objects, destroyed with their owner, and what measuring them needs.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "scandium/context.h"

namespace scandium::program {

struct DestroyBuffer {
    Context* context = nullptr;
    void operator()(Buffer* buffer) const { destroy_buffer(context, buffer); }
};
struct Destroy {
    void operator()(Graph* graph) const { destroy_graph(graph); }
    void operator()(Plan* plan) const { destroy_plan(plan); }
    void operator()(Bindings* bindings) const { destroy_bindings(bindings); }
};
using OwnedBuffer = std::unique_ptr<Buffer, DestroyBuffer>;

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace scandium::program

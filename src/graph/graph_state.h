// The inside of a Graph, for operators and the planner.
#pragma once

#include "core/array.h"
#include "core/device_state.h"
#include "graph/dispatch.h"

namespace scandium {

struct Tensor {
    char name[32] = {};
    DType dtype = DType::none;
    uint32_t rank = 0;
    uint64_t shape[kMaxRank] = {};
    uint64_t stride[kMaxRank] = {};
    bool transient = false;
    TensorId whole = kNoTensor;  // of a view: the tensor that it is a part of
    uint64_t offset = 0;         // of a view: elements from the whole tensor's first
    uint32_t alignment = 16;     // bytes, of the first element
    uint64_t bytes = 0;          // from the first element to just past the last, rounded up to 4
};

inline constexpr uint32_t kWorkspaceAlignment = 16;  // bytes: the widest load of a shader

// Planning takes time that grows with their square, and nothing that a device holds needs as many.
inline constexpr uint32_t kMaxDispatches = 8192;

// How many consecutive elements of the view's last axis (1, 4 or 8) can be reached with loads and stores of up to
// 16 bytes, at any index that is a multiple of it.
uint32_t vector_width(const Tensor& tensor, const View& view);

struct Graph {
    const Device* device = nullptr;
    MemoryAccess access = MemoryAccess::address;  // never automatic
    Result status = Result::ok;
    Array<Tensor> tensors;
    Array<Dispatch> dispatches;

    const Caps& caps() const { return device->caps; }
    const Diagnostics& diagnostics() const { return device->diagnostics; }

    // Remembers and returns a failure that has been reported.
    Result fail(Result result) {
        if (status == Result::ok) status = result;
        return result;
    }
    // The most bytes that one argument of a dispatch may span.
    uint64_t max_view_bytes() const;
    bool has(TensorId id) const { return id < tensors.size(); }
    View view(TensorId id) const;  // in the whole tensor, if it is an add_view()
    // Views of new transient tensors; none for a desc of rank 0.
    Result add_transients(const TensorDesc* descs, uint32_t count, View* views);
    Result append(const Dispatch& dispatch);
};

}  // namespace scandium

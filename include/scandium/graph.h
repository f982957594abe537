// Scandium: a graph of operators over named tensors.
//
// A graph is a list under construction: declare tensors, append operators in the order in which they
// run, then make a Plan of it (plan.h). Operators read the shapes from the tensors, so that every size
// is stated once. No Vulkan call happens here. A graph serves one thread at a time; different ones are independent.
//
// The first failure sticks: later calls on the same graph do nothing and return it, and create_plan
// returns it too. So a host may check once, at the end.
//
// An operator whose tensors span more than a dispatch can reach (2 GiB, or with descriptors maxStorageBufferRange) becomes
// several dispatches; a graph of more than 8192 is refused as unsupported.
#pragma once

#include "scandium/device.h"

namespace scandium {

struct Graph;

using TensorId = uint32_t;  // of one graph and the plans made of it; it means nothing, or another tensor, to others
inline constexpr TensorId kNoTensor = 0xffffffffu;

// A tensor: element type, logical shape and where its elements lie.
//   shape:  1 to kMaxRank axes, each >= 1, in the order the operator's documentation gives.
//   stride: in elements, for each axis; all zero means packed with the last axis fastest. Any positive
//           strides serve (heads before tokens, padded rows, transposed states); an output's must not
//           make two elements share a place.
struct TensorDesc {
    const char* name = "";  // for messages and describe(); copied, up to 31 characters
    DType dtype = DType::none;
    uint32_t rank = 0;
    uint64_t shape[kMaxRank] = {};
    uint64_t stride[kMaxRank] = {};
    uint32_t alignment = 16;  // bytes, a power of two >= 4: what the bound view's offset is a multiple of, and the buffer's
                              // address too. Less than 16 rules out wide loads; more than 16 means nothing to a transient.
};

// access: how its shaders reach memory; `automatic` is `address` where the host enabled it. It stands here because
//   operators split large tensors by what one binding reaches.
//   Errors: invalid_argument (null argument, no MemoryAccess, `address` without the feature), out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result create_graph(const Device* device, MemoryAccess access, Graph** out) noexcept;
SCANDIUM_API void destroy_graph(Graph* graph) noexcept;

// A tensor in memory that the host binds (create_bindings). Returns kNoTensor on failure.
SCANDIUM_API TensorId add_tensor(Graph* graph, const TensorDesc& desc) noexcept;

// A tensor that lives in the plan's workspace, from the first operator that writes it to the last that
// reads it. Returns kNoTensor on failure.
SCANDIUM_API TensorId add_transient(Graph* graph, const TensorDesc& desc) noexcept;

// A part of a tensor, or the same elements in another shape, to be used wherever a tensor is: it takes no memory of its own, and
// is never bound. An operator that writes a view may not read or write the same elements through another tensor of its own.
//   offset:  elements from the tensor's first to the view's first
//   rank, shape, stride:  as of a TensorDesc, in elements of the tensor; nothing may lie beyond its end
// Returns kNoTensor on failure. A view of a view is one of the whole tensor.
struct ViewDesc {
    const char* name = "";  // as TensorDesc::name
    TensorId tensor = kNoTensor;
    uint64_t offset = 0;
    uint32_t rank = 0;
    uint64_t shape[kMaxRank] = {};
    uint64_t stride[kMaxRank] = {};
};
SCANDIUM_API TensorId add_view(Graph* graph, const ViewDesc& desc) noexcept;

// The first failure of the graph, or ok.
[[nodiscard]] SCANDIUM_API Result graph_status(const Graph* graph) noexcept;

}  // namespace scandium

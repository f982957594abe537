// Graphs and their tensors: declaration and checks.
#include <cassert>
#include <cstring>
#include <initializer_list>
#include <new>

#include "graph/graph_state.h"

namespace scandium {
namespace {

// Room for products of sizes and strides without overflow; no device holds more.
constexpr uint64_t kMaxElements = uint64_t(1) << 46;

bool all_zero(const uint64_t* values, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i)
        if (values[i] != 0) return false;
    return true;
}

// Strides of a tensor whose last axis is fastest. False when the size is out of bounds.
bool packed_strides(Tensor* tensor) {
    uint64_t elements = 1;
    for (uint32_t i = tensor->rank; i-- > 0;) {
        tensor->stride[i] = elements;
        if (tensor->shape[i] > kMaxElements / elements) return false;
        elements *= tensor->shape[i];
    }
    return true;
}

bool last_element(const Tensor& tensor, uint64_t* last) {
    *last = 0;
    for (uint32_t i = 0; i < tensor.rank; ++i) {
        const uint64_t steps = tensor.shape[i] - 1;
        if (steps != 0 && tensor.stride[i] > (kMaxElements - *last) / steps) return false;
        *last += steps * tensor.stride[i];
    }
    return true;
}

Result check(const Diagnostics& diagnostics, const TensorDesc& desc, Tensor* out) {
    const char* name = desc.name ? desc.name : "";
    if (size_of(desc.dtype) == 0) return diagnostics.fail(Result::invalid_argument, "tensor %s: dtype must be f32, f16, bf16 or i32", name);
    if (desc.rank < 1 || desc.rank > kMaxRank)
        return diagnostics.fail(Result::invalid_argument, "tensor %s: rank %u is not 1 to %u", name, desc.rank, kMaxRank);
    Tensor tensor;
    std::strncpy(tensor.name, name, sizeof tensor.name - 1);
    tensor.dtype = desc.dtype;
    tensor.rank = desc.rank;
    tensor.alignment = desc.alignment;
    if (desc.alignment < 4 || (desc.alignment & (desc.alignment - 1)) != 0)
        return diagnostics.fail(Result::invalid_argument, "tensor %s: alignment %u is not a power of two from 4 up", name, desc.alignment);
    for (uint32_t i = 0; i < desc.rank; ++i) {
        tensor.shape[i] = desc.shape[i];
        tensor.stride[i] = desc.stride[i];
        if (desc.shape[i] == 0) return diagnostics.fail(Result::invalid_argument, "tensor %s: axis %u has size 0", name, i);
        if (desc.shape[i] > kMaxElements)
            return diagnostics.fail(Result::invalid_argument, "tensor %s: axis %u has more than 2^46 elements", name, i);
    }
    const bool packed = all_zero(desc.stride, desc.rank);
    uint64_t last = 0;
    if ((packed && !packed_strides(&tensor)) || !last_element(tensor, &last))
        return diagnostics.fail(Result::invalid_argument, "tensor %s: reaches beyond 2^46 elements", name);
    for (uint32_t i = 0; i < tensor.rank; ++i)
        if (tensor.shape[i] > 1 && tensor.stride[i] == 0)
            return diagnostics.fail(Result::invalid_argument, "tensor %s: stride of axis %u is 0", name, i);
    tensor.bytes = ((last + 1) * size_of(tensor.dtype) + 3) & ~uint64_t(3);
    *out = tensor;
    return Result::ok;
}

TensorId store(Graph* graph, const Tensor& tensor) {
    if (!graph->tensors.push(tensor)) {
        graph->fail(graph->diagnostics().fail(Result::out_of_host_memory, "tensor %s: out of host memory", tensor.name));
        return kNoTensor;
    }
    return TensorId(graph->tensors.size() - 1);
}

TensorId add(Graph* graph, const TensorDesc& desc, bool transient) {
    if (!graph || graph->status != Result::ok) return kNoTensor;
    Tensor tensor;
    if (Result r = check(graph->diagnostics(), desc, &tensor); r != Result::ok) {
        graph->fail(r);
        return kNoTensor;
    }
    tensor.transient = transient;
    if (transient && tensor.alignment > kWorkspaceAlignment) tensor.alignment = kWorkspaceAlignment;
    return store(graph, tensor);
}

Result check_view(const Graph& graph, const ViewDesc& desc, Tensor* out) {
    const Diagnostics& diagnostics = graph.diagnostics();
    const char* name = desc.name ? desc.name : "";
    if (!graph.has(desc.tensor))
        return diagnostics.fail(Result::invalid_argument, "view %s: there is no tensor %u in this graph", name, desc.tensor);
    const Tensor of = graph.tensors[desc.tensor];
    TensorDesc as_tensor;
    as_tensor.name = name;
    as_tensor.dtype = of.dtype;
    as_tensor.rank = desc.rank;
    std::memcpy(as_tensor.shape, desc.shape, sizeof desc.shape);
    std::memcpy(as_tensor.stride, desc.stride, sizeof desc.stride);
    if (Result r = check(diagnostics, as_tensor, out); r != Result::ok) return r;
    uint64_t last = 0, last_of = 0;
    last_element(*out, &last);
    last_element(of, &last_of);
    if (desc.offset > last_of || last > last_of - desc.offset)
        return diagnostics.fail(Result::invalid_argument, "view %s: reaches beyond the end of tensor %s", name, of.name);
    const bool is_view = of.whole != kNoTensor;
    out->whole = is_view ? of.whole : desc.tensor;
    out->offset = is_view ? of.offset + desc.offset : desc.offset;
    out->transient = of.transient;
    out->alignment = of.alignment;
    return Result::ok;
}

}  // namespace

Result create_graph(const Device* device, MemoryAccess access, Graph** out) noexcept {
    if (!device) return Result::invalid_argument;
    if (!out) return device->diagnostics.fail(Result::invalid_argument, "create_graph: out is null");
    *out = nullptr;
    if (access != MemoryAccess::automatic && access != MemoryAccess::address && access != MemoryAccess::descriptor)
        return device->diagnostics.fail(Result::invalid_argument, "create_graph: access is not one of MemoryAccess");
    const bool has_address = device->caps.features.buffer_device_address;
    if (access == MemoryAccess::address && !has_address)
        return device->diagnostics.fail(Result::invalid_argument, "create_graph: access address needs the feature buffer_device_address");
    if (access == MemoryAccess::automatic) access = has_address ? MemoryAccess::address : MemoryAccess::descriptor;
    *out = new (std::nothrow) Graph;
    if (!*out) return device->diagnostics.fail(Result::out_of_host_memory, "create_graph: out of host memory");
    (*out)->device = device;
    (*out)->access = access;
    return Result::ok;
}

void destroy_graph(Graph* graph) noexcept { delete graph; }

TensorId add_tensor(Graph* graph, const TensorDesc& desc) noexcept { return add(graph, desc, false); }
TensorId add_transient(Graph* graph, const TensorDesc& desc) noexcept { return add(graph, desc, true); }

TensorId add_view(Graph* graph, const ViewDesc& desc) noexcept {
    if (!graph || graph->status != Result::ok) return kNoTensor;
    Tensor tensor;
    if (Result r = check_view(*graph, desc, &tensor); r != Result::ok) {
        graph->fail(r);
        return kNoTensor;
    }
    return store(graph, tensor);
}

Result graph_status(const Graph* graph) noexcept { return graph ? graph->status : Result::invalid_argument; }

View Graph::view(TensorId id) const {
    View view;
    if (!has(id)) return view;
    const Tensor& tensor = tensors[id];
    view.tensor = tensor.whole == kNoTensor ? id : tensor.whole;
    view.offset = tensor.offset;
    view.dtype = tensor.dtype;
    view.rank = tensor.rank;
    std::memcpy(view.shape, tensor.shape, sizeof view.shape);
    std::memcpy(view.stride, tensor.stride, sizeof view.stride);
    return view;
}

Result Graph::add_transients(const TensorDesc* descs, uint32_t count, View* views) {
    for (uint32_t i = 0; i < count && status == Result::ok; ++i)
        if (descs[i].rank != 0) views[i] = view(add_transient(this, descs[i]));
    return status;
}

uint32_t vector_width(const Tensor& tensor, const View& view) {
    for (uint32_t width : {8u, 4u}) {
        bool fits = view.rank > 0 && view.stride[view.rank - 1] == 1 && view.offset % width == 0;
        fits = fits && tensor.alignment >= (width * size_of(view.dtype) < 16 ? width * size_of(view.dtype) : 16);
        for (uint32_t i = 0; i + 1 < view.rank; ++i) fits = fits && (view.shape[i] == 1 || view.stride[i] % width == 0);
        if (fits) return width;
    }
    return 1;
}

uint64_t Graph::max_view_bytes() const {
    constexpr uint64_t kIndexed = uint64_t(1) << 31;  // shaders index with 32 bits
    if (access == MemoryAccess::address) return kIndexed;
    // A binding starts at an aligned offset, which may lie before the view's first byte.
    const uint64_t range = caps().max_storage_range - (caps().storage_offset_alignment > 16 ? caps().storage_offset_alignment : 16);
    return range < kIndexed ? range : kIndexed;
}

Result Graph::append(const Dispatch& dispatch) {
    if (status != Result::ok) return status;
    if (dispatches.size() == kMaxDispatches)
        return fail(diagnostics().fail(Result::unsupported,
                                       "%s: the graph would have more than %u dispatches: its tensors span too many parts that a "
                                       "dispatch can reach, of up to %llu bytes each",
                                       dispatch.name, kMaxDispatches, static_cast<unsigned long long>(max_view_bytes())));
    if (dispatches.push(dispatch)) return Result::ok;
    return fail(diagnostics().fail(Result::out_of_host_memory, "%s: out of host memory", dispatch.name));
}

void Dispatch::spec(uint32_t id, uint32_t value) {
    assert(spec_count < kMaxSpecConstants);
    specs[spec_count++] = {id, value};
}

void Dispatch::spec(uint32_t id, float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    spec(id, bits);
}

void Dispatch::argument(uint32_t index, const View& view, Access access) {
    assert(index < kMaxArguments);
    if (view.tensor == kNoTensor) return;
    arguments[index] = {view, access};
    if (argument_count <= index) argument_count = index + 1;
}

}  // namespace scandium

// A dispatch as data: which kernel, on which parts of which tensors, with which constants and grid.
// Operators write these; the planner orders and places them; src/vk/ turns them into commands.
#pragma once

#include "kernels.h"  // generated: enum class Kernel, Flavour
#include "scandium/graph.h"

namespace scandium {

inline constexpr uint32_t kMaxArguments = 14;  // 16 bytes of header + 14 addresses fill the 128 bytes of push constants
inline constexpr uint32_t kMaxSpecConstants = 24;
inline constexpr uint32_t kHeaderWords = 4;

// A box of a tensor, which is what a dispatch is given: the shader sees element 0 at `offset`.
struct View {
    TensorId tensor = kNoTensor;
    DType dtype = DType::none;
    uint32_t rank = 0;
    uint64_t offset = 0;  // elements from the tensor's start
    uint64_t shape[kMaxRank] = {};
    uint64_t stride[kMaxRank] = {};  // elements

    // Elements from the first to just past the last that the box reaches.
    uint64_t span() const {
        uint64_t last = 0;
        for (uint32_t i = 0; i < rank; ++i) last += (shape[i] - 1) * stride[i];
        return last + 1;
    }
    uint64_t bytes() const { return span() * size_of(dtype); }

    // The box of `count` entries from `first` along one axis.
    View slice(uint32_t axis, uint64_t first, uint64_t count) const {
        View part = *this;
        part.offset += first * stride[axis];
        part.shape[axis] = count;
        return part;
    }
};

enum class Access : uint8_t { none, read, write, read_write };
inline bool reads(Access access) { return access == Access::read || access == Access::read_write; }
inline bool writes(Access access) { return access == Access::write || access == Access::read_write; }

struct Argument {
    View view;  // view.tensor == kNoTensor: absent, and the shader is told so
    Access access = Access::none;
};

struct SpecConstant {
    uint32_t id = 0, value = 0;
};

// How a dispatch shrinks when fewer tokens are recorded than were planned: along `axis` of the grid
// each group covers `per_group` tokens, of the `count` tokens that start at `first`. Header word 0 always
// holds the number of valid tokens among them. Dispatches without an axis run whatever the number.
struct TokenRange {
    uint32_t axis = 3;  // 3: none
    uint32_t per_group = 1;
    uint64_t first = 0, count = 0;
};

struct Dispatch {
    Kernel kernel{};
    Flavour flavour{};
    Variant variant = Variant::scalar;
    const char* name = "";  // static
    char reason[240] = {};  // why this variant
    uint32_t argument_count = 0;
    Argument arguments[kMaxArguments];
    uint32_t spec_count = 0;
    SpecConstant specs[kMaxSpecConstants];
    uint32_t header[kHeaderWords] = {};
    uint32_t groups[3] = {1, 1, 1};
    uint32_t local_size = 64;
    uint32_t subgroup_size = 0;  // to require; 0: the driver's choice
    bool full_subgroups = false;
    bool keeps_types = false;    // inputs that are copied to the workspace, to be bound there, keep their element type
    uint32_t shared_memory = 0;  // bytes, as the shader declares them with these constants
    TokenRange tokens;

    void spec(uint32_t id, uint32_t value);
    void spec(uint32_t id, float value);
    void argument(uint32_t index, const View& view, Access access);
};

}  // namespace scandium

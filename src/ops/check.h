// What every operator checks of its arguments, and how it says what is wrong.
#pragma once

#include "graph/graph_state.h"

namespace scandium {

using llu = unsigned long long;  // what %llu takes on every platform

enum Types : uint32_t { kFloat32, kFloats, kInt32 };  // kFloats: f32, f16 or bf16

// A tensor argument as the operator wants it.
struct Expected {
    const char* name;
    TensorId id;
    Types types;
    bool required;
    bool written;
    uint32_t rank;
    uint64_t shape[kMaxRank];
    TensorId in_place = kNoTensor;  // a tensor that is read, and that this output may be
};

bool type_matches(DType dtype, Types types);

// Every failure is invalid_argument, told with a sentence that begins with the operator's name.
class Checker {
public:
    Checker(const Graph& graph, const char* op) : graph_(graph), op_(op) {}

#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    Result
    fail(const char* format, ...) const;

    const Tensor& tensor(TensorId id) const { return graph_.tensors[id]; }

    // rank 0: any.
    Result exists(const char* name, TensorId id, bool required, uint32_t rank) const;
    // Rank, dtype, shape, and for an output that no two elements share a place.
    Result matches(const Expected& expected) const;
    Result in_range(const char* name, uint64_t value, uint64_t most) const;
    Result is_variant(Variant variant) const;
    Result are_dt_limits(float dt_min, float dt_max) const;
    // Of offsets of packed sequences: that they are there, for batch 1, and how many sequences they part.
    Result count_sequences(TensorId cu_seqlens, uint64_t batch, uint64_t* sequences) const;

    // `matches` for all of them, and that no output shares elements with another tensor of the operator: other workgroups still read it.
    template <size_t N>
    Result all_match(const Expected (&expected)[N]) const {
        for (const Expected& e : expected)
            if (Result r = matches(e); r != Result::ok) return r;
        return are_apart(expected, N);
    }

private:
    Result are_apart(const Expected* expected, size_t count) const;

    const Graph& graph_;
    const char* op_;
};

}  // namespace scandium

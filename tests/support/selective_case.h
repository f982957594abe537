// One run of selective_scan as the tests describe it.
#pragma once

#include "ref/selective_scan_ref.h"
#include "scandium/ops/selective_scan.h"
#include "support/op_run.h"

namespace scandium::test {

enum class Projection { grouped, one_group, fixed };  // (batch, ngroups, dstate, seqlen), (batch, dstate, seqlen), (channels, dstate)

struct SelectiveCase {
    SelectiveShape shape{2, 24, 40, 1, 16};
    DType x_dtype = DType::f32, dt_dtype = DType::f32, bc_dtype = DType::f32, z_dtype = DType::f32, y_dtype = DType::f32;
    DType initial_dtype = DType::f32, final_dtype = DType::f32;
    Projection B = Projection::grouped, C = Projection::grouped;
    bool D = false, z = false, dt_bias = false, initial_states = false, final_states = true;
    bool in_place = false;  // final_states is the tensor initial_states
    std::vector<int32_t> seq_idx, cu_seqlens;
    bool dt_softplus = false;
    float dt_min = 0, dt_max = 3.402823466e+38f;
    uint32_t segments = 0;
    Layout x_layout, bc_layout, state_layout;  // x_layout: of x, dt, z and y; bc_layout: of grouped ones
    bool x_alone = false;                      // x_layout is of x alone
    uint64_t record_seqlen = 0;
    bool separate_buffers = false;
    OpPath path{Variant::automatic, MemoryAccess::automatic, 16};

    // x, dt, B, C, z and y in one type.
    SelectiveCase& with_io(DType dtype);
    // Every option that excludes no other.
    SelectiveCase& with_everything();
    // As (batch, seqlen, channels) and (batch, seqlen, ngroups, dstate).
    SelectiveCase& channels_last();
    std::string text() const;
};

SelectiveInputs make_inputs(const SelectiveCase& c, uint64_t seed = 1);
// Tokens `first` to `first + count - 1` of batch rows `row` to `row + rows - 1`, with all of seq_idx that belongs to them.
SelectiveInputs slice(const SelectiveInputs& in, uint64_t row, uint64_t rows, uint64_t first, uint64_t count);
// The same tokens of values that are (batch, channels, seqlen).
template <class T>
std::vector<T> tokens_of(const std::vector<T>& values, const SelectiveShape& n, uint64_t row, uint64_t rows, uint64_t first,
                         uint64_t count) {
    const uint64_t lines = values.size() / (n.batch * n.seqlen);
    std::vector<T> out;
    for (uint64_t line = row * lines; line < (row + rows) * lines; ++line)
        out.insert(out.end(), values.begin() + ptrdiff_t(line * n.seqlen + first),
                   values.begin() + ptrdiff_t(line * n.seqlen + first + count));
    return out;
}

OpRun run_ok(const SelectiveCase& c, const SelectiveInputs& in);
const std::vector<float>& final_states(const SelectiveCase& c, const OpRun& run);
// Against the float64 loops; what is to be left alone has to keep its bits.
OpRun check_case(const SelectiveCase& c, uint64_t seed = 1);

}  // namespace scandium::test

// One run of selective_state_update as the tests describe it.
#pragma once

#include "ref/selective_state_update_ref.h"
#include "scandium/ops/selective_state_update.h"
#include "support/op_run.h"

namespace scandium::test {

enum class StateOut { in_place, other_tensor };

struct UpdateCase {
    UpdateShape shape{2, 1, 2, 16, 1, 16};
    bool per_head = true;  // Mamba-2's form
    bool token_axis = true;
    DType state_dtype = DType::f32, io_dtype = DType::f32;
    bool D = false, z = false, dt_bias = false, snapshots = false;
    StateOut state_out = StateOut::in_place;
    std::vector<int32_t> indices, indices_out;
    int32_t pad = -1;
    bool dt_softplus = false;
    float dt_min = 0, dt_max = 3.402823466e+38f;
    Layout state_layout, x_layout;
    uint64_t record_tokens = 0;
    bool separate_buffers = false;
    OpPath path;

    UpdateCase& with_everything();
    std::string text() const;
};

UpdateInputs make_inputs(const UpdateCase& c, uint64_t seed = 1);
OpSetup set_up(const UpdateCase& c, const UpdateInputs& in);
// The operator with the tensors that `id` knows, and without options that the case does not set.
SelectiveStateUpdate update_of(const UpdateCase& c, const std::function<TensorId(const std::string&)>& id);
OpRun run_ok(const UpdateCase& c, const UpdateInputs& in);
// Against the float64 loops; what is to be left alone has to keep its bits.
void check_case(const UpdateCase& c, uint64_t seed = 1);

}  // namespace scandium::test

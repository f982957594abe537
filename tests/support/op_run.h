// Any operator on the test device, in watched memory: tensors by name, and a function that appends the operator.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "scandium/plan.h"
#include "support/placed_tensor.h"

namespace scandium::test {

struct OpTensor {
    PlacedTensor tensor;
    std::vector<double> values;  // before the run; empty: NaN everywhere
    bool written = false;
    std::vector<bool> writable;  // of a written tensor's elements in logical order; empty: all
};

struct OpSetup {
    std::vector<OpTensor> tensors;
    // Ids of tensors that the setup lacks are kNoTensor.
    std::function<Result(Graph*, const std::function<TensorId(const std::string&)>&)> append;
    MemoryAccess access = MemoryAccess::automatic;
    uint64_t record_seqlen = 0;
    bool separate_buffers = false;
    uint32_t alignment = 4;  // bytes, of every tensor; 16 allows wide loads

    // written: false for an input; true with values for what is updated in place.
    OpTensor& add(const std::string& name, DType dtype, const std::vector<uint64_t>& shape, const std::vector<double>& values,
                  bool written = false, const Layout& layout = {});
};

struct OpStage {
    std::string name, kernel, reason;
    Variant variant = Variant::automatic;
    bool barrier_before = false;
};

struct OpRun {
    Result result = Result::ok;
    std::string message;                            // what was reported when it is not ok
    std::map<std::string, std::vector<float>> out;  // written tensors, in logical order
    std::vector<OpStage> stages;
};

// A failure of anything but the operator or the plan is a failed check, as are reports without a failure, bytes changed
// that may not be, and validation messages.
OpRun run_op(const OpSetup& setup);
// run_op, which has to succeed.
OpRun run_op_ok(const OpSetup& setup);

// A way to run an operator that has scalar and subgroup flavours.
struct OpPath {
    Variant variant = Variant::automatic;
    MemoryAccess access = MemoryAccess::automatic;
    uint32_t alignment = 16;
};
std::string to_text(const OpPath& path);
// Each variant and access that the device has, wide loads allowed and not.
std::vector<OpPath> op_paths();
// Those of op_paths() for operators that have no other variant.
std::vector<OpPath> scalar_op_paths();
// The library's own choice; and the floor, unless few paths are wanted.
std::vector<OpPath> main_op_paths();

}  // namespace scandium::test

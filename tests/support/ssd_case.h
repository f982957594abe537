// One run of ssd_scan as the tests describe it, and what runs it on the device.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ref/ssd_scan_ref.h"
#include "scandium/context.h"
#include "scandium/ops/ssd_scan.h"
#include "support/placed_tensor.h"

namespace scandium::test {

enum class SsdD { none, per_head, per_element };

struct SsdCase {
    SsdShape shape{1, 40, 2, 16, 1, 16};

    DType x_dtype = DType::f32, bc_dtype = DType::f32, dt_dtype = DType::f32, z_dtype = DType::f32, y_dtype = DType::f32;
    DType initial_dtype = DType::f32, final_dtype = DType::f32, states_dtype = DType::f32;
    DType chunk_states_dtype = DType::f32;

    SsdD D = SsdD::none;
    bool z = false, dt_bias = false, initial_states = false, final_states = true, states = false;
    bool in_place = false;  // final_states is the tensor initial_states
    std::vector<int32_t> seq_idx, cu_seqlens;
    bool dt_softplus = false;
    float dt_min = 0, dt_max = 3.402823466e+38f;

    uint32_t chunk_size = 16, max_sequences = 0, segments = 0;
    SsdAlgorithm algorithm = SsdAlgorithm::automatic;
    Variant variant = Variant::automatic;
    MemoryAccess access = MemoryAccess::automatic;

    Layout x_layout, dt_layout, bc_layout, state_layout, boundary_layout;  // boundary_layout: of `states`
    uint32_t alignment = 16;                                               // bytes, of every tensor
    uint64_t record_seqlen = 0;
    bool separate_buffers = false;

    // x, B, C, z and y in one type.
    SsdCase& with_io(DType dtype);
    // Every option that excludes no other.
    SsdCase& with_everything();
    std::string text() const;

    double y_tolerance() const;
    double state_tolerance() const;     // of final_states
    double boundary_tolerance() const;  // of states
};

// A way to run on this device.
struct SsdPath {
    SsdAlgorithm algorithm = SsdAlgorithm::automatic;
    Variant variant = Variant::automatic;
    MemoryAccess access = MemoryAccess::automatic;
};
std::string to_text(const SsdPath& path);
// With descriptors the tensors also get no more than the least alignment.
SsdCase on_path(SsdCase c, const SsdPath& path);

// Why this device has no such path; empty if it has.
std::string missing(const SsdPath& path);
// Whether cooperative matrices of this device multiply such operands into f32; one that they do, or f32.
bool multiplies_matrices_of(DType operands);
DType matrix_dtype();
std::vector<DType> matrix_dtypes();  // all of them
// Every algorithm with every variant and access; those that the device has.
std::vector<SsdPath> device_paths();
// Each algorithm as the library would choose it, and at the floor: scalar, with descriptors. On a CPU without matrix units:
// compiling their kernels takes it ten seconds a run. SCANDIUM_TEST_THOROUGH=1 takes them in.
std::vector<SsdPath> main_paths();
// The same, and matrix units if the device has them for such operands.
std::vector<SsdPath> main_paths_and_matrices(DType io);
// Every algorithm with every variant, through the memory access that the library prefers.
std::vector<SsdPath> variant_paths();
// Whether compiling for matrix units is slow, so that tests of them should be few.
bool matrices_are_slow();

SsdInputs make_inputs(const SsdCase& c, uint64_t seed = 1);
// Tokens `first` to `first + count - 1` of batch rows `row` to `row + rows - 1`.
SsdInputs slice(const SsdInputs& in, uint64_t row, uint64_t rows, uint64_t first, uint64_t count);
SsdOutputs expected(const SsdCase& c, const SsdInputs& in);

// The tensors of a case under the names of SsdScan's members, and the operator without its tensors.
std::map<std::string, PlacedTensor> place_tensors(const SsdCase& c);
SsdScan options_of(const SsdCase& c);
TensorId& member(SsdScan& op, const std::string& name);
bool is_output(const std::string& name);
std::vector<double> values_of(const SsdInputs& in, const std::string& name);  // of a tensor that is no output

struct SsdStage {
    std::string name, kernel, reason;
    Variant variant = Variant::automatic;
};

struct SsdRun {
    Result result = Result::ok;
    std::string message;                         // what was reported when it is not ok
    std::vector<float> y, final_states, states;  // in logical order; y as far as record_seqlen
    std::vector<SsdStage> stages;
};

// Runs on the test device, with a plan that may serve several runs. A failure of anything but the operator or the plan is a
// failed check, as are reports without a failure, bytes changed that are no output's, and validation messages.
SsdRun run_ssd(const SsdCase& c, const SsdInputs& in, uint32_t repeat = 1);

// Before the device goes.
void forget_plans();

// run_ssd, which has to succeed, for the identities.
SsdRun run_ok(const SsdCase& c, const SsdInputs& in);
// Against the float64 loops, within the tolerances of the case.
void check_case(const SsdCase& c, uint64_t seed = 1);
void check_outputs(const SsdCase& c, const SsdRun& run, const SsdOutputs& want);

}  // namespace scandium::test

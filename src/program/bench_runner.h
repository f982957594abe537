// Measures one problem on one device.
#pragma once

#include <memory>

#include "bench.h"
#include "report.h"
#include "runner.h"

namespace scandium::program {

class Json;

struct BenchReport {
    std::string op, shape, dtype;
    std::string state_dtype;  // empty: there is no state
    std::string weights;      // of linear, else empty
    std::string unsupported;  // why the device cannot run it as asked; then nothing below is filled in
    MemoryAccess access = MemoryAccess::automatic;
    uint64_t tokens = 0, bytes = 0, workspace = 0;
    double operations = 0;
    uint32_t input_sets = 0, runs_per_sample = 0, samples = 0;
    double median_us = 0, min_us = 0, max_us = 0;
    bool by_host_clock = false;  // the device has no timestamps
    std::vector<StageReport> stages;
    std::vector<SampledError> errors;

    bool passed() const;
    double gigabytes_per_s() const { return static_cast<double>(bytes) / median_us * 1e-3; }
    double teraflops() const { return operations / median_us * 1e-6; }
    double tokens_per_s() const { return static_cast<double>(tokens) / median_us * 1e6; }
};

struct BenchSettings {
    MemoryAccess access = MemoryAccess::automatic;
    double warm_up_s = 0.5;  // an idle GPU clocks low
    double sample_us = 2e4;  // so many runs in one command buffer that it takes about this long
    uint32_t samples = 7;
};

// Throws LibraryError. Random inputs are the same in every run of the program.
BenchReport bench(Context* context, const Messages& messages, const BenchProblem& problem, const BenchSettings& settings);

// What memory gives, in GB/s: elements streamed through the simplest kernel, from tensors of `rows` x 4096.
double memory_ceiling(Context* context, const Messages& messages, uint64_t rows, const BenchSettings& settings);

// What matrix units give with operands of 16 bits: the fastest of the device's shapes, without memory. 0 if there are none.
struct MatrixCeiling {
    double tflops = 0;
    std::string shape;
};
MatrixCeiling matrix_ceiling(Context* context, const Messages& messages);

// 0 where not measured.
struct Ceilings {
    double memory_gbps = 0;
    MatrixCeiling matrix;

    // Of 16-bit operands; elsewhere a comparison with matrix units means nothing.
    double matrix_share(const BenchReport& report) const;
};

std::string bench_text(const BenchReport& report, const Ceilings& ceilings);
std::string bench_json(const std::vector<BenchReport>& reports, const Caps& caps, const Ceilings& ceilings);

// Of a plan's stages, as they stand in both.
std::string bench_stages_text(const std::vector<StageReport>& stages);
void write_bench_stages(Json& json, const char* key, const std::vector<StageReport>& stages);

// --json: FILE, - or empty. Both throw UsageError.
void check_json_path(const std::string& path);  // before anything is measured
void write_json(const std::string& path, const std::string& json);

}  // namespace scandium::program

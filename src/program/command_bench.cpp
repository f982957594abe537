#include <algorithm>
#include <iostream>

#include "bench_runner.h"
#include "commands.h"
#include "files/text.h"
#include "words.h"

namespace scandium::program {
namespace {

// Layers that people know, as --model has them: nheads x headdim, ngroups, dstate of their scans.
struct Model {
    const char* name;
    const char* scan;
};
constexpr Model kModels[] = {
    {"130m", "24x64,1,128"}, {"370m", "32x64,1,128"}, {"780m", "48x64,1,128"},
    {"1.3b", "64x64,1,128"}, {"2.7b", "80x64,1,128"}, {"codestral", "128x64,8,128"},
};

struct Job {
    const BenchOp* op;
    std::string shape;
    BenchChoices choices;
    BenchProblem problem;
};

std::vector<std::string> shapes_of(const BenchOp& op, const BenchArguments& arguments) {
    std::vector<std::string> shapes = arguments.shapes;
    for (const std::string& name : arguments.models) {
        if (std::string(op.name) != "ssd_scan") throw UsageError("--model: goes with --op ssd_scan only");
        const Model* found = nullptr;
        for (const Model& model : kModels)
            if (name == model.name) found = &model;
        if (!found) throw UsageError(format("--model: %s is none of 130m, 370m, 780m, 1.3b, 2.7b, codestral", in_quotes(name).c_str()));
        for (const std::string& tokens : arguments.tokens) shapes.push_back(tokens + "," + found->scan);
    }
    return shapes.empty() ? op.shapes : shapes;
}

BenchChoices read_choices(const BenchArguments& arguments, const std::string& dtype) {
    BenchChoices choices;
    choices.dtype = choose("--dtype", dtype, kFloatTypes);
    choices.state_dtype = choose("--state-dtype", arguments.state_dtype, kFloatTypes);
    choices.algorithm = choose("--algorithm", arguments.algorithm, kAlgorithms);
    choices.variant = choose("--variant", arguments.variant, kVariants);
    choices.chunk_size = read_chunk_size(arguments.chunk_size);
    choices.weights = arguments.weights.empty() ? "dense" : arguments.weights;
    uint64_t segments = 0;
    if (!parse_number(arguments.segments, &segments) || segments > 1024)
        throw UsageError(format("--segments: %s is not a whole number up to 1024", in_quotes(arguments.segments).c_str()));
    choices.segments = static_cast<uint32_t>(segments);
    return choices;
}

std::vector<Job> read_jobs(const BenchArguments& arguments) {
    std::vector<Job> jobs;
    std::vector<std::string> names = arguments.ops;
    if (names.empty()) names = {"ssd_scan"};
    for (const std::string& name : names) {
        const BenchOp* op = find_bench_op(name);
        if (!op) {
            std::string known;
            for (const BenchOp& each : bench_ops()) known += (known.empty() ? "" : ", ") + std::string(each.name);
            throw UsageError(format("--op: %s is none of %s", in_quotes(name).c_str(), known.c_str()));
        }
        for (const std::string& shape : shapes_of(*op, arguments))
            for (const std::string& dtype : arguments.dtypes) {
                const BenchChoices choices = read_choices(arguments, dtype);
                jobs.push_back({op, shape, choices, op->make(parse_shape(*op, shape), choices)});
                jobs.back().problem.bytes();  // throws if a tensor is beyond all measure
            }
    }
    return jobs;
}

BenchReport run_job(Runner& runner, const Job& job, const BenchSettings& settings) {
    BenchReport report;
    try {
        report = runner.bench(job.problem, settings);
    } catch (const LibraryError& error) {
        if (error.result != Result::unsupported) throw;
        report.unsupported = error.what();
        runner.take_messages();
    }
    report.op = job.op->name;
    report.shape = job.shape;
    report.dtype = to_string(job.choices.dtype);
    if (report.op == "linear") report.weights = job.choices.weights;
    for (const BenchTensor& tensor : job.problem.tensors)
        if (tensor.name == "state" || tensor.name == "conv_state" || tensor.name == "final_states")
            report.state_dtype = to_string(tensor.dtype);
    return report;
}

bool compares_with_matrices(const Job& job) { return job.problem.operations > 0 && job.choices.dtype != DType::f32; }

}  // namespace

int bench_operators(const BenchArguments& arguments) {
    const std::vector<Job> jobs = read_jobs(arguments);
    BenchSettings settings;
    settings.access = choose("--access", arguments.access, kAccesses);
    check_json_path(arguments.json);
    Runner runner(arguments.device, false);
    const bool as_text = arguments.json != "-";
    if (as_text) std::cout << one_line(runner.caps().device_name) << ", " << driver_text(runner.caps()) << "\n";
    Ceilings ceilings;
    if (arguments.quick) {
        settings.warm_up_s = settings.sample_us = 0;
        settings.samples = 1;
        if (as_text) std::cout << "one run without warm-up: right or wrong, but not how fast\n\n";
    } else {
        std::cerr << "measuring the memory ceiling\n";
        ceilings.memory_gbps = runner.memory_ceiling();
        if (as_text) std::cout << format("memory ceiling: %.4g GB/s (add, f32)\n", ceilings.memory_gbps);
        if (std::any_of(jobs.begin(), jobs.end(), compares_with_matrices)) ceilings.matrix = runner.matrix_ceiling();
        if (as_text && ceilings.matrix.tflops > 0)
            std::cout << format("matrix ceiling: %.4g TFLOP/s (%s)\n", ceilings.matrix.tflops, ceilings.matrix.shape.c_str());
        if (as_text) std::cout << "\n";
    }
    std::vector<BenchReport> reports;
    int code = kFine;
    for (const Job& job : jobs) {
        std::cerr << format("%zu of %zu: %s %s %s\n", reports.size() + 1, jobs.size(), job.op->name, job.shape.c_str(),
                            to_string(job.choices.dtype));
        reports.push_back(run_job(runner, job, settings));
        if (as_text) std::cout << bench_text(reports.back(), ceilings) << std::flush;
        if (!reports.back().passed()) code = kCheckFailed;
        if (code == kFine && !reports.back().unsupported.empty()) code = kNoDevice;
    }
    if (!arguments.json.empty()) write_json(arguments.json, bench_json(reports, runner.caps(), ceilings));
    return code;
}

}  // namespace scandium::program

#include <filesystem>
#include <iostream>

#include "commands.h"
#include "files/text.h"
#include "ops.h"
#include "report.h"
#include "runner.h"
#include "words.h"

namespace scandium::program {
namespace {

constexpr uint64_t kMostRepeats = 1'000'000;

Choices read_choices(const RunArguments& arguments) {
    Choices choices;
    choices.variant = choose("--variant", arguments.variant, kVariants);
    choices.algorithm = choose("--algorithm", arguments.algorithm, kAlgorithms);
    if (arguments.chunk_size.empty()) return choices;
    choices.chunk_size = read_chunk_size(arguments.chunk_size);
    return choices;
}

RunSettings read_settings(const RunArguments& arguments) {
    RunSettings settings;
    settings.access = choose("--access", arguments.access, kAccesses);
    settings.check = arguments.check;
    uint64_t repeat = 0;
    if (!parse_number(arguments.repeat, &repeat) || repeat == 0 || repeat > kMostRepeats)
        throw UsageError(format("--repeat: %s is not a whole number from 1 to %llu", in_quotes(arguments.repeat).c_str(),
                                static_cast<unsigned long long>(kMostRepeats)));
    settings.repeat = static_cast<uint32_t>(repeat);
    if (arguments.tolerance.empty()) return settings;
    double tolerance = 0;
    if (!parse_number(arguments.tolerance, &tolerance) || !std::isfinite(tolerance))
        throw UsageError(format("--tolerance: %s is not a number of at least 0", in_quotes(arguments.tolerance).c_str()));
    if (!arguments.check) throw UsageError("--tolerance: needs --check");
    settings.tolerance = tolerance;
    return settings;
}

// Outputs in place of the case would leave nothing to run again.
void check_output(const std::string& path, const std::vector<std::string>& cases) {
    if (path.empty()) throw UsageError("-o: takes the name of a file, not an empty one");
    if (cases.size() != 1) throw UsageError("-o: takes the outputs of one case, not of several");
    check_writable(path);
    std::error_code none;
    if (std::filesystem::equivalent(path, cases.front(), none)) throw UsageError("-o: " + path + " is the case itself");
}

void write_outputs(const std::string& path, const Problem& problem, const OutputData& data) {
    std::vector<SafetensorsTensor> tensors;
    for (size_t i = 0; i < data.size(); ++i) {
        const Output& output = problem.outputs()[i];
        tensors.push_back({output.name, element_type_of(output.dtype), output.shape, data[i]});
    }
    Metadata metadata;
    for (const char* key : {"op", "io_dtype", "state_dtype"}) {
        const auto place = problem.source().file().metadata().find(key);
        if (place != problem.source().file().metadata().end()) metadata.insert(*place);
    }
    write_safetensors(path, tensors, metadata);
}

// What the device cannot run as asked is no reason to leave out the other cases.
CaseReport run_case(Runner& runner, const Problem& problem, const RunSettings& settings, const std::optional<std::string>& output) {
    const std::string& path = problem.source().file().path();
    OutputData data;
    CaseReport report;
    try {
        report = runner.run(problem, settings, &data);
    } catch (const LibraryError& error) {
        if (error.result != Result::unsupported) throw LibraryError(error.result, path + ": " + error.what());
        report.path = path;
        report.op = problem.source().op();
        report.summary = problem.summary;
        report.unsupported = error.what();
        runner.take_messages();
        std::cerr << "scandium: " << one_line(path) << ": " << report.unsupported << "\n";
        return report;
    }
    for (const std::string& message : runner.take_messages()) std::cerr << "scandium: " << message << "\n";
    if (output) write_outputs(*output, problem, data);
    return report;
}

int exit_code(const std::vector<CaseReport>& reports) {
    int code = kFine;
    for (const CaseReport& report : reports) {
        if (!report.passed()) return kCheckFailed;
        if (!report.unsupported.empty()) code = kNoDevice;
    }
    return code;
}

}  // namespace

int run_cases(const RunArguments& arguments) {
    const Choices choices = read_choices(arguments);
    const RunSettings settings = read_settings(arguments);
    if (arguments.output) check_output(*arguments.output, arguments.cases);
    std::vector<Problem> problems;
    for (const std::string& path : arguments.cases) problems.push_back(load_problem(path, choices, settings.check));

    Runner runner(arguments.device, arguments.validate);
    std::vector<CaseReport> reports;
    for (const Problem& problem : problems) {
        reports.push_back(run_case(runner, problem, settings, arguments.output));
        if (arguments.json)
            std::cerr << one_line(reports.back().path) << ": " << reports.back().verdict() << "\n";
        else
            std::cout << case_text(reports.back(), runner.caps()) << std::flush;
    }
    if (arguments.json)
        std::cout << run_json(reports, runner.caps());
    else if (reports.size() > 1)
        std::cout << summary_text(reports);
    return exit_code(reports);
}

}  // namespace scandium::program

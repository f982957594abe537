#include <iostream>

#include "commands.h"
#include "files/text.h"
#include "ops.h"
#include "report.h"
#include "runner.h"

namespace scandium::program {
namespace {

constexpr uint64_t kMostRepeats = 1'000'000;

// One of the words that an option may be.
template <class T>
struct Word {
    const char* text;
    T value;
};

template <class T, size_t N>
T choose(const char* option, const std::string& text, const Word<T> (&words)[N]) {
    std::string all;
    for (const Word<T>& word : words) {
        if (text == word.text) return word.value;
        all += (all.empty() ? "" : ", ") + std::string(word.text);
    }
    throw UsageError(format("%s: %s is none of %s", option, in_quotes(text).c_str(), all.c_str()));
}

constexpr Word<Variant> kVariants[] = {
    {"scalar", Variant::scalar}, {"subgroup", Variant::subgroup}, {"coopmat", Variant::coopmat}, {"auto", Variant::automatic}};
constexpr Word<SsdAlgorithm> kAlgorithms[] = {
    {"auto", SsdAlgorithm::automatic}, {"chunked", SsdAlgorithm::chunked}, {"recurrent", SsdAlgorithm::recurrent}};
constexpr Word<MemoryAccess> kAccesses[] = {
    {"auto", MemoryAccess::automatic}, {"address", MemoryAccess::address}, {"descriptor", MemoryAccess::descriptor}};

Choices read_choices(const RunArguments& arguments) {
    Choices choices;
    choices.variant = choose("--variant", arguments.variant, kVariants);
    choices.algorithm = choose("--algorithm", arguments.algorithm, kAlgorithms);
    if (arguments.chunk_size.empty()) return choices;
    uint64_t chunk_size = 0;
    const bool is_auto = arguments.chunk_size == "auto";
    if (!is_auto && (!parse_number(arguments.chunk_size, &chunk_size) || chunk_size < 16 || chunk_size > 256 || chunk_size % 16 != 0))
        throw UsageError(
            format("--chunk-size: %s is neither auto nor a multiple of 16 from 16 to 256", in_quotes(arguments.chunk_size).c_str()));
    choices.chunk_size = static_cast<uint32_t>(chunk_size);
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
CaseReport run_case(Runner& runner, const Problem& problem, const RunSettings& settings, const std::string& output) {
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
    if (!output.empty()) write_outputs(output, problem, data);
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
    if (!arguments.output.empty()) {
        if (arguments.cases.size() != 1) throw UsageError("-o: takes the outputs of one case, not of several");
        check_writable(arguments.output);
    }
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

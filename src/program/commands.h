// The program's subcommands. They return an exit code and throw UsageError, FileError or LibraryError.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace scandium {
struct ModelConfig;
}

namespace scandium::program {

enum ExitCode : int { kFine = 0, kCheckFailed = 1, kBadInput = 2, kNoDevice = 3 };

// Something is wrong with the command line: one sentence.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The device to run on, and where its pipelines are kept between runs.
struct DeviceArguments {
    std::string name, pipeline_cache;
};

// Command lines as they were typed; run_cases and bench_operators make sense of them.
struct RunArguments {
    std::vector<std::string> cases;
    std::optional<std::string> output;
    DeviceArguments device;
    std::string variant = "auto", algorithm = "auto", access = "auto", chunk_size, tolerance, repeat = "1";
    bool check = false, validate = false, json = false;
};

struct BenchArguments {
    std::vector<std::string> language_models, ops, shapes, models, dtypes = {"f32"}, tokens = {"1x4096"};
    DeviceArguments device;
    std::string state_dtype = "f32";
    std::string variant = "auto", algorithm = "auto", access = "auto", chunk_size = "auto", json;
    std::string weights, segments = "0";  // weights: empty for the default
    bool quick = false;
};

struct ModelArguments {
    DeviceArguments device;
    std::string folder, weights = "auto";
    const ModelConfig* random_model = nullptr;  // in place of a folder
};

struct LogitsArguments {
    ModelArguments model;
    std::string input, output, chunk;
};

struct GenerateArguments {
    ModelArguments model;
    std::string prompt, count = "256";
    std::string temperature = "0.8", top_k = "0", top_p = "1", min_p = "0", repetition_penalty = "1", seed = "0";
    std::vector<std::string> stops;
};

struct PerplexityArguments {
    ModelArguments model;
    std::string input;
};

struct TokenizeArguments {
    std::string folder, input = "-";
    bool decode = false, json = false;
};

int show_devices(bool json);
int run_cases(const RunArguments& arguments);
int bench_operators(const BenchArguments& arguments);
int bench_language(const BenchArguments& arguments);
int write_logits(const LogitsArguments& arguments);
int generate_text(const GenerateArguments& arguments);
int measure_perplexity(const PerplexityArguments& arguments);
int tokenize_text(const TokenizeArguments& arguments);

}  // namespace scandium::program

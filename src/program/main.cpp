// scandium: runs state-space operators on tensors from files, checks the results, and writes text with language models.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <new>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#endif

#include "commands.h"
#include "files/safetensors.h"
#include "files/text.h"
#include "runner.h"
#include "scandium/scandium.h"

namespace scandium::program {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 fine, 1 a check failed, 2 bad input or usage, 3 no usable device (none found, or the one chosen\n"
    "lacks what was asked for).";

void add_device_options(CLI::App* app, DeviceArguments* device) {
    app->add_option("--device", device->name, "Index, or part of the name (default: the best one)")->type_name("INDEX|NAME");
    app->add_option("--pipeline-cache", device->pipeline_cache,
                    "Where to keep pipelines between runs (default: the user's folder for caches)")
        ->type_name("FILE|none");
}

void add_run_options(CLI::App* run, RunArguments* arguments) {
    run->add_option("cases", arguments->cases, "Cases: safetensors files with inputs, options and expected outputs")
        ->required()
        ->type_name("CASE.safetensors");
    run->add_option("-o,--output", arguments->output, "Write the outputs of the one case there")->type_name("OUT.safetensors");
    add_device_options(run, &arguments->device);
    run->add_option("--variant", arguments->variant, "Force a family of kernels")->type_name("scalar|subgroup|coopmat|auto");
    run->add_option("--algorithm", arguments->algorithm, "Force an algorithm")->type_name("auto|chunked|recurrent|fused");
    run->add_option("--access", arguments->access, "How kernels reach memory")->type_name("auto|address|descriptor");
    run->add_option("--chunk-size", arguments->chunk_size, "In place of the case's: 16 to 256, or auto for the plan's choice")
        ->type_name("N");
    run->add_flag("--check", arguments->check, "Compare the outputs with expected.* by relative error");
    run->add_option("--tolerance", arguments->tolerance, "For --check (default: 1e-5 for f32, 2.7e-4 for f16, 2.1e-3 for bf16)")
        ->type_name("T");
    run->add_option("--repeat", arguments->repeat, "Runs to take the median time of (default 1), after one that does not count")
        ->type_name("N");
    run->add_flag("--validate", arguments->validate, "With the Vulkan validation layer; a message of it fails the case");
    run->add_flag("--json", arguments->json, "One JSON document on standard output");
}

void add_bench_options(CLI::App* bench, BenchArguments* arguments) {
    bench->add_option("--op", arguments->ops, "Operators (default ssd_scan)")->type_name("NAME")->allow_extra_args(false);
    bench->add_option("--shape", arguments->shapes, "Sizes; for ssd_scan BATCHxSEQLEN,NHEADSxHEADDIM,NGROUPS,DSTATE")
        ->type_name("SHAPE")
        ->allow_extra_args(false);
    bench->add_option("--model", arguments->models, "Sizes of a model's layers")
        ->type_name("130m|370m|780m|1.3b|2.7b|codestral")
        ->allow_extra_args(false);
    bench->add_option("--tokens", arguments->tokens, "For --model and --lm (default 1x4096)")
        ->type_name("BATCHxSEQLEN")
        ->allow_extra_args(false);
#if defined(SCANDIUM_HAS_MODEL)
    bench
        ->add_option("--lm", arguments->language_models,
                     "In place of operators: prompts and steps of a language model of these sizes with random weights")
        ->type_name("130m|370m|780m|1.3b|2.7b")
        ->allow_extra_args(false);
#endif
    bench->add_option("--dtype", arguments->dtypes, "Type of inputs and outputs (default f32)")
        ->type_name("f32|f16|bf16")
        ->allow_extra_args(false);
    bench->add_option("--state-dtype", arguments->state_dtype, "Type of states (default f32)")->type_name("f32|f16|bf16");
    bench->add_option("--algorithm", arguments->algorithm, "Force an algorithm")->type_name("auto|chunked|recurrent|fused");
    bench->add_option("--variant", arguments->variant, "Force a family of kernels")->type_name("scalar|subgroup|coopmat|auto");
    bench->add_option("--access", arguments->access, "How kernels reach memory")->type_name("auto|address|descriptor");
    bench->add_option("--chunk-size", arguments->chunk_size, "16 to 256, or auto")->type_name("N");
    bench->add_option("--weights", arguments->weights, "Of linear (default dense, in the type of --dtype), or of --lm")
        ->type_name("dense|q8|q4|auto|f32|f16|bf16");
    bench->add_option("--segments", arguments->segments, "Of the scans: parts in time, 0 for the plan's choice")->type_name("N");
    add_device_options(bench, &arguments->device);
    bench->add_flag("--quick", arguments->quick, "One run, no warm-up: to see that it works and is right, not how fast it is");
    bench->add_option("--json", arguments->json, "Write the results there; - for standard output")->type_name("FILE|-");
}

#if defined(SCANDIUM_HAS_MODEL)
void add_model_options(CLI::App* app, ModelArguments* model) {
    app->add_option("model", model->folder, "Folder with config.json and model.safetensors")->required()->type_name("MODEL_DIR");
    app->add_option("--weights", model->weights, "How weights are kept on the device")->type_name("auto|f32|f16|bf16|q8|q4");
    add_device_options(app, &model->device);
}

void add_logits_options(CLI::App* logits, LogitsArguments* arguments) {
    add_model_options(logits, &arguments->model);
    logits->add_option("case", arguments->input, "With the tensor input_ids")->required()->type_name("CASE.safetensors");
    logits->add_option("-o,--output", arguments->output, "Write the tensor logits (seqlen, vocab) there")
        ->required()
        ->type_name("OUT.safetensors");
    logits->add_option("--chunk", arguments->chunk, "Tokens that are computed at once (default: all, up to 512)")->type_name("N");
}

void add_generate_options(CLI::App* generate, GenerateArguments* arguments) {
    add_model_options(generate, &arguments->model);
    generate->add_option("--prompt", arguments->prompt, "What to go on from; - for standard input")->type_name("TEXT|-");
    generate->add_option("-n", arguments->count, "Tokens at most (default 256)")->type_name("N");
    generate->add_option("--temperature", arguments->temperature, "Default 0.8; 0: always the likeliest token")->type_name("T");
    generate->add_option("--top-k", arguments->top_k, "Of the K likeliest tokens only (default 0: all)")->type_name("K");
    generate->add_option("--top-p", arguments->top_p, "Of the likeliest tokens that reach P together (default 1)")->type_name("P");
    generate->add_option("--min-p", arguments->min_p, "Of tokens with this share of the likeliest one's probability (default 0)")
        ->type_name("P");
    generate->add_option("--repetition-penalty", arguments->repetition_penalty, "Default 1: none")->type_name("R");
    generate->add_option("--seed", arguments->seed, "Default 0")->type_name("S");
    generate->add_option("--stop", arguments->stops, "End before this text")->type_name("TEXT")->allow_extra_args(false);
}

void add_perplexity_options(CLI::App* perplexity, PerplexityArguments* arguments) {
    add_model_options(perplexity, &arguments->model);
    perplexity->add_option("file", arguments->input, "A text; - for standard input")->required()->type_name("FILE|-");
}

void add_tokenize_options(CLI::App* tokenize, TokenizeArguments* arguments) {
    tokenize->add_option("model", arguments->folder, "Folder with tokenizer.json, or config.json of a model of bytes")
        ->required()
        ->type_name("MODEL_DIR");
    tokenize->add_option("file", arguments->input, "A text, or with --decode numbers (default -: standard input)")->type_name("FILE|-");
    tokenize->add_flag("--decode", arguments->decode, "From tokens to text");
    tokenize->add_flag("--json", arguments->json, "From an array of strings to one of arrays of tokens");
}

// The commands of language models.
class ModelCommands {
public:
    explicit ModelCommands(CLI::App* app) {
        generate_ = app->add_subcommand("generate", "Write text with a language model");
        add_generate_options(generate_, &generate_arguments_);
        logits_ = app->add_subcommand("logits", "Compute a language model's logits of given tokens");
        add_logits_options(logits_, &logits_arguments_);
        perplexity_ = app->add_subcommand("perplexity", "Measure how well a language model foretells a text");
        add_perplexity_options(perplexity_, &perplexity_arguments_);
        tokenize_ = app->add_subcommand("tokenize", "Turn text into a language model's tokens");
        add_tokenize_options(tokenize_, &tokenize_arguments_);
    }
    bool parsed() const { return generate_->parsed() || logits_->parsed() || perplexity_->parsed() || tokenize_->parsed(); }
    int run() const {
        if (generate_->parsed()) return generate_text(generate_arguments_);
        if (logits_->parsed()) return write_logits(logits_arguments_);
        if (perplexity_->parsed()) return measure_perplexity(perplexity_arguments_);
        return tokenize_text(tokenize_arguments_);
    }

private:
    CLI::App *generate_, *logits_, *perplexity_, *tokenize_;
    GenerateArguments generate_arguments_;
    LogitsArguments logits_arguments_;
    PerplexityArguments perplexity_arguments_;
    TokenizeArguments tokenize_arguments_;
};
#else
class ModelCommands {
public:
    explicit ModelCommands(CLI::App*) {}
    bool parsed() const { return false; }
    int run() const { return kFine; }
};
#endif

int finish_output(int code) {
    if (!std::cout.flush()) throw UsageError("standard output cannot be written");
    return code;
}

// A standard stream that the caller has closed would be the next file that is opened: a driver's memory, say, which what is
// printed then goes to. Read-only in its place, so that printing fails.
void hold_standard_streams() {
#if defined(__unix__) || defined(__APPLE__)
    for (int stream : {0, 1, 2})
        if (fcntl(stream, F_GETFD) == -1) (void)open("/dev/null", O_RDONLY);
#endif
}

// An option that is given has a value: a script's variable that is not set is no default.
void refuse_empty_values(CLI::App* app) {
    for (CLI::Option* option : app->get_options([](const CLI::Option* o) { return o->get_items_expected_max() > 0; }))
        option->check([](const std::string& value) { return value.empty() ? "is empty" : ""; });
}

int run_command_line(int argc, char** argv) {
    CLI::App app("Runs state-space operators on any Vulkan device.", "scandium");
    app.footer(kExitCodes);
    app.set_version_flag("--version", format("scandium %d.%d.%d", SCANDIUM_VERSION_MAJOR, SCANDIUM_VERSION_MINOR, SCANDIUM_VERSION_PATCH));
    app.require_subcommand(1);
    CLI::App* devices = app.add_subcommand("devices", "List the Vulkan devices");
    bool json = false;
    devices->add_flag("--json", json, "One JSON document on standard output");
    CLI::App* run = app.add_subcommand("run", "Run cases on a device");
    RunArguments arguments;
    add_run_options(run, &arguments);
    CLI::App* bench = app.add_subcommand("bench", "Check operators on random tensors, then measure them");
    BenchArguments bench_arguments;
    add_bench_options(bench, &bench_arguments);
    refuse_empty_values(run);
    refuse_empty_values(bench);
    const ModelCommands models(&app);
    // In place of "a subcommand is required".
    const std::vector<CLI::App*> commands = app.get_subcommands([](const CLI::App*) { return true; });
    const auto is_named = [&](const CLI::App* command) { return command->check_name(argv[1]); };
    if (argc > 1 && argv[1][0] != '-' && std::none_of(commands.begin(), commands.end(), is_named))
        throw UsageError(format("there is no command %s (see scandium --help)", in_quotes(argv[1]).c_str()));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() != 0) throw UsageError(std::string(error.what()) + " (see scandium --help)");
        app.exit(error);  // --help, --version
        return finish_output(kFine);
    }
    if (models.parsed()) return finish_output(models.run());
#if defined(SCANDIUM_HAS_MODEL)
    if (!bench_arguments.language_models.empty()) return finish_output(bench_language(bench_arguments));
#endif
    return finish_output(devices->parsed() ? show_devices(json)
                         : bench->parsed() ? bench_operators(bench_arguments)
                                           : run_cases(arguments));
}

int complain(int code, const std::string& sentence) {
    std::cerr << "scandium: " << one_line(sentence) << "\n";
    return code;
}

}  // namespace
}  // namespace scandium::program

int main(int argc, char** argv) {
    using namespace scandium::program;
    hold_standard_streams();
    try {
        return run_command_line(argc, argv);
    } catch (const LibraryError& error) {
        return complain(error.result == scandium::Result::invalid_argument ? kBadInput : kNoDevice, error.what());
    } catch (const std::bad_alloc&) {
        return complain(kBadInput, "there is not enough memory for this input");
    } catch (const std::exception& error) {
        return complain(kBadInput, error.what());
    }
}

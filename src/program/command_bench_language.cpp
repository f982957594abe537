// bench --lm: language models of known sizes with random weights.
#include <chrono>
#include <iostream>
#include <limits>

#include "bench_runner.h"
#include "commands.h"
#include "files/text.h"
#include "json.h"
#include "language.h"
#include "owned.h"
#include "report.h"

namespace scandium::program {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kLongEnough = 2;  // seconds of measuring
constexpr size_t kMostRuns = 200, kLeastRuns = 3;
constexpr int32_t kTokenStep = 7919;
constexpr size_t kStageRuns = 7;
constexpr uint32_t kStepsOfStageRun = 4;

// The Mamba-2 models of state-spaces: heads of 64, state 128, one group.
struct Sizes {
    const char* name;
    uint32_t d_model, n_layer;
};
constexpr Sizes kSizes[] = {{"130m", 768, 24}, {"370m", 1024, 48}, {"780m", 1536, 48}, {"1.3b", 2048, 48}, {"2.7b", 2560, 64}};

ModelConfig config_of(const std::string& name) {
    const Sizes* found = nullptr;
    for (const Sizes& sizes : kSizes)
        if (name == sizes.name) found = &sizes;
    if (!found) throw UsageError(format("--lm: %s is none of 130m, 370m, 780m, 1.3b, 2.7b", in_quotes(name).c_str()));
    ModelConfig config;
    config.vocab_size = 50277;
    config.padded_vocab_size = 50288;
    config.d_model = found->d_model;
    config.n_layer = found->n_layer;
    config.d_inner = config.d_ssm = config.norm_group_size = 2 * found->d_model;
    config.dstate = 128;
    config.headdim = 64;
    config.nheads = config.d_inner / config.headdim;
    config.ngroups = 1;
    config.chunk_size = 256;
    config.gated_norm = true;
    config.dt_max = std::numeric_limits<float>::infinity();
    return config;
}

struct Tokens {
    uint32_t batch, prompt;
};

Tokens tokens_of(const std::string& text) {
    const size_t by = text.find('x');
    if (by == text.npos) throw UsageError(format("--tokens: %s is not BATCHxSEQLEN", in_quotes(text).c_str()));
    return {static_cast<uint32_t>(read_count("--tokens", text.substr(0, by), 1, 1024)),
            static_cast<uint32_t>(read_count("--tokens", text.substr(by + 1), 1, 65536))};
}

// Median seconds of some runs after one that does not count.
template <class F>
double measure(F&& work) {
    work();
    std::vector<double> seconds;
    const Clock::time_point start = Clock::now();
    while (seconds.size() < kMostRuns &&
           (seconds.size() < kLeastRuns || Clock::now() - start < std::chrono::duration<double>(kLongEnough))) {
        const Clock::time_point begin = Clock::now();
        work();
        seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    return median(seconds);
}

// What running one pass takes.
struct PassReport {
    double us = 0;          // from the call to the logits, transfers included
    double device_us = -1;  // of the device for its dispatches alone; negative: it has no timestamps
    std::vector<StageReport> stages;
};

struct LanguageReport {
    std::string model, weights;
    Tokens tokens;
    uint64_t weight_bytes = 0, step_weight_bytes = 0;
    PassReport prefill, step;

    double gigabytes_per_s() const { return static_cast<double>(step_weight_bytes) / step.us * 1e-3; }
};

// Apart from the runs that are timed as a whole, which timestamps between dispatches would slow down.
void time_dispatches(const Language& language, const SessionPass& pass, uint32_t repeat, PassReport* report) {
    std::vector<double> dispatch_us(dispatch_count(pass.plan)), totals;
    std::vector<size_t> stage_of;
    for (uint32_t i = 0; i < dispatch_us.size(); ++i) {
        DispatchInfo info;
        language.check(describe(pass.plan, i, &info), "describe");
        stage_of.push_back(add_stage(info, &report->stages, true));
    }
    std::vector<std::vector<double>> stage_us(report->stages.size());
    double total = -1;
    for (size_t i = 0; i < kStageRuns; ++i) {
        RunOptions whole, parts;
        whole.repeat = parts.repeat = repeat;
        whole.total_us = &total;
        parts.stage_us = dispatch_us.data();
        language.check(run(language.context(), pass.plan, pass.bindings, whole), "run");
        totals.push_back(total / repeat);
        language.check(run(language.context(), pass.plan, pass.bindings, parts), "run");
        std::vector<double> sum(stage_us.size(), 0);
        for (size_t k = 0; k < dispatch_us.size(); ++k) sum[stage_of[k]] += dispatch_us[k];
        for (size_t k = 0; k < sum.size(); ++k) stage_us[k].push_back(sum[k]);
    }
    if (total < 0) return;
    report->device_us = median(totals);
    for (size_t k = 0; k < stage_us.size(); ++k) report->stages[k].us = median(stage_us[k]);
}

LanguageReport measure_model(const std::string& name, const Tokens& tokens, const BenchArguments& arguments, Caps* caps) {
    const ModelConfig config = config_of(name);
    SessionOptions options;
    options.slots = options.batch = tokens.batch;
    options.chunk = tokens.prompt;
    ModelArguments model;
    model.device = arguments.device;
    model.weights = arguments.weights.empty() ? "auto" : arguments.weights;
    model.random_model = &config;
    Language language(model, options);
    *caps = language.caps();

    std::vector<int32_t> prompt(tokens.prompt), step(tokens.batch), slots(tokens.batch);
    for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(i * kTokenStep % config.vocab_size);
    for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int32_t>(i);
    const float* logits = nullptr;
    LanguageReport report;
    report.model = name;
    report.tokens = tokens;
    report.prefill.us = 1e6 * measure([&] {
                            language.check(prefill(language.runner(), 0, {prompt.data(), prompt.size()}, &logits), "prefill");
                        });
    report.step.us =
        1e6 * measure([&] {
            for (int32_t& token : step) token = static_cast<int32_t>((token + kTokenStep) % static_cast<int32_t>(config.vocab_size));
            language.check(decode(language.runner(), {step.data(), step.size()}, {slots.data(), slots.size()}, &logits), "decode");
        });
    time_dispatches(language, prefill_pass(language.session(), 0), 1, &report.prefill);
    time_dispatches(language, decode_pass(language.session()), kStepsOfStageRun, &report.step);
    const ModelInfo info = language.info();
    report.weights = to_string(info.weights);
    report.weight_bytes = info.weight_bytes;
    report.step_weight_bytes = info.step_weight_bytes;
    return report;
}

std::string report_text(const LanguageReport& report, const Caps& caps) {
    const double prompt = report.tokens.prompt, batch = report.tokens.batch;
    const auto device = [](const PassReport& pass) { return pass.device_us < 0 ? "" : ", the device " + time_text(pass.device_us); };
    return format("%s, %s, weights %s (%s)\n", report.model.c_str(), one_line(caps.device_name).c_str(), report.weights.c_str(),
                  size_text(report.weight_bytes).c_str()) +
           format("  prefill of %u tokens   %s%s   %.1f tokens/s\n", report.tokens.prompt, time_text(report.prefill.us).c_str(),
                  device(report.prefill).c_str(), prompt / report.prefill.us * 1e6) +
           bench_stages_text(report.prefill.stages) +
           format("  a step of %u            %s%s   %.1f tokens/s   %.1f GB/s of weights\n", report.tokens.batch,
                  time_text(report.step.us).c_str(), device(report.step).c_str(), batch / report.step.us * 1e6, report.gigabytes_per_s()) +
           bench_stages_text(report.step.stages);
}

void write_pass(Json& json, const char* key, const PassReport& pass) {
    json.object(key, [&] {
        json.real("us", pass.us);
        json.real("device_us", pass.device_us, pass.device_us >= 0);
        write_bench_stages(json, "dispatches", pass.stages);
    });
}

std::string report_json(const std::vector<LanguageReport>& reports, const Caps& caps) {
    Json json;
    json.object("device", [&] { write_identity(json, caps); });
    json.objects("results", reports, [&](const LanguageReport& report) {
        json.text("model", report.model);
        json.text("weights", report.weights);
        json.number("weight_bytes", report.weight_bytes);
        json.number("step_weight_bytes", report.step_weight_bytes);
        json.number("batch", report.tokens.batch);
        json.number("prompt", report.tokens.prompt);
        write_pass(json, "prefill", report.prefill);
        write_pass(json, "step", report.step);
    });
    return json.finish();
}

}  // namespace

int bench_language(const BenchArguments& arguments) {
    if (!arguments.ops.empty() || !arguments.shapes.empty() || !arguments.models.empty())
        throw UsageError("--lm: does not go with --op, --shape or --model");
    check_json_path(arguments.json);
    std::vector<LanguageReport> reports;
    Caps caps;
    for (const std::string& name : arguments.language_models)
        for (const std::string& tokens : arguments.tokens) {
            reports.push_back(measure_model(name, tokens_of(tokens), arguments, &caps));
            if (arguments.json != "-") std::cout << report_text(reports.back(), caps) << std::flush;
        }
    if (!arguments.json.empty()) write_json(arguments.json, report_json(reports, caps));
    return kFine;
}

}  // namespace scandium::program

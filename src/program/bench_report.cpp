// What was measured, as text and as JSON.
#include <fstream>
#include <iostream>

#include "bench_runner.h"
#include "commands.h"
#include "files/text.h"
#include "json.h"

namespace scandium::program {
namespace {

void write_result(Json& json, const BenchReport& report, const Ceilings& ceilings) {
    json.text("op", report.op);
    json.text("shape", report.shape);
    json.text("dtype", report.dtype);
    if (!report.state_dtype.empty()) json.text("state_dtype", report.state_dtype);
    if (!report.weights.empty()) json.text("weights", report.weights);
    if (!report.unsupported.empty()) return json.text("unsupported", report.unsupported);
    json.text("access", to_string(report.access));
    json.flag("passed", report.passed());
    json.objects("errors", report.errors, [&](const SampledError& error) {
        json.text("output", error.name);
        json.real("error", error.value());
        json.real("tolerance", error.tolerance);
        json.number("samples", error.samples);
    });
    json.real("median_us", report.median_us);
    json.real("min_us", report.min_us);
    json.real("max_us", report.max_us);
    json.number("samples", report.samples);
    json.number("runs_per_sample", report.runs_per_sample);
    json.number("input_sets", report.input_sets);
    json.text("clock", report.by_host_clock ? "host" : "device");
    json.number("tokens", report.tokens);
    json.real("tokens_per_s", report.tokens_per_s());
    json.number("bytes", report.bytes);
    json.real("gb_per_s", report.gigabytes_per_s());
    json.real("memory_share", report.gigabytes_per_s() / ceilings.memory_gbps, ceilings.memory_gbps > 0);
    json.real("operations", report.operations, report.operations > 0);
    json.real("tflops", report.teraflops(), report.operations > 0);
    json.real("matrix_share", ceilings.matrix_share(report), ceilings.matrix_share(report) > 0);
    json.number("workspace_bytes", report.workspace);
    write_bench_stages(json, "dispatches", report.stages);
}

}  // namespace

void check_json_path(const std::string& path) {
    if (!path.empty() && path != "-" && !std::ofstream(path, std::ios::app))
        throw UsageError(format("--json: %s cannot be written", in_quotes(path).c_str()));
}

void write_json(const std::string& path, const std::string& json) {
    if (path == "-") {
        std::cout << json;
        return;
    }
    std::ofstream file(path, std::ios::binary);
    if (!(file << json) || !file.flush()) throw UsageError(format("--json: %s cannot be written", in_quotes(path).c_str()));
}

void write_bench_stages(Json& json, const char* key, const std::vector<StageReport>& stages) {
    json.objects(key, stages, [&](const StageReport& stage) {
        json.text("stage", stage.name);
        json.text("kernel", stage.kernel);
        json.text("reason", stage.reason);
        json.number("dispatches", stage.dispatches);
        json.numbers("groups", stage.groups);
        json.real("us", stage.us, stage.us >= 0);
    });
}

std::string bench_stages_text(const std::vector<StageReport>& stages) {
    std::string text;
    for (const StageReport& stage : stages)
        text += format("    %-24s %-44s %12s%s\n", stage.name.c_str(), stage.kernel.c_str(), time_text(stage.us).c_str(),
                       stage.dispatches > 1 ? format("  %u dispatches", stage.dispatches).c_str() : "");
    return text;
}

double Ceilings::matrix_share(const BenchReport& report) const {
    if (matrix.tflops <= 0 || report.operations <= 0 || report.dtype == to_string(DType::f32)) return 0;
    return report.teraflops() / matrix.tflops;
}

std::string bench_text(const BenchReport& report, const Ceilings& ceilings) {
    std::string text = format("%s %s %s", report.op.c_str(), report.shape.c_str(), report.dtype.c_str());
    if (!report.weights.empty() && report.weights != "dense") text += ", weights " + report.weights;
    if (!report.state_dtype.empty()) text += format(", states %s", report.state_dtype.c_str());
    if (!report.unsupported.empty()) return text + "\n  cannot run: " + report.unsupported + "\n";
    text += format("\n  %s (%s to %s)", time_text(report.median_us).c_str(), time_text(report.min_us).c_str(),
                   time_text(report.max_us).c_str());
    if (report.by_host_clock) text += " by the host's clock";
    text += format(", %.4g tokens/s, %.4g GB/s", report.tokens_per_s(), report.gigabytes_per_s());
    if (ceilings.memory_gbps > 0) text += format(" (%.0f %% of the ceiling)", 100 * report.gigabytes_per_s() / ceilings.memory_gbps);
    if (report.operations > 0) text += format(", %.4g TFLOP/s", report.teraflops());
    if (const double share = ceilings.matrix_share(report); share > 0) text += format(" (%.0f %% of the ceiling)", 100 * share);
    text += format(", workspace %s\n  error", size_text(report.workspace).c_str());
    for (const SampledError& error : report.errors)
        text += format("  %s %.3g%s", error.name.c_str(), error.value(), error.passed() ? "" : " <- FAIL");
    return text + "\n" + bench_stages_text(report.stages);
}

std::string bench_json(const std::vector<BenchReport>& reports, const Caps& caps, const Ceilings& ceilings) {
    Json json;
    json.object("device", [&] { write_identity(json, caps); });
    json.real("memory_ceiling_gb_per_s", ceilings.memory_gbps, ceilings.memory_gbps > 0);
    json.real("matrix_ceiling_tflops", ceilings.matrix.tflops, ceilings.matrix.tflops > 0);
    if (!ceilings.matrix.shape.empty()) json.text("matrix_ceiling_shape", ceilings.matrix.shape);
    json.objects("results", reports, [&](const BenchReport& report) { write_result(json, report, ceilings); });
    return json.finish();
}

}  // namespace scandium::program

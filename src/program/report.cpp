#include "report.h"

#include <algorithm>

#include "files/text.h"

namespace scandium::program {

size_t add_stage(const DispatchInfo& info, std::vector<StageReport>* stages, bool by_grid) {
    const auto same = std::find_if(stages->begin(), stages->end(), [&](const StageReport& stage) {
        return stage.name == info.name && stage.kernel == info.kernel && stage.reason == info.reason &&
               (!by_grid || std::equal(info.groups, info.groups + 3, stage.groups));
    });
    const size_t index = static_cast<size_t>(same - stages->begin());
    if (same == stages->end()) {
        stages->push_back({info.name, info.kernel, info.reason, info.variant, {}, 0, -1});
        std::copy(info.groups, info.groups + 3, stages->back().groups);
    }
    ++(*stages)[index].dispatches;
    return index;
}

const char* device_type_name(VkPhysicalDeviceType type) {
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return "discrete GPU";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return "integrated GPU";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return "virtual GPU";
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return "CPU";
    default: return "other";
    }
}

std::string version_text(uint32_t version) {
    return format("%u.%u.%u", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version), VK_API_VERSION_PATCH(version));
}

std::string time_text(double us) {
    if (us < 0) return "no timestamps";
    return us < 10000 ? format("%.1f us", us) : format("%.2f ms", us / 1000);
}

std::string size_text(uint64_t bytes) {
    return bytes < 10240 ? format("%u bytes", static_cast<unsigned>(bytes)) : format("%.1f KiB", static_cast<double>(bytes) / 1024);
}

std::string driver_text(const Caps& caps) {
    return one_line(format("%s %s, Vulkan %s", caps.driver_name, caps.driver_info, version_text(caps.api_version).c_str()));
}

namespace {

std::string feature_text(const Caps& caps) {
    std::string text =
        format("%u KiB shared, %u invocations, subgroup %u", caps.shared_memory / 1024, caps.max_invocations, caps.subgroup_size);
    if (caps.min_subgroup_size != caps.max_subgroup_size) text += format(" (%u to %u)", caps.min_subgroup_size, caps.max_subgroup_size);
    const struct {
        bool has;
        const char* name;
    } features[] = {
        {caps.subgroup_arithmetic, "subgroup arithmetic"},
        {caps.features.storage_buffer_16bit, "16-bit storage"},
        {caps.features.shader_float16, "f16 arithmetic"},
        {caps.features.buffer_device_address, "buffer addresses"},
        {caps.features.cooperative_matrix, "cooperative matrices"},
        {caps.features.bfloat16_cooperative_matrix, "bf16 cooperative matrices"},
        {caps.features.cooperative_matrix_conversions, "conversions of them"},
    };
    for (const auto& feature : features)
        if (feature.has) text += std::string(", ") + feature.name;
    return text;
}

std::string stage_line(const StageReport& stage, int name_width, int kernel_width) {
    std::string groups = format("%u x %u x %u", stage.groups[0], stage.groups[1], stage.groups[2]);
    if (stage.dispatches > 1) groups += format(", %u times", stage.dispatches);
    return format("    %-*s  %-*s  %-8s  %-14s  %12s\n", name_width, stage.name.c_str(), kernel_width, stage.kernel.c_str(),
                  to_string(stage.variant), groups.c_str(), time_text(stage.us).c_str()) +
           (stage.reason.empty() ? "" : format("        %s\n", stage.reason.c_str()));
}

std::string output_line(const OutputReport& output) {
    std::string text = format("  output   %-13s %s %s", output.name.c_str(), to_string(output.dtype), shape_text(output.shape).c_str());
    if (!output.checked) return text + "\n";
    text += format(": error %.3g, tolerance %.3g", output.error, output.tolerance);
    if (output.not_finite)
        text += format(", %llu of %llu elements NaN, infinite or unwritten", static_cast<unsigned long long>(output.not_finite),
                       static_cast<unsigned long long>(output.elements));
    return text + (output.passed ? "\n" : "  <- FAIL\n");
}

}  // namespace

bool CaseReport::checked() const {
    return std::any_of(outputs.begin(), outputs.end(), [](const OutputReport& output) { return output.checked; });
}

bool CaseReport::passed() const {
    return validation_messages == 0 &&
           std::all_of(outputs.begin(), outputs.end(), [](const OutputReport& output) { return output.passed; });
}

const OutputReport* CaseReport::worst() const {
    const OutputReport* worst = nullptr;
    for (const OutputReport& output : outputs) {
        if (!output.checked) continue;
        if (!worst || output.passed < worst->passed || (output.passed == worst->passed && output.badness() > worst->badness()))
            worst = &output;
    }
    return worst;
}

const char* CaseReport::verdict() const { return !unsupported.empty() ? "cannot run" : !passed() ? "FAIL" : checked() ? "PASS" : "done"; }

std::string devices_text(const std::vector<DeviceEntry>& devices) {
    std::string text;
    for (const DeviceEntry& device : devices)
        text += format("%u: %s (%s)\n   %s\n   %s\n", device.index, one_line(device.caps.device_name).c_str(),
                       device_type_name(device.caps.device_type), driver_text(device.caps).c_str(), feature_text(device.caps).c_str());
    return text;
}

std::string case_text(const CaseReport& report, const Caps& caps) {
    int name_width = 0, kernel_width = 0;
    for (const StageReport& stage : report.stages) {
        name_width = std::max(name_width, static_cast<int>(stage.name.size()));
        kernel_width = std::max(kernel_width, static_cast<int>(stage.kernel.size()));
    }
    std::string text = format("%s\n  case     %s: %s\n", one_line(report.path).c_str(), report.op.c_str(), report.summary.c_str());
    text += format("  device   %s\n  driver   %s\n", one_line(caps.device_name).c_str(), driver_text(caps).c_str());
    if (!report.unsupported.empty()) return text + "  cannot run: " + report.unsupported + "\n\n";
    text += format("  access   %s, workspace %s\n  stages\n", to_string(report.access), size_text(report.workspace).c_str());
    for (const StageReport& stage : report.stages) text += stage_line(stage, name_width, kernel_width);
    text += format("  time     %s on the device, %s from submission to completion", time_text(report.device_us).c_str(),
                   time_text(report.host_us).c_str());
    text += report.repeats > 1 ? format(" (median of %u)\n", report.repeats) : "\n";
    for (const OutputReport& output : report.outputs) text += output_line(output);
    if (report.validation_messages) text += format("  %u validation messages\n", report.validation_messages);
    return text + "  " + report.verdict() + "\n\n";
}

std::string summary_text(const std::vector<CaseReport>& reports) {
    size_t width = 4, failed = 0, unsupported = 0;
    for (const CaseReport& report : reports) width = std::max(width, one_line(report.path).size());
    std::string text = format("%-*s  result      %12s  worst error\n", static_cast<int>(width), "case", "device time");
    for (const CaseReport& report : reports) {
        failed += !report.passed();
        unsupported += !report.unsupported.empty();
        text += format("%-*s  %-10s  %12s", static_cast<int>(width), one_line(report.path).c_str(), report.verdict(),
                       report.unsupported.empty() ? time_text(report.device_us).c_str() : "");
        if (const OutputReport* worst = report.worst())
            text += format("  %.3g (%s, tolerance %.3g)", worst->error, worst->name.c_str(), worst->tolerance);
        text += "\n";
    }
    return text + format("%zu cases, %zu failed", reports.size(), failed) +
           (unsupported ? format(", %zu could not run\n", unsupported) : "\n");
}

}  // namespace scandium::program

#include "pipeline_report.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <string_view>

using namespace scandium;

namespace {

const char* word(PlanRow::Status status) {
    return status == PlanRow::compiled ? "compiled" : status == PlanRow::skipped ? "skipped" : "FAILED";
}

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value == double(int64_t(value)) ? "%.0f" : "%.2f", value);
    return text;
}

std::string version(uint32_t v) {
    return std::to_string(VK_API_VERSION_MAJOR(v)) + "." + std::to_string(VK_API_VERSION_MINOR(v)) + "." +
           std::to_string(VK_API_VERSION_PATCH(v));
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (char c : text) {
        char escape[8];
        if (c == '"' || c == '\\')
            out += '\\', out += c;
        else if (static_cast<unsigned char>(c) < 0x20)
            std::snprintf(escape, sizeof escape, "\\u%04x", unsigned(c)), out += escape;
        else
            out += c;
    }
    return out + '"';
}

// A driver may give several executables for one pipeline: the largest of each figure counts.
void keep_largest(void* user, const char* name, double value) {
    const std::string_view text = name;
    if (text.size() >= 4 && text.substr(text.size() - 4) == "hash") return;  // says nothing of cost and fits no double
    auto [entry, added] = static_cast<Statistics*>(user)->emplace(name, value);
    if (!added) entry->second = std::max(entry->second, value);
}

}  // namespace

void PlanRow::print() const {
    if (status == compiled)
        std::printf("compiled, %u pipelines, %.1f s\n", pipelines, seconds);
    else
        std::printf("%s: %s\n", word(status), reason.c_str());
}

Result PipelineReport::add_pipelines(const Plan* plan, Variant variant, PlanRow* row) {
    const std::string excuse = std::string("no ") + to_string(variant);
    std::set<VkPipeline> seen;
    for (uint32_t i = 0; i < dispatch_count(plan); ++i) {
        DispatchInfo info;
        Result result = describe(plan, i, &info);
        if (result != Result::ok) return result;
        row->has_variant |= info.variant == variant;
        if (!std::strncmp(info.reason, excuse.c_str(), excuse.size())) row->reason = info.reason;
        if (!seen.insert(info.pipeline).second) continue;
        KernelKey key{info.kernel, to_string(info.variant), info.local_size, info.subgroup_size, info.shared_memory, {}};
        result = pipeline_statistics(plan, i, keep_largest, &key.statistics);
        if (result != Result::ok && result != Result::unsupported) return result;
        kernels[key]++;
    }
    row->pipelines = uint32_t(seen.size());
    return Result::ok;
}

size_t PipelineReport::count(PlanRow::Status status) const {
    return size_t(std::count_if(plans.begin(), plans.end(), [&](const PlanRow& row) { return row.status == status; }));
}

size_t PipelineReport::pipeline_count() const {
    size_t sum = 0;
    for (const PlanRow& row : plans) sum += row.pipelines;
    return sum;
}

void PipelineReport::print(const Caps& caps) const {
    std::printf("\n%s, %s %s, Vulkan %s\n", caps.device_name, caps.driver_name, caps.driver_info, version(caps.api_version).c_str());
    for (const auto& [key, count] : kernels) {
        std::printf("%s: %u alike, local size %u, subgroup size %u, shared memory %u\n", key.kernel.c_str(), count, key.local_size,
                    key.subgroup_size, key.shared_memory);
        std::string line;
        for (const auto& [name, value] : key.statistics) line += (line.empty() ? "    " : ", ") + name + " " + number(value);
        if (!line.empty()) std::printf("%s\n", line.c_str());
    }
    std::printf("%zu plans compiled (%zu pipelines), %zu failed, %zu skipped\n", count(PlanRow::compiled), pipeline_count(),
                count(PlanRow::failed), count(PlanRow::skipped));
}

bool PipelineReport::write_json(const char* path, const Caps& caps) const {
    std::ofstream out(path);
    out << "{\"device\": " << quoted(caps.device_name) << ", \"driver\": " << quoted(caps.driver_name)
        << ", \"driver_info\": " << quoted(caps.driver_info) << ", \"vulkan\": " << quoted(version(caps.api_version))
        << ", \"subgroup_size\": " << caps.subgroup_size << ", \"min_subgroup_size\": " << caps.min_subgroup_size
        << ", \"max_subgroup_size\": " << caps.max_subgroup_size << ",\n\"plans\": [";
    const char* separator = "\n";
    for (const PlanRow& row : plans) {
        out << separator << "{\"name\": " << quoted(row.name) << ", \"status\": " << quoted(word(row.status))
            << ", \"reason\": " << quoted(row.reason) << ", \"pipelines\": " << row.pipelines << "}";
        separator = ",\n";
    }
    out << "],\n\"kernels\": [";
    separator = "\n";
    for (const auto& [key, count] : kernels) {
        out << separator << "{\"kernel\": " << quoted(key.kernel) << ", \"variant\": " << quoted(key.variant)
            << ", \"pipelines\": " << count << ", \"local_size\": " << key.local_size << ", \"subgroup_size\": " << key.subgroup_size
            << ", \"shared_memory\": " << key.shared_memory << ", \"statistics\": {";
        const char* comma = "";
        for (const auto& [name, value] : key.statistics) {
            out << comma << quoted(name) << ": " << number(value);
            comma = ", ";
        }
        out << "}}";
        separator = ",\n";
    }
    out << "]}\n";
    return bool(out.flush());
}

// What became of a case, as data, and as text or JSON for whoever asked.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "scandium/context.h"

namespace scandium::program {

// Dispatches of one operator stage that differ only in the part that they cover.
struct StageReport {
    std::string name, kernel, reason;
    Variant variant = Variant::automatic;
    uint32_t groups[3] = {};  // of the first
    uint32_t dispatches = 0;
    double us = -1;  // all of them together, median over the repeats; negative: the device has no timestamps
};

// Finds or adds the stage of a dispatch, counts it, and returns the stage's index. `by_grid`: dispatches of another grid are
// another stage, as where an operator runs at several shapes.
size_t add_stage(const DispatchInfo& info, std::vector<StageReport>* stages, bool by_grid = false);

struct OutputReport {
    std::string name;
    DType dtype = DType::none;
    std::vector<uint64_t> shape;
    bool checked = false, passed = true;
    double error = 0, tolerance = 0;
    uint64_t not_finite = 0, elements = 0;

    double badness() const { return not_finite ? HUGE_VAL : tolerance > 0 ? error / tolerance : error; }
};

struct CaseReport {
    std::string path, op, summary;
    std::string unsupported;  // why the device cannot run it as asked; then nothing below is filled in
    MemoryAccess access = MemoryAccess::automatic;
    uint64_t workspace = 0;  // bytes
    uint32_t repeats = 0;
    std::vector<StageReport> stages;
    double device_us = -1;  // all stages, median
    double host_us = 0;     // from submission to the result, median
    std::vector<OutputReport> outputs;
    uint32_t validation_messages = 0;

    bool checked() const;
    bool passed() const;
    const OutputReport* worst() const;  // of those that were checked; null if none was
    const char* verdict() const;        // PASS, FAIL, or done if there was nothing to fail
};

const char* device_type_name(VkPhysicalDeviceType type);
std::string version_text(uint32_t version);
std::string time_text(double us);  // negative: the device has no timestamps
std::string size_text(uint64_t bytes);
std::string driver_text(const Caps& caps);

std::string devices_text(const std::vector<DeviceEntry>& devices);
std::string devices_json(const std::vector<DeviceEntry>& devices);

std::string case_text(const CaseReport& report, const Caps& caps);
std::string summary_text(const std::vector<CaseReport>& reports);
std::string run_json(const std::vector<CaseReport>& reports, const Caps& caps);

}  // namespace scandium::program

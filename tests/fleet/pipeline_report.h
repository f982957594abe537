// What compile_pipelines found: the plans it tried, and each distinct kernel with the driver's figures.
#pragma once

#include <scandium/plan.h>

#include <map>
#include <string>
#include <tuple>
#include <vector>

// One plan that was tried.
struct PlanRow {
    enum Status { compiled, skipped, failed };
    std::string name, reason;
    Status status = failed;
    uint32_t pipelines = 0;
    double seconds = 0;
    bool has_variant = false;  // a kernel of the variant that was asked for is among them

    void print() const;
};

using Statistics = std::map<std::string, double>;

// Pipelines that look the same from outside count as one kernel.
struct KernelKey {
    std::string kernel, variant;
    uint32_t local_size = 0, subgroup_size = 0, shared_memory = 0;
    Statistics statistics;

    bool operator<(const KernelKey& o) const {
        return std::tie(kernel, local_size, subgroup_size, shared_memory, statistics) <
               std::tie(o.kernel, o.local_size, o.subgroup_size, o.shared_memory, o.statistics);
    }
};

struct PipelineReport {
    std::vector<PlanRow> plans;
    std::map<KernelKey, uint32_t> kernels;  // and how many pipelines are like it

    // Adds what `plan` consists of and fills in the row. A plan without any kernel of the variant that was asked for
    // leaves the library's reason for it in row->reason.
    scandium::Result add_pipelines(const scandium::Plan* plan, scandium::Variant variant, PlanRow* row);
    size_t count(PlanRow::Status status) const;
    size_t pipeline_count() const;
    void print(const scandium::Caps& caps) const;
    bool write_json(const char* path, const scandium::Caps& caps) const;
};

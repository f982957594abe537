// Plans of ssd_scan and memory for them on a VulkanHost.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/ssd_case.h"
#include "support/vulkan_host.h"

namespace scandium::test {

struct HostedPlan {
    std::map<std::string, PlacedTensor> tensors;  // the external ones
    std::map<std::string, TensorId> ids;
    TensorId between = kNoTensor;
    PlanPtr plan;

    const Plan* get() const { return plan.get(); }
};

// A graph of ssd_scan, which it has to take; its tensors are noted in `out`.
GraphPtr graph_ssd(const Device* device, const SsdCase& c, HostedPlan* out);
// What plan_ssd gives has to exist.
HostedPlan plan_ssd(const Device* device, const SsdCase& c);
// The y of the first is the x of the second, and lives in the workspace. Their other tensors are called 1.dt, 2.dt...
HostedPlan plan_chain(const Device* device, const SsdCase& first, const SsdCase& second);

// Values of inputs by the names of tensors.
using Values = std::map<std::string, std::vector<double>>;
Values values_of(const SsdCase& c, const SsdInputs& in, const std::string& prefix = "");

// Memory and bindings for a plan. All that is no input starts as NaN.
class HostedMemory {
public:
    HostedMemory(VulkanHost& host, const HostedPlan& plan, const Values& inputs);

    const Bindings* bindings() const { return bindings_.get(); }
    std::vector<float> read(const std::string& tensor) const;
    // As at the start.
    void poison();

private:
    const HostedPlan& plan_;
    std::map<std::string, HostBuffer> buffers_;
    std::map<std::string, bool> is_input_;
    HostBuffer workspace_;
    BindingsPtr bindings_;
};

}  // namespace scandium::test

#include "support/hosted_plan.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>

namespace scandium::test {
namespace {

void add_tensors(const SsdCase& c, const std::string& prefix, Graph* graph, SsdScan* op, HostedPlan* out) {
    for (auto [name, tensor] : place_tensors(c)) {
        TensorId& id = member(*op, name);
        if (id != kNoTensor) continue;
        tensor.name = prefix + name;
        id = out->ids[tensor.name] = add_tensor(graph, tensor.desc());
        out->tensors[tensor.name] = tensor;
    }
}

void make_plan(const Graph* graph, HostedPlan* out) {
    Plan* plan = nullptr;
    REQUIRE(create_plan(graph, PlanOptions(), &plan) == Result::ok);
    out->plan.reset(plan);
}

GraphPtr make_graph(const Device* device, MemoryAccess access) {
    Graph* graph = nullptr;
    REQUIRE(create_graph(device, access, &graph) == Result::ok);
    return GraphPtr(graph);
}

}  // namespace

GraphPtr graph_ssd(const Device* device, const SsdCase& c, HostedPlan* out) {
    GraphPtr graph = make_graph(device, c.access);
    SsdScan op = options_of(c);
    add_tensors(c, "", graph.get(), &op, out);
    REQUIRE(ssd_scan(graph.get(), op) == Result::ok);
    return graph;
}

HostedPlan plan_ssd(const Device* device, const SsdCase& c) {
    HostedPlan out;
    const GraphPtr graph = graph_ssd(device, c, &out);
    make_plan(graph.get(), &out);
    return out;
}

HostedPlan plan_chain(const Device* device, const SsdCase& first, const SsdCase& second) {
    HostedPlan out;
    const GraphPtr graph = make_graph(device, first.access);
    PlacedTensor between = place_tensors(first).at("y");
    between.name = "between";
    out.between = add_transient(graph.get(), between.desc());
    SsdScan op = options_of(first);
    op.y = out.between;
    add_tensors(first, "1.", graph.get(), &op, &out);
    REQUIRE(ssd_scan(graph.get(), op) == Result::ok);
    op = options_of(second);
    op.x = out.between;
    add_tensors(second, "2.", graph.get(), &op, &out);
    REQUIRE(ssd_scan(graph.get(), op) == Result::ok);
    make_plan(graph.get(), &out);
    return out;
}

Values values_of(const SsdCase& c, const SsdInputs& in, const std::string& prefix) {
    Values values;
    for (const auto& [name, tensor] : place_tensors(c))
        if (!is_output(name)) values[prefix + name] = values_of(in, name);
    return values;
}

HostedMemory::HostedMemory(VulkanHost& host, const HostedPlan& plan, const Values& inputs) : plan_(plan) {
    std::vector<Binding> list;
    for (const auto& [name, tensor] : plan.tensors) {
        const HostBuffer& buffer = buffers_[name] = host.make_buffer(tensor.bytes(), buffer_usage(plan.get()));
        list.push_back({plan.ids.at(name), buffer.view()});
        const auto values = inputs.find(name);
        is_input_[name] = values != inputs.end();
        if (is_input_[name]) encode(tensor, values->second, buffer.data);
    }
    const WorkspaceInfo info = workspace_info(plan.get());
    if (info.size != 0) workspace_ = host.make_buffer(info.size, info.usage);
    poison();
    Bindings* bindings = nullptr;
    REQUIRE(create_bindings(plan.get(), Span<Binding>(list.data(), list.size()), workspace_.view(), &bindings) == Result::ok);
    bindings_.reset(bindings);
}

std::vector<float> HostedMemory::read(const std::string& tensor) const {
    return decode(plan_.tensors.at(tensor), buffers_.at(tensor).data);
}

void HostedMemory::poison() {
    for (const auto& [name, buffer] : buffers_)
        if (!is_input_.at(name)) std::memset(buffer.data, 0xff, buffer.size);
    if (workspace_.size) std::memset(workspace_.data, 0xff, workspace_.size);
}

}  // namespace scandium::test

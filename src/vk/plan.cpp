// Plans: creation, and what can be asked of one.
#include <cstdio>
#include <new>

#include "vk/plan_vk.h"

namespace scandium {
namespace {

Result create_set_layout(Plan* plan) {
    const DeviceVk& device = *plan->device;
    VkDescriptorSetLayoutBinding binding{};
    binding.binding = 0;
    binding.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    binding.descriptorCount = kDescriptorSlots;
    binding.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    VkDescriptorSetLayoutCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
    info.bindingCount = 1;
    info.pBindings = &binding;
    const VkResult vk = device.api.CreateDescriptorSetLayout(device.handle, &info, device.allocation_callbacks, &plan->set_layout);
    return vk == VK_SUCCESS ? Result::ok : device.diagnostics.fail_vk(vk, "vkCreateDescriptorSetLayout");
}

Result create_layout(Plan* plan) {
    const DeviceVk& device = *plan->device;
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushConstantBytes};
    VkPipelineLayoutCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
    info.setLayoutCount = plan->set_layout ? 1 : 0;
    info.pSetLayouts = &plan->set_layout;
    info.pushConstantRangeCount = 1;
    info.pPushConstantRanges = &range;
    const VkResult vk = device.api.CreatePipelineLayout(device.handle, &info, device.allocation_callbacks, &plan->layout);
    return vk == VK_SUCCESS ? Result::ok : device.diagnostics.fail_vk(vk, "vkCreatePipelineLayout");
}

Result fill(const Graph& graph, const PlanOptions& options, Plan* plan) {
    const DeviceVk& device = *plan->device;
    if (Result result = make_schedule(graph, options.alias_workspace, &plan->schedule); result != Result::ok) return result;
    plan->has_statistics = options.capture_statistics && device.caps.features.pipeline_executable_info;
    if (plan->uses_descriptors())
        if (Result result = create_set_layout(plan); result != Result::ok) return result;
    if (Result result = create_layout(plan); result != Result::ok) return result;
    return create_pipelines(plan);
}

const Dispatch& dispatch_at(const Plan* plan, uint32_t index) { return plan->schedule.dispatches[index].dispatch; }

void describe_tensor(const Plan& plan, const Argument& argument, DispatchInfo* out) {
    const View& view = argument.view;
    if (view.tensor == kNoTensor) return;
    const Tensor& tensor = plan.schedule.tensors[view.tensor];
    auto& entry = out->tensors[out->tensor_count++];
    entry.tensor = view.tensor < plan.schedule.graph_tensor_count ? view.tensor : kNoTensor;
    entry.name = tensor.name;
    entry.offset = view.offset * size_of(view.dtype);
    entry.bytes = view.bytes();
    entry.reads = reads(argument.access);
    entry.writes = writes(argument.access);
    entry.in_workspace = tensor.transient;
    entry.workspace_offset = tensor.transient ? plan.schedule.workspace_offset[view.tensor] + entry.offset : 0;
}

double to_number(const VkPipelineExecutableStatisticKHR& statistic) {
    switch (statistic.format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: return statistic.value.b32 ? 1 : 0;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: return double(statistic.value.i64);
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: return double(statistic.value.u64);
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR: return statistic.value.f64;
    default: return 0;
    }
}

// `prefix`: the executable's name where a pipeline has several, as Intel's have for each width; else null.
Result report_executable(const DeviceVk& device, VkPipeline pipeline, uint32_t index, const char* prefix, StatisticCallback each,
                         void* user) {
    VkPipelineExecutableInfoKHR info{};
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR;
    info.pipeline = pipeline;
    info.executableIndex = index;
    uint32_t count = 0;
    VkResult vk = device.api.GetPipelineExecutableStatisticsKHR(device.handle, &info, &count, nullptr);
    if (vk != VK_SUCCESS) return device.diagnostics.fail_vk(vk, "vkGetPipelineExecutableStatisticsKHR");
    VkPipelineExecutableStatisticKHR empty{};
    empty.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    Array<VkPipelineExecutableStatisticKHR> statistics;
    if (!statistics.resize(count, empty))
        return device.diagnostics.fail(Result::out_of_host_memory, "pipeline_statistics: out of host memory");
    vk = device.api.GetPipelineExecutableStatisticsKHR(device.handle, &info, &count, statistics.data());
    if (vk < VK_SUCCESS) return device.diagnostics.fail_vk(vk, "vkGetPipelineExecutableStatisticsKHR");
    for (uint32_t i = 0; i < count; ++i) {
        char name[2 * VK_MAX_DESCRIPTION_SIZE + 2];
        std::snprintf(name, sizeof name, "%s%s%s", prefix ? prefix : "", prefix ? ": " : "", statistics[i].name);
        each(user, name, to_number(statistics[i]));
    }
    return Result::ok;
}

Result report_pipeline(const DeviceVk& device, VkPipeline pipeline, StatisticCallback each, void* user) {
    VkPipelineInfoKHR info{};
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR;
    info.pipeline = pipeline;
    uint32_t count = 0;
    VkResult vk = device.api.GetPipelineExecutablePropertiesKHR(device.handle, &info, &count, nullptr);
    if (vk != VK_SUCCESS) return device.diagnostics.fail_vk(vk, "vkGetPipelineExecutablePropertiesKHR");
    VkPipelineExecutablePropertiesKHR empty{};
    empty.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR;
    Array<VkPipelineExecutablePropertiesKHR> executables;
    if (!executables.resize(count, empty))
        return device.diagnostics.fail(Result::out_of_host_memory, "pipeline_statistics: out of host memory");
    vk = device.api.GetPipelineExecutablePropertiesKHR(device.handle, &info, &count, executables.data());
    if (vk < VK_SUCCESS) return device.diagnostics.fail_vk(vk, "vkGetPipelineExecutablePropertiesKHR");
    for (uint32_t i = 0; i < count; ++i) {
        const Result result = report_executable(device, pipeline, i, count > 1 ? executables[i].name : nullptr, each, user);
        if (result != Result::ok) return result;
    }
    return Result::ok;
}

}  // namespace

Result create_plan(const Graph* graph, const PlanOptions& options, Plan** out) noexcept {
    if (!graph) return Result::invalid_argument;
    if (!out) return graph->diagnostics().fail(Result::invalid_argument, "create_plan: out is null");
    *out = nullptr;
    Plan* plan = new (std::nothrow) Plan;
    if (!plan) return graph->diagnostics().fail(Result::out_of_host_memory, "create_plan: out of host memory");
    plan->device = &as_vk(graph->device);
    if (Result result = fill(*graph, options, plan); result != Result::ok) {
        destroy_plan(plan);
        return result;
    }
    *out = plan;
    return Result::ok;
}

void destroy_plan(Plan* plan) noexcept {
    if (!plan) return;
    const DeviceVk& device = *plan->device;
    for (const PlannedPipeline& pipeline : plan->pipelines)
        device.api.DestroyPipeline(device.handle, pipeline.handle, device.allocation_callbacks);
    device.api.DestroyPipelineLayout(device.handle, plan->layout, device.allocation_callbacks);
    device.api.DestroyDescriptorSetLayout(device.handle, plan->set_layout, device.allocation_callbacks);
    delete plan;
}

WorkspaceInfo workspace_info(const Plan* plan) noexcept {
    WorkspaceInfo info;
    if (!plan) return info;
    info.size = plan->schedule.workspace_size;
    info.alignment = plan->schedule.workspace_alignment;
    info.usage = buffer_usage(plan);
    return info;
}

VkBufferUsageFlags buffer_usage(const Plan* plan) noexcept {
    if (!plan) return 0;
    VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    if (!plan->uses_descriptors()) usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    return usage;
}

SyncInfo sync_info(const Plan*) noexcept {
    SyncInfo info;
    info.first_stage = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    info.first_access = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    info.last_stage = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    info.last_access = VK_ACCESS_SHADER_WRITE_BIT;
    return info;
}

uint32_t dispatch_count(const Plan* plan) noexcept { return plan ? uint32_t(plan->schedule.dispatches.size()) : 0; }

Result describe(const Plan* plan, uint32_t index, DispatchInfo* out) noexcept {
    if (!plan) return Result::invalid_argument;
    if (!out) return plan->device->diagnostics.fail(Result::invalid_argument, "describe: out is null");
    if (index >= dispatch_count(plan))
        return plan->device->diagnostics.fail(Result::invalid_argument, "describe: index %u, but the plan has %u dispatches", index,
                                              dispatch_count(plan));
    const Dispatch& dispatch = dispatch_at(plan, index);
    const PlannedPipeline& pipeline = plan->pipeline(index);
    *out = DispatchInfo();
    out->name = dispatch.name;
    out->kernel = pipeline.code->name;
    out->reason = dispatch.reason;
    out->variant = dispatch.variant;
    std::memcpy(out->groups, dispatch.groups, sizeof out->groups);
    out->local_size = dispatch.local_size;
    out->subgroup_size = dispatch.subgroup_size;
    out->shared_memory = dispatch.shared_memory;
    out->barrier_before = plan->schedule.dispatches[index].barrier_before;
    for (uint32_t i = 0; i < dispatch.argument_count; ++i) describe_tensor(*plan, dispatch.arguments[i], out);
    out->pipeline = pipeline.handle;
    return Result::ok;
}

Result pipeline_statistics(const Plan* plan, uint32_t dispatch, StatisticCallback each, void* user) noexcept {
    if (!plan) return Result::invalid_argument;
    const DeviceVk& device = *plan->device;
    if (!each) return device.diagnostics.fail(Result::invalid_argument, "pipeline_statistics: each is null");
    if (dispatch >= dispatch_count(plan))
        return device.diagnostics.fail(Result::invalid_argument, "pipeline_statistics: dispatch %u, but the plan has %u", dispatch,
                                       dispatch_count(plan));
    if (!plan->has_statistics)
        return device.diagnostics.fail(
            Result::unsupported, "pipeline_statistics: needs PlanOptions::capture_statistics and the feature pipeline_executable_info");
    return report_pipeline(device, plan->pipeline(dispatch).handle, each, user);
}

}  // namespace scandium

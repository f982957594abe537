// From a dispatch to a VkPipeline.
#include <cstdio>

#include "vk/plan_vk.h"

namespace scandium {
namespace {

constexpr uint32_t kConstantsPerTensor = SPEC_TENSOR_VECTOR + 1;
constexpr uint32_t kMaxConstants = 2 + kMaxSpecConstants + kMaxArguments * kConstantsPerTensor;
static_assert(SPEC_TENSOR_STRIDE + kMaxRank <= SPEC_TENSOR_VECTOR && kConstantsPerTensor <= SPEC_TENSOR_STEP,
              "ids of one tensor must not reach those of the next");

// Everything that a pipeline is made from: dispatches with equal recipes share one.
struct Recipe {
    const KernelCode* code = nullptr;
    uint32_t required_subgroup_size = 0;
    bool full_subgroups = false;
    uint32_t count = 0;
    SpecConstant constants[kMaxConstants];

    void constant(uint32_t id, uint32_t value) { constants[count++] = {id, value}; }
    bool operator==(const Recipe& other) const {
        return code == other.code && required_subgroup_size == other.required_subgroup_size && full_subgroups == other.full_subgroups &&
               count == other.count && std::memcmp(constants, other.constants, count * sizeof constants[0]) == 0;
    }
};

Backend backend_for(const DeviceVk& device, MemoryAccess access) {
    const bool has_16bit = device.caps.features.storage_buffer_16bit;
    if (access == MemoryAccess::address) return has_16bit ? Backend::address16 : Backend::address32;
    return has_16bit ? Backend::descriptor16 : Backend::descriptor32;
}

// A stride that no index is ever multiplied with may be of any size, so it is left out.
uint32_t stride_constant(const View& view, uint32_t axis) {
    if (axis >= view.rank || view.shape[axis] == 1 || view.stride[axis] > UINT32_MAX) return 0;
    return uint32_t(view.stride[axis]);
}

void add_tensor_constants(const Plan& plan, const ScheduledDispatch& scheduled, uint32_t argument, Recipe* recipe) {
    const View& view = scheduled.dispatch.arguments[argument].view;
    const bool present = view.tensor != kNoTensor;
    const uint32_t id = SPEC_TENSOR + argument * SPEC_TENSOR_STEP;
    recipe->constant(id + SPEC_TENSOR_DTYPE, present ? uint32_t(view.dtype) : uint32_t(DTYPE_NONE));
    recipe->constant(id + SPEC_TENSOR_SLOT, scheduled.slot[argument]);
    for (uint32_t axis = 0; axis < kMaxRank; ++axis)
        recipe->constant(id + SPEC_TENSOR_STRIDE + axis, present ? stride_constant(view, axis) : 0);
    recipe->constant(id + SPEC_TENSOR_VECTOR, present ? vector_width(plan.schedule.tensors[view.tensor], view) : 1);
}

Result make_recipe(const Plan& plan, const ScheduledDispatch& scheduled, Recipe* recipe) {
    const DeviceVk& device = *plan.device;
    const Dispatch& dispatch = scheduled.dispatch;
    recipe->code = find_kernel_code(dispatch.kernel, dispatch.flavour, backend_for(device, plan.schedule.access));
    if (!recipe->code)
        return device.diagnostics.fail(Result::unsupported, "%s: this build has no kernel for its %s variant with %s access%s",
                                       dispatch.name, to_string(dispatch.variant), to_string(plan.schedule.access),
                                       device.caps.features.storage_buffer_16bit ? "" : " without storage_buffer_16bit");
    recipe->required_subgroup_size = dispatch.subgroup_size;
    recipe->full_subgroups = dispatch.full_subgroups && device.caps.features.compute_full_subgroups;
    recipe->constant(SPEC_LOCAL_SIZE, dispatch.local_size);
    recipe->constant(SPEC_SUBGROUP_SIZE, dispatch.subgroup_size ? dispatch.subgroup_size : device.caps.subgroup_size);
    for (uint32_t i = 0; i < dispatch.spec_count; ++i) recipe->constant(dispatch.specs[i].id, dispatch.specs[i].value);
    for (uint32_t i = 0; i < kMaxArguments; ++i) add_tensor_constants(plan, scheduled, i, recipe);
    return Result::ok;
}

Result over_limit(const DeviceVk& device, const Dispatch& dispatch, const char* what, uint32_t value, const char* limit_name,
                  uint32_t limit) {
    return device.diagnostics.fail(Result::unsupported, "%s: %s of %u exceeds the device's %s of %u", dispatch.name, what, value,
                                   limit_name, limit);
}

// Drivers do not check these: some crash, some compute something else.
Result check_sizes(const DeviceVk& device, const Dispatch& dispatch) {
    const Caps& caps = device.caps;
    if (dispatch.local_size > caps.max_invocations)
        return over_limit(device, dispatch, "workgroup size", dispatch.local_size, "maxComputeWorkGroupInvocations", caps.max_invocations);
    if (dispatch.local_size > caps.max_workgroup_size_x)
        return over_limit(device, dispatch, "workgroup size", dispatch.local_size, "maxComputeWorkGroupSize[0]", caps.max_workgroup_size_x);
    if (dispatch.shared_memory > caps.shared_memory)
        return over_limit(device, dispatch, "shared memory", dispatch.shared_memory, "maxComputeSharedMemorySize", caps.shared_memory);
    for (int i = 0; i < 3; ++i)
        if (dispatch.groups[i] > caps.max_workgroups[i])
            return over_limit(device, dispatch, "number of workgroups", dispatch.groups[i], "maxComputeWorkGroupCount",
                              caps.max_workgroups[i]);
    return Result::ok;
}

// The subgroup sizes that a pipeline may get are these or fewer. SPIR-V 1.6 lets the driver choose freely.
uint32_t largest_subgroup(const Caps& caps, const Recipe& recipe) {
    constexpr uint32_t kSpirv16 = 0x00010600;
    if (recipe.required_subgroup_size) return recipe.required_subgroup_size;
    return recipe.code->words[1] >= kSpirv16 ? caps.max_subgroup_size : caps.subgroup_size;
}

Result check_subgroups(const DeviceVk& device, const Dispatch& dispatch, const Recipe& recipe) {
    const Caps& caps = device.caps;
    const uint32_t size = recipe.required_subgroup_size;
    if (size && !caps.can_require_subgroup_size)
        return device.diagnostics.fail(Result::unsupported, "%s: requires subgroups of %u, but no size can be required in compute shaders",
                                       dispatch.name, size);
    if (size && (size < caps.min_subgroup_size || size > caps.max_subgroup_size || (size & (size - 1)) != 0))
        return device.diagnostics.fail(Result::unsupported, "%s: requires subgroups of %u, but the device has those of %u to %u",
                                       dispatch.name, size, caps.min_subgroup_size, caps.max_subgroup_size);
    if (size && dispatch.local_size > size * device.limits.max_workgroup_subgroups)
        return over_limit(device, dispatch, "workgroup size", dispatch.local_size, "maxComputeWorkgroupSubgroups times the subgroup size",
                          size * device.limits.max_workgroup_subgroups);
    const uint32_t largest = largest_subgroup(caps, recipe);
    if (recipe.full_subgroups && dispatch.local_size % largest != 0)
        return device.diagnostics.fail(Result::unsupported, "%s: workgroup size %u is not a multiple of the subgroup size %u",
                                       dispatch.name, dispatch.local_size, largest);
    return Result::ok;
}

Result create_module(const DeviceVk& device, const KernelCode& code, VkShaderModule* out) {
    VkShaderModuleCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
    info.codeSize = code.bytes;
    info.pCode = code.words;
    const VkResult vk = device.api.CreateShaderModule(device.handle, &info, device.allocation_callbacks, out);
    return vk == VK_SUCCESS ? Result::ok : device.diagnostics.fail_vk(vk, "vkCreateShaderModule");
}

Result create_from_module(const Plan& plan, const Recipe& recipe, VkShaderModule module, VkPipeline* out) {
    const DeviceVk& device = *plan.device;
    VkSpecializationMapEntry entries[kMaxConstants];
    for (uint32_t i = 0; i < recipe.count; ++i)
        entries[i] = {recipe.constants[i].id, uint32_t(i * sizeof(SpecConstant) + offsetof(SpecConstant, value)), sizeof(uint32_t)};
    const VkSpecializationInfo specialization = {recipe.count, entries, recipe.count * sizeof(SpecConstant), recipe.constants};

    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required{};
    required.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO;
    required.requiredSubgroupSize = recipe.required_subgroup_size;

    VkComputePipelineCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    if (plan.has_statistics) info.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    if (recipe.required_subgroup_size) info.stage.pNext = &required;
    if (recipe.full_subgroups) info.stage.flags |= VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = "main";
    info.stage.pSpecializationInfo = &specialization;
    info.layout = plan.layout;
    const VkResult vk = device.api.CreateComputePipelines(device.handle, device.pipeline_cache, 1, &info, device.allocation_callbacks, out);
    if (vk == VK_SUCCESS) return Result::ok;
    char call[100];
    std::snprintf(call, sizeof call, "vkCreateComputePipelines of %s", recipe.code->name);
    return device.diagnostics.fail_vk(vk, call);
}

Result create_pipeline(const Plan& plan, const Recipe& recipe, VkPipeline* out) {
    const DeviceVk& device = *plan.device;
    VkShaderModule module = VK_NULL_HANDLE;
    if (Result result = create_module(device, *recipe.code, &module); result != Result::ok) return result;
    const Result result = create_from_module(plan, recipe, module, out);
    device.api.DestroyShaderModule(device.handle, module, device.allocation_callbacks);
    return result;
}

uint32_t find(const Array<Recipe>& recipes, const Recipe& recipe) {
    uint32_t index = 0;
    while (index < recipes.size() && !(recipes[index] == recipe)) ++index;
    return index;
}

// The index among the recipes of the one that a dispatch needs, which is appended if it is new.
Result add_recipe(const Plan& plan, const ScheduledDispatch& scheduled, Array<Recipe>* recipes, uint32_t* index) {
    const DeviceVk& device = *plan.device;
    Recipe recipe;
    if (Result result = check_sizes(device, scheduled.dispatch); result != Result::ok) return result;
    if (Result result = make_recipe(plan, scheduled, &recipe); result != Result::ok) return result;
    if (Result result = check_subgroups(device, scheduled.dispatch, recipe); result != Result::ok) return result;
    *index = find(*recipes, recipe);
    if (*index < recipes->size() || recipes->push(recipe)) return Result::ok;
    return device.diagnostics.fail(Result::out_of_host_memory, "create_plan: out of host memory");
}

Result gather_recipes(Plan* plan, Array<Recipe>* recipes) {
    for (const ScheduledDispatch& scheduled : plan->schedule.dispatches) {
        uint32_t index = 0;
        if (Result result = add_recipe(*plan, scheduled, recipes, &index); result != Result::ok) return result;
        if (!plan->pipeline_index.push(index))
            return plan->device->diagnostics.fail(Result::out_of_host_memory, "create_plan: out of host memory");
    }
    return Result::ok;
}

// What the jobs of one plan share. Each touches what has its index only.
struct Making {
    Plan* plan = nullptr;
    Array<Recipe> recipes;
    Array<Result> results;

    Result make(uint32_t index) { return results[index] = create_pipeline(*plan, recipes[index], &plan->pipelines[index].handle); }
};

Result make_in_order(Making* making) {
    for (uint32_t i = 0; i < making->recipes.size(); ++i)
        if (Result result = making->make(i); result != Result::ok) return result;
    return Result::ok;
}

Result make_at_once(const Parallel& parallel, Making* making) {
    const auto job = [](void* data, uint32_t index) { static_cast<void>(static_cast<Making*>(data)->make(index)); };
    parallel.run(parallel.user, uint32_t(making->recipes.size()), job, making);
    for (Result result : making->results)
        if (result != Result::ok) return result;
    return Result::ok;
}

}  // namespace

Result create_pipelines(Plan* plan) {
    const DeviceVk& device = *plan->device;
    Making making;
    making.plan = plan;
    if (Result result = gather_recipes(plan, &making.recipes); result != Result::ok) return result;
    const size_t count = making.recipes.size();
    if (!making.results.resize(count, Result::internal_error) || !plan->pipelines.resize(count))
        return device.diagnostics.fail(Result::out_of_host_memory, "create_plan: out of host memory");
    for (size_t i = 0; i < count; ++i) plan->pipelines[i].code = making.recipes[i].code;
    return device.parallel.run && count > 1 ? make_at_once(device.parallel, &making) : make_in_order(&making);
}

}  // namespace scandium

// A device of one's own: instance, device, one compute queue.
#include <new>

#include "context/context_state.h"
#include "core/features.h"

namespace scandium {
namespace {

// The first family with compute and timestamps, else the first with compute.
Result find_queue_family(Context* context) {
    const Instance& instance = context->instance;
    uint32_t count = 0;
    instance.GetPhysicalDeviceQueueFamilyProperties(context->physical_device, &count, nullptr);
    Array<VkQueueFamilyProperties> families;
    if (!families.resize(count)) return instance.diagnostics.fail(Result::out_of_host_memory, "create_context: out of host memory");
    instance.GetPhysicalDeviceQueueFamilyProperties(context->physical_device, &count, families.data());
    uint32_t found = count;
    for (uint32_t i = 0; i < count; ++i) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
        if (found == count || (families[found].timestampValidBits == 0 && families[i].timestampValidBits != 0)) found = i;
    }
    if (found == count)
        return instance.diagnostics.fail(Result::unsupported, "create_context: the device has no queue family with compute");
    context->queue_family = found;
    context->timestamp_bits = families[found].timestampValidBits;
    return Result::ok;
}

Result create_device(const Features* wanted, Context* context) {
    const Instance& instance = context->instance;
    Requirements requirements;
    if (Result result = query_requirements(instance.GetInstanceProcAddr, instance.handle, context->physical_device, instance.api_version,
                                           &requirements);
        result != Result::ok)
        return instance.diagnostics.fail(result, "create_context: the device could not be queried");
    context->enabled = wanted ? common(requirements.features, *wanted) : requirements.features;
    FeatureChain chain;
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue{};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = context->queue_family;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = fill_feature_chain(context->enabled, &chain);
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.enabledExtensionCount = requirements.extension_count;
    info.ppEnabledExtensionNames = requirements.extensions;
    const VkResult vk = instance.CreateDevice(context->physical_device, &info, nullptr, &context->handle);
    if (vk != VK_SUCCESS) return instance.diagnostics.fail_vk(vk, "vkCreateDevice");
    load_device_table(instance, context->handle, &context->api);
    context->api.vkGetDeviceQueue(context->handle, context->queue_family, 0, &context->queue);
    return Result::ok;
}

Result wrap(const ContextOptions& options, Context* context) {
    const Instance& instance = context->instance;
    VkPhysicalDeviceProperties properties{};
    instance.GetPhysicalDeviceProperties(context->physical_device, &properties);
    Array<uint8_t> kept;
    if (Result result = name_pipeline_file(instance.diagnostics, options.pipeline_cache, properties, &context->pipeline_file);
        result != Result::ok)
        return result;
    if (context->pipeline_file) read_pipeline_file(instance.diagnostics, &context->pipeline_file, &kept);
    DeviceDesc desc;
    desc.instance = instance.handle;
    desc.physical_device = context->physical_device;
    desc.device = context->handle;
    desc.get_instance_proc_addr = instance.GetInstanceProcAddr;
    desc.api_version = instance.api_version;
    desc.enabled = context->enabled;
    desc.parallel = options.parallel;
    desc.keep_pipelines = bool(context->pipeline_file);
    desc.kept_pipelines = {kept.data(), kept.size()};
    desc.diagnostics = instance.diagnostics.callback;
    desc.diagnostics_user = instance.diagnostics.user;
    return wrap_device(desc, &context->device);
}

Result create_allocator(Context* context) {
    const Instance& instance = context->instance;
    VmaVulkanFunctions functions{};
    functions.vkGetInstanceProcAddr = instance.GetInstanceProcAddr;
    functions.vkGetDeviceProcAddr = instance.GetDeviceProcAddr;
    const uint32_t device_version = device_caps(context->device).api_version;
    VmaAllocatorCreateInfo info{};
    if (context->enabled.buffer_device_address) info.flags |= VMA_ALLOCATOR_CREATE_BUFFER_DEVICE_ADDRESS_BIT;
    info.physicalDevice = context->physical_device;
    info.device = context->handle;
    info.instance = instance.handle;
    info.pVulkanFunctions = &functions;
    info.vulkanApiVersion = device_version < instance.api_version ? device_version : instance.api_version;
    const VkResult vk = vmaCreateAllocator(&info, &context->allocator);
    return vk == VK_SUCCESS ? Result::ok : instance.diagnostics.fail_vk(vk, "vmaCreateAllocator");
}

Result create_commands(Context* context) {
    VkCommandPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = context->queue_family;
    VkResult vk = context->api.vkCreateCommandPool(context->handle, &pool, nullptr, &context->command_pool);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkCreateCommandPool");
    VkCommandBufferAllocateInfo allocate{};
    allocate.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocate.commandPool = context->command_pool;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    vk = context->api.vkAllocateCommandBuffers(context->handle, &allocate, &context->commands);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkAllocateCommandBuffers");
    VkFenceCreateInfo fence{};
    fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    vk = context->api.vkCreateFence(context->handle, &fence, nullptr, &context->fence);
    return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkCreateFence");
}

Result fill(const ContextOptions& options, Context* context) {
    if (Result result = create_instance(options.validation, &context->instance); result != Result::ok) return result;
    if (Result result = select_device(context->instance, options.device, &context->physical_device); result != Result::ok) return result;
    if (Result result = find_queue_family(context); result != Result::ok) return result;
    if (Result result = create_device(options.features, context); result != Result::ok) return result;
    if (Result result = wrap(options, context); result != Result::ok) return result;
    if (Result result = create_allocator(context); result != Result::ok) return result;
    return create_commands(context);
}

void keep_pipelines(Context* context) {
    if (!context->device || !context->pipeline_file) return;
    const auto write = [](void* user, Span<uint8_t> bytes) {
        Context* owner = static_cast<Context*>(user);
        write_pipeline_file(owner->diagnostics(), bytes, &owner->pipeline_file);
    };
    // What fails is told, and no reason for anything else to fail.
    static_cast<void>(save_pipelines(context->device, write, context));
}

}  // namespace

Result create_context(const ContextOptions& options, Context** out) noexcept {
    const Diagnostics diagnostics{options.diagnostics, options.diagnostics_user};
    if (!out) return diagnostics.fail(Result::invalid_argument, "create_context: out is null");
    *out = nullptr;
    Context* context = new (std::nothrow) Context;
    if (!context) return diagnostics.fail(Result::out_of_host_memory, "create_context: out of host memory");
    context->instance.diagnostics = diagnostics;
    if (Result result = fill(options, context); result != Result::ok) {
        destroy_context(context);
        return result;
    }
    *out = context;
    return Result::ok;
}

void destroy_context(Context* context) noexcept {
    if (!context) return;
    if (context->handle) {
        const VolkDeviceTable& api = context->api;
        api.vkDeviceWaitIdle(context->handle);
        destroy_staging(context);
        api.vkDestroyFence(context->handle, context->fence, nullptr);
        api.vkDestroyCommandPool(context->handle, context->command_pool, nullptr);
        if (context->allocator) vmaDestroyAllocator(context->allocator);
        keep_pipelines(context);
        destroy_device(context->device);
        api.vkDestroyDevice(context->handle, nullptr);
    }
    destroy_instance(&context->instance);
    delete context;
}

Device* context_device(const Context* context) noexcept { return context ? context->device : nullptr; }

uint32_t validation_message_count(const Context* context) noexcept {
    if (!context) return 0;
    return context->instance.validation_messages;
}

}  // namespace scandium

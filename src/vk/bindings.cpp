// Ties a plan to memory: the push constants and descriptor sets of every dispatch, made once.
#include <new>

#include "vk/plan_vk.h"

namespace scandium {
namespace {

using Number = unsigned long long;  // what %llu takes on every platform

Result out_of_memory(const DeviceVk& device) {
    return device.diagnostics.fail(Result::out_of_host_memory, "create_bindings: out of host memory");
}

// Bytes from the start of its buffer to a view's first element.
uint64_t first_byte(const View& view, const Array<BufferView>& views) {
    return views[view.tensor].offset + view.offset * size_of(view.dtype);
}

void write_header(const Dispatch& dispatch, PushConstants* push) {
    *push = PushConstants();
    std::memcpy(push->words, dispatch.header, sizeof dispatch.header);
    if (dispatch.tokens.count != 0) push->words[HEADER_TOKENS] = uint32_t(dispatch.tokens.count);
}

// The address of every tensor's buffer; 0 for tensors without one.
Result query_addresses(const Plan& plan, const Array<BufferView>& views, Array<VkDeviceAddress>* out) {
    const DeviceVk& device = *plan.device;
    if (!out->resize(views.size(), 0)) return out_of_memory(device);
    for (size_t i = 0; i < views.size(); ++i) {
        if (!views[i].buffer) continue;
        VkBufferDeviceAddressInfo info{};
        info.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
        info.buffer = views[i].buffer;
        (*out)[i] = device.api.GetBufferDeviceAddress(device.handle, &info);
        if ((*out)[i] == 0)
            return device.diagnostics.fail(Result::invalid_argument,
                                           "create_bindings: the buffer of tensor %s has no address; its usage must include "
                                           "VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT",
                                           plan.schedule.tensors[i].name);
        if (((*out)[i] + views[i].offset) % plan.schedule.tensors[i].alignment != 0)
            return device.diagnostics.fail(Result::invalid_argument,
                                           "create_bindings: the address of tensor %s is not a multiple of its alignment %u",
                                           plan.schedule.tensors[i].name, plan.schedule.tensors[i].alignment);
    }
    return Result::ok;
}

Result write_addresses(const Array<BufferView>& views, Bindings* bindings) {
    const Plan& plan = *bindings->plan;
    Array<VkDeviceAddress> addresses;
    if (Result result = query_addresses(plan, views, &addresses); result != Result::ok) return result;
    for (size_t i = 0; i < plan.schedule.dispatches.size(); ++i) {
        const Dispatch& dispatch = plan.schedule.dispatches[i].dispatch;
        uint32_t* words = bindings->push_constants[i].words;
        write_header(dispatch, &bindings->push_constants[i]);
        for (uint32_t a = 0; a < dispatch.argument_count; ++a) {
            const View& view = dispatch.arguments[a].view;
            if (view.tensor == kNoTensor) continue;
            const VkDeviceAddress address = addresses[view.tensor] + first_byte(view, views);
            words[kHeaderWords + 2 * a] = uint32_t(address);
            words[kHeaderWords + 2 * a + 1] = uint32_t(address >> 32);
        }
    }
    return Result::ok;
}

// What one descriptor covers.
struct SlotRange {
    VkBuffer buffer = VK_NULL_HANDLE;
    uint64_t first = 0, end = 0;

    void include(VkBuffer other, uint64_t other_first, uint64_t other_end) {
        if (!buffer || other_first < first) first = other_first;
        if (!buffer || other_end > end) end = other_end;
        buffer = other;
    }
};

Result find_ranges(const Plan& plan, const ScheduledDispatch& scheduled, const Array<BufferView>& views, SlotRange* ranges) {
    const Caps& caps = plan.device->caps;
    // At least that of the widest access, so that an index is as aligned as the memory behind it.
    const uint64_t alignment = caps.storage_offset_alignment > 16 ? caps.storage_offset_alignment : 16;
    const Dispatch& dispatch = scheduled.dispatch;
    for (uint32_t a = 0; a < dispatch.argument_count; ++a) {
        const View& view = dispatch.arguments[a].view;
        if (view.tensor == kNoTensor) continue;
        const uint64_t first = first_byte(view, views);
        const uint64_t end = (first + view.bytes() + 3) & ~uint64_t(3);
        SlotRange& range = ranges[scheduled.slot[a]];
        range.include(views[view.tensor].buffer, first & ~(alignment - 1), end);
        if (range.end - range.first > caps.max_storage_range)
            return plan.device->diagnostics.fail(Result::invalid_argument,
                                                 "create_bindings: %s needs %llu bytes around tensor %s in one descriptor, over "
                                                 "maxStorageBufferRange of %llu",
                                                 dispatch.name, Number(range.end - range.first), plan.schedule.tensors[view.tensor].name,
                                                 Number(caps.max_storage_range));
    }
    return Result::ok;
}

void write_indices(const ScheduledDispatch& scheduled, const Array<BufferView>& views, const SlotRange* ranges, PushConstants* push) {
    const Dispatch& dispatch = scheduled.dispatch;
    write_header(dispatch, push);
    for (uint32_t a = 0; a < dispatch.argument_count; ++a) {
        const View& view = dispatch.arguments[a].view;
        if (view.tensor == kNoTensor) continue;
        push->words[kHeaderWords + a] = uint32_t((first_byte(view, views) - ranges[scheduled.slot[a]].first) / size_of(view.dtype));
    }
}

// Slots without an argument repeat one that has: Vulkan wants every descriptor valid.
void write_set(const DeviceVk& device, const SlotRange* ranges, VkDescriptorSet set) {
    uint32_t valid = 0;
    while (valid < kDescriptorSlots - 1 && !ranges[valid].buffer) ++valid;
    VkDescriptorBufferInfo infos[kDescriptorSlots];
    for (uint32_t i = 0; i < kDescriptorSlots; ++i) {
        const SlotRange& range = ranges[ranges[i].buffer ? i : valid];
        infos[i] = {range.buffer, range.first, range.end - range.first};
    }
    if (!infos[0].buffer) return;
    VkWriteDescriptorSet write{};
    write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    write.dstSet = set;
    write.descriptorCount = kDescriptorSlots;
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = infos;
    device.api.UpdateDescriptorSets(device.handle, 1, &write, 0, nullptr);
}

Result create_sets(Bindings* bindings) {
    const DeviceVk& device = *bindings->plan->device;
    const uint32_t count = dispatch_count(bindings->plan);
    if (count == 0) return Result::ok;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kDescriptorSlots * count};
    VkDescriptorPoolCreateInfo pool{};
    pool.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    pool.maxSets = count;
    pool.poolSizeCount = 1;
    pool.pPoolSizes = &size;
    VkResult vk = device.api.CreateDescriptorPool(device.handle, &pool, device.allocation_callbacks, &bindings->pool);
    if (vk != VK_SUCCESS) return device.diagnostics.fail_vk(vk, "vkCreateDescriptorPool");
    Array<VkDescriptorSetLayout> layouts;
    if (!layouts.resize(count, bindings->plan->set_layout) || !bindings->sets.resize(count, VK_NULL_HANDLE)) return out_of_memory(device);
    VkDescriptorSetAllocateInfo allocate{};
    allocate.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
    allocate.descriptorPool = bindings->pool;
    allocate.descriptorSetCount = count;
    allocate.pSetLayouts = layouts.data();
    vk = device.api.AllocateDescriptorSets(device.handle, &allocate, bindings->sets.data());
    return vk == VK_SUCCESS ? Result::ok : device.diagnostics.fail_vk(vk, "vkAllocateDescriptorSets");
}

Result write_descriptors(const Array<BufferView>& views, Bindings* bindings) {
    const Plan& plan = *bindings->plan;
    if (Result result = create_sets(bindings); result != Result::ok) return result;
    for (size_t i = 0; i < plan.schedule.dispatches.size(); ++i) {
        const ScheduledDispatch& scheduled = plan.schedule.dispatches[i];
        SlotRange ranges[kDescriptorSlots];
        if (Result result = find_ranges(plan, scheduled, views, ranges); result != Result::ok) return result;
        write_indices(scheduled, views, ranges, &bindings->push_constants[i]);
        write_set(*plan.device, ranges, bindings->sets[i]);
    }
    return Result::ok;
}

Result fill(Span<Binding> tensors, const BufferView& workspace, Bindings* bindings) {
    const Plan& plan = *bindings->plan;
    Array<BufferView> views;
    if (Result result = check_bindings(plan, tensors, workspace, &views); result != Result::ok) return result;
    if (!bindings->push_constants.resize(plan.schedule.dispatches.size())) return out_of_memory(*plan.device);
    return plan.uses_descriptors() ? write_descriptors(views, bindings) : write_addresses(views, bindings);
}

}  // namespace

Result create_bindings(const Plan* plan, Span<Binding> tensors, BufferView workspace, Bindings** out) noexcept {
    if (!plan) return Result::invalid_argument;
    const Diagnostics& diagnostics = plan->device->diagnostics;
    if (!out) return diagnostics.fail(Result::invalid_argument, "create_bindings: out is null");
    *out = nullptr;
    if (!tensors.data && tensors.size) return diagnostics.fail(Result::invalid_argument, "create_bindings: tensors.data is null");
    Bindings* bindings = new (std::nothrow) Bindings;
    if (!bindings) return out_of_memory(*plan->device);
    bindings->plan = plan;
    if (Result result = fill(tensors, workspace, bindings); result != Result::ok) {
        destroy_bindings(bindings);
        return result;
    }
    *out = bindings;
    return Result::ok;
}

const Plan* plan_of(const Bindings* bindings) noexcept { return bindings ? bindings->plan : nullptr; }

void destroy_bindings(Bindings* bindings) noexcept {
    if (!bindings) return;
    const DeviceVk& device = *bindings->plan->device;
    device.api.DestroyDescriptorPool(device.handle, bindings->pool, device.allocation_callbacks);
    delete bindings;
}

}  // namespace scandium

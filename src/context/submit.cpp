// Recording, submitting, waiting.
#include "context/context_state.h"
#include "vk/barriers.h"

namespace scandium {
namespace {

constexpr BarrierScope kWrites = {VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                                  VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT};
constexpr BarrierScope kReadsAndWrites = {
    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
    VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT};
constexpr BarrierScope kHostReads = {VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT};

Result fail_and_note_loss(Context* context, VkResult vk, const char* call) {
    if (vk == VK_ERROR_DEVICE_LOST) context->lost = true;
    return context->diagnostics().fail_vk(vk, call);
}

// One timestamp before and one after every dispatch of the last repeat.
struct Timer {
    Context* context = nullptr;
    VkQueryPool pool = VK_NULL_HANDLE;

    ~Timer() {
        if (pool) context->api.vkDestroyQueryPool(context->handle, pool, nullptr);
    }
    Result create(uint32_t count) {
        VkQueryPoolCreateInfo info{};
        info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
        info.queryType = VK_QUERY_TYPE_TIMESTAMP;
        info.queryCount = count;
        const VkResult vk = context->api.vkCreateQueryPool(context->handle, &info, nullptr, &pool);
        return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkCreateQueryPool");
    }
    Result read(uint32_t stages, double* microseconds) {
        Array<uint64_t> ticks;
        if (!ticks.resize(stages + 1)) return context->diagnostics().fail(Result::out_of_host_memory, "run: out of host memory");
        const VkResult vk =
            context->api.vkGetQueryPoolResults(context->handle, pool, 0, stages + 1, ticks.size() * sizeof(uint64_t), ticks.data(),
                                               sizeof(uint64_t), VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
        if (vk != VK_SUCCESS) return fail_and_note_loss(context, vk, "vkGetQueryPoolResults");
        const uint32_t bits = context->timestamp_bits;
        const uint64_t mask = bits < 64 ? (uint64_t(1) << bits) - 1 : ~uint64_t(0);
        const double period = double(device_caps(context->device).timestamp_period);
        for (uint32_t i = 0; i < stages; ++i) microseconds[i] = double((ticks[i + 1] - ticks[i]) & mask) * period / 1000.0;
        return Result::ok;
    }
};

bool has_timestamps(const Context* context) { return context->timestamp_bits != 0 && device_caps(context->device).timestamp_period > 0.0f; }

void record_repeats(Context* context, const Plan* plan, const Bindings* bindings, const RunOptions& options, VkQueryPool timestamps) {
    RecordOptions record_options;
    record_options.seqlen = options.seqlen;
    for (uint32_t i = 0; i < options.repeat; ++i) {
        if (i != 0) barrier_compute_to_compute(context->api.vkCmdPipelineBarrier, context->commands);
        if (i + 1 == options.repeat) record_options.timestamps = timestamps;
        record(context->commands, plan, bindings, record_options);
    }
}

}  // namespace

Result begin_commands(Context* context) {
    if (context->lost) return context->diagnostics().fail(Result::device_lost, "the device was lost before");
    VkCommandBufferBeginInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    const VkResult vk = context->api.vkBeginCommandBuffer(context->commands, &info);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkBeginCommandBuffer");
    memory_barrier(context->api.vkCmdPipelineBarrier, context->commands, kWrites, kReadsAndWrites);
    return Result::ok;
}

Result submit_and_wait(Context* context) {
    const VolkDeviceTable& api = context->api;
    memory_barrier(api.vkCmdPipelineBarrier, context->commands, kWrites, kHostReads);
    VkResult vk = api.vkEndCommandBuffer(context->commands);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkEndCommandBuffer");
    VkSubmitInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.commandBufferCount = 1;
    info.pCommandBuffers = &context->commands;
    vk = api.vkQueueSubmit(context->queue, 1, &info, context->fence);
    if (vk != VK_SUCCESS) return fail_and_note_loss(context, vk, "vkQueueSubmit");
    vk = api.vkWaitForFences(context->handle, 1, &context->fence, VK_TRUE, UINT64_MAX);
    if (vk != VK_SUCCESS) return fail_and_note_loss(context, vk, "vkWaitForFences");
    vk = api.vkResetFences(context->handle, 1, &context->fence);
    return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkResetFences");
}

Result run(Context* context, const Plan* plan, const Bindings* bindings, const RunOptions& options) noexcept {
    if (!context) return Result::invalid_argument;
    if (!plan || !bindings) return context->diagnostics().fail(Result::invalid_argument, "run: %s is null", plan ? "bindings" : "plan");
    if (plan_of(bindings) != plan) return context->diagnostics().fail(Result::invalid_argument, "run: the bindings are of another plan");
    if (options.repeat == 0) return context->diagnostics().fail(Result::invalid_argument, "run: RunOptions::repeat is 0");
    const uint32_t stages = dispatch_count(plan);
    const bool timed = options.stage_us && has_timestamps(context);
    if (options.stage_us && !timed)
        for (uint32_t i = 0; i < stages; ++i) options.stage_us[i] = -1.0;
    Timer timer{context};
    if (timed)
        if (Result result = timer.create(stages + 1); result != Result::ok) return result;
    if (Result result = begin_commands(context); result != Result::ok) return result;
    if (timed) context->api.vkCmdResetQueryPool(context->commands, timer.pool, 0, stages + 1);
    record_repeats(context, plan, bindings, options, timer.pool);
    if (Result result = submit_and_wait(context); result != Result::ok) return result;
    return timed ? timer.read(stages, options.stage_us) : Result::ok;
}

}  // namespace scandium

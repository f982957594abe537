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

// Timestamps: one before and one after every dispatch of the last repeat, then one before and one after all repeats.
struct Timer {
    Context* context = nullptr;
    uint32_t stages = 0;
    VkQueryPool pool = VK_NULL_HANDLE;

    ~Timer() {
        if (pool) context->api.vkDestroyQueryPool(context->handle, pool, nullptr);
    }
    uint32_t before_all() const { return stages + 1; }
    uint32_t after_all() const { return stages + 2; }
    uint32_t queries() const { return stages + 3; }

    void write(uint32_t query) {
        if (pool) context->api.vkCmdWriteTimestamp(context->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, query);
    }
    Result read_stages(double* us) {
        Array<uint64_t> ticks;
        if (!ticks.resize(stages + 1)) return context->diagnostics().fail(Result::out_of_host_memory, "run: out of host memory");
        if (Result result = read_timestamps(context, pool, 0, stages + 1, ticks.data()); result != Result::ok) return result;
        for (uint32_t i = 0; i < stages; ++i) us[i] = microseconds(context, ticks[i], ticks[i + 1]);
        return Result::ok;
    }
    Result read_total(double* us) {
        uint64_t ticks[2] = {};
        if (Result result = read_timestamps(context, pool, before_all(), 2, ticks); result != Result::ok) return result;
        *us = microseconds(context, ticks[0], ticks[1]);
        return Result::ok;
    }
};

void record_repeats(Context* context, const Plan* plan, Span<const Bindings*> bindings, const RunOptions& options, Timer* timer) {
    RecordOptions record_options;
    record_options.seqlen = options.seqlen;
    if (timer->pool) context->api.vkCmdResetQueryPool(context->commands, timer->pool, 0, timer->queries());
    timer->write(timer->before_all());
    for (uint32_t i = 0; i < options.repeat; ++i) {
        if (i != 0) barrier_compute_to_compute(context->api.vkCmdPipelineBarrier, context->commands);
        if (i + 1 == options.repeat && options.stage_us) record_options.timestamps = timer->pool;
        record(context->commands, plan, bindings.data[i % bindings.size], record_options);
    }
    timer->write(timer->after_all());
}

}  // namespace

bool has_timestamps(const Context* context) { return context->timestamp_bits != 0 && device_caps(context->device).timestamp_period > 0.0f; }

Result make_timestamps(Context* context, uint32_t count, VkQueryPool* pool) {
    VkQueryPoolCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
    info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    info.queryCount = count;
    const VkResult vk = context->api.vkCreateQueryPool(context->handle, &info, nullptr, pool);
    return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkCreateQueryPool");
}

Result read_timestamps(Context* context, VkQueryPool pool, uint32_t first, uint32_t count, uint64_t* ticks) {
    const VkResult vk = context->api.vkGetQueryPoolResults(context->handle, pool, first, count, count * sizeof(uint64_t), ticks,
                                                           sizeof(uint64_t), VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    return vk == VK_SUCCESS ? Result::ok : fail_and_note_loss(context, vk, "vkGetQueryPoolResults");
}

double microseconds(const Context* context, uint64_t before, uint64_t after) {
    const uint32_t bits = context->timestamp_bits;
    const uint64_t mask = bits < 64 ? (uint64_t(1) << bits) - 1 : ~uint64_t(0);
    return double((after - before) & mask) * double(device_caps(context->device).timestamp_period) / 1000.0;
}

Result begin(Context* context, VkCommandBuffer commands, VkCommandBufferUsageFlags usage) {
    if (context->lost) return context->diagnostics().fail(Result::device_lost, "the device was lost before");
    VkCommandBufferBeginInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    info.flags = usage;
    const VkResult vk = context->api.vkBeginCommandBuffer(commands, &info);
    if (vk != VK_SUCCESS) return context->diagnostics().fail_vk(vk, "vkBeginCommandBuffer");
    memory_barrier(context->api.vkCmdPipelineBarrier, commands, kWrites, kReadsAndWrites);
    return Result::ok;
}

Result end(Context* context, VkCommandBuffer commands) {
    memory_barrier(context->api.vkCmdPipelineBarrier, commands, kWrites, kHostReads);
    const VkResult vk = context->api.vkEndCommandBuffer(commands);
    return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkEndCommandBuffer");
}

Result submit_and_wait(Context* context, VkCommandBuffer commands) {
    if (context->lost) return context->diagnostics().fail(Result::device_lost, "the device was lost before");
    const VolkDeviceTable& api = context->api;
    VkSubmitInfo info{};
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.commandBufferCount = 1;
    info.pCommandBuffers = &commands;
    VkResult vk = api.vkQueueSubmit(context->queue, 1, &info, context->fence);
    if (vk != VK_SUCCESS) return fail_and_note_loss(context, vk, "vkQueueSubmit");
    vk = api.vkWaitForFences(context->handle, 1, &context->fence, VK_TRUE, UINT64_MAX);
    if (vk != VK_SUCCESS) return fail_and_note_loss(context, vk, "vkWaitForFences");
    vk = api.vkResetFences(context->handle, 1, &context->fence);
    return vk == VK_SUCCESS ? Result::ok : context->diagnostics().fail_vk(vk, "vkResetFences");
}

Result begin_commands(Context* context) { return begin(context, context->commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT); }

Result submit_and_wait(Context* context) {
    if (Result result = end(context, context->commands); result != Result::ok) return result;
    return submit_and_wait(context, context->commands);
}

void order_writes(Context* context, VkCommandBuffer commands) {
    memory_barrier(context->api.vkCmdPipelineBarrier, commands, kWrites, kReadsAndWrites);
}

Result run(Context* context, const Plan* plan, const Bindings* bindings, const RunOptions& options) noexcept {
    return run(context, plan, Span<const Bindings*>(&bindings, 1), options);
}

Result run(Context* context, const Plan* plan, Span<const Bindings*> bindings, const RunOptions& options) noexcept {
    if (!context) return Result::invalid_argument;
    const Diagnostics& diagnostics = context->diagnostics();
    if (!plan) return diagnostics.fail(Result::invalid_argument, "run: plan is null");
    if (bindings.size == 0) return diagnostics.fail(Result::invalid_argument, "run: there are no bindings");
    for (size_t i = 0; i < bindings.size; ++i) {
        if (!bindings.data[i]) return diagnostics.fail(Result::invalid_argument, "run: bindings is null");
        if (plan_of(bindings.data[i]) != plan) return diagnostics.fail(Result::invalid_argument, "run: the bindings are of another plan");
    }
    if (options.repeat == 0) return diagnostics.fail(Result::invalid_argument, "run: RunOptions::repeat is 0");
    Timer timer{context, dispatch_count(plan)};
    if (has_timestamps(context)) {
        if (options.stage_us || options.total_us)
            if (Result result = make_timestamps(context, timer.queries(), &timer.pool); result != Result::ok) return result;
    } else {
        for (uint32_t i = 0; options.stage_us && i < timer.stages; ++i) options.stage_us[i] = -1.0;
        if (options.total_us) *options.total_us = -1.0;
    }
    if (Result result = begin_commands(context); result != Result::ok) return result;
    record_repeats(context, plan, bindings, options, &timer);
    if (Result result = submit_and_wait(context); result != Result::ok) return result;
    if (!timer.pool) return Result::ok;
    if (options.stage_us)
        if (Result result = timer.read_stages(options.stage_us); result != Result::ok) return result;
    return options.total_us ? timer.read_total(options.total_us) : Result::ok;
}

}  // namespace scandium

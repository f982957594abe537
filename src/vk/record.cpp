// Records a plan. Everything was decided before, so nothing here can fail.
#include "vk/barriers.h"
#include "vk/plan_vk.h"

namespace scandium {
namespace {

// The grid and header of a dispatch when only the first `seqlen` tokens are there.
void shrink(const Dispatch& dispatch, uint64_t seqlen, PushConstants* push, uint32_t* groups) {
    const TokenRange& tokens = dispatch.tokens;
    if (tokens.count == 0) return;
    uint64_t valid = seqlen > tokens.first ? seqlen - tokens.first : 0;
    if (valid > tokens.count) valid = tokens.count;
    push->words[HEADER_TOKENS] = uint32_t(valid);
    if (tokens.axis < 3) groups[tokens.axis] = uint32_t((valid + tokens.per_group - 1) / tokens.per_group);
}

class Recorder {
public:
    Recorder(VkCommandBuffer commands, const Plan& plan, const Bindings& bindings, const RecordOptions& options)
        : commands_(commands),
          plan_(plan),
          bindings_(bindings),
          options_(options),
          api_(plan.device->api),
          labels_(options.labels && api_.CmdBeginDebugUtilsLabelEXT && api_.CmdEndDebugUtilsLabelEXT) {}

    void run() {
        timestamp(VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT);
        for (size_t i = 0; i < plan_.schedule.dispatches.size(); ++i) {
            // Kept where the dispatch is skipped: later ones may rely on it for what came before.
            if (plan_.schedule.dispatches[i].barrier_before) barrier_compute_to_compute(api_.CmdPipelineBarrier, commands_);
            dispatch(i);
            timestamp(VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT);
        }
    }

    void dispatch(size_t index) {
        const Dispatch& dispatch = plan_.schedule.dispatches[index].dispatch;
        PushConstants push = bindings_.push_constants[index];
        uint32_t groups[3] = {dispatch.groups[0], dispatch.groups[1], dispatch.groups[2]};
        if (options_.seqlen) shrink(dispatch, options_.seqlen, &push, groups);
        if (groups[0] == 0 || groups[1] == 0 || groups[2] == 0) return;
        begin_label(dispatch.name);
        bind_pipeline(plan_.pipeline(index).handle);
        if (plan_.uses_descriptors())
            api_.CmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, plan_.layout, 0, 1, &bindings_.sets[index], 0, nullptr);
        api_.CmdPushConstants(commands_, plan_.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushConstantBytes, push.words);
        api_.CmdDispatch(commands_, groups[0], groups[1], groups[2]);
        if (labels_) api_.CmdEndDebugUtilsLabelEXT(commands_);
    }

private:
    void bind_pipeline(VkPipeline pipeline) {
        if (pipeline == bound_) return;
        api_.CmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        bound_ = pipeline;
    }

    void timestamp(VkPipelineStageFlagBits stage) {
        if (options_.timestamps) api_.CmdWriteTimestamp(commands_, stage, options_.timestamps, next_query_++);
    }

    void begin_label(const char* name) {
        if (!labels_) return;
        VkDebugUtilsLabelEXT label{};
        label.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT;
        label.pLabelName = name;
        api_.CmdBeginDebugUtilsLabelEXT(commands_, &label);
    }

    VkCommandBuffer commands_;
    const Plan& plan_;
    const Bindings& bindings_;
    const RecordOptions& options_;
    const DeviceApi& api_;
    const bool labels_;
    uint32_t next_query_ = options_.first_query;
    VkPipeline bound_ = VK_NULL_HANDLE;
};

bool is_of(const Plan& plan, const Bindings& bindings, const char* call) {
    if (plan_of(&bindings) == &plan) return true;
    (void)plan.device->diagnostics.fail(Result::invalid_argument, "%s: the bindings are of another plan", call);
    return false;
}

}  // namespace

void record(VkCommandBuffer commands, const Plan* plan, const Bindings* bindings, const RecordOptions& options) noexcept {
    if (is_of(*plan, *bindings, "record")) Recorder(commands, *plan, *bindings, options).run();
}

void record_dispatch(VkCommandBuffer commands, const Plan* plan, const Bindings* bindings, uint32_t index,
                     const RecordOptions& options) noexcept {
    if (!is_of(*plan, *bindings, "record_dispatch")) return;
    if (index >= dispatch_count(plan))
        (void)plan->device->diagnostics.fail(Result::invalid_argument, "record_dispatch: index %u, but the plan has %u dispatches", index,
                                             dispatch_count(plan));
    else
        Recorder(commands, *plan, *bindings, options).dispatch(index);
}

}  // namespace scandium

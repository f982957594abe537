// Scandium: a graph made ready to run: pipelines, workspace layout, barriers.
//
// Plan creation is where everything is checked and everything that can fail fails. Recording cannot:
// it allocates nothing, submits nothing, takes no lock, and may happen every frame and from several
// threads, each with its own command buffer.
#pragma once

#include "scandium/graph.h"

namespace scandium {

struct Plan;
struct Bindings;

struct PlanOptions {
    bool alias_workspace = true;      // let transient tensors whose lifetimes do not meet share memory
    bool capture_statistics = false;  // for pipeline_statistics(); needs pipeline_executable_info
};

// Makes pipelines and lays out the workspace. The graph may be destroyed afterwards.
//   Shapes, strides and types are specialization constants: a plan of other ones compiles pipelines of its own, which takes
//   far longer than to run them. Keep plans, and give the device a VkPipelineCache that is stored between runs
//   (DeviceDesc::pipeline_cache or keep_pipelines): pipelines that it holds cost next to nothing, unless the driver ignores
//   caches (lavapipe does). With DeviceDesc::parallel a plan's pipelines are made several at once.
//   May run on a loading thread. Errors: the graph's own first failure, invalid_argument, unsupported,
//   out_of_host_memory, out_of_device_memory, internal_error.
[[nodiscard]] SCANDIUM_API Result create_plan(const Graph* graph, const PlanOptions& options, Plan** out) noexcept;

// No command buffer that it was recorded into may be pending. Bindings must be gone before. Null is ignored.
SCANDIUM_API void destroy_plan(Plan* plan) noexcept;

// The scratch memory a plan needs while it runs. Its contents need not survive between runs; plans that
// never run at the same time may share it.
struct WorkspaceInfo {
    VkDeviceSize size = 0;       // bytes; 0: none needed
    VkDeviceSize alignment = 4;  // of BufferView::offset, bytes
    VkBufferUsageFlags usage = 0;
};
SCANDIUM_API WorkspaceInfo workspace_info(const Plan* plan) noexcept;

// The usage that the buffers of bound tensors need.
SCANDIUM_API VkBufferUsageFlags buffer_usage(const Plan* plan) noexcept;

// What the host must synchronize with. Before: make the inputs (and the workspace's last use) available
// to first_stage/first_access. After: wait on last_stage/last_access before reading outputs.
struct SyncInfo {
    VkPipelineStageFlags first_stage = 0;
    VkAccessFlags first_access = 0;
    VkPipelineStageFlags last_stage = 0;
    VkAccessFlags last_access = 0;
};
SCANDIUM_API SyncInfo sync_info(const Plan* plan) noexcept;

// One dispatch, for logs and for engines with a graph of their own, which record it with record_dispatch(). An engine
// that places barriers itself must know that transient tensors may share memory: two conflict where their ranges of the
// workspace meet.
struct DispatchInfo {
    const char* name = "";    // of the operator's stage, as in ssd_chunk_scan
    const char* kernel = "";  // of the SPIR-V module, as in ssd_chunk_scan_coopmat_f16_address16
    const char* reason = "";  // why this variant and not a faster one
    Variant variant = Variant::automatic;
    uint32_t groups[3] = {};
    uint32_t local_size = 0;
    uint32_t subgroup_size = 0;   // required size; 0: the driver's choice
    uint32_t shared_memory = 0;   // bytes
    bool barrier_before = false;  // a compute-to-compute memory barrier precedes it
    uint32_t tensor_count = 0;
    struct {
        TensorId tensor;  // kNoTensor: one that the planner added
        const char* name;
        VkDeviceSize offset;  // of the part that this dispatch reaches, from the tensor's first byte
        VkDeviceSize bytes;   // of that part
        bool reads, writes;
        bool in_workspace;
        VkDeviceSize workspace_offset;  // of that part, from the workspace's first byte
    } tensors[14] = {};
    VkPipeline pipeline = VK_NULL_HANDLE;
};
SCANDIUM_API uint32_t dispatch_count(const Plan* plan) noexcept;
//   Errors: invalid_argument (index out of range).
[[nodiscard]] SCANDIUM_API Result describe(const Plan* plan, uint32_t index, DispatchInfo* out) noexcept;

// Calls `each` for every figure that the driver reports for a dispatch's pipeline (registers, spills...).
//   Errors: unsupported (the plan was not made with capture_statistics, or the device lacks it).
using StatisticCallback = void (*)(void* user, const char* name, double value);
[[nodiscard]] SCANDIUM_API Result pipeline_statistics(const Plan* plan, uint32_t dispatch, StatisticCallback each, void* user) noexcept;

struct Binding {
    TensorId tensor = kNoTensor;
    BufferView view;
};

// Ties a plan to memory. Every external tensor needs a binding; views may not overlap where one of the
// two is written, unless the operator's documentation allows it. One Bindings serves any number of
// command buffers, as long as the buffers live.
//   Errors: invalid_argument (tensor missing or unknown, view too small or misaligned, workspace too small,
//   overlap), out_of_host_memory, out_of_device_memory.
[[nodiscard]] SCANDIUM_API Result create_bindings(const Plan* plan, Span<Binding> tensors, BufferView workspace, Bindings** out) noexcept;

// The plan that it was made of.
SCANDIUM_API const Plan* plan_of(const Bindings* bindings) noexcept;

// No command buffer that used it may be pending. Null is ignored.
SCANDIUM_API void destroy_bindings(Bindings* bindings) noexcept;

struct RecordOptions {
    uint64_t seqlen = 0;                      // tokens to process, at most as planned; 0: as planned
    VkQueryPool timestamps = VK_NULL_HANDLE;  // if set, dispatch_count + 1 timestamps are written, reset by the host
    uint32_t first_query = 0;
    bool labels = false;  // VK_EXT_debug_utils labels, one around each dispatch
};

// Records the plan. Leaves the compute pipeline, descriptor set 0 and push constants changed. The command
// buffer must be recording, outside a render pass, on a queue family with compute. With bindings of another plan nothing
// is recorded, and the diagnostics callback told.
SCANDIUM_API void record(VkCommandBuffer commands, const Plan* plan, const Bindings* bindings,
                         const RecordOptions& options = RecordOptions()) noexcept;

// Records one dispatch, without the barrier that describe() may tell of: that is the caller's, and needed even before a
// dispatch of which nothing is recorded, because options.seqlen leaves it no groups. Writes no timestamps; else as
// record(), which is this for every index in order, with the barriers.
//   index: below dispatch_count(plan), or nothing is recorded, and the diagnostics callback told.
SCANDIUM_API void record_dispatch(VkCommandBuffer commands, const Plan* plan, const Bindings* bindings, uint32_t index,
                                  const RecordOptions& options = RecordOptions()) noexcept;

}  // namespace scandium

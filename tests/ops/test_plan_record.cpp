// Recording: all at once, dispatch by dispatch, from several threads, and what RecordOptions ask for.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <latch>
#include <memory>
#include <thread>

#include "support/compare.h"
#include "support/hosted_plan.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::EndsWith;

SsdCase typical(const SsdPath& path) {
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {2, 70, 2, 24, 1, 40};
    c.chunk_size = 16;
    c.with_everything();
    return c;
}

// Compiling takes most of the time.
std::vector<SsdPath> two_paths() {
    return {{SsdAlgorithm::chunked, Variant::automatic, MemoryAccess::automatic},
            {SsdAlgorithm::recurrent, Variant::scalar, MemoryAccess::descriptor}};
}

DispatchInfo describe_at(const HostedPlan& plan, uint32_t index) {
    DispatchInfo info;
    REQUIRE(describe(plan.get(), index, &info) == Result::ok);
    return info;
}

void full_barrier(const VulkanHost& host, VkCommandBuffer commands) {
    VkMemoryBarrier barrier{};
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = barrier.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT;
    host.api().vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 1, &barrier, 0,
                                    nullptr, 0, nullptr);
}

// As an engine with a graph of its own would.
void record_one_by_one(const VulkanHost& host, VkCommandBuffer commands, const HostedPlan& plan, const Bindings* bindings,
                       const RecordOptions& options) {
    for (uint32_t i = 0; i < dispatch_count(plan.get()); ++i) {
        if (describe_at(plan, i).barrier_before) full_barrier(host, commands);
        record_dispatch(commands, plan.get(), bindings, i, options);
    }
}

std::vector<float> first_tokens(const std::vector<float>& y, const SsdShape& n, uint64_t count) {
    const uint64_t per_token = n.nheads * n.headdim;
    std::vector<float> out;
    for (uint64_t row = 0; row < n.batch; ++row) {
        const auto begin = y.begin() + ptrdiff_t(row * n.seqlen * per_token);
        out.insert(out.end(), begin, begin + ptrdiff_t(count * per_token));
    }
    return out;
}

TEST_CASE("dispatches recorded one by one give what record gives, bit for bit") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    const SsdInputs in = make_inputs(c);
    VulkanHost host;
    const DevicePtr device = host.wrap();
    const HostedPlan plan = plan_ssd(device.get(), c);
    HostedMemory memory(host, plan, values_of(c, in));
    for (const uint64_t seqlen : {0, 70, 19, 1}) {
        c.record_seqlen = seqlen;
        CAPTURE(c.text());
        RecordOptions options;
        options.seqlen = seqlen;
        memory.poison();
        host.run([&](VkCommandBuffer commands) { record(commands, plan.get(), memory.bindings(), options); });
        const std::vector<float> y = memory.read("y"), final_states = memory.read("final_states");
        const SsdOutputs want = expected(c, in);
        CHECK(relative_rms(first_tokens(y, c.shape, seqlen ? seqlen : c.shape.seqlen), want.y) <= c.y_tolerance());
        CHECK(relative_rms(final_states, want.final_states) <= c.state_tolerance());

        memory.poison();
        host.run([&](VkCommandBuffer commands) { record_one_by_one(host, commands, plan, memory.bindings(), options); });
        CHECK(differing_bits(memory.read("y"), y) == 0);
        CHECK(differing_bits(memory.read("final_states"), final_states) == 0);
    }
}

TEST_CASE("of two scans chained through the workspace, the second waits for the first and sees all of it") {
    const SsdPath path = GENERATE(from_range(two_paths()));
    SsdCase first = typical(path);
    SsdCase second = first;
    second.shape.dstate = 16;
    second.z = false;
    const SsdInputs in = make_inputs(first, 1);
    SsdInputs then = make_inputs(second, 2);
    CAPTURE(first.text());

    const SsdRun alone = run_ok(first, in);
    then.x = {alone.y.begin(), alone.y.end()};
    const SsdRun after = run_ok(second, then);

    VulkanHost host;
    const DevicePtr device = host.wrap();
    const HostedPlan plan = plan_chain(device.get(), first, second);
    Values values = values_of(first, in, "1.");
    for (auto& [name, of_second] : values_of(second, then, "2."))
        if (name != "2.x") values[name] = of_second;
    HostedMemory memory(host, plan, values);
    host.run([&](VkCommandBuffer commands) { record(commands, plan.get(), memory.bindings()); });
    CHECK(differing_bits(memory.read("1.final_states"), alone.final_states) == 0);
    CHECK(differing_bits(memory.read("2.y"), after.y) == 0);
    CHECK(differing_bits(memory.read("2.final_states"), after.final_states) == 0);

    bool written = false, barrier_since = false;
    uint32_t reads = 0;
    for (uint32_t i = 0; i < dispatch_count(plan.get()); ++i) {
        const DispatchInfo info = describe_at(plan, i);
        barrier_since = (barrier_since || info.barrier_before) && written;
        for (uint32_t t = 0; t < info.tensor_count; ++t) {
            if (info.tensors[t].tensor != plan.between) continue;
            CHECK(info.tensors[t].in_workspace);
            if (info.tensors[t].writes) {
                CHECK(reads == 0);
                written = true;
            } else {
                CHECK(barrier_since);
                ++reads;
            }
        }
    }
    CHECK(written);
    CHECK(reads > 0);
}

TEST_CASE("threads record one plan at the same time, each into its own command buffer") {
    const SsdPath path = GENERATE(from_range(two_paths()));
    constexpr size_t kThreads = 4;
    constexpr int kTimes = 50;  // enough for the threads to meet
    const SsdCase c = typical(path);
    CAPTURE(c.text());
    VulkanHost host;
    const DevicePtr device = host.wrap();
    const HostedPlan plan = plan_ssd(device.get(), c);
    std::vector<SsdInputs> inputs;
    std::vector<std::unique_ptr<HostedMemory>> memories;
    std::vector<VkCommandBuffer> commands;
    for (size_t i = 0; i < kThreads; ++i) {
        inputs.push_back(make_inputs(c, i + 1));
        memories.push_back(std::make_unique<HostedMemory>(host, plan, values_of(c, inputs.back())));
        commands.push_back(host.make_commands());
    }
    std::latch start(kThreads);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            start.arrive_and_wait();
            for (int n = 0; n < kTimes; ++n) {
                host.begin(commands[i]);
                record(commands[i], plan.get(), memories[i]->bindings());
                host.end(commands[i]);
            }
        });
    for (std::thread& thread : threads) thread.join();
    host.submit(commands);
    for (size_t i = 0; i < kThreads; ++i) {
        const SsdOutputs want = expected(c, inputs[i]);
        CAPTURE(i);
        CHECK(relative_rms(memories[i]->read("y"), want.y) <= c.y_tolerance());
        CHECK(relative_rms(memories[i]->read("final_states"), want.final_states) <= c.state_tolerance());
    }
}

TEST_CASE("one more timestamp than dispatches is written, from first_query on") {
    constexpr uint32_t kBefore = 3, kAfter = 2;
    const SsdCase c = typical(two_paths()[0]);
    VulkanHost host;
    const DevicePtr device = host.wrap();
    const HostedPlan plan = plan_ssd(device.get(), c);
    HostedMemory memory(host, plan, values_of(c, make_inputs(c)));
    const uint32_t written = dispatch_count(plan.get()) + 1, total = kBefore + written + kAfter;
    RecordOptions options;
    options.first_query = kBefore;
    options.timestamps = host.make_timestamps(total);
    if (!options.timestamps) SKIP("the queue has no timestamps");
    host.run([&](VkCommandBuffer commands) {
        host.api().vkCmdResetQueryPool(commands, options.timestamps, 0, total);
        record(commands, plan.get(), memory.bindings(), options);
        record_dispatch(commands, plan.get(), memory.bindings(), 0, options);  // which writes none
    });
    struct Query {
        uint64_t ticks, available;
    };
    std::vector<Query> queries(total);
    const VkResult got =
        host.api().vkGetQueryPoolResults(host.device(), options.timestamps, 0, total, total * sizeof(Query), queries.data(), sizeof(Query),
                                         VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
    CHECK((got == VK_SUCCESS || got == VK_NOT_READY));
    for (uint32_t i = 0; i < total; ++i) {
        CAPTURE(i);
        CHECK((queries[i].available != 0) == (i >= kBefore && i < kBefore + written));
        if (i > kBefore && i < kBefore + written) CHECK(queries[i].ticks >= queries[i - 1].ticks);
    }
}

// What is recorded, told by entry points that do nothing else.
std::vector<std::string> recorded;

VKAPI_ATTR void VKAPI_CALL begin_label(VkCommandBuffer, const VkDebugUtilsLabelEXT* label) {
    recorded.push_back(std::string("begin ") + label->pLabelName);
}
VKAPI_ATTR void VKAPI_CALL end_label(VkCommandBuffer) { recorded.push_back("end"); }
VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer, uint32_t x, uint32_t y, uint32_t z) {
    CHECK(x * y * z != 0);
    recorded.push_back("dispatch");
}
VKAPI_ATTR void VKAPI_CALL barrier(VkCommandBuffer, VkPipelineStageFlags before, VkPipelineStageFlags after, VkDependencyFlags,
                                   uint32_t count, const VkMemoryBarrier* memory, uint32_t, const VkBufferMemoryBarrier*, uint32_t,
                                   const VkImageMemoryBarrier*) {
    // The layers do not see barriers that shaders need, so they would not see one of too little scope.
    CHECK(before == VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT);
    CHECK(after == VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT);
    REQUIRE(count == 1);
    CHECK(memory->srcAccessMask == VK_ACCESS_SHADER_WRITE_BIT);
    CHECK(memory->dstAccessMask == (VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT));
    recorded.push_back("barrier");
}
VKAPI_ATTR void VKAPI_CALL bind_pipeline(VkCommandBuffer, VkPipelineBindPoint, VkPipeline) {}
VKAPI_ATTR void VKAPI_CALL bind_sets(VkCommandBuffer, VkPipelineBindPoint, VkPipelineLayout, uint32_t, uint32_t, const VkDescriptorSet*,
                                     uint32_t, const uint32_t*) {}
VKAPI_ATTR void VKAPI_CALL push_constants(VkCommandBuffer, VkPipelineLayout, VkShaderStageFlags, uint32_t, uint32_t, const void*) {}

struct ToldCommands {
    ReplacedEntryPoint a{"vkCmdDispatch", entry_point(dispatch)}, b{"vkCmdPipelineBarrier", entry_point(barrier)},
        c{"vkCmdBindPipeline", entry_point(bind_pipeline)}, d{"vkCmdBindDescriptorSets", entry_point(bind_sets)},
        e{"vkCmdPushConstants", entry_point(push_constants)};

    ToldCommands() { recorded.clear(); }
};

TEST_CASE("labels stand around each dispatch, if they are asked for and can be had") {
    const SsdPath path = GENERATE(from_range(two_paths()));
    const bool offered = GENERATE(true, false), wanted = GENERATE(true, false);
    const ToldCommands told;
    const ReplacedEntryPoint begin("vkCmdBeginDebugUtilsLabelEXT", offered ? entry_point(begin_label) : nullptr);
    const ReplacedEntryPoint end("vkCmdEndDebugUtilsLabelEXT", offered ? entry_point(end_label) : nullptr);
    const SsdCase c = typical(path);
    CAPTURE(c.text(), offered, wanted);
    VulkanHost host;
    const DevicePtr device = host.wrap();
    const HostedPlan plan = plan_ssd(device.get(), c);
    HostedMemory memory(host, plan, values_of(c, make_inputs(c)));
    RecordOptions options;
    options.labels = wanted;
    record(VK_NULL_HANDLE, plan.get(), memory.bindings(), options);

    std::vector<std::string> all;
    for (uint32_t i = 0; i < dispatch_count(plan.get()); ++i) {
        const DispatchInfo info = describe_at(plan, i);
        std::vector<std::string> one = {"dispatch"};
        if (offered && wanted) one = {std::string("begin ") + info.name, "dispatch", "end"};
        if (info.barrier_before) all.push_back("barrier");
        all.insert(all.end(), one.begin(), one.end());
        std::vector<std::string> before;
        before.swap(recorded);
        record_dispatch(VK_NULL_HANDLE, plan.get(), memory.bindings(), i, options);
        CHECK(recorded == one);
        recorded.swap(before);
    }
    CHECK(recorded == all);
}

constexpr uint32_t kFewGroups = 2;

VKAPI_ATTR void VKAPI_CALL get_properties_with_few_groups(VkPhysicalDevice physical_device, VkPhysicalDeviceProperties2* properties) {
    vkGetPhysicalDeviceProperties2(physical_device, properties);
    properties->properties.limits.maxComputeWorkGroupCount[1] = kFewGroups;
}

// A grid that is cut short leaves dispatches for the later tokens, which do nothing when fewer are recorded.
TEST_CASE("dispatches for tokens that are not there record nothing") {
    const MemoryAccess access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    const ReplacedEntryPoint few("vkGetPhysicalDeviceProperties2", entry_point(get_properties_with_few_groups));
    SsdCase c = typical({SsdAlgorithm::chunked, Variant::scalar, access});
    c.shape.batch = 1;
    c.record_seqlen = 20;
    const SsdInputs in = make_inputs(c);
    RecordOptions options;
    options.seqlen = c.record_seqlen;
    VulkanHost host;
    {
        const DevicePtr device = host.wrap();
        const HostedPlan plan = plan_ssd(device.get(), c);
        HostedMemory memory(host, plan, values_of(c, in));
        host.run([&](VkCommandBuffer commands) { record_one_by_one(host, commands, plan, memory.bindings(), options); });
        const SsdOutputs want = expected(c, in);
        CHECK(relative_rms(first_tokens(memory.read("y"), c.shape, c.record_seqlen), want.y) <= c.y_tolerance());
        CHECK(relative_rms(memory.read("final_states"), want.final_states) <= c.state_tolerance());
    }
    const ToldCommands told;
    const DevicePtr device = host.wrap();
    const HostedPlan plan = plan_ssd(device.get(), c);
    HostedMemory memory(host, plan, values_of(c, in));
    uint32_t slices = 0, silent = 0;
    for (uint32_t i = 0; i < dispatch_count(plan.get()); ++i) {
        recorded.clear();
        record_dispatch(VK_NULL_HANDLE, plan.get(), memory.bindings(), i, options);
        const bool is_scan = std::string(describe_at(plan, i).name) == "ssd_chunk_scan";
        slices += is_scan;
        silent += is_scan && recorded.empty();
    }
    CHECK(slices == 3);  // 70 tokens in slices of two chunks of 16
    CHECK(silent == 2);
}

TEST_CASE("describe tells which part of which tensor a dispatch reaches") {
    const MemoryAccess access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    const ReplacedEntryPoint few("vkGetPhysicalDeviceProperties2", entry_point(get_properties_with_few_groups));
    SsdCase c = typical({SsdAlgorithm::chunked, Variant::scalar, access});
    c.shape.batch = 1;
    VulkanHost host;
    const DevicePtr device = host.wrap();
    const HostedPlan plan = plan_ssd(device.get(), c);
    VkDeviceSize written = 0;
    for (uint32_t i = 0; i < dispatch_count(plan.get()); ++i) {
        const DispatchInfo info = describe_at(plan, i);
        for (uint32_t t = 0; t < info.tensor_count; ++t) {
            const auto& tensor = info.tensors[t];
            CAPTURE(info.name, tensor.name, tensor.tensor);
            const bool is_staged = std::string(tensor.name).rfind("staged_", 0) == 0;
            CHECK((tensor.tensor == kNoTensor) == is_staged);
            if (tensor.in_workspace) {
                CHECK(tensor.workspace_offset + tensor.bytes <= workspace_info(plan.get()).size);
                continue;
            }
            REQUIRE(plan.ids.count(tensor.name) == 1);
            CHECK(plan.ids.at(tensor.name) == tensor.tensor);
            CHECK(tensor.offset + tensor.bytes <= plan.tensors.at(tensor.name).bytes());
            if (tensor.tensor != plan.ids.at("y") || !tensor.writes) continue;
            CHECK(tensor.offset == written);
            written += tensor.bytes;
        }
    }
    CHECK(written == plan.tensors.at("y").bytes());
}

TEST_CASE("kernels use the memory access and the storage that were enabled") {
    const MemoryAccess access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    const Features& features = TestDevice::get().caps().features;
    const bool addresses = access == MemoryAccess::automatic && features.buffer_device_address;
    const std::string backend = std::string(addresses ? "address" : "descriptor") + (features.storage_buffer_16bit ? "16" : "32");
    const SsdRun run = run_ssd(typical({SsdAlgorithm::automatic, Variant::automatic, access}),
                               make_inputs(typical({SsdAlgorithm::automatic, Variant::automatic, access})));
    CHECK(run.result == Result::ok);
    CHECK_FALSE(run.stages.empty());
    for (const SsdStage& stage : run.stages) CHECK_THAT(stage.kernel, EndsWith(backend));
}

}  // namespace
}  // namespace scandium::test

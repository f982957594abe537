// Plans whose pipelines are made several at once, by the host's threads.
#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/allocation_count.h"
#include "support/compare.h"
#include "support/hosted_plan.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// A host's threads: a thread for each job, which begin all at once, or the caller's, last job first.
struct Threads {
    bool at_once = true;
    std::vector<uint32_t> counts;  // of jobs, in each call

    static void run(void* user, uint32_t count, Parallel::Job job, void* data) {
        Threads& threads = *static_cast<Threads*>(user);
        threads.counts.push_back(count);
        if (!threads.at_once) {
            for (uint32_t i = count; i-- > 0;) job(data, i);
            return;
        }
        std::atomic<bool> begin{false};
        std::vector<std::thread> all;
        for (uint32_t i = 0; i < count; ++i)
            all.emplace_back([&, i] {
                while (!begin) std::this_thread::yield();
                job(data, i);
            });
        begin = true;
        for (std::thread& thread : all) thread.join();
    }
    Parallel parallel() { return {run, this}; }
};

SsdCase a_chunked_case() {
    SsdCase c;
    c.with_everything();
    c.algorithm = SsdAlgorithm::chunked;
    return c;
}

std::set<VkPipeline> pipelines_of(const Plan* plan) {
    std::set<VkPipeline> pipelines;
    for (uint32_t i = 0; i < dispatch_count(plan); ++i) {
        DispatchInfo info;
        REQUIRE(describe(plan, i, &info) == Result::ok);
        CHECK(info.pipeline != VK_NULL_HANDLE);
        pipelines.insert(info.pipeline);
    }
    return pipelines;
}

TEST_CASE("a plan's pipelines may be made in any order and all at once: it gives the same bits") {
    const SsdCase c = a_chunked_case();
    const SsdInputs in = make_inputs(c);
    Threads threads;
    threads.at_once = GENERATE(true, false);
    VulkanHost host;
    const auto y_of = [&](const Device* device) {
        const HostedPlan plan = plan_ssd(device, c);
        const size_t pipelines = pipelines_of(plan.get()).size();
        CHECK(pipelines > 1);
        if (!threads.counts.empty()) CHECK(threads.counts == std::vector<uint32_t>{uint32_t(pipelines)});
        const HostedMemory memory(host, plan, values_of(c, in));
        host.run([&](VkCommandBuffer commands) { record(commands, plan.get(), memory.bindings()); });
        return memory.read("y");
    };
    const std::vector<float> alone = y_of(host.wrap().get());
    DeviceDesc desc = host.desc();
    desc.parallel = threads.parallel();
    CHECK(y_of(host.wrap(desc).get()) == alone);
    CHECK(threads.counts.size() == 1);
    CHECK(relative_rms(alone, expected(c, in).y) <= c.y_tolerance());
}

// Stands before vkCreateComputePipelines and refuses every second one.
PFN_vkCreateComputePipelines create_compute_pipelines = nullptr;
std::atomic<uint32_t> pipelines_asked{0};

VKAPI_ATTR VkResult VKAPI_CALL refuse_some(VkDevice device, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo* infos,
                                           const VkAllocationCallbacks* callbacks, VkPipeline* out) {
    if (pipelines_asked++ % 2 != 0) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return create_compute_pipelines(device, cache, count, infos, callbacks, out);
}

TEST_CASE("where some of a plan's pipelines fail there is no plan, and all memory is given back") {
    Threads threads;
    threads.at_once = GENERATE(true, false);
    CountingAllocator allocator;
    VulkanHost host;
    create_compute_pipelines = host.api().vkCreateComputePipelines;
    const ReplacedEntryPoint replaced("vkCreateComputePipelines", entry_point(refuse_some));
    DeviceDesc desc = host.desc();
    desc.allocation_callbacks = allocator.callbacks();
    desc.parallel = threads.parallel();
    {
        const DevicePtr device = host.wrap(desc);
        HostedPlan tensors;
        const GraphPtr graph = graph_ssd(device.get(), a_chunked_case(), &tensors);
        Plan* plan = nullptr;
        CHECK(create_plan(graph.get(), PlanOptions(), &plan) == Result::out_of_device_memory);
        CHECK(plan == nullptr);
        CHECK_THAT(host.take_messages(), ContainsSubstring("vkCreateComputePipelines"));
    }
    CHECK(allocator.live() == 0);
    CHECK(allocator.foreign() == 0);
}

}  // namespace
}  // namespace scandium::test

// What a host hands to the library: its allocation callbacks, its pipeline cache, and what it says it enabled.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "support/allocation_count.h"
#include "support/compare.h"
#include "support/hosted_plan.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// Stands in front of a function of a host's device, and keeps the callbacks that it is given.
const VulkanHost* watched_host = nullptr;
std::vector<const VkAllocationCallbacks*> callbacks_given;

void note(const VkAllocationCallbacks* callbacks) { callbacks_given.push_back(callbacks); }
template <class T>
void note(const T&) {}

template <auto Member>
struct Watched;
template <class R, class... Arguments, R (VKAPI_PTR* VolkDeviceTable::*Member)(Arguments...)>
struct Watched<Member> {
    static VKAPI_ATTR R VKAPI_CALL call(Arguments... arguments) {
        (note(arguments), ...);
        return (watched_host->api().*Member)(arguments...);
    }
};
template <auto Member>
PFN_vkVoidFunction watched() {
    return entry_point(Watched<Member>::call);
}

struct WatchedObjects {
    ReplacedEntryPoint a{"vkCreateShaderModule", watched<&VolkDeviceTable::vkCreateShaderModule>()},
        b{"vkDestroyShaderModule", watched<&VolkDeviceTable::vkDestroyShaderModule>()},
        c{"vkCreateDescriptorSetLayout", watched<&VolkDeviceTable::vkCreateDescriptorSetLayout>()},
        d{"vkDestroyDescriptorSetLayout", watched<&VolkDeviceTable::vkDestroyDescriptorSetLayout>()},
        e{"vkCreatePipelineLayout", watched<&VolkDeviceTable::vkCreatePipelineLayout>()},
        f{"vkDestroyPipelineLayout", watched<&VolkDeviceTable::vkDestroyPipelineLayout>()},
        g{"vkCreateComputePipelines", watched<&VolkDeviceTable::vkCreateComputePipelines>()},
        h{"vkDestroyPipeline", watched<&VolkDeviceTable::vkDestroyPipeline>()},
        i{"vkCreateDescriptorPool", watched<&VolkDeviceTable::vkCreateDescriptorPool>()},
        j{"vkDestroyDescriptorPool", watched<&VolkDeviceTable::vkDestroyDescriptorPool>()};

    explicit WatchedObjects(const VulkanHost& host) {
        watched_host = &host;
        callbacks_given.clear();
    }
};

TEST_CASE("Vulkan objects are made and destroyed with the host's callbacks, and all memory is given back") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = on_path(SsdCase(), path);
    c.with_everything();
    CAPTURE(c.text());
    const SsdInputs in = make_inputs(c);
    CountingAllocator allocator;
    VulkanHost host;
    const WatchedObjects watched(host);
    {
        DeviceDesc desc = host.desc();
        desc.allocation_callbacks = allocator.callbacks();
        const DevicePtr device = host.wrap(desc);
        const HostedPlan plan = plan_ssd(device.get(), c);
        CHECK(allocator.total() > 0);
        const HostedMemory memory(host, plan, values_of(c, in));
        const uint64_t before = allocator.total();
        host.run([&](VkCommandBuffer commands) { record(commands, plan.get(), memory.bindings()); });
        CHECK(allocator.total() == before);
        CHECK(relative_rms(memory.read("y"), expected(c, in).y) <= c.y_tolerance());
    }
    CHECK(allocator.live() == 0);
    CHECK(allocator.foreign() == 0);
    // At least a module, a pipeline and a layout, each made and destroyed.
    CHECK(callbacks_given.size() >= 6);
    CHECK(callbacks_given == std::vector<const VkAllocationCallbacks*>(callbacks_given.size(), allocator.callbacks()));
}

VKAPI_ATTR VkResult VKAPI_CALL refuse_pipelines(VkDevice, VkPipelineCache, uint32_t, const VkComputePipelineCreateInfo*,
                                                const VkAllocationCallbacks*, VkPipeline*) {
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}
VKAPI_ATTR VkResult VKAPI_CALL refuse_module(VkDevice, const VkShaderModuleCreateInfo*, const VkAllocationCallbacks*, VkShaderModule*) {
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}
VKAPI_ATTR VkResult VKAPI_CALL refuse_layout(VkDevice, const VkPipelineLayoutCreateInfo*, const VkAllocationCallbacks*, VkPipelineLayout*) {
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

TEST_CASE("what fails half way gives back what it had") {
    const MemoryAccess access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    const auto [call, refuse] = GENERATE(std::pair("vkCreateComputePipelines", entry_point(refuse_pipelines)),
                                         std::pair("vkCreateShaderModule", entry_point(refuse_module)),
                                         std::pair("vkCreatePipelineLayout", entry_point(refuse_layout)));
    CAPTURE(call, to_string(access));
    const ReplacedEntryPoint replaced(call, refuse);
    CountingAllocator allocator;
    VulkanHost host;
    DeviceDesc desc = host.desc();
    desc.allocation_callbacks = allocator.callbacks();
    {
        const DevicePtr device = host.wrap(desc);
        SsdCase c;
        c.access = access;
        HostedPlan tensors;
        const GraphPtr graph = graph_ssd(device.get(), c, &tensors);
        Plan* plan = nullptr;
        CHECK(create_plan(graph.get(), PlanOptions(), &plan) == Result::out_of_device_memory);
        CHECK(plan == nullptr);
        CHECK_THAT(host.take_messages(), ContainsSubstring(call));
    }
    CHECK(allocator.live() == 0);
    CHECK(allocator.foreign() == 0);
}

// Commands that go nowhere: what is left of recording is the library's own part.
uint32_t commands_recorded = 0;

VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer, uint32_t, uint32_t, uint32_t) { ++commands_recorded; }
VKAPI_ATTR void VKAPI_CALL barrier(VkCommandBuffer, VkPipelineStageFlags, VkPipelineStageFlags, VkDependencyFlags, uint32_t,
                                   const VkMemoryBarrier*, uint32_t, const VkBufferMemoryBarrier*, uint32_t, const VkImageMemoryBarrier*) {
    ++commands_recorded;
}
VKAPI_ATTR void VKAPI_CALL bind_pipeline(VkCommandBuffer, VkPipelineBindPoint, VkPipeline) { ++commands_recorded; }
VKAPI_ATTR void VKAPI_CALL bind_sets(VkCommandBuffer, VkPipelineBindPoint, VkPipelineLayout, uint32_t, uint32_t, const VkDescriptorSet*,
                                     uint32_t, const uint32_t*) {
    ++commands_recorded;
}
VKAPI_ATTR void VKAPI_CALL push_constants(VkCommandBuffer, VkPipelineLayout, VkShaderStageFlags, uint32_t, uint32_t, const void*) {
    ++commands_recorded;
}
VKAPI_ATTR void VKAPI_CALL write_timestamp(VkCommandBuffer, VkPipelineStageFlagBits, VkQueryPool, uint32_t) { ++commands_recorded; }
VKAPI_ATTR void VKAPI_CALL begin_label(VkCommandBuffer, const VkDebugUtilsLabelEXT*) { ++commands_recorded; }
VKAPI_ATTR void VKAPI_CALL end_label(VkCommandBuffer) { ++commands_recorded; }

TEST_CASE("recording allocates nothing") {
    if (!can_count_allocations()) SKIP("allocations cannot be counted in this build");
    const uint64_t start = allocation_count();
    std::free(std::malloc(allocation_count() + 1));
    delete new std::string(100, 'x');
    REQUIRE(allocation_count() >= start + 2);

    const SsdPath path = GENERATE(from_range(main_paths()));
    const ReplacedEntryPoint a("vkCmdDispatch", entry_point(dispatch)), b("vkCmdPipelineBarrier", entry_point(barrier)),
        c("vkCmdBindPipeline", entry_point(bind_pipeline)), d("vkCmdBindDescriptorSets", entry_point(bind_sets)),
        e("vkCmdPushConstants", entry_point(push_constants)), f("vkCmdWriteTimestamp", entry_point(write_timestamp)),
        g("vkCmdBeginDebugUtilsLabelEXT", entry_point(begin_label)), h("vkCmdEndDebugUtilsLabelEXT", entry_point(end_label));
    SsdCase scan = on_path(SsdCase(), path);
    scan.with_everything();
    CountingAllocator allocator;
    VulkanHost host;
    DeviceDesc desc = host.desc();
    desc.allocation_callbacks = allocator.callbacks();
    const DevicePtr device = host.wrap(desc);
    const HostedPlan plan = plan_ssd(device.get(), scan);
    const HostedMemory memory(host, plan, values_of(scan, make_inputs(scan)));
    const uint32_t dispatches = dispatch_count(plan.get());
    RecordOptions everything;
    everything.seqlen = 21;
    everything.labels = true;
    everything.timestamps = reinterpret_cast<VkQueryPool>(&commands_recorded);  // not looked at

    commands_recorded = 0;
    const uint64_t before = allocation_count(), before_by_callbacks = allocator.total();
    record(VK_NULL_HANDLE, plan.get(), memory.bindings());
    record(VK_NULL_HANDLE, plan.get(), memory.bindings(), everything);
    for (uint32_t i = 0; i < dispatches; ++i) record_dispatch(VK_NULL_HANDLE, plan.get(), memory.bindings(), i, everything);
    const uint64_t after = allocation_count();
    CHECK(after == before);
    CHECK(allocator.total() == before_by_callbacks);
    CHECK(commands_recorded > 10 * dispatches);
}

std::vector<VkPipelineCache> caches_used;
PFN_vkCreateComputePipelines create_compute_pipelines = nullptr;

VKAPI_ATTR VkResult VKAPI_CALL note_cache(VkDevice device, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo* infos,
                                          const VkAllocationCallbacks* callbacks, VkPipeline* out) {
    caches_used.push_back(cache);
    return create_compute_pipelines(device, cache, count, infos, callbacks, out);
}

TEST_CASE("pipelines are made with the host's cache") {
    VulkanHost host;
    const ReplacedEntryPoint replaced("vkCreateComputePipelines", entry_point(note_cache));
    create_compute_pipelines = host.api().vkCreateComputePipelines;
    VkPipelineCacheCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
    VkPipelineCache cache = VK_NULL_HANDLE;
    REQUIRE(host.api().vkCreatePipelineCache(host.device(), &info, nullptr, &cache) == VK_SUCCESS);
    caches_used.clear();
    SsdCase c;
    c.algorithm = SsdAlgorithm::chunked;
    const SsdInputs in = make_inputs(c);
    {
        DeviceDesc desc = host.desc();
        desc.pipeline_cache = cache;
        const DevicePtr device = host.wrap(desc);
        const HostedPlan plan = plan_ssd(device.get(), c);
        HostedMemory memory(host, plan, values_of(c, in));
        host.run([&](VkCommandBuffer commands) { record(commands, plan.get(), memory.bindings()); });
        CHECK(relative_rms(memory.read("y"), expected(c, in).y) <= c.y_tolerance());
    }
    CHECK(caches_used == std::vector<VkPipelineCache>(5, cache));  // a pipeline for each stage
    host.api().vkDestroyPipelineCache(host.device(), cache, nullptr);
}

// ---- what a host says it enabled ----------------------------------------------------------------

// A device that was made up: its features, beside what the real one has, and the extensions that it lists.
struct {
    bool all = false, device_scope = false;
    const char* extension = nullptr;
} made_up;

VKAPI_ATTR void VKAPI_CALL get_made_up_features(VkPhysicalDevice, VkPhysicalDeviceFeatures2* features) {
    for (auto* s = static_cast<VkBaseOutStructure*>(features->pNext); s; s = s->pNext) {
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES)
            reinterpret_cast<VkPhysicalDevice16BitStorageFeatures*>(s)->storageBuffer16BitAccess = made_up.all;
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES)
            reinterpret_cast<VkPhysicalDeviceMaintenance4Features*>(s)->maintenance4 = made_up.all;
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR)
            reinterpret_cast<VkPhysicalDeviceCooperativeMatrixFeaturesKHR*>(s)->cooperativeMatrix = made_up.all;
        if (s->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES) continue;
        auto* memory_model = reinterpret_cast<VkPhysicalDeviceVulkanMemoryModelFeatures*>(s);
        memory_model->vulkanMemoryModel = made_up.all;
        memory_model->vulkanMemoryModelDeviceScope = made_up.device_scope;
    }
}

VKAPI_ATTR VkResult VKAPI_CALL list_made_up_extensions(VkPhysicalDevice, const char*, uint32_t* count, VkExtensionProperties* out) {
    const uint32_t listed = made_up.extension ? 1 : 0;
    if (out && listed) {
        out[0] = VkExtensionProperties();
        std::strncpy(out[0].extensionName, made_up.extension, sizeof out[0].extensionName - 1);
    }
    *count = listed;
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL list_no_matrices(VkPhysicalDevice, uint32_t* count, VkCooperativeMatrixPropertiesKHR*) {
    *count = 0;
    return VK_SUCCESS;
}

struct MadeUpDevice {
    ReplacedEntryPoint a{"vkGetPhysicalDeviceFeatures2", entry_point(get_made_up_features)},
        b{"vkEnumerateDeviceExtensionProperties", entry_point(list_made_up_extensions)},
        c{"vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR", entry_point(list_no_matrices)};

    MadeUpDevice(bool all, bool device_scope, const char* extension = nullptr) {
        made_up.all = all;
        made_up.device_scope = device_scope;
        made_up.extension = extension;
    }
};

TEST_CASE("wrap_device: a feature that the physical device lacks is refused by its name") {
    struct Named {
        bool Features::*member;
        const char* name;
    };
    const Named lacking = GENERATE(
        Named{&Features::storage_buffer_16bit, "storage_buffer_16bit"}, Named{&Features::shader_float16, "shader_float16"},
        Named{&Features::buffer_device_address, "buffer_device_address"}, Named{&Features::subgroup_size_control, "subgroup_size_control"},
        Named{&Features::compute_full_subgroups, "compute_full_subgroups"}, Named{&Features::vulkan_memory_model, "vulkan_memory_model"},
        Named{&Features::cooperative_matrix, "cooperative_matrix"},
        Named{&Features::bfloat16_cooperative_matrix, "bfloat16_cooperative_matrix"},
        Named{&Features::pipeline_executable_info, "pipeline_executable_info"});
    VulkanHost host;
    const MadeUpDevice bare(false, false);
    DeviceDesc desc = host.desc();
    desc.enabled = Features();
    CHECK(device_caps(host.wrap(desc).get()).features.*lacking.member == false);
    desc.enabled.*lacking.member = true;
    Device* device = nullptr;
    CHECK(wrap_device(desc, &device) == Result::invalid_argument);
    CHECK(device == nullptr);
    CHECK_THAT(host.take_messages(), ContainsSubstring(std::string("enabled.") + lacking.name + " "));
}

TEST_CASE("wrap_device: a feature without what it needs beside it is left unused") {
    VulkanHost host;
    DeviceDesc desc = host.desc();
    desc.enabled = Features();
    desc.enabled.storage_buffer_16bit = desc.enabled.vulkan_memory_model = desc.enabled.cooperative_matrix = true;
    const char* extension = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    SECTION("nothing lacks") {
        const MadeUpDevice complete(true, true, extension);
        const DevicePtr device = host.wrap(desc);
        CHECK(device_caps(device.get()).features.vulkan_memory_model);
        CHECK(device_caps(device.get()).features.cooperative_matrix);
    }
    SECTION("the memory model has no device scope") {
        const MadeUpDevice narrow(true, false, extension);
        const DevicePtr device = host.wrap(desc);
        CHECK_FALSE(device_caps(device.get()).features.vulkan_memory_model);
        CHECK_FALSE(device_caps(device.get()).features.cooperative_matrix);
        CHECK(device_caps(device.get()).features.storage_buffer_16bit);
    }
    SECTION("the memory model was not enabled") {
        const MadeUpDevice complete(true, true, extension);
        desc.enabled.vulkan_memory_model = false;
        CHECK_FALSE(device_caps(host.wrap(desc).get()).features.cooperative_matrix);
    }
    SECTION("16-bit storage was not enabled") {
        const MadeUpDevice complete(true, true, extension);
        desc.enabled.storage_buffer_16bit = false;
        CHECK_FALSE(device_caps(host.wrap(desc).get()).features.cooperative_matrix);
    }
    SECTION("the host asked for Vulkan 1.2") {
        const MadeUpDevice complete(true, true, extension);
        desc.api_version = VK_API_VERSION_1_2;
        const DevicePtr device = host.wrap(desc);
        CHECK(device_caps(device.get()).features.vulkan_memory_model);
        CHECK_FALSE(device_caps(device.get()).features.cooperative_matrix);
        // Who insists is told what is missing.
        SsdCase c;
        c.variant = Variant::coopmat;
        Graph* graph = nullptr;
        REQUIRE(create_graph(device.get(), MemoryAccess::automatic, &graph) == Result::ok);
        const GraphPtr owner(graph);
        SsdScan op = options_of(c.with_io(DType::f16));
        for (const auto& [name, tensor] : place_tensors(c)) member(op, name) = add_tensor(graph, tensor.desc());
        CHECK(ssd_scan(graph, op) == Result::unsupported);
        CHECK_THAT(host.take_messages(), ContainsSubstring("cooperative_matrix (with maintenance4, vulkan_memory_model"));
    }
}

}  // namespace
}  // namespace scandium::test

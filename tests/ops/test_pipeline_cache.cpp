// Pipelines kept between runs: as bytes by a host, as a file by a Context.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "scandium/ops/elementwise.h"
#include "support/allocation_count.h"
#include "support/test_device.h"
#include "support/vulkan_host.h"

namespace scandium::test {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using Bytes = std::vector<uint8_t>;

constexpr size_t kHeader = 80;

// A plan of one pipeline, and gone.
Result make_plan(const Device* device) {
    Graph* graph = nullptr;
    if (Result result = create_graph(device, MemoryAccess::automatic, &graph); result != Result::ok) return result;
    const GraphPtr owner(graph);
    TensorDesc desc;
    desc.name = "y";
    desc.dtype = DType::f32;
    desc.rank = 1;
    desc.shape[0] = 100;
    const TensorId y = add_tensor(graph, desc);
    if (Result result = add(graph, Add{y, y, y}); result != Result::ok) return result;
    Plan* plan = nullptr;
    const Result result = create_plan(graph, PlanOptions(), &plan);
    destroy_plan(plan);
    return result;
}

Bytes saved(const Device* device) {
    Bytes bytes;
    const auto take = [](void* user, Span<uint8_t> span) { static_cast<Bytes*>(user)->assign(span.data, span.data + span.size); };
    REQUIRE(save_pipelines(device, take, &bytes) == Result::ok);
    return bytes;
}

DeviceDesc keeping(VulkanHost& host, const Bytes& kept) {
    DeviceDesc desc = host.desc();
    desc.keep_pipelines = true;
    desc.kept_pipelines = {kept.data(), kept.size()};
    return desc;
}

// Stands before vkCreatePipelineCache: how much the driver was given in each call, and whether it is to refuse that.
std::vector<size_t> sizes_given;
bool refuses_data = false;
PFN_vkCreatePipelineCache create_pipeline_cache = nullptr;

VKAPI_ATTR VkResult VKAPI_CALL note_data(VkDevice device, const VkPipelineCacheCreateInfo* info, const VkAllocationCallbacks* callbacks,
                                         VkPipelineCache* out) {
    sizes_given.push_back(info->initialDataSize);
    if (refuses_data && info->initialDataSize != 0) return VK_ERROR_INITIALIZATION_FAILED;
    return create_pipeline_cache(device, info, callbacks, out);
}

class WatchedCaches {
public:
    explicit WatchedCaches(const VulkanHost& host) : replaced_("vkCreatePipelineCache", entry_point(note_data)) {
        create_pipeline_cache = host.api().vkCreatePipelineCache;
        sizes_given.clear();
        refuses_data = false;
    }

private:
    ReplacedEntryPoint replaced_;
};

TEST_CASE("kept pipelines come back to the driver as it gave them, and all memory is given back") {
    VulkanHost host;
    const WatchedCaches watched(host);
    CountingAllocator allocator;
    Bytes first;
    {
        DeviceDesc desc = keeping(host, {});
        desc.allocation_callbacks = allocator.callbacks();
        const DevicePtr device = host.wrap(desc);
        REQUIRE(make_plan(device.get()) == Result::ok);
        first = saved(device.get());
    }
    CHECK(allocator.live() == 0);
    REQUIRE(first.size() >= kHeader + 32);
    const DevicePtr device = host.wrap(keeping(host, first));
    CHECK(sizes_given == std::vector<size_t>{0, first.size() - kHeader});
    CHECK(make_plan(device.get()) == Result::ok);
    CHECK(saved(device.get()).size() >= first.size());
    CHECK(host.take_messages() == "");
}

// What wrap_device makes of these bytes: a Device that works, and what it said.
std::string told_of(VulkanHost& host, const Bytes& bytes) {
    sizes_given.clear();
    {
        const DevicePtr device = host.wrap(keeping(host, bytes));
        saved(device.get());
    }
    return host.take_messages();
}

TEST_CASE("kept pipelines that are no use are a cold start, and never reach the driver") {
    VulkanHost host;
    const WatchedCaches watched(host);
    const Bytes good = saved(host.wrap(keeping(host, {})).get());
    const auto is_cold = [&](const Bytes& bytes) {
        CHECK_THAT(told_of(host, bytes), ContainsSubstring("ok: wrap_device: DeviceDesc::kept_pipelines are ") &&
                                             ContainsSubstring(": pipelines are compiled anew"));
        CHECK(sizes_given == std::vector<size_t>{0});
    };
    // At the ends of the header's members, within them, and in the driver's part.
    for (size_t size : {1, 7, 8, 12, 16, 24, 28, 32, 36, 40, 56, 64, 72, 79, 80, 81, 111}) {
        CAPTURE(size);
        is_cold(Bytes(good.begin(), good.begin() + std::ptrdiff_t(size)));
    }
    for (size_t i = 0; i < kHeader + 32; i += 4) {
        CAPTURE(i);
        Bytes flipped = good;
        flipped[i] = uint8_t(flipped[i] ^ 1);
        is_cold(flipped);
    }
    Bytes longer = good;
    longer.resize(good.size() + (size_t(1) << 20), 0xff);
    is_cold(longer);
    is_cold(Bytes(1000, 0xff));
    CHECK(told_of(host, good) == "");
    CHECK(told_of(host, {}) == "");
}

TEST_CASE("kept pipelines that a driver refuses are a cold start") {
    VulkanHost host;
    const WatchedCaches watched(host);
    const Bytes good = saved(host.wrap(keeping(host, {})).get());
    refuses_data = true;
    CHECK_THAT(told_of(host, good), ContainsSubstring("are refused by the driver"));
    CHECK(sizes_given == std::vector<size_t>{good.size() - kHeader, 0});
}

// Stands before vkGetPipelineCacheData: another thread has made pipelines between its two calls.
PFN_vkGetPipelineCacheData get_pipeline_cache_data = nullptr;
int calls_until_whole = 0;

VKAPI_ATTR VkResult VKAPI_CALL grow(VkDevice device, VkPipelineCache cache, size_t* size, void* data) {
    if (data && calls_until_whole-- > 0) return *size = 0, VK_INCOMPLETE;
    return get_pipeline_cache_data(device, cache, size, data);
}
VKAPI_ATTR VkResult VKAPI_CALL run_out(VkDevice, VkPipelineCache, size_t*, void*) { return VK_ERROR_OUT_OF_HOST_MEMORY; }

TEST_CASE("save_pipelines: a cache that grows meanwhile, a driver without memory, and what it does not take") {
    VulkanHost host;
    get_pipeline_cache_data = host.api().vkGetPipelineCacheData;
    {
        calls_until_whole = 2;
        const ReplacedEntryPoint replaced("vkGetPipelineCacheData", entry_point(grow));
        const DevicePtr device = host.wrap(keeping(host, {}));
        const Bytes bytes = saved(device.get());
        CHECK(calls_until_whole < 0);
        CHECK(told_of(host, bytes) == "");
    }
    const auto fail = [](void*, Span<uint8_t>) { FAIL("there is nothing to give"); };
    {
        const ReplacedEntryPoint replaced("vkGetPipelineCacheData", entry_point(run_out));
        const DevicePtr device = host.wrap(keeping(host, {}));
        CHECK(save_pipelines(device.get(), fail, nullptr) == Result::out_of_host_memory);
        CHECK_THAT(host.take_messages(), ContainsSubstring("vkGetPipelineCacheData"));
    }
    CHECK(save_pipelines(nullptr, fail, nullptr) == Result::invalid_argument);
    const DevicePtr keeps = host.wrap(keeping(host, {}));
    CHECK(save_pipelines(keeps.get(), nullptr, nullptr) == Result::invalid_argument);
    CHECK_THAT(host.take_messages(), ContainsSubstring("sink is null"));
    const DevicePtr without = host.wrap();
    CHECK(save_pipelines(without.get(), fail, nullptr) == Result::invalid_argument);
    CHECK_THAT(host.take_messages(), ContainsSubstring("without DeviceDesc::keep_pipelines"));

    DeviceDesc both = keeping(host, {});
    both.pipeline_cache = reinterpret_cast<VkPipelineCache>(&calls_until_whole);  // not looked at
    Device* device = nullptr;
    CHECK(wrap_device(both, &device) == Result::invalid_argument);
    CHECK(device == nullptr);
    CHECK_THAT(host.take_messages(), ContainsSubstring("pipeline_cache too"));
}

// ---- a Context's file -----------------------------------------------------------------------------------------------

class TempFolder {
public:
    TempFolder() {
        std::string name = (fs::temp_directory_path() / "scandium_pipelines_XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        folder_ = name;
    }
    ~TempFolder() { fs::remove_all(folder_); }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    std::string path(const std::string& name) const { return (folder_ / name).string(); }
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
        return names;
    }

private:
    fs::path folder_;
};

Bytes bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

void write(const std::string& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
    REQUIRE(file.good());
}

// Makes a context with this pipeline cache, works with it and destroys it. What it said; all of it has to be Result::ok.
std::string use_context(const std::string& cache) {
    std::vector<Message> messages;
    ContextOptions options;
    options.device = std::getenv("SCANDIUM_TEST_DEVICE");
    options.pipeline_cache = cache.c_str();
    options.diagnostics_user = &messages;
    options.diagnostics = [](void* user, Result result, VkResult, const char* message) {
        static_cast<std::vector<Message>*>(user)->push_back({result, message});
    };
    Context* context = nullptr;
    REQUIRE(create_context(options, &context) == Result::ok);
    CHECK(make_plan(context_device(context)) == Result::ok);
    destroy_context(context);
    for (const Message& message : messages) CHECK(message.result == Result::ok);
    return to_text(messages);
}

TEST_CASE("a context's pipelines are kept in its file, which is written only if they have changed") {
    const TempFolder folder;
    const std::string path = folder.path("cache");
    CHECK(use_context(path) == "");
    const Bytes first = bytes_of(path);
    CHECK(first.size() >= kHeader + 32);
    CHECK(folder.names() == std::vector<std::string>{"cache"});

    // A link to the file shows whether another has taken its place.
    const std::string link = folder.path("link");
    fs::create_hard_link(path, link);
    CHECK(use_context(path) == "");
    if (bytes_of(path) == first) CHECK(fs::equivalent(path, link));

    for (const Bytes& damaged : {Bytes(), Bytes(first.begin(), first.begin() + 50), Bytes(200, 0x55)}) {
        write(path, damaged);
        const std::string told = use_context(path);
        if (damaged.empty())
            CHECK(told == "");
        else
            CHECK_THAT(told, ContainsSubstring("pipelines are compiled anew"));
        CHECK(bytes_of(path).size() >= kHeader + 32);
        CHECK(use_context(path) == "");
    }
}

TEST_CASE("a context's pipelines: in a folder each device has a file of its own, and without a path nothing is kept") {
    const TempFolder folder;
    CHECK(use_context("") == "");
    CHECK(folder.names().empty());
    CHECK(use_context(folder.path("")) == "");
    REQUIRE(folder.names().size() == 1);
    const Caps& caps = TestDevice::get().caps();
    char expected[40];
    std::snprintf(expected, sizeof expected, "%08x-%08x.pipelines", unsigned(caps.vendor_id), unsigned(caps.device_id));
    CHECK(folder.names()[0] == expected);
}

TEST_CASE("a context's pipelines: where a file cannot be read or written, it is said and nothing else happens") {
    const TempFolder folder;
    CHECK_THAT(use_context(folder.path("no folder/cache")), ContainsSubstring("cannot be written"));
    // Neither can a folder.
    const std::string path = folder.path("cache");
    fs::create_directory(path);
    CHECK_THAT(use_context(path), ContainsSubstring("cannot be read") && ContainsSubstring("cannot be written"));
    CHECK(folder.names() == std::vector<std::string>{"cache"});
    // A file that claims more than there can be is not read to its end. It takes no room on the disk.
    const std::string huge = folder.path("huge");
    write(huge, Bytes(1));
    fs::resize_file(huge, uintmax_t(1) << 40);
    CHECK_THAT(use_context(huge), ContainsSubstring("larger than 64 MiB"));
    CHECK(fs::file_size(huge) < (uintmax_t(1) << 30));
}

}  // namespace
}  // namespace scandium::test

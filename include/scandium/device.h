// Scandium: what a device offers, what the host enables of it, and the handle made from both.
//
// The order of calls in a host that has its own Vulkan:
//   1. query_requirements(...)      before it makes its VkDevice: which extensions and features help
//   2. vkCreateDevice               by the host, with those it wants to grant
//   3. wrap_device(...)             tells Scandium what was enabled: Vulkan cannot be asked
// Scandium creates no instance, device or queue, submits nothing and starts no thread.
#pragma once

#include "scandium/types.h"

namespace scandium {

// Optional features, each named after its Vulkan feature. All false is fine: every operator has a
// variant for a Vulkan 1.1 device without any of them.
struct Features {
    bool storage_buffer_16bit = false;            // storageBuffer16BitAccess
    bool shader_float16 = false;                  // shaderFloat16
    bool buffer_device_address = false;           // bufferDeviceAddress
    bool subgroup_size_control = false;           // subgroupSizeControl
    bool compute_full_subgroups = false;          // computeFullSubgroups
    bool vulkan_memory_model = false;             // vulkanMemoryModel and vulkanMemoryModelDeviceScope
    bool cooperative_matrix = false;              // cooperativeMatrix and maintenance4, which Vulkan 1.3 has in its core; not
                                                  // used before 1.3, nor without vulkan_memory_model and storage_buffer_16bit
    bool bfloat16_cooperative_matrix = false;     // shaderBFloat16Type and shaderBFloat16CooperativeMatrix
    bool cooperative_matrix_conversions = false;  // cooperativeMatrixConversions, of VK_NV_cooperative_matrix2
    bool pipeline_executable_info = false;        // pipelineExecutableInfo: for pipeline_statistics() only
};

inline constexpr uint32_t kMaxRequiredExtensions = 16;

// What Scandium can use on a physical device: the features it has of the list above, and the device
// extensions that carry them. Extensions that the Vulkan version in use has made core are left out.
struct Requirements {
    Features features;
    uint32_t extension_count = 0;
    const char* extensions[kMaxRequiredExtensions] = {};
};

// The feature structures for VkDeviceCreateInfo::pNext. Filled by fill_feature_chain; must stay where
// it is (its members point at each other) until vkCreateDevice returns. A host that passes
// VkPhysicalDeviceVulkan11/12/13Features must set the bits there instead: Vulkan forbids both.
struct FeatureChain {
    VkPhysicalDeviceFeatures2 features2;
    VkPhysicalDevice16BitStorageFeatures storage16;
    VkPhysicalDeviceShaderFloat16Int8Features float16;
    VkPhysicalDeviceBufferDeviceAddressFeatures address;
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size;
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
    VkPhysicalDeviceMaintenance4Features maintenance4;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR cooperative_matrix;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable;
    struct {  // VkPhysicalDeviceShaderBfloat16FeaturesKHR, which headers older than 1.4.311 lack
        VkStructureType sType;
        void* pNext;
        VkBool32 type, dot_product, cooperative_matrix;
    } bfloat16;
    struct {  // VkPhysicalDeviceCooperativeMatrix2FeaturesNV, which headers older than 1.3.300 lack
        VkStructureType sType;
        void* pNext;
        VkBool32 workgroup_scope, flexible_dimensions, reductions, conversions, per_element_operations, tensor_addressing, block_loads;
    } matrix2;
};

// One row of vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR at subgroup scope: A (m x k) * B (k x n) + C.
struct CooperativeMatrixShape {
    uint32_t m = 0, n = 0, k = 0;
    DType a = DType::none, b = DType::none, c = DType::none, result = DType::none;
};

inline constexpr uint32_t kMaxCooperativeMatrixShapes = 64;

// A snapshot of a device: the whole basis on which variants are chosen. Plain data, so that choices can
// be tested without a driver.
struct Caps {
    char device_name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE] = {};
    char driver_name[VK_MAX_DRIVER_NAME_SIZE] = {};
    char driver_info[VK_MAX_DRIVER_INFO_SIZE] = {};
    uint32_t api_version = 0;
    uint32_t vendor_id = 0, device_id = 0, driver_version = 0;
    VkDriverId driver_id = VkDriverId(0);
    VkPhysicalDeviceType device_type = VK_PHYSICAL_DEVICE_TYPE_OTHER;

    Features features;  // in Requirements' sense; after wrap_device only those of them that the host enabled

    uint32_t subgroup_size = 1, min_subgroup_size = 1, max_subgroup_size = 1;
    bool subgroup_arithmetic = false;        // basic and arithmetic, in compute shaders
    bool subgroup_shuffle = false;           // basic and shuffle, in compute shaders
    bool can_require_subgroup_size = false;  // in compute pipelines

    uint32_t cores = 0;              // multiprocessors, compute units: what runs workgroups; 0: the device does not tell
    uint32_t max_invocations = 128;  // in a workgroup
    uint32_t max_workgroup_size_x = 128;
    uint32_t max_workgroups[3] = {65535, 65535, 65535};
    uint32_t shared_memory = 16384;           // bytes in a workgroup
    uint64_t max_storage_range = 128u << 20;  // bytes that one descriptor reaches
    uint32_t storage_offset_alignment = 256;  // bytes
    float timestamp_period = 0;               // nanoseconds a tick; 0: no timestamps in compute

    uint32_t cooperative_matrix_count = 0;
    CooperativeMatrixShape cooperative_matrices[kMaxCooperativeMatrixShapes];

    // Driver faults that choices must respect, each with what shows it and when it can go.
    bool bug_cooperative_matrix_crash = false;  // lavapipe with 16 lanes crashes compiling any cooperative matrix (Mesa 26.1)
};

struct Device;

// What a host tells of its device.
struct DeviceDesc {
    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    PFN_vkGetInstanceProcAddr get_instance_proc_addr = nullptr;
    uint32_t api_version = VK_API_VERSION_1_1;                    // VkApplicationInfo::apiVersion that the host asked for
    Features enabled;                                             // enabled on `device`: see wrap_device
    VkPipelineCache pipeline_cache = VK_NULL_HANDLE;              // may be null; see create_plan; must outlive the Device
    bool keep_pipelines = false;                                  // for a host without a pipeline cache: see save_pipelines
    Span<uint8_t> kept_pipelines = {};                            // read by wrap_device only; may be empty
    Parallel parallel = {};                                       // for create_plan, which makes pipelines with it
    const VkAllocationCallbacks* allocation_callbacks = nullptr;  // may be null; must outlive the Device
    DiagnosticsCallback diagnostics = nullptr;                    // may be null: then nothing is reported
    void* diagnostics_user = nullptr;
};

// Fills `out` with what Scandium can use on `physical_device`. Needs no VkDevice.
//   api_version: as in DeviceDesc.
//   Errors: invalid_argument (null argument, version under 1.1), unsupported (the device itself is under 1.1),
//   out_of_host_memory, internal_error (an entry point is missing, a Vulkan query failed).
[[nodiscard]] SCANDIUM_API Result query_requirements(PFN_vkGetInstanceProcAddr get_instance_proc_addr, VkInstance instance,
                                                     VkPhysicalDevice physical_device, uint32_t api_version, Requirements* out) noexcept;

// Fills `out` with the snapshot of a physical device; `features` is what it has, whatever is enabled later.
//   Errors: as query_requirements.
[[nodiscard]] SCANDIUM_API Result query_caps(PFN_vkGetInstanceProcAddr get_instance_proc_addr, VkInstance instance,
                                             VkPhysicalDevice physical_device, uint32_t api_version, Caps* out) noexcept;

// Links the structures of the features that are set, and returns what belongs in VkDeviceCreateInfo::pNext
// (with `next` at the end of the chain). VkDeviceCreateInfo::pEnabledFeatures must be null.
SCANDIUM_API void* fill_feature_chain(const Features& features, FeatureChain* out, void* next = nullptr) noexcept;

// Makes a handle for a device that the host owns. Thread-safe; the Device may be used from several threads at once, since
// nothing in it changes. The diagnostics and allocation callbacks are then called from each of them, and a pipeline cache of the
// host's must not be externally synchronized.
//   DeviceDesc::enabled: a feature that the physical device lacks is an error. One that was enabled without what Scandium
//   needs beside it (Features) is not used, and device_caps() shows it as false.
//   DeviceDesc::keep_pipelines: the Device gets a pipeline cache of its own, which begins with what an earlier run has saved.
//   Bytes that are of another device, driver or build of Scandium, or damaged, are no error: diagnostics is told with
//   Result::ok, and pipelines are compiled anew.
//   Errors: invalid_argument (null member of desc or null out, version under 1.1, such a feature, keep_pipelines beside a
//   pipeline_cache), unsupported (the physical device is under 1.1), out_of_host_memory, out_of_device_memory,
//   internal_error (an entry point is missing, a Vulkan call failed).
[[nodiscard]] SCANDIUM_API Result wrap_device(const DeviceDesc& desc, Device** out) noexcept;

// Every Graph and Plan made from it must be gone before. Null is ignored.
SCANDIUM_API void destroy_device(Device* device) noexcept;

// Gives what a later run may hand in as DeviceDesc::kept_pipelines: the pipelines of all plans made so far and those that the
// cache began with, as the driver packs them, behind a header that tells what they are good for. Calls `sink` once, with bytes
// that are valid during the call only. They are for a place that no one else can write to: a header tells faults, not attacks.
//   Errors: invalid_argument (null argument, a Device made without keep_pipelines), out_of_host_memory, out_of_device_memory,
//   internal_error.
using PipelineSink = void (*)(void* user, Span<uint8_t> bytes);
[[nodiscard]] SCANDIUM_API Result save_pipelines(const Device* device, PipelineSink sink, void* user) noexcept;

// What variants are chosen from: `features` are those that the host enabled, as far as they can be used.
SCANDIUM_API const Caps& device_caps(const Device* device) noexcept;

}  // namespace scandium

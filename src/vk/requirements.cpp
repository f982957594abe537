// What a physical device offers: read from feature and property structures, each chained only where the
// version in use or a listed extension defines it. An extension's presence alone proves nothing: drivers
// list VK_KHR_cooperative_matrix with the feature off.
#include "core/array.h"
#include "core/features.h"
#include "vk/device_vk.h"

namespace scandium {
namespace {

// Of VK_KHR_shader_bfloat16.
constexpr VkStructureType kStructureTypeBfloat16Features = VkStructureType(1000141000);
// Of VK_NV_cooperative_matrix2.
constexpr VkStructureType kStructureTypeMatrix2Features = VkStructureType(1000593000);
constexpr VkComponentTypeKHR kComponentTypeBfloat16 = VkComponentTypeKHR(1000141000);
// In vulkan_beta.h, which needs a macro that is the host's to define.
constexpr const char* kPortabilitySubsetExtension = "VK_KHR_portability_subset";

// Chains structures in the order of calls.
class Chain {
public:
    explicit Chain(void** tail) : tail_(tail) {}

    template <class T>
    void add(T* structure, VkStructureType type) {
        structure->sType = type;
        structure->pNext = nullptr;
        *tail_ = structure;
        tail_ = &structure->pNext;
    }
    void end(void* next) { *tail_ = next; }

private:
    void** tail_;
};

// The version in use and the extensions listed: what may be asked of a physical device.
struct Offer {
    uint32_t version = 0;
    Array<VkExtensionProperties> extensions;

    bool lists(const char* name) const {
        for (const VkExtensionProperties& extension : extensions)
            if (std::strcmp(extension.extensionName, name) == 0) return true;
        return false;
    }
    bool has(uint32_t core_since, const char* extension) const { return version >= core_since || lists(extension); }
};

Result list_extensions(const InstanceApi& api, VkPhysicalDevice physical_device, Array<VkExtensionProperties>* out) {
    VkResult result = VK_INCOMPLETE;
    while (result == VK_INCOMPLETE) {
        uint32_t count = 0;
        result = api.EnumerateDeviceExtensionProperties(physical_device, nullptr, &count, nullptr);
        if (result != VK_SUCCESS) break;
        if (!out->resize(count)) return Result::out_of_host_memory;
        result = api.EnumerateDeviceExtensionProperties(physical_device, nullptr, &count, out->data());
        if (result >= VK_SUCCESS && !out->resize(count)) return Result::out_of_host_memory;
    }
    if (result == VK_SUCCESS) return Result::ok;
    return result == VK_ERROR_OUT_OF_HOST_MEMORY ? Result::out_of_host_memory : Result::internal_error;
}

Result query_offer(const InstanceApi& api, VkPhysicalDevice physical_device, uint32_t api_version, Offer* out) {
    VkPhysicalDeviceProperties properties{};
    api.GetPhysicalDeviceProperties(physical_device, &properties);
    out->version = api_version < properties.apiVersion ? api_version : properties.apiVersion;
    if (out->version < VK_API_VERSION_1_1) return Result::unsupported;
    return list_extensions(api, physical_device, &out->extensions);
}

void query_features(const InstanceApi& api, VkPhysicalDevice physical_device, const Offer& offer, FeatureChain* out) {
    *out = FeatureChain{};
    out->features2.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    Chain chain(&out->features2.pNext);
    chain.add(&out->storage16, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
    if (offer.has(VK_API_VERSION_1_2, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME))
        chain.add(&out->float16, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
    if (offer.has(VK_API_VERSION_1_2, VK_KHR_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME))
        chain.add(&out->address, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES);
    if (offer.has(VK_API_VERSION_1_3, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        chain.add(&out->subgroup_size, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES);
    if (offer.has(VK_API_VERSION_1_2, VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME))
        chain.add(&out->memory_model, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
    if (offer.version >= VK_API_VERSION_1_3) chain.add(&out->maintenance4, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES);
    if (offer.lists(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME))
        chain.add(&out->cooperative_matrix, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
    if (offer.lists(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME))
        chain.add(&out->executable, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR);
    if (offer.lists(kBfloat16Extension)) chain.add(&out->bfloat16, kStructureTypeBfloat16Features);
    if (offer.lists(kMatrix2Extension)) chain.add(&out->matrix2, kStructureTypeMatrix2Features);
    api.GetPhysicalDeviceFeatures2(physical_device, &out->features2);
}

// Each for itself.
Features offered_features(const FeatureChain& found) {
    Features features;
    features.storage_buffer_16bit = found.storage16.storageBuffer16BitAccess;
    features.shader_float16 = found.float16.shaderFloat16;
    features.buffer_device_address = found.address.bufferDeviceAddress;
    features.subgroup_size_control = found.subgroup_size.subgroupSizeControl;
    features.compute_full_subgroups = found.subgroup_size.computeFullSubgroups;
    features.vulkan_memory_model = found.memory_model.vulkanMemoryModel;
    features.cooperative_matrix = found.cooperative_matrix.cooperativeMatrix;
    features.bfloat16_cooperative_matrix = found.bfloat16.cooperative_matrix;
    features.cooperative_matrix_conversions = found.matrix2.conversions;
    features.pipeline_executable_info = found.executable.pipelineExecutableInfo;
    return features;
}

// Those that have what Scandium needs beside them.
Features usable_features(const FeatureChain& found) {
    Features features = offered_features(found);
    // With the memory model on, atomics of device scope, which kernels of the 32-bit back ends have, need its second bit.
    if (!found.memory_model.vulkanMemoryModelDeviceScope) features.vulkan_memory_model = false;
    // Kernels with matrices are in the Vulkan memory model and SPIR-V 1.6, which Vulkan 1.3 brings; there, a workgroup size
    // that is a specialization constant needs maintenance4.
    if (!features.vulkan_memory_model || !found.maintenance4.maintenance4) features.cooperative_matrix = false;
    if (!features.cooperative_matrix || !found.bfloat16.type) features.bfloat16_cooperative_matrix = false;
    if (!features.cooperative_matrix) features.cooperative_matrix_conversions = false;
    return features;
}

DType to_dtype(VkComponentTypeKHR type) {
    if (type == VK_COMPONENT_TYPE_FLOAT32_KHR) return DType::f32;
    if (type == VK_COMPONENT_TYPE_FLOAT16_KHR) return DType::f16;
    if (type == kComponentTypeBfloat16) return DType::bf16;
    return DType::none;
}

Result query_cooperative_matrices(const InstanceApi& api, VkPhysicalDevice physical_device, Caps* caps) {
    if (!caps->features.cooperative_matrix) return Result::ok;
    if (!api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR) return Result::internal_error;
    uint32_t count = 0;
    if (api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical_device, &count, nullptr) < VK_SUCCESS) return Result::internal_error;
    VkCooperativeMatrixPropertiesKHR empty{};
    empty.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    Array<VkCooperativeMatrixPropertiesKHR> rows;
    if (!rows.resize(count, empty)) return Result::out_of_host_memory;
    if (api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical_device, &count, rows.data()) < VK_SUCCESS)
        return Result::internal_error;
    for (uint32_t i = 0; i < count && caps->cooperative_matrix_count < kMaxCooperativeMatrixShapes; ++i) {
        const VkCooperativeMatrixPropertiesKHR& row = rows[i];
        const CooperativeMatrixShape shape = {
            row.MSize, row.NSize, row.KSize, to_dtype(row.AType), to_dtype(row.BType), to_dtype(row.CType), to_dtype(row.ResultType)};
        const bool typed = shape.a != DType::none && shape.b != DType::none && shape.c != DType::none && shape.result != DType::none;
        if (typed && row.scope == VK_SCOPE_SUBGROUP_KHR) caps->cooperative_matrices[caps->cooperative_matrix_count++] = shape;
    }
    return Result::ok;
}

struct Properties {
    VkPhysicalDeviceProperties2 properties2;
    VkPhysicalDeviceSubgroupProperties subgroup;
    VkPhysicalDeviceDriverProperties driver;
    VkPhysicalDeviceSubgroupSizeControlProperties subgroup_size;
    // How many processors run workgroups: each vendor's own way to tell, asked for where it is listed.
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV multiprocessors;
    VkPhysicalDeviceShaderCoreProperties2AMD compute_units;
    VkPhysicalDeviceShaderCoreBuiltinsPropertiesARM shader_cores;
};

void query_properties(const InstanceApi& api, VkPhysicalDevice physical_device, const Offer& offer, Properties* out) {
    *out = Properties{};
    out->properties2.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    Chain chain(&out->properties2.pNext);
    chain.add(&out->subgroup, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
    if (offer.has(VK_API_VERSION_1_2, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME))
        chain.add(&out->driver, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
    if (offer.has(VK_API_VERSION_1_3, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        chain.add(&out->subgroup_size, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES);
    if (offer.lists(VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME))
        chain.add(&out->multiprocessors, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV);
    if (offer.lists(VK_AMD_SHADER_CORE_PROPERTIES_2_EXTENSION_NAME))
        chain.add(&out->compute_units, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_2_AMD);
    if (offer.lists(VK_ARM_SHADER_CORE_BUILTINS_EXTENSION_NAME))
        chain.add(&out->shader_cores, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_BUILTINS_PROPERTIES_ARM);
    api.GetPhysicalDeviceProperties2(physical_device, &out->properties2);
}

void fill_identity(const Properties& from, Caps* caps) {
    const VkPhysicalDeviceProperties& properties = from.properties2.properties;
    std::memcpy(caps->device_name, properties.deviceName, sizeof caps->device_name);
    std::memcpy(caps->driver_name, from.driver.driverName, sizeof caps->driver_name);
    std::memcpy(caps->driver_info, from.driver.driverInfo, sizeof caps->driver_info);
    caps->api_version = properties.apiVersion;
    caps->vendor_id = properties.vendorID;
    caps->device_id = properties.deviceID;
    caps->driver_version = properties.driverVersion;
    caps->driver_id = from.driver.driverID;
    caps->device_type = properties.deviceType;
}

void fill_subgroup(const Properties& from, Caps* caps) {
    const VkPhysicalDeviceSubgroupProperties& subgroup = from.subgroup;
    caps->subgroup_size = subgroup.subgroupSize;
    const bool varies = from.subgroup_size.maxSubgroupSize != 0;
    caps->min_subgroup_size = varies ? from.subgroup_size.minSubgroupSize : subgroup.subgroupSize;
    caps->max_subgroup_size = varies ? from.subgroup_size.maxSubgroupSize : subgroup.subgroupSize;
    const VkSubgroupFeatureFlags operations =
        (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) ? subgroup.supportedOperations : VkSubgroupFeatureFlags(0);
    const bool basic = operations & VK_SUBGROUP_FEATURE_BASIC_BIT;
    caps->subgroup_arithmetic = basic && (operations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
    caps->subgroup_shuffle = basic && (operations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
    caps->can_require_subgroup_size =
        caps->features.subgroup_size_control && (from.subgroup_size.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT);
}

void fill_limits(const Properties& from, Caps* caps) {
    const VkPhysicalDeviceLimits& limits = from.properties2.properties.limits;
    caps->max_invocations = limits.maxComputeWorkGroupInvocations;
    caps->max_workgroup_size_x = limits.maxComputeWorkGroupSize[0];
    for (int i = 0; i < 3; ++i) caps->max_workgroups[i] = limits.maxComputeWorkGroupCount[i];
    caps->shared_memory = limits.maxComputeSharedMemorySize;
    caps->max_storage_range = limits.maxStorageBufferRange;
    caps->storage_offset_alignment = uint32_t(limits.minStorageBufferOffsetAlignment);
    caps->cores = from.multiprocessors.shaderSMCount + from.compute_units.activeComputeUnitCount + from.shader_cores.shaderCoreCount;
    caps->timestamp_period = limits.timestampComputeAndGraphics ? limits.timestampPeriod : 0.0f;
}

// The checks that query_requirements and query_caps share, and the entry points.
Result prepare_query(PFN_vkGetInstanceProcAddr get, VkInstance instance, VkPhysicalDevice physical_device, uint32_t api_version,
                     const void* out, InstanceApi* api) {
    if (!get || !instance || !physical_device || !out || api_version < VK_API_VERSION_1_1) return Result::invalid_argument;
    return api->load(get, instance) ? Result::internal_error : Result::ok;
}

}  // namespace

Result query_device(const InstanceApi& api, VkPhysicalDevice physical_device, uint32_t api_version, Caps* caps, BesideCaps* beside) {
    Offer offer;
    if (Result result = query_offer(api, physical_device, api_version, &offer); result != Result::ok) return result;
    beside->version = offer.version;
    FeatureChain found;
    query_features(api, physical_device, offer, &found);
    beside->offered = offered_features(found);
    Properties properties;
    query_properties(api, physical_device, offer, &properties);
    *caps = Caps();
    caps->features = usable_features(found);
    fill_identity(properties, caps);
    fill_subgroup(properties, caps);
    fill_limits(properties, caps);
    caps->bug_cooperative_matrix_crash = caps->driver_id == VK_DRIVER_ID_MESA_LLVMPIPE && caps->subgroup_size >= 16;
    std::memcpy(beside->pipeline_cache_uuid, properties.properties2.properties.pipelineCacheUUID, sizeof beside->pipeline_cache_uuid);
    beside->limits.max_workgroup_subgroups = properties.subgroup_size.maxComputeWorkgroupSubgroups;
    return query_cooperative_matrices(api, physical_device, caps);
}

Result query_caps(PFN_vkGetInstanceProcAddr get_instance_proc_addr, VkInstance instance, VkPhysicalDevice physical_device,
                  uint32_t api_version, Caps* out) noexcept {
    InstanceApi api;
    if (Result result = prepare_query(get_instance_proc_addr, instance, physical_device, api_version, out, &api); result != Result::ok)
        return result;
    BesideCaps beside;
    return query_device(api, physical_device, api_version, out, &beside);
}

Result query_requirements(PFN_vkGetInstanceProcAddr get_instance_proc_addr, VkInstance instance, VkPhysicalDevice physical_device,
                          uint32_t api_version, Requirements* out) noexcept {
    InstanceApi api;
    if (Result result = prepare_query(get_instance_proc_addr, instance, physical_device, api_version, out, &api); result != Result::ok)
        return result;
    Offer offer;
    if (Result result = query_offer(api, physical_device, api_version, &offer); result != Result::ok) return result;
    *out = Requirements();
    FeatureChain found;
    query_features(api, physical_device, offer, &found);
    out->features = usable_features(found);
    for (const FeatureMember& feature : kFeatureMembers) {
        if (!(out->features.*feature.member) || offer.version >= feature.core_since) continue;
        bool listed = false;
        for (uint32_t i = 0; i < out->extension_count; ++i) listed |= std::strcmp(out->extensions[i], feature.extension) == 0;
        if (!listed) out->extensions[out->extension_count++] = feature.extension;
    }
    // Vulkan requires it enabled wherever it is listed.
    if (offer.lists(kPortabilitySubsetExtension)) out->extensions[out->extension_count++] = kPortabilitySubsetExtension;
    return Result::ok;
}

void* fill_feature_chain(const Features& features, FeatureChain* out, void* next) noexcept {
    *out = FeatureChain{};
    out->features2.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    out->storage16.storageBuffer16BitAccess = features.storage_buffer_16bit;
    out->float16.shaderFloat16 = features.shader_float16;
    out->address.bufferDeviceAddress = features.buffer_device_address;
    out->subgroup_size.subgroupSizeControl = features.subgroup_size_control;
    out->subgroup_size.computeFullSubgroups = features.compute_full_subgroups;
    out->memory_model.vulkanMemoryModel = features.vulkan_memory_model;
    out->memory_model.vulkanMemoryModelDeviceScope = features.vulkan_memory_model;
    out->maintenance4.maintenance4 = features.cooperative_matrix;
    out->cooperative_matrix.cooperativeMatrix = features.cooperative_matrix;
    out->executable.pipelineExecutableInfo = features.pipeline_executable_info;
    out->bfloat16.type = features.bfloat16_cooperative_matrix;
    out->bfloat16.cooperative_matrix = features.bfloat16_cooperative_matrix;
    out->matrix2.conversions = features.cooperative_matrix_conversions;

    Chain chain(&out->features2.pNext);
    if (features.storage_buffer_16bit) chain.add(&out->storage16, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
    if (features.shader_float16) chain.add(&out->float16, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
    if (features.buffer_device_address) chain.add(&out->address, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES);
    if (features.subgroup_size_control || features.compute_full_subgroups)
        chain.add(&out->subgroup_size, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES);
    if (features.vulkan_memory_model) chain.add(&out->memory_model, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
    if (features.cooperative_matrix) {
        chain.add(&out->maintenance4, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES);
        chain.add(&out->cooperative_matrix, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
    }
    if (features.pipeline_executable_info)
        chain.add(&out->executable, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR);
    if (features.bfloat16_cooperative_matrix) chain.add(&out->bfloat16, kStructureTypeBfloat16Features);
    if (features.cooperative_matrix_conversions) chain.add(&out->matrix2, kStructureTypeMatrix2Features);
    chain.end(next);
    return &out->features2;
}

}  // namespace scandium

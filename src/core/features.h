// The members of Features, for whatever is done to each of them.
#pragma once

#include <iterator>

#include "scandium/device.h"

namespace scandium {

inline constexpr uint32_t kNeverCore = ~0u;
// Headers older than 1.4.311 lack it.
inline constexpr const char* kBfloat16Extension = "VK_KHR_shader_bfloat16";

// Headers older than 1.3.300 lack it.
inline constexpr const char* kMatrix2Extension = "VK_NV_cooperative_matrix2";

struct FeatureMember {
    bool Features::*member;
    const char* name;
    uint32_t core_since;    // the first Vulkan version that has it without an extension
    const char* extension;  // null: it was never in one that a Vulkan 1.1 device needs
};

inline constexpr FeatureMember kFeatureMembers[] = {
    {&Features::storage_buffer_16bit, "storage_buffer_16bit", VK_API_VERSION_1_1, nullptr},
    {&Features::shader_float16, "shader_float16", VK_API_VERSION_1_2, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME},
    {&Features::buffer_device_address, "buffer_device_address", VK_API_VERSION_1_2, VK_KHR_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME},
    {&Features::subgroup_size_control, "subgroup_size_control", VK_API_VERSION_1_3, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME},
    {&Features::compute_full_subgroups, "compute_full_subgroups", VK_API_VERSION_1_3, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME},
    {&Features::vulkan_memory_model, "vulkan_memory_model", VK_API_VERSION_1_2, VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME},
    {&Features::cooperative_matrix, "cooperative_matrix", kNeverCore, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME},
    {&Features::bfloat16_cooperative_matrix, "bfloat16_cooperative_matrix", kNeverCore, kBfloat16Extension},
    {&Features::cooperative_matrix_conversions, "cooperative_matrix_conversions", kNeverCore, kMatrix2Extension},
    {&Features::pipeline_executable_info, "pipeline_executable_info", kNeverCore, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME},
};
static_assert(std::size(kFeatureMembers) * sizeof(bool) == sizeof(Features), "every feature is listed");

inline Features common(const Features& a, const Features& b) {
    Features both;
    for (const FeatureMember& feature : kFeatureMembers) both.*feature.member = a.*feature.member && b.*feature.member;
    return both;
}

}  // namespace scandium

// GPUs that are made up, as choose_ssd_scan sees them, and what it answers.
#pragma once

#include <string>
#include <vector>

#include "ops/ssd_choose.h"

namespace scandium::test {

// A discrete GPU with all that matrices need but the matrices.
inline Caps ssd_gpu_caps(uint32_t subgroup_size) {
    Caps caps;
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = subgroup_size;
    caps.subgroup_arithmetic = caps.subgroup_shuffle = true;
    caps.max_invocations = caps.max_workgroup_size_x = 1024;
    caps.shared_memory = 49152;
    caps.features.storage_buffer_16bit = caps.features.shader_float16 = caps.features.buffer_device_address = true;
    caps.features.subgroup_size_control = caps.features.compute_full_subgroups = caps.features.vulkan_memory_model = true;
    return caps;
}

inline void add_shape(Caps* caps, uint32_t m, uint32_t n, uint32_t k, DType operands, DType result = DType::f32) {
    caps->features.cooperative_matrix = true;
    caps->cooperative_matrices[caps->cooperative_matrix_count++] = {m, n, k, operands, operands, result, result};
}

struct SsdAnswer {
    Result result = Result::ok;
    SsdChoice choice;
    std::vector<std::string> told;
};

inline SsdAnswer choose_ssd(const Caps& caps, const SsdProblem& problem) {
    SsdAnswer answer;
    Diagnostics diagnostics;
    diagnostics.user = &answer.told;
    diagnostics.callback = [](void* user, Result, VkResult, const char* message) {
        static_cast<std::vector<std::string>*>(user)->push_back(message);
    };
    answer.result = choose_ssd_scan(caps, diagnostics, problem, &answer.choice);
    return answer;
}

}  // namespace scandium::test

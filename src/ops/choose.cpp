#include "ops/choose.h"

namespace scandium {

SubgroupSize fixed_subgroup_size(const Caps& caps) {
    if (caps.can_require_subgroup_size && caps.features.compute_full_subgroups) {
        // Where there is a choice, narrow subgroups leave each lane more registers; under 16 lanes they idle the units.
        uint32_t size = caps.min_subgroup_size;
        while (size < 16 && size < caps.max_subgroup_size) size *= 2;
        return {size, size};
    }
    if (caps.min_subgroup_size == caps.max_subgroup_size) return {caps.subgroup_size, 0};
    return {};
}

const char* why_no_subgroups(const Caps& caps) {
    if (!caps.subgroup_arithmetic || !caps.subgroup_shuffle) return "no subgroup arithmetic or shuffle";
    if (caps.subgroup_size < 4) return "subgroups of fewer than 4 lanes";
    if (!caps.features.compute_full_subgroups && caps.min_subgroup_size != caps.max_subgroup_size)
        return "compute_full_subgroups is not enabled";
    return nullptr;
}

SubgroupSize words_subgroup(const Caps& caps) {
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    const bool fits = caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU && (subgroup.size == 8 || subgroup.size == 16);
    return fits && !why_no_subgroups(caps) ? subgroup : SubgroupSize();
}

const char* why_no_matrices(const Caps& caps, DType type, Kernel kernel, Flavour* out) {
    if (!caps.features.cooperative_matrix)
        return "cooperative_matrix (with maintenance4, vulkan_memory_model and storage_buffer_16bit) is not enabled";
    if (caps.bug_cooperative_matrix_crash) return "this driver crashes on cooperative matrices";
    if (type == DType::f32) return "f32 inputs would lose precision in 16-bit operands";
    if (!caps.features.storage_buffer_16bit) return "storage_buffer_16bit is not enabled";
    if (type == DType::f16 && !caps.features.shader_float16) return "shader_float16 is not enabled";
    if (type == DType::bf16 && !caps.features.bfloat16_cooperative_matrix) return "bfloat16_cooperative_matrix is not enabled";
    *out = type == DType::f16 ? Flavour::coopmat_f16 : Flavour::coopmat_bf16;
    if (!find_kernel_code(kernel, *out, Backend::address16)) return "this build has no bf16 cooperative-matrix kernels";
    return nullptr;
}

uint32_t power_of_two_from(uint32_t value) {
    uint32_t power = 1;
    while (power < value) power *= 2;
    return power;
}

}  // namespace scandium

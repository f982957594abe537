// Which ways of running ssd_scan this device has.
#include <cstdlib>
#include <cstring>

#include "support/ssd_case.h"
#include "support/test_device.h"

namespace scandium::test {
bool multiplies_matrices_of(DType operands) {
    const Caps& caps = TestDevice::get().caps();
    for (uint32_t i = 0; i < caps.cooperative_matrix_count; ++i) {
        const CooperativeMatrixShape& s = caps.cooperative_matrices[i];
        if (s.a == operands && s.b == operands && s.c == DType::f32 && s.result == DType::f32) return true;
    }
    return false;
}

std::vector<DType> matrix_dtypes() {
    std::vector<DType> dtypes;
    for (DType dtype : {DType::f16, DType::bf16})
        if (multiplies_matrices_of(dtype)) dtypes.push_back(dtype);
    if (dtypes.empty()) dtypes.push_back(DType::f32);
    return dtypes;
}

DType matrix_dtype() { return matrix_dtypes().front(); }

// Where the recurrence left to itself has kernels that no variant names.
bool is_cpu() { return TestDevice::get().caps().device_type == VK_PHYSICAL_DEVICE_TYPE_CPU; }

std::string missing(const SsdPath& path) {
    const Caps& caps = TestDevice::get().caps();
    const std::string device = std::string(" (") + caps.device_name + ")";
    if (path.access == MemoryAccess::address && !caps.features.buffer_device_address) return "no buffer device addresses" + device;
    if (path.variant == Variant::subgroup && !(caps.subgroup_arithmetic && caps.subgroup_shuffle))
        return "no subgroup arithmetic or no shuffles" + device;
    if (path.variant != Variant::coopmat) return {};
    if (path.algorithm == SsdAlgorithm::recurrent) return "the recurrent algorithm multiplies no matrices";
    if (caps.bug_cooperative_matrix_crash) return "the driver crashes compiling cooperative matrices" + device;
    if (!caps.features.cooperative_matrix) return "no cooperative matrices" + device;
    if (matrix_dtype() == DType::f32) return "no cooperative matrices of f16 or bf16 into f32" + device;
    return {};
}

std::vector<SsdPath> device_paths() {
    std::vector<SsdPath> paths;
    for (SsdAlgorithm algorithm : {SsdAlgorithm::chunked, SsdAlgorithm::recurrent})
        for (Variant variant : {Variant::scalar, Variant::subgroup, Variant::coopmat, Variant::automatic})
            for (MemoryAccess access : {MemoryAccess::address, MemoryAccess::descriptor})
                if (const SsdPath path{algorithm, variant, access}; missing(path).empty()) {
                    const bool has_its_own = algorithm == SsdAlgorithm::recurrent && is_cpu();
                    if (variant == Variant::automatic && !has_its_own) continue;
                    const bool again = !paths.empty() && paths.back().algorithm == algorithm && paths.back().variant == variant;
                    if (!again || !few_paths_wanted()) paths.push_back(path);
                }
    // Through descriptors on_path promises too little alignment for it.
    const SsdPath fused{SsdAlgorithm::fused, Variant::coopmat, MemoryAccess::address};
    if (missing(fused).empty()) paths.push_back(fused);
    return paths;
}

bool matrices_are_slow() {
    const char* thorough = std::getenv("SCANDIUM_TEST_THOROUGH");
    const bool asked = thorough && std::strcmp(thorough, "1") == 0;
    return is_cpu() && !asked;
}

std::vector<SsdPath> main_paths() {
    SsdPath preferred{SsdAlgorithm::chunked, Variant::automatic, MemoryAccess::automatic};
    if (matrices_are_slow()) {
        preferred.variant = Variant::subgroup;
        if (!missing(preferred).empty()) preferred.variant = Variant::scalar;
    }
    std::vector<SsdPath> paths = {preferred, {SsdAlgorithm::recurrent, Variant::automatic, MemoryAccess::automatic}};
    if (few_paths_wanted()) return paths;
    paths.push_back({SsdAlgorithm::chunked, Variant::scalar, MemoryAccess::descriptor});
    paths.push_back({SsdAlgorithm::recurrent, Variant::scalar, MemoryAccess::descriptor});
    return paths;
}

std::vector<SsdPath> main_paths_and_matrices(DType io) {
    std::vector<SsdPath> paths = main_paths();
    const SsdPath matrices{SsdAlgorithm::chunked, Variant::coopmat, MemoryAccess::automatic};
    if (missing(matrices).empty() && multiplies_matrices_of(io)) paths.push_back(matrices);
    return paths;
}

std::vector<SsdPath> variant_paths() {
    std::vector<SsdPath> paths;
    for (const SsdPath& path : device_paths())
        if (path.algorithm != SsdAlgorithm::fused &&
            (paths.empty() || paths.back().algorithm != path.algorithm || paths.back().variant != path.variant))
            paths.push_back({path.algorithm, path.variant, MemoryAccess::automatic});
    return paths;
}

}  // namespace scandium::test

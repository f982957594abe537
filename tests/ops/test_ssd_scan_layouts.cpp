// ssd_scan over element types, strides and shared tensors.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "support/ssd_case.h"

namespace scandium::test {
namespace {

SsdCase typical(const SsdPath& path) {
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {2, 37, 4, 24, 2, 16};
    c.initial_states = c.z = true;
    return c;
}

TEST_CASE("x, B, C, z and y in each type") {
    const DType io = GENERATE(DType::f32, DType::f16, DType::bf16);
    const SsdPath path = GENERATE(from_range(main_paths()));
    check_case(typical(path).with_io(io));
}

TEST_CASE("dt in each type") {
    const DType dt = GENERATE(DType::f16, DType::bf16);
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.dt_dtype = dt;
    c.dt_bias = c.dt_softplus = true;
    check_case(c);
}

TEST_CASE("types that differ from tensor to tensor") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.x_dtype = DType::f16;
    c.bc_dtype = DType::bf16;
    c.dt_dtype = DType::f16;
    c.z_dtype = GENERATE(DType::f32, DType::bf16);
    c.y_dtype = c.z_dtype == DType::f32 ? DType::bf16 : DType::f32;
    c.final_dtype = DType::f16;
    check_case(c);
}

TEST_CASE("states in each type") {
    const DType dtype = GENERATE(DType::f16, DType::bf16);
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.initial_dtype = c.final_dtype = c.states_dtype = dtype;
    c.states = true;
    check_case(c);
}

TEST_CASE("states kept in 16 bits between the stages") {
    SsdCase c = typical({SsdAlgorithm::chunked, Variant::automatic, MemoryAccess::automatic});
    c.chunk_states_dtype = GENERATE(DType::f16, DType::bf16);
    c.variant = GENERATE(Variant::automatic, Variant::scalar);
    check_case(c);
}

TEST_CASE("tensors that begin at any multiple of the alignment that was promised") {
    // Elsewhere addresses come with 16 bytes and descriptors with 4.
    SsdPath path = GENERATE(from_range(variant_paths()));
    const auto [access, alignment] = GENERATE(std::pair(MemoryAccess::address, 4u), std::pair(MemoryAccess::address, 8u),
                                              std::pair(MemoryAccess::descriptor, 16u), std::pair(MemoryAccess::descriptor, 64u));
    path.access = access;
    if (!missing(path).empty()) SKIP(missing(path));
    if (path.variant == Variant::coopmat && alignment != 4 && matrices_are_slow())
        SKIP("compiling for matrix units is slow on a CPU: SCANDIUM_TEST_THOROUGH=1 runs it");
    SsdCase c = on_path(SsdCase(), path);
    if (path.variant == Variant::coopmat) c.with_io(matrix_dtype());
    c.shape = {2, 37, 2, 32, 1, 32};
    c.with_everything();
    c.alignment = alignment;
    check_case(c);
}

TEST_CASE("final_states in the place of initial_states") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.in_place = true;
    c.initial_dtype = GENERATE(DType::f32, DType::bf16);
    check_case(c);
}

TEST_CASE("heads before tokens, as in NKI") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.x_layout.order = c.bc_layout.order = {0, 2, 1, 3};
    c.dt_layout.order = {0, 2, 1};
    check_case(c);
}

TEST_CASE("states as (dstate, headdim)") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.state_layout.order = {0, 1, 3, 2};
    c.boundary_layout.order = {0, 1, 2, 4, 3};
    c.states = true;
    check_case(c);
}

TEST_CASE("a last axis that is not contiguous") {
    const SsdPath path = GENERATE(from_range(main_paths_and_matrices(matrix_dtype())));
    const bool other_axis = GENERATE(false, true);
    DType io = path.access == MemoryAccess::descriptor ? DType::f16 : DType::f32;
    if (path.variant == Variant::coopmat) io = matrix_dtype();
    if (path.variant == Variant::coopmat && !other_axis && matrices_are_slow())
        SKIP("compiling for matrix units is slow on a CPU: SCANDIUM_TEST_THOROUGH=1 runs it");
    SsdCase c = typical(path).with_io(io);
    if (other_axis) {
        c.x_layout.order = c.bc_layout.order = {0, 1, 3, 2};
        c.dt_layout.order = {0, 2, 1};
        c.state_layout.order = {3, 2, 1, 0};
    } else {
        c.x_layout.step = c.dt_layout.step = 3;
        c.bc_layout.step = c.state_layout.step = 2;
    }
    check_case(c);
}

TEST_CASE("rows with padding, which stays as it was") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    const DType io = GENERATE(DType::f32, DType::bf16);
    SsdCase c = typical(path).with_io(io);
    // Odd, so that in 16 bits the padding shares words with elements.
    c.shape.headdim = 23;
    c.x_layout.padding = 4;
    c.bc_layout.padding = 3;
    c.dt_layout.padding = 5;
    c.state_layout.padding = c.boundary_layout.padding = 7;
    c.final_dtype = c.states_dtype = io;
    c.states = true;
    check_case(c);
}

// Some devices bind 128 MiB at most; whatever axis the distance lies along, the problem is cut there.
TEST_CASE("tensors that reach further than one binding") {
    const SsdPath path = GENERATE(SsdPath{SsdAlgorithm::chunked, Variant::automatic, MemoryAccess::descriptor},
                                  SsdPath{SsdAlgorithm::recurrent, Variant::automatic, MemoryAccess::descriptor});
    constexpr uint64_t kMiB = (1 << 20) / sizeof(float);
    SsdCase c = on_path(SsdCase(), path);
    c.separate_buffers = c.initial_states = true;
    SECTION("rows apart") {
        c.shape = {3, 18, 1, 8, 1, 8};
        c.x_layout.slowest_stride = 65 * kMiB;
    }
    SECTION("tokens apart, so that the state is carried from part to part") {
        c.shape = {1, 41, 1, 8, 1, 8};
        c.x_layout.order = {1, 0, 2, 3};
        c.x_layout.slowest_stride = 4 * kMiB;
    }
    SECTION("heads apart, by groups and within one") {
        c.shape = {1, 18, 4, 8, 2, 8};
        c.x_layout.order = {2, 0, 1, 3};
        c.x_layout.slowest_stride = 65 * kMiB;
    }
    check_case(c);
}

}  // namespace
}  // namespace scandium::test

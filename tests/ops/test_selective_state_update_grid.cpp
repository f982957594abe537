// selective_state_update at the sizes of its references' own suites, those of mamba_ssm and vLLM. On one path, the library's choice;
// types take turns.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <tuple>

#include "support/update_case.h"

namespace scandium::test {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16};

// Mamba-1's form, with all but snapshots.
UpdateCase update_case(uint64_t batch, uint64_t dim, uint64_t dstate, DType io, bool z) {
    UpdateCase c;
    c.shape = {batch, 1, 1, dim, 1, dstate};
    c.per_head = c.token_axis = false;
    c.D = c.dt_bias = c.dt_softplus = true;
    c.z = z;
    c.io_dtype = c.state_dtype = io;
    c.path = {Variant::automatic, MemoryAccess::automatic, 16};
    return c;
}

TEST_CASE("grid: selective_state_update of 2048, 2064 and 4096 channels") {
    const uint64_t dim = GENERATE(2048u, 2064u, 4096u);
    for (uint32_t i = 0; i < 3; ++i) check_case(update_case(2, dim, 16u << i, kTypes[(i + dim / 16) % 3], i != 1));
}

TEST_CASE("grid: selective_state_update of heads of 64 in groups") {
    const uint64_t ngroups = GENERATE(1u, 2u, 4u);
    for (uint32_t i = 0; i < 3; ++i) {
        const uint64_t dim = (i + ngroups) % 2 ? 2048 : 4096;
        UpdateCase c = update_case(2, dim, 16u << i, kTypes[(i + ngroups) % 3], i != 1);
        c.shape.nheads = dim / 64;
        c.shape.headdim = 64;
        c.shape.ngroups = ngroups;
        c.per_head = i != 2;  // dt, A, D and dt_bias of each head, or of each of its channels
        check_case(c);
    }
}

// Slots that no index names are watched byte by byte.
TEST_CASE("grid: selective_state_update of 16 rows whose states lie in 160 slots") {
    const auto [dim, dstate, dtype] =
        GENERATE(std::tuple(2048u, 64u, DType::bf16), std::tuple(2064u, 32u, DType::f32), std::tuple(4096u, 16u, DType::f16));
    UpdateCase c = update_case(16, dim, dstate, dtype, true);
    c.shape.slots = 160;
    for (int32_t b = 0; b < 16; ++b) c.indices.push_back((b * 73 + 11) % 160);
    check_case(c);
}

}  // namespace
}  // namespace scandium::test

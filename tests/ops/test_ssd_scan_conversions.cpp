// ssd_scan's fused form where the device converts sums to operands: y then lies in shared memory in its own type.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "support/compare.h"
#include "support/ssd_case.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

void check_converted(DType io) {
    const Caps& caps = TestDevice::get().caps();
    if (!caps.features.cooperative_matrix_conversions) SKIP("no conversions of cooperative matrices (" << caps.device_name << ")");
    if (!multiplies_matrices_of(io)) SKIP("no cooperative matrices of " << to_string(io) << " into f32 (" << caps.device_name << ")");
    SsdCase c;
    c.algorithm = SsdAlgorithm::fused;
    c.variant = Variant::coopmat;
    c.shape = {2, 70, 4, 24, 2, 40};
    c.with_io(io);
    c.D = GENERATE(SsdD::none, SsdD::per_head, SsdD::per_element);
    c.initial_states = GENERATE(false, true);
    for (uint64_t recorded : {0, 1, 32, 47}) {
        c.record_seqlen = recorded;
        check_case(c);
    }
    c.record_seqlen = 0;
    const SsdInputs in = make_inputs(c);
    const SsdRun once = run_ok(c, in), thrice = run_ssd(c, in, 3);
    CHECK(once.stages.back().kernel.find("coopmat2") != std::string::npos);
    CHECK(differing_bits(once.y, thrice.y) == 0);
    CHECK(differing_bits(once.final_states, thrice.final_states) == 0);
}

TEST_CASE("fused, with conversions: y in the operands' type, without z, in f16") { check_converted(DType::f16); }
TEST_CASE("fused, with conversions: y in the operands' type, without z, in bf16") { check_converted(DType::bf16); }

}  // namespace
}  // namespace scandium::test

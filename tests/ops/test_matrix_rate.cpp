// matrix_rate: that all products which it is timed for were made, on every matrix that the device lists.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "scandium/ops/matrix_rate.h"
#include "support/op_run.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Ids = std::function<TensorId(const std::string&)>;

OpSetup make_setup(const CooperativeMatrixShape& shape, uint32_t steps, const std::vector<uint64_t>& out = {3, 4}) {
    OpSetup setup;
    setup.add("out", DType::f32, out, {}, true);
    setup.append = [=](Graph* graph, const Ids& id) { return matrix_rate(graph, {shape, steps, id("out")}); };
    return setup;
}

bool is_usable(const CooperativeMatrixShape& s) {
    return (s.a == DType::f16 || s.a == DType::bf16) && s.b == s.a && s.c == DType::f32 && s.result == DType::f32;
}

TEST_CASE("matrix_rate: every product is made, in each of the device's shapes") {
    const Caps& caps = TestDevice::get().caps();
    size_t shapes = 0;
    for (uint32_t i = 0; i < caps.cooperative_matrix_count; ++i) {
        const CooperativeMatrixShape& shape = caps.cooperative_matrices[i];
        if (!is_usable(shape)) continue;
        CAPTURE(shape.m, shape.n, shape.k, to_string(shape.a));
        for (const uint32_t steps : {1u, 9u}) {
            const OpRun run = run_op(make_setup(shape, steps));
            if (run.result == Result::unsupported) {
                CHECK_THAT(run.message, ContainsSubstring("matrix_rate"));
                continue;
            }
            REQUIRE(run.result == Result::ok);
            ++shapes;
            const float want = 28 + 8 * float(steps) * float(shape.k) / 64;
            CHECK(run.out.at("out") == std::vector<float>(12, want));
        }
    }
    if (shapes == 0) SKIP("the device has no cooperative matrices of 16 bits that this build has kernels for");
}

TEST_CASE("matrix_rate: a matrix that the device lacks, and shapes that do not fit, are refused by name") {
    const auto refused = [](const OpSetup& setup, Result result, const char* word) {
        const OpRun run = run_op(setup);
        CHECK(run.result == result);
        CHECK_THAT(run.message, ContainsSubstring("matrix_rate") && ContainsSubstring(word));
    };
    const CooperativeMatrixShape odd = {17, 16, 16, DType::f16, DType::f16, DType::f32, DType::f32};
    const CooperativeMatrixShape wide = {16, 16, 16, DType::f32, DType::f32, DType::f32, DType::f32};
    refused(make_setup(odd, 1), Result::unsupported, "17x16x16");
    refused(make_setup(wide, 1), Result::unsupported, "neither f16 nor bf16");
    refused(make_setup(odd, 0), Result::invalid_argument, "steps is 0");
    refused(make_setup(odd, 65537), Result::invalid_argument, "steps");
    refused(make_setup(odd, 1, {3, 5}), Result::invalid_argument, "axis 1 of out is 5, not 4");
}

}  // namespace
}  // namespace scandium::test

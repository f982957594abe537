// When ssd_scan's fused form is taken and with which tiles, on devices that are made up.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <vector>

#include "ops/ssd_choose.h"

namespace scandium {
namespace {

using Catch::Matchers::ContainsSubstring;

Caps matrix_caps(uint32_t m, uint32_t n, uint32_t k, uint32_t subgroup_size = 32) {
    Caps caps;
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = subgroup_size;
    caps.subgroup_arithmetic = caps.subgroup_shuffle = true;
    caps.max_invocations = caps.max_workgroup_size_x = 1024;
    caps.shared_memory = 49152;
    caps.features.storage_buffer_16bit = caps.features.shader_float16 = caps.features.buffer_device_address = true;
    caps.features.subgroup_size_control = caps.features.compute_full_subgroups = caps.features.vulkan_memory_model = true;
    caps.features.cooperative_matrix = true;
    caps.cooperative_matrices[caps.cooperative_matrix_count++] = {m, n, k, DType::f16, DType::f16, DType::f32, DType::f32};
    return caps;
}

SsdProblem layer(uint64_t batch = 1, uint32_t nheads = 80) {
    SsdProblem problem;
    problem.batch = batch;
    problem.seqlen = 4096;
    problem.nheads = nheads;
    problem.headdim = 64;
    problem.dstate = 128;
    problem.x = problem.B = problem.C = DType::f16;
    problem.in_pieces = true;
    return problem;
}

struct Answer {
    Result result = Result::ok;
    SsdChoice choice;
    std::vector<std::string> told;
};

Answer choose(const Caps& caps, const SsdProblem& problem) {
    Answer answer;
    Diagnostics diagnostics;
    diagnostics.user = &answer.told;
    diagnostics.callback = [](void* user, Result, VkResult, const char* message) {
        static_cast<std::vector<std::string>*>(user)->push_back(message);
    };
    answer.result = choose_ssd_scan(caps, diagnostics, problem, &answer.choice);
    return answer;
}

TEST_CASE("choose: matrix units take the fused form, a head to a workgroup unless it is told otherwise") {
    const Answer one = choose(matrix_caps(16, 16, 16), layer());
    CHECK(one.choice.algorithm == SsdAlgorithm::fused);
    CHECK_THAT(one.choice.reason, ContainsSubstring("fused"));
    CHECK(one.choice.chunk_size == 32);
    CHECK(one.choice.fused.heads == 1);
    CHECK(one.choice.fused.local_size == 128);
    CHECK(2 * one.choice.fused.shared_memory <= 49152);  // two fit
    SsdProblem many = layer(8);
    many.fused.heads = 2;
    const Answer pairs = choose(matrix_caps(16, 16, 16), many);
    CHECK(pairs.choice.fused.heads == 2);
    CHECK(pairs.choice.fused.local_size == 256);
}

TEST_CASE("choose: the fused form's tiles stay within the device, for every shape and size") {
    const auto [m, n, k] = GENERATE(std::tuple(16u, 16u, 16u), std::tuple(16u, 8u, 16u), std::tuple(8u, 16u, 16u), std::tuple(8u, 8u, 8u));
    const uint32_t subgroup_size = GENERATE(8u, 16u, 32u, 64u), shared = GENERATE(16384u, 32768u, 49152u, 65536u);
    const uint32_t headdim = GENERATE(8u, 16u, 64u, 80u, 128u, 1024u), dstate = GENERATE(8u, 16u, 96u, 128u, 256u);
    Caps caps = matrix_caps(m, n, k, subgroup_size);
    caps.shared_memory = shared;
    SsdProblem problem = layer(8);
    problem.headdim = headdim;
    problem.dstate = dstate;
    const FusedChoice c = choose(caps, problem).choice.fused;
    CAPTURE(m, n, k, subgroup_size, shared, headdim, dstate);
    if (c.why_not) {
        CHECK(std::string(c.why_not) != "");
        return;
    }
    CHECK(c.local_size <= caps.max_invocations);
    CHECK(c.cb_local_size <= caps.max_invocations);
    CHECK(c.shared_memory <= shared);
    CHECK(c.shared_memory <= 49152);
    CHECK(c.cb_shared_memory <= shared);
    CHECK(c.rows % (c.row_tiles * m) == 0);
    CHECK(c.local_size == c.heads * (c.rows / (c.row_tiles * m)) * subgroup_size);
    CHECK(c.row_tiles * 2 * m * 4 >= n * 4);
}

TEST_CASE("choose: what the fused form cannot do goes to the staged one, or is refused where it is forced") {
    struct Lack {
        const char* word;
        void (*take)(Caps&, SsdProblem&);
    };
    const Lack lack = GENERATE(Lack{"packed", [](Caps&, SsdProblem& p) { p.packing = Packing::cu_seqlens; }},
                               Lack{"states", [](Caps&, SsdProblem& p) { p.has_states = true; }},
                               Lack{"multiple of 8", [](Caps&, SsdProblem& p) { p.headdim = 60; }},
                               Lack{"multiple of 8", [](Caps&, SsdProblem& p) { p.dstate = 100; }},
                               Lack{"256", [](Caps&, SsdProblem& p) { p.dstate = 512; }},
                               Lack{"pieces", [](Caps&, SsdProblem& p) { p.in_pieces = false; }},
                               Lack{"shared memory", [](Caps& caps, SsdProblem& p) { caps.shared_memory = 16384, p.dstate = 256; }});
    Caps caps = matrix_caps(8, 8, 8);
    SsdProblem problem = layer();
    lack.take(caps, problem);
    const Answer free = choose(caps, problem);
    CHECK(free.result == Result::ok);
    CHECK(free.choice.algorithm == SsdAlgorithm::chunked);
    CHECK_THAT(free.choice.reason, ContainsSubstring(lack.word));
    problem.algorithm = SsdAlgorithm::fused;
    const Answer forced = choose(caps, problem);
    CHECK(forced.result == Result::unsupported);
    REQUIRE(forced.told.size() == 1);
    CHECK_THAT(forced.told[0], ContainsSubstring("fused") && ContainsSubstring(lack.word));
}

TEST_CASE("choose: without matrix units the fused form is refused with their reason") {
    SsdProblem problem = layer();
    problem.algorithm = SsdAlgorithm::fused;
    problem.variant = GENERATE(Variant::automatic, Variant::scalar);
    Caps caps = matrix_caps(16, 16, 16);
    caps.cooperative_matrix_count = 0;
    const Answer answer = choose(caps, problem);
    CHECK(answer.result == Result::unsupported);
    REQUIRE(answer.told.size() == 1);
    CHECK_THAT(answer.told[0], ContainsSubstring("fused"));
    CHECK_THAT(answer.told[0], ContainsSubstring(problem.variant == Variant::scalar ? "caller" : "shapes"));
}

TEST_CASE("choose: a state of the caller's is multiplied with all its bits") {
    SsdProblem problem = layer();
    CHECK_FALSE(choose(matrix_caps(16, 16, 16), problem).choice.fused.split_state);
    problem.has_initial = true;
    CHECK(choose(matrix_caps(16, 16, 16), problem).choice.fused.split_state);
    problem.fused.split = kSplitNothing;
    const FusedChoice none = choose(matrix_caps(16, 16, 16), problem).choice.fused;
    CHECK_FALSE((none.split_state || none.split_cb || none.split_x));
}

}  // namespace
}  // namespace scandium

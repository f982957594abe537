// Which algorithm and variants ssd_scan takes on devices that are made up, or modelled on real ones.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "unit/ssd_choice.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// A Vulkan 1.1 device with nothing beyond the guaranteed minimum: PowerVR comes near.
Caps floor_caps() {
    Caps caps;
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    return caps;
}

Caps turing_caps() {
    Caps caps = ssd_gpu_caps(32);
    add_shape(&caps, 16, 16, 16, DType::f16);
    add_shape(&caps, 16, 8, 16, DType::f16);
    add_shape(&caps, 16, 16, 16, DType::f16, DType::f16);
    return caps;
}

SsdProblem problem_of(DType io, uint64_t seqlen = 2048) {
    SsdProblem problem;
    problem.seqlen = seqlen;
    problem.nheads = 24;
    problem.headdim = 64;
    problem.dstate = 128;
    problem.x = problem.B = problem.C = io;
    return problem;
}

// What no choice may exceed on the device that it was made for.
void check_limits(const Caps& caps, const SsdChoice& choice) {
    for (uint32_t local_size : {choice.product.local_size, choice.cumsum.local_size, choice.recurrent.local_size}) {
        CHECK(local_size > 0);
        CHECK(local_size <= caps.max_invocations);
        CHECK(local_size <= caps.max_workgroup_size_x);
    }
    CHECK(choice.product.shared_memory <= caps.shared_memory);
    CHECK(choice.recurrent.shared_memory <= caps.shared_memory);
    CHECK(choice.chunk_size % 16 == 0);
    CHECK(choice.chunk_size >= 16);
    CHECK(choice.chunk_size <= 256);
    CHECK(std::strlen(choice.reason) > 0);
    CHECK(std::strlen(choice.recurrent.reason) > 0);
    CHECK(std::strlen(choice.cumsum.reason) > 0);
    if (choice.algorithm == SsdAlgorithm::chunked) CHECK(std::strlen(choice.product.reason) > 0);
}

TEST_CASE("choose: the least device runs everything with scalar kernels, within 128 invocations and 16 KiB") {
    const Caps caps = floor_caps();
    const SsdAlgorithm algorithm = GENERATE(SsdAlgorithm::automatic, SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    const DType io = GENERATE(DType::f32, DType::f16, DType::bf16);
    const uint32_t headdim = GENERATE(1u, 64u, 1024u), dstate = GENERATE(1u, 16u, 128u, 512u);
    SsdProblem problem = problem_of(io);
    problem.algorithm = algorithm;
    problem.headdim = headdim;
    problem.dstate = dstate;
    const SsdAnswer answer = choose_ssd(caps, problem);
    CAPTURE(headdim, dstate, to_string(io), answer.choice.reason);
    CHECK(answer.result == Result::ok);
    CHECK(answer.told.empty());
    CHECK(answer.choice.product.variant == Variant::scalar);
    CHECK(answer.choice.cumsum.variant == Variant::scalar);
    CHECK(answer.choice.recurrent.variant == Variant::scalar);
    CHECK(answer.choice.recurrent.subgroup_size == 0);
    check_limits(caps, answer.choice);
    if (algorithm != SsdAlgorithm::automatic) CHECK(answer.choice.algorithm == algorithm);
}

TEST_CASE("choose: the recurrence covers the whole state, on subgroups of any size") {
    const uint32_t subgroup_size = GENERATE(1u, 4u, 8u, 16u, 32u, 64u, 128u);
    const Caps caps = subgroup_size == 1 ? floor_caps() : ssd_gpu_caps(subgroup_size);
    const uint32_t dstate = GENERATE(1u, 15u, 16u, 17u, 48u, 100u, 128u, 255u, 256u, 512u);
    SsdProblem problem = problem_of(DType::f32);
    problem.dstate = dstate;
    const SsdAnswer answer = choose_ssd(caps, problem);
    const RecurrentChoice& r = answer.choice.recurrent;
    CAPTURE(subgroup_size, dstate, r.lanes, r.rows, r.columns, r.reason);
    CHECK(answer.result == Result::ok);
    CHECK(r.lanes * r.columns >= dstate);
    CHECK((r.lanes & (r.lanes - 1)) == 0);
    CHECK(r.local_size % r.lanes == 0);
    if (r.variant == Variant::subgroup) CHECK(r.lanes <= subgroup_size);
    check_limits(caps, answer.choice);
}

TEST_CASE("choose: matrix units are taken for 16-bit inputs, never for f32") {
    const Caps caps = turing_caps();
    const SsdAnswer f16 = choose_ssd(caps, problem_of(DType::f16));
    CHECK(f16.choice.product.variant == Variant::coopmat);
    CHECK(f16.choice.product.flavour == Flavour::coopmat_f16);
    CHECK(f16.choice.algorithm == SsdAlgorithm::chunked);
    CHECK(f16.choice.product.shape.m == 16);
    CHECK(f16.choice.product.shape.n == 16);
    CHECK(f16.choice.product.shape.c == DType::f32);
    check_limits(caps, f16.choice);

    const SsdAnswer f32 = choose_ssd(caps, problem_of(DType::f32));
    CHECK(f32.result == Result::ok);
    CHECK(f32.choice.product.variant == Variant::scalar);
    CHECK_THAT(f32.choice.product.reason, ContainsSubstring("f32"));
    const SsdAnswer bf16 = choose_ssd(caps, problem_of(DType::bf16));
    CHECK(bf16.choice.product.variant == Variant::scalar);
}

TEST_CASE("choose: each thing that matrix units need, and the reason when it lacks") {
    struct Lack {
        const char* word;
        void (*take)(Caps&, SsdProblem&);
    };
    const Lack lack = GENERATE(Lack{"cooperative_matrix", [](Caps& caps, SsdProblem&) { caps.features.cooperative_matrix = false; }},
                               Lack{"crash", [](Caps& caps, SsdProblem&) { caps.bug_cooperative_matrix_crash = true; }},
                               Lack{"storage_buffer_16bit", [](Caps& caps, SsdProblem&) { caps.features.storage_buffer_16bit = false; }},
                               Lack{"shader_float16", [](Caps& caps, SsdProblem&) { caps.features.shader_float16 = false; }},
                               Lack{"shapes", [](Caps& caps, SsdProblem&) { caps.cooperative_matrix_count = 0; }},
                               Lack{"shapes",
                                    [](Caps& caps, SsdProblem&) {
                                        caps.cooperative_matrix_count = 1;
                                        caps.cooperative_matrices[0].c = caps.cooperative_matrices[0].result = DType::f16;
                                    }},
                               Lack{"subgroup size", [](Caps& caps, SsdProblem&) { caps.min_subgroup_size = 8; }},
                               Lack{"four subgroups", [](Caps& caps, SsdProblem&) { caps.max_invocations = 64; }},
                               Lack{"shared memory", [](Caps& caps, SsdProblem&) { caps.shared_memory = 8192; }},
                               Lack{"f32", [](Caps&, SsdProblem& problem) { problem.x = problem.B = problem.C = DType::f32; }},
                               Lack{"dtype", [](Caps&, SsdProblem& problem) { problem.C = DType::bf16; }},
                               Lack{"bfloat16", [](Caps&, SsdProblem& problem) { problem.x = problem.B = problem.C = DType::bf16; }});
    Caps caps = turing_caps();
    SsdProblem problem = problem_of(DType::f16);
    lack.take(caps, problem);
    const SsdAnswer free = choose_ssd(caps, problem);
    CAPTURE(lack.word, free.choice.product.reason);
    CHECK(free.result == Result::ok);
    CHECK(free.choice.product.variant == Variant::scalar);
    CHECK_THAT(free.choice.product.reason, ContainsSubstring(lack.word));

    problem.variant = Variant::coopmat;
    const SsdAnswer forced = choose_ssd(caps, problem);
    CHECK(forced.result == Result::unsupported);
    REQUIRE(forced.told.size() == 1);
    CHECK_THAT(forced.told[0], ContainsSubstring("coopmat") && ContainsSubstring(lack.word));
}

TEST_CASE("choose: of several matrix shapes one that the kernels have tiles for") {
    Caps caps = ssd_gpu_caps(32);
    add_shape(&caps, 32, 32, 16, DType::f16);  // larger than any tile
    add_shape(&caps, 16, 16, 12, DType::f16);  // a depth that no tile is a multiple of
    add_shape(&caps, 8, 8, 16, DType::f16);
    add_shape(&caps, 8, 16, 16, DType::f16);
    const SsdAnswer answer = choose_ssd(caps, problem_of(DType::f16));
    CHECK(answer.choice.product.variant == Variant::coopmat);
    CHECK(answer.choice.product.shape.m == 8);
    CHECK(answer.choice.product.shape.n == 16);
    CHECK(answer.choice.product.tile_m % 8 == 0);
    CHECK(answer.choice.product.tile_n % 16 == 0);
    CHECK(answer.choice.product.tile_k % 16 == 0);
}

TEST_CASE("choose: a forced variant is taken in every stage that has it, and a lower one in the others") {
    SsdProblem problem = problem_of(DType::f16);
    problem.algorithm = SsdAlgorithm::chunked;
    problem.variant = Variant::scalar;
    const SsdAnswer scalar = choose_ssd(turing_caps(), problem);
    CHECK(scalar.choice.product.variant == Variant::scalar);
    CHECK(scalar.choice.cumsum.variant == Variant::scalar);
    CHECK(scalar.choice.recurrent.variant == Variant::scalar);
    problem.variant = Variant::subgroup;
    const SsdAnswer subgroup = choose_ssd(turing_caps(), problem);
    CHECK(subgroup.choice.product.variant == Variant::scalar);
    CHECK(subgroup.choice.cumsum.variant == Variant::subgroup);
    CHECK(subgroup.choice.recurrent.variant == Variant::subgroup);
    problem.variant = Variant::coopmat;
    const SsdAnswer coopmat = choose_ssd(turing_caps(), problem);
    CHECK(coopmat.choice.product.variant == Variant::coopmat);
    CHECK(coopmat.choice.cumsum.variant == Variant::subgroup);
}

TEST_CASE("choose: a forced variant that the device or the algorithm lacks is unsupported") {
    SsdProblem problem = problem_of(DType::f16);
    problem.variant = Variant::subgroup;
    const SsdAnswer subgroup = choose_ssd(floor_caps(), problem);
    CHECK(subgroup.result == Result::unsupported);
    REQUIRE(subgroup.told.size() == 1);
    CHECK_THAT(subgroup.told[0], ContainsSubstring("subgroup"));

    problem.variant = Variant::coopmat;
    problem.algorithm = SsdAlgorithm::recurrent;
    const SsdAnswer recurrent = choose_ssd(turing_caps(), problem);
    CHECK(recurrent.result == Result::unsupported);
    REQUIRE(recurrent.told.size() == 1);
    CHECK_THAT(recurrent.told[0], ContainsSubstring("recurrent"));
}

TEST_CASE("choose: matrix units ask for chunks, whatever the algorithm would have been") {
    SsdProblem problem = problem_of(DType::f16, 4);
    problem.variant = Variant::coopmat;
    const SsdAnswer answer = choose_ssd(turing_caps(), problem);
    CHECK(answer.result == Result::ok);
    CHECK(answer.choice.algorithm == SsdAlgorithm::chunked);
    CHECK(answer.choice.product.variant == Variant::coopmat);
}

TEST_CASE("choose: seq_idx needs max_sequences for the chunked algorithm") {
    SsdProblem problem = problem_of(DType::f16);
    problem.packing = Packing::seq_idx;
    const SsdAnswer unknown = choose_ssd(turing_caps(), problem);
    CHECK(unknown.result == Result::ok);
    CHECK(unknown.choice.algorithm == SsdAlgorithm::recurrent);
    CHECK_THAT(unknown.choice.reason, ContainsSubstring("max_sequences"));
    problem.algorithm = SsdAlgorithm::chunked;
    const SsdAnswer forced = choose_ssd(turing_caps(), problem);
    CHECK(forced.result == Result::unsupported);
    REQUIRE(forced.told.size() == 1);
    CHECK_THAT(forced.told[0], ContainsSubstring("max_sequences"));
    problem.sequences = 3;
    CHECK(choose_ssd(turing_caps(), problem).choice.algorithm == SsdAlgorithm::chunked);
}

TEST_CASE("choose: few tokens and CPUs take the recurrence") {
    CHECK(choose_ssd(turing_caps(), problem_of(DType::f16, 1)).choice.algorithm == SsdAlgorithm::recurrent);
    CHECK(choose_ssd(turing_caps(), problem_of(DType::f16, 16)).choice.algorithm == SsdAlgorithm::recurrent);
    Caps cpu = turing_caps();
    cpu.device_type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    CHECK(choose_ssd(cpu, problem_of(DType::f32)).choice.algorithm == SsdAlgorithm::recurrent);
}

TEST_CASE("choose: on CPUs the recurrence goes a few tokens at a time, unless a variant is forced") {
    Caps caps = ssd_gpu_caps(8);
    SsdProblem problem = problem_of(DType::f32);
    CHECK_FALSE(choose_ssd(caps, problem).choice.recurrent.tiled);
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    const RecurrentChoice tiled = choose_ssd(caps, problem).choice.recurrent;
    CHECK(tiled.tiled);
    CHECK(tiled.local_size == 8);
    CHECK(tiled.shared_memory == 0);
    CHECK_THAT(tiled.reason, ContainsSubstring("CPU"));
    problem.dstate = 256;
    CHECK(choose_ssd(caps, problem).choice.recurrent.tiled);
    problem.dstate = 257;
    CHECK_FALSE(choose_ssd(caps, problem).choice.recurrent.tiled);
    problem.dstate = 128;
    problem.variant = GENERATE(Variant::scalar, Variant::subgroup);
    const RecurrentChoice forced = choose_ssd(caps, problem).choice.recurrent;
    CHECK_FALSE(forced.tiled);
    CHECK(forced.variant == problem.variant);
}

TEST_CASE("choose: the caller's chunk_size is kept, and a free one fits short sequences") {
    SsdProblem problem = problem_of(DType::f32);
    problem.algorithm = SsdAlgorithm::chunked;
    problem.chunk_size = 48;
    CHECK(choose_ssd(ssd_gpu_caps(32), problem).choice.chunk_size == 48);
    problem.chunk_size = 0;
    problem.seqlen = 20;
    CHECK(choose_ssd(ssd_gpu_caps(32), problem).choice.chunk_size == 32);
}

TEST_CASE("choose: subgroups of varying size are used only where they can be held") {
    Caps caps = ssd_gpu_caps(32);
    caps.min_subgroup_size = 8;
    caps.max_subgroup_size = 32;
    caps.features.compute_full_subgroups = false;
    const SsdAnswer loose = choose_ssd(caps, problem_of(DType::f32));
    CHECK(loose.choice.cumsum.variant == Variant::scalar);
    CHECK(loose.choice.recurrent.variant == Variant::scalar);
    caps.features.compute_full_subgroups = caps.can_require_subgroup_size = true;
    const SsdAnswer held = choose_ssd(caps, problem_of(DType::f32));
    CHECK(held.choice.cumsum.variant == Variant::subgroup);
    CHECK(held.choice.recurrent.variant == Variant::subgroup);
    CHECK(held.choice.recurrent.subgroup_size >= 8);
    CHECK(held.choice.recurrent.subgroup_size <= 32);
    CHECK(held.choice.cumsum.subgroup_size == held.choice.recurrent.subgroup_size);
}

}  // namespace
}  // namespace scandium::test

// When ssd_scan's fused form is taken and with which tiles, on devices that are made up.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <vector>

#include "unit/ssd_choice.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

Caps matrix_caps(uint32_t m, uint32_t n, uint32_t k, uint32_t subgroup_size = 32) {
    Caps caps = ssd_gpu_caps(subgroup_size);
    add_shape(&caps, m, n, k, DType::f16);
    return caps;
}

SsdProblem layer(uint64_t batch = 1, uint32_t nheads = 80) {
    SsdProblem problem;
    problem.batch = batch;
    problem.seqlen = 4096;
    problem.nheads = nheads;
    problem.headdim = 64;
    problem.dstate = 128;
    problem.x = problem.B = problem.C = problem.y = DType::f16;
    problem.in_pieces = problem.has_D = true;
    return problem;
}

TEST_CASE("choose: matrix units take the fused form") {
    const SsdAnswer one = choose_ssd(matrix_caps(16, 16, 16), layer());
    CHECK(one.choice.algorithm == SsdAlgorithm::fused);
    CHECK_THAT(one.choice.reason, ContainsSubstring("fused"));
    CHECK(one.choice.chunk_size == 32);
    CHECK(one.choice.fused.scan.local_size == 128);
    CHECK(one.choice.fused.flavour == Flavour::coopmat_f16);
}

TEST_CASE("choose: the fused form converts sums to operands where the device can, and two workgroups then fit 48 KiB") {
    Caps caps = matrix_caps(16, 16, 16);
    caps.features.cooperative_matrix_conversions = true;
    SsdProblem problem = layer();
    const FusedChoice plain = choose_ssd(caps, problem).choice.fused;
    if (!find_kernel_code(Kernel::ssd_fused_scan, Flavour::coopmat2_f16, Backend::address16)) {
        CHECK(plain.flavour == Flavour::coopmat_f16);
        SKIP("the compiler of shaders lacks GL_NV_cooperative_matrix2");
    }
    CHECK(plain.flavour == Flavour::coopmat2_f16);
    CHECK(plain.cb_flavour == Flavour::coopmat_f16);
    CHECK(plain.packed_y);
    CHECK(2 * plain.scan.shared_memory <= 49152);
    // A sum has the shape of an operand only if N is K.
    Caps narrow = matrix_caps(16, 8, 16);
    narrow.features.cooperative_matrix_conversions = true;
    CHECK(choose_ssd(narrow, problem).choice.fused.flavour == Flavour::coopmat_f16);
    // z multiplies y in f32.
    problem.has_z = true;
    CHECK_FALSE(choose_ssd(caps, problem).choice.fused.packed_y);
    problem.has_z = false;
    problem.y = DType::f32;
    CHECK_FALSE(choose_ssd(caps, problem).choice.fused.packed_y);
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
    const FusedChoice c = choose_ssd(caps, problem).choice.fused;
    CAPTURE(m, n, k, subgroup_size, shared, headdim, dstate);
    if (c.why_not) {
        CHECK(std::string(c.why_not) != "");
        return;
    }
    CHECK(c.cb_local_size <= caps.max_invocations);
    CHECK(c.cb_shared_memory <= shared);
    CHECK(c.blocks * c.rows >= headdim);
    CHECK(c.scan.row_tiles * 2 * m * 4 >= n * 4);
    for (const FusedTiles& tiles : {c.scan, c.states}) {
        CHECK(tiles.local_size <= caps.max_invocations);
        CHECK(tiles.shared_memory <= shared);
        CHECK(tiles.shared_memory <= 49152);
        CHECK(c.rows % (tiles.row_tiles * m) == 0);
        CHECK(tiles.local_size == c.rows / (tiles.row_tiles * m) * subgroup_size);
    }
}

// Which were the fastest, or within 2 % of it, of those measured on an H100 (docs/performance.md).
TEST_CASE("choose: a sequence is split where its heads leave cores idle") {
    struct Shape {
        uint64_t batch, seqlen;
        uint32_t nheads, headdim, ngroups, dstate;
        std::vector<uint32_t> segments;
    };
    const Shape shape = GENERATE(values<Shape>({{1, 512, 24, 64, 1, 128, {4, 5, 8}},
                                                {1, 2048, 24, 64, 1, 128, {10, 11}},
                                                {1, 4096, 80, 64, 1, 128, {3}},
                                                {1, 65536, 80, 64, 1, 128, {13, 16}},
                                                {1, 8192, 32, 128, 1, 256, {4}},
                                                {8, 4096, 80, 64, 1, 128, {1}},
                                                {2, 8192, 128, 64, 8, 128, {1}},
                                                {8, 4096, 64, 64, 1, 64, {1}},
                                                {2, 4096, 64, 80, 1, 96, {1}}}));
    Caps caps = matrix_caps(16, 16, 16);
    caps.features.cooperative_matrix_conversions = true;
    caps.cores = 132;
    SsdProblem problem = layer();
    problem.batch = shape.batch;
    problem.seqlen = shape.seqlen;
    problem.nheads = shape.nheads;
    problem.headdim = shape.headdim;
    problem.ngroups = shape.ngroups;
    problem.dstate = shape.dstate;
    const FusedChoice c = choose_ssd(caps, problem).choice.fused;
    const uint32_t chunks = uint32_t((shape.seqlen + 31) / 32), segments = c.segments_of(chunks);
    CAPTURE(shape.batch, shape.seqlen, shape.nheads, shape.dstate, segments, c.reason);
    CHECK(std::find(shape.segments.begin(), shape.segments.end(), segments) != shape.segments.end());
    CHECK_THAT(c.reason, ContainsSubstring(segments > 1 ? "segments of" : "not split"));
}

TEST_CASE("choose: how many segments is the caller's to say, and nothing is split on CPUs or where cores are unknown and few") {
    Caps caps = matrix_caps(16, 16, 16);
    SsdProblem problem = layer(1, 8);
    CHECK(choose_ssd(caps, problem).choice.fused.segment_chunks != 0);
    problem.segments = 1;
    CHECK(choose_ssd(caps, problem).choice.fused.segment_chunks == 0);
    problem.segments = 3;
    CHECK(choose_ssd(caps, problem).choice.fused.segment_chunks == 43);
    CHECK(choose_ssd(caps, problem).choice.fused.segments_of(128) == 3);
    problem.seqlen = 20;
    CHECK(choose_ssd(caps, problem).choice.fused.segment_chunks == 0);
    problem.seqlen = 4096;
    problem.segments = 0;
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    CHECK(choose_ssd(caps, problem).choice.fused.segment_chunks == 0);
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    caps.cores = 64;
    problem.algorithm = SsdAlgorithm::fused;
    CHECK(choose_ssd(caps, problem).choice.fused.segment_chunks == 0);
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
    const SsdAnswer free = choose_ssd(caps, problem);
    CHECK(free.result == Result::ok);
    CHECK(free.choice.algorithm == SsdAlgorithm::chunked);
    CHECK_THAT(free.choice.reason, ContainsSubstring(lack.word));
    problem.algorithm = SsdAlgorithm::fused;
    const SsdAnswer forced = choose_ssd(caps, problem);
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
    const SsdAnswer answer = choose_ssd(caps, problem);
    CHECK(answer.result == Result::unsupported);
    REQUIRE(answer.told.size() == 1);
    CHECK_THAT(answer.told[0], ContainsSubstring("fused"));
    CHECK_THAT(answer.told[0], ContainsSubstring(problem.variant == Variant::scalar ? "caller" : "shapes"));
}

TEST_CASE("choose: the fused form is left to who asks for it where the state takes most registers") {
    struct Device {
        uint32_t subgroup_size, dstate;
        bool chosen;
    };
    const auto [subgroup_size, dstate, chosen] =
        GENERATE(Device{8, 32, true}, Device{8, 64, false}, Device{16, 64, true}, Device{16, 128, false}, Device{32, 128, true},
                 Device{32, 256, true}, Device{64, 256, true});
    CAPTURE(subgroup_size, dstate);
    SsdProblem problem = layer();
    problem.dstate = dstate;
    const SsdAnswer free = choose_ssd(matrix_caps(16, 16, 16, subgroup_size), problem);
    CHECK(free.choice.algorithm == (chosen ? SsdAlgorithm::fused : SsdAlgorithm::chunked));
    if (!chosen) CHECK_THAT(free.choice.reason, ContainsSubstring("not fused: the state takes most registers"));
    problem.algorithm = SsdAlgorithm::fused;
    CHECK(choose_ssd(matrix_caps(16, 16, 16, subgroup_size), problem).choice.algorithm == SsdAlgorithm::fused);
}

TEST_CASE("choose: a state of the caller's is multiplied with all its bits") {
    SsdProblem problem = layer();
    CHECK_FALSE(choose_ssd(matrix_caps(16, 16, 16), problem).choice.fused.split_state);
    problem.has_initial = true;
    CHECK(choose_ssd(matrix_caps(16, 16, 16), problem).choice.fused.split_state);
}

TEST_CASE("choose: without D all bits of C B^T are multiplied, for which shared memory has room") {
    SsdProblem problem = layer();
    const FusedChoice with_D = choose_ssd(matrix_caps(16, 16, 16), problem).choice.fused;
    problem.has_D = false;
    const FusedChoice without = choose_ssd(matrix_caps(16, 16, 16), problem).choice.fused;
    CHECK_FALSE(with_D.split_m);
    CHECK(without.split_m);
    CHECK(without.scan.shared_memory == with_D.scan.shared_memory + 32 * 32 * 2);
}

}  // namespace
}  // namespace scandium::test

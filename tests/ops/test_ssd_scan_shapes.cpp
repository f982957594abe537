// ssd_scan over sizes that fit no tile.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "support/ssd_case.h"

namespace scandium::test {
namespace {

SsdCase sized(uint64_t seqlen, uint64_t headdim, uint64_t dstate) {
    SsdCase c;
    c.shape = {1, seqlen, 2, headdim, 1, dstate};
    return c;
}

TEST_CASE("any number of tokens") {
    const uint64_t seqlen = GENERATE(1, 15, 16, 17, 33);
    const SsdPath path = GENERATE(from_range(main_paths()));
    check_case(on_path(sized(seqlen, 16, 16), path));
}

TEST_CASE("any headdim") {
    const uint64_t headdim = GENERATE(1, 24, 80, 100);
    const SsdPath path = GENERATE(from_range(main_paths()));
    check_case(on_path(sized(35, headdim, 16), path));
}

TEST_CASE("any dstate") {
    const uint64_t dstate = GENERATE(1, 48, 96, 256);
    const SsdPath path = GENERATE(from_range(main_paths()));
    check_case(on_path(sized(35, 16, dstate), path));
}

TEST_CASE("the largest headdim and the largest dstate") {
    const auto [headdim, dstate] = GENERATE(std::pair(1024, 8), std::pair(8, 512));
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = on_path(sized(19, uint64_t(headdim), uint64_t(dstate)), path);
    c.shape.nheads = 1;
    check_case(c);
}

TEST_CASE("odd sizes in 16-bit types") {
    const DType io = GENERATE(DType::f16, DType::bf16);
    const SsdPath path = GENERATE_COPY(from_range(main_paths_and_matrices(io)));
    SsdCase c = on_path(sized(21, 25, 33), path).with_io(io);
    c.shape.nheads = 3;
    c.z = true;
    c.D = SsdD::per_element;
    check_case(c);
}

TEST_CASE("heads in groups") {
    const uint64_t ngroups = GENERATE(1, 2, 6);
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {1, 35, 6, 16, ngroups, 16};
    check_case(c);
}

TEST_CASE("batch rows, with every option") {
    const uint64_t batch = GENERATE(1, 3);
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = on_path(SsdCase(), path).with_everything();
    c.shape = {batch, 35, 4, 16, 2, 24};
    check_case(c);
}

TEST_CASE("each option alone") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = on_path(sized(35, 16, 16), path);
    const int option = GENERATE(range(0, 8));
    if (option == 0) c.D = SsdD::per_head;
    if (option == 1) c.D = SsdD::per_element;
    if (option == 2) c.z = true;
    if (option == 3) c.dt_bias = true;
    if (option == 4) c.dt_softplus = true;
    if (option == 5) c.dt_min = 0.05f;
    if (option == 6) c.dt_max = 0.05f;
    if (option == 7) c.initial_states = true;
    check_case(c);
}

TEST_CASE("without final_states only y is written") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = on_path(sized(35, 16, 16), path);
    c.final_states = false;
    check_case(c);
}

TEST_CASE("the state at each chunk boundary") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    const uint64_t seqlen = GENERATE(16, 53);
    SsdCase c = on_path(sized(seqlen, 16, 24), path);
    c.shape.batch = 2;
    c.states = c.initial_states = true;
    check_case(c);
}

TEST_CASE("fewer tokens than planned") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    const uint64_t recorded = GENERATE(1, 16, 21, 40);
    SsdCase c = on_path(sized(40, 16, 16), path);
    c.shape.batch = 2;
    c.initial_states = c.z = true;
    c.record_seqlen = recorded;
    check_case(c);
}

TEST_CASE("fewer tokens than planned, with matrix units") {
    const SsdPath path{SsdAlgorithm::chunked, Variant::coopmat, MemoryAccess::automatic};
    if (!missing(path).empty()) SKIP(missing(path));
    SsdCase c = on_path(sized(150, 64, 64), path).with_io(matrix_dtype());
    c.chunk_size = 64;
    c.record_seqlen = GENERATE(1, 70, 150);
    check_case(c);
}

TEST_CASE("fewer tokens than planned, of packed sequences") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    const uint64_t recorded = GENERATE(10, 20, 33);
    SsdCase c = on_path(sized(40, 16, 16), path);
    c.max_sequences = 3;
    for (int32_t t = 0; t < 40; ++t) c.seq_idx.push_back(t < 12 ? 0 : t < 29 ? 1 : 2);
    c.record_seqlen = recorded;
    check_case(c);
}

TEST_CASE("the library's own choice, over sizes that call for each algorithm") {
    const uint64_t seqlen = GENERATE(1, 4, 64, 300);
    SsdCase c;
    c.shape = {1, seqlen, 2, 64, 1, 64};
    c.chunk_size = 0;
    c.initial_states = true;
    const SsdInputs in = make_inputs(c);
    const SsdRun run = run_ok(c, in);
    check_outputs(c, run, expected(c, in));
    for (const SsdStage& stage : run.stages) {
        CAPTURE(stage.name, stage.kernel);
        CHECK(stage.reason != "");
    }
}

}  // namespace
}  // namespace scandium::test

// ssd_scan where exponentials leave the range of f32 if they are taken carelessly.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "support/compare.h"
#include "support/random.h"
#include "support/ssd_case.h"

namespace scandium::test {
namespace {

SsdCase typical(const SsdPath& path) {
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {1, 70, 2, 16, 1, 16};
    c.initial_states = true;
    c.chunk_size = 64;
    return c;
}

void check(const SsdCase& c, const SsdInputs& in) { check_outputs(c, run_ok(c, in), expected(c, in)); }

TEST_CASE("decay by -1e4 within a chunk") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    const SsdCase c = typical(path);
    SsdInputs in = make_inputs(c);
    in.dt.assign(in.dt.size(), 10);
    in.A = {-16, -0.001};  // -160 and -0.01 a token
    check(c, in);
}

TEST_CASE("decay that comes and goes within a chunk") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    const SsdCase c = typical(path);
    SsdInputs in = make_inputs(c);
    in.A = {-16, -2};
    for (size_t i = 0; i < in.dt.size(); ++i) in.dt[i] = i / 2 % 9 == 4 ? 50 : rounded(1e-4 * double(i % 7), DType::f32);
    check(c, in);
}

TEST_CASE("dt of 0 leaves the state as it was") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.D = SsdD::per_head;
    SsdInputs in = make_inputs(c);
    in.dt.assign(in.dt.size(), 0);
    const SsdRun run = run_ok(c, in);
    check_outputs(c, run, expected(c, in));
    CHECK(relative_rms(run.final_states, in.initial_states) < 1e-6);
}

TEST_CASE("A of 0 forgets nothing") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    const SsdCase c = typical(path);
    SsdInputs in = make_inputs(c);
    in.A = {0, -1};
    check(c, in);
}

TEST_CASE("a huge dt is held by dt_max, with and without softplus") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.dt_softplus = GENERATE(false, true);
    c.dt_max = 0.5f;
    SsdInputs in = make_inputs(c);
    for (size_t i = 0; i < in.dt.size(); i += 3) in.dt[i] = rounded(1e30, DType::f32);
    check(c, in);
}

TEST_CASE("softplus of arguments far from 0") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.dt_softplus = true;
    SsdInputs in = make_inputs(c);
    in.A = {-1, -0.01};
    const double values[] = {-100, -50, -20, -1, 0, 1, 19.9, 20.1, 80, 200};
    for (size_t i = 0; i < in.dt.size(); ++i) in.dt[i] = rounded(values[i / 2 % 10], DType::f32);
    check(c, in);
}

TEST_CASE("an infinite dt_max limits nothing") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.dt_max = std::numeric_limits<float>::infinity();
    check(c, make_inputs(c));
}

TEST_CASE("a gate far from 0") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    c.z = true;
    SsdInputs in = make_inputs(c);
    for (size_t i = 0; i < in.z.size(); ++i) in.z[i] = rounded(in.z[i] * (i % 5 == 0 ? 100 : 1), DType::f32);
    check(c, in);
}

// One long chunk of nothing but decay: each token's share of the state is exp(-its distance), so an error in the
// carry or in a cumulative sum shows as a wrong power.
TEST_CASE("a state that only decays falls by the same factor with each token") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    SsdCase c = typical(path);
    SsdInputs in = make_inputs(c);
    in.x.assign(in.x.size(), 0);
    in.dt.assign(in.dt.size(), 0.5);
    in.A = {-0.25, -4};
    check(c, in);
}

TEST_CASE("rounding to 16 bits is to nearest even") {
    // y = D * x with everything else 0, so that every output is one product, exact in f32.
    const SsdPath path = GENERATE(from_range(main_paths()));
    const DType narrow = GENERATE(DType::f16, DType::bf16);
    SsdCase c = typical(path);
    c.y_dtype = narrow;
    c.D = SsdD::per_head;
    c.initial_states = false;
    SsdInputs in = make_inputs(c);
    in.B.assign(in.B.size(), 0);
    in.D = {1, 1};
    // Halfway between two values of either type, and the neighbours of that.
    const uint32_t patterns[] = {0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x3f801000, 0x3f803000,
                                 0x3f801001, 0x3f800fff, 0xbf818000, 0xbf803000, 0x33c00000, 0x37801000};
    for (size_t i = 0; i < in.x.size(); ++i) in.x[i] = double(std::bit_cast<float>(patterns[i % 12]));
    const SsdRun run = run_ok(c, in);
    size_t wrong = 0;
    for (size_t i = 0; i < run.y.size(); ++i) wrong += double(run.y[i]) != rounded(in.x[i], narrow);
    INFO(c.text());
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace scandium::test

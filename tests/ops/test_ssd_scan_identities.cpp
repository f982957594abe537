// What ssd_scan has to be whatever the numbers: runs that must agree with each other.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <tuple>

#include "support/compare.h"
#include "support/ssd_case.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

constexpr double kF32 = 1e-5;

// Matrix units take 16-bit operands only.
void choose_io(SsdCase* c) {
    if (c->variant == Variant::coopmat) c->with_io(matrix_dtype());
}

std::vector<float> tokens_of(const std::vector<float>& y, const SsdShape& n, uint64_t row, uint64_t first, uint64_t count) {
    const uint64_t per_token = n.nheads * n.headdim;
    const auto begin = y.begin() + ptrdiff_t((row * n.seqlen + first) * per_token);
    return {begin, begin + ptrdiff_t(count * per_token)};
}

std::vector<float> states_of(const std::vector<float>& states, const SsdShape& n, uint64_t row) {
    const uint64_t per_row = n.nheads * n.headdim * n.dstate;
    return {states.begin() + ptrdiff_t(row * per_row), states.begin() + ptrdiff_t((row + 1) * per_row)};
}

std::vector<double> widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

TEST_CASE("chunked and recurrent agree") {
    const Variant variant = GENERATE(Variant::automatic, Variant::scalar);
    SsdCase c;
    c.shape = {2, 75, 4, 24, 2, 40};
    c.with_everything();
    c.variant = variant;
    c.chunk_size = 32;
    const SsdInputs in = make_inputs(c);
    c.algorithm = SsdAlgorithm::chunked;
    const SsdRun chunked = run_ok(c, in);
    c.algorithm = SsdAlgorithm::recurrent;
    const SsdRun recurrent = run_ok(c, in);
    CHECK(relative_rms(chunked.y, recurrent.y) < kF32);
    CHECK(relative_rms(chunked.final_states, recurrent.final_states) < kF32);
}

TEST_CASE("the result does not depend on chunk_size") {
    SsdCase c;
    c.shape = {1, 270, 2, 16, 1, 24};
    c.initial_states = true;
    c.algorithm = SsdAlgorithm::chunked;
    const SsdInputs in = make_inputs(c);
    const SsdOutputs want = expected(c, in);
    const Variant automatic = Variant::automatic, scalar = Variant::scalar;
    std::tie(c.chunk_size, c.variant) =
        GENERATE_COPY(std::pair(0u, automatic), std::pair(16u, automatic), std::pair(32u, automatic), std::pair(48u, automatic),
                      std::pair(64u, automatic), std::pair(128u, automatic), std::pair(240u, automatic), std::pair(256u, automatic),
                      std::pair(16u, scalar), std::pair(48u, scalar), std::pair(256u, scalar));
    check_outputs(c, run_ok(c, in), want);
}

TEST_CASE("a run in two halves gives what the whole gives") {
    const SsdPath path = GENERATE(from_range(main_paths()));
    constexpr uint64_t first = 37;
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {2, 70, 2, 16, 1, 16};
    c.D = SsdD::per_head;
    choose_io(&c);
    const SsdInputs in = make_inputs(c);
    const SsdRun whole = run_ok(c, in);

    SsdCase half = c;
    half.shape.seqlen = first;
    const SsdRun start = run_ok(half, slice(in, 0, 2, 0, first));
    half.shape.seqlen = 70 - first;
    half.initial_states = true;
    SsdInputs rest = slice(in, 0, 2, first, 70 - first);
    rest.initial_states = widened(start.final_states);
    const SsdRun end = run_ok(half, rest);

    INFO(c.text());
    CHECK(relative_rms(end.final_states, whole.final_states) <= c.state_tolerance());
    for (uint64_t row = 0; row < 2; ++row) {
        CHECK(relative_rms(tokens_of(start.y, {2, first, 2, 16}, row, 0, first), tokens_of(whole.y, c.shape, row, 0, first)) <=
              c.y_tolerance());
        CHECK(relative_rms(tokens_of(end.y, half.shape, row, 0, 70 - first), tokens_of(whole.y, c.shape, row, first, 70 - first)) <=
              c.y_tolerance());
    }
}

TEST_CASE("a run resumes from the state of any chunk boundary") {
    SsdCase c;
    c.shape = {1, 90, 2, 16, 1, 16};
    c.states = true;
    c.chunk_size = 32;
    c.algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    const SsdInputs in = make_inputs(c);
    const SsdRun whole = run_ok(c, in);
    SsdCase tail = c;
    tail.states = false;
    tail.shape.seqlen = 90 - 64;
    tail.initial_states = true;
    SsdInputs rest = slice(in, 0, 1, 64, 26);
    rest.initial_states = widened(states_of(whole.states, c.shape, 2));
    const SsdRun resumed = run_ok(tail, rest);
    CHECK(relative_rms(resumed.y, tokens_of(whole.y, c.shape, 0, 64, 26)) < kF32);
    CHECK(relative_rms(resumed.final_states, whole.final_states) < kF32);
}

TEST_CASE("steps of one token give what the whole gives") {
    SsdCase c;
    c.shape = {2, 9, 2, 16, 1, 24};
    c.with_everything();
    c.algorithm = GENERATE(SsdAlgorithm::recurrent, SsdAlgorithm::automatic);
    const SsdInputs in = make_inputs(c);
    const SsdRun whole = run_ok(c, in);
    SsdCase step = c;
    step.shape.seqlen = 1;
    step.in_place = true;
    std::vector<double> state = in.initial_states;
    for (uint64_t t = 0; t < c.shape.seqlen; ++t) {
        SsdInputs token = slice(in, 0, 2, t, 1);
        token.initial_states = state;
        const SsdRun run = run_ok(step, token);
        state = widened(run.final_states);
        for (uint64_t row = 0; row < 2; ++row)
            CHECK(relative_rms(tokens_of(run.y, step.shape, row, 0, 1), tokens_of(whole.y, c.shape, row, t, 1)) < kF32);
    }
    CHECK(relative_rms(whole.final_states, state) < kF32);
}

TEST_CASE("what comes later changes nothing before it, bit for bit") {
    const SsdPath path = GENERATE(from_range(variant_paths()));
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {1, 50, 3, 24, 1, 40};
    c.with_everything();
    choose_io(&c);
    constexpr uint64_t kKept = 21;
    const SsdInputs in = make_inputs(c, 1), other = make_inputs(c, 2);
    SsdInputs changed = in;
    for (auto tensor : {&SsdInputs::x, &SsdInputs::dt, &SsdInputs::B, &SsdInputs::C, &SsdInputs::z}) {
        const uint64_t kept = (in.*tensor).size() / c.shape.seqlen * kKept;
        std::copy((other.*tensor).begin() + ptrdiff_t(kept), (other.*tensor).end(), (changed.*tensor).begin() + ptrdiff_t(kept));
    }
    const SsdRun before = run_ok(c, in), after = run_ok(c, changed);
    INFO(c.text());
    CHECK(differing_bits(tokens_of(before.y, c.shape, 0, 0, kKept), tokens_of(after.y, c.shape, 0, 0, kKept)) == 0);
    CHECK(differing_bits(before.y, after.y) > 0);
}

TEST_CASE("a run repeats bit for bit") {
    const SsdPath path = GENERATE(from_range(variant_paths()));
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {1, 50, 3, 24, 1, 40};
    c.with_everything();
    choose_io(&c);
    const SsdInputs in = make_inputs(c);
    const SsdRun once = run_ok(c, in), again = run_ok(c, in), thrice = run_ssd(c, in, 3);
    INFO(c.text());
    CHECK(differing_bits(once.y, again.y) == 0);
    CHECK(differing_bits(once.y, thrice.y) == 0);
    CHECK(differing_bits(once.final_states, again.final_states) == 0);
    CHECK(differing_bits(once.final_states, thrice.final_states) == 0);
}

// Sequences of one row, as their first tokens and the row's end.
SsdRun run_alone(const SsdCase& packed, const SsdInputs& in, uint64_t row, uint64_t first, uint64_t count) {
    SsdCase c = packed;
    c.seq_idx.clear();
    c.cu_seqlens.clear();
    c.max_sequences = 0;
    c.shape.batch = 1;
    c.shape.seqlen = count;
    SsdInputs alone = slice(in, row, 1, first, count);
    alone.seq_idx.clear();
    alone.cu_seqlens.clear();
    if (packed.cu_seqlens.empty() && first > 0) alone.initial_states.clear();
    c.initial_states = !alone.initial_states.empty();
    return run_ok(c, alone);
}

TEST_CASE("sequences packed with seq_idx give what each gives alone, bit for bit") {
    const SsdPath path = GENERATE(from_range(variant_paths()));
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {2, 60, 2, 16, 1, 24};
    c.D = SsdD::per_head;
    c.initial_states = true;
    c.max_sequences = 5;
    choose_io(&c);
    std::vector<std::vector<uint64_t>> bounds = {{0, 7, 23, 24, 60}, {0, 24, 60}};
    if (path.variant == Variant::coopmat && matrices_are_slow()) {
        c.shape.batch = 1;
        bounds = {{0, 23, 60}};
    }
    // Only a change counts, so indices may return and need not rise.
    const int32_t names[] = {4, 0, 4, 7};
    for (const std::vector<uint64_t>& row : bounds)
        for (size_t s = 0; s + 1 < row.size(); ++s) c.seq_idx.insert(c.seq_idx.end(), row[s + 1] - row[s], names[s]);
    const SsdInputs in = make_inputs(c);
    const SsdRun packed = run_ok(c, in);
    check_outputs(c, packed, expected(c, in));
    for (uint64_t row = 0; row < bounds.size(); ++row)
        for (size_t s = 0; s + 1 < bounds[row].size(); ++s) {
            const uint64_t first = bounds[row][s], count = bounds[row][s + 1] - first;
            const SsdRun alone = run_alone(c, in, row, first, count);
            CAPTURE(c.text(), row, first, count);
            CHECK(differing_bits(tokens_of(packed.y, c.shape, row, first, count), alone.y) == 0);
            if (first + count == 60) CHECK(differing_bits(states_of(packed.final_states, c.shape, row), alone.final_states) == 0);
        }
}

TEST_CASE("sequences packed with cu_seqlens give what each gives alone, bit for bit") {
    const SsdPath path = GENERATE(from_range(variant_paths()));
    if (path.variant == Variant::coopmat && matrices_are_slow())
        SKIP("compiling for matrix units is slow on a CPU: SCANDIUM_TEST_THOROUGH=1 runs it");
    SsdCase c = on_path(SsdCase(), path);
    c.shape = {1, 60, 2, 16, 1, 24};
    c.initial_states = true;
    c.dt_bias = c.dt_softplus = true;
    c.cu_seqlens = {0, 0, 7, 23, 24, 24, 60};
    choose_io(&c);
    const SsdInputs in = make_inputs(c);
    const SsdRun packed = run_ok(c, in);
    check_outputs(c, packed, expected(c, in));
    const uint64_t per_sequence = 2 * 16 * 24;
    for (size_t s = 0; s + 1 < c.cu_seqlens.size(); ++s) {
        const uint64_t first = uint64_t(c.cu_seqlens[s]), count = uint64_t(c.cu_seqlens[s + 1]) - first;
        const auto state = in.initial_states.begin() + ptrdiff_t(s * per_sequence);
        const std::vector<double> start(state, state + ptrdiff_t(per_sequence));
        CAPTURE(c.text(), s);
        if (count == 0) {
            CHECK(relative_rms(states_of(packed.final_states, c.shape, s), start) == 0);
            continue;
        }
        SsdInputs own = in;
        own.initial_states = start;
        const SsdRun alone = run_alone(c, own, 0, first, count);
        CHECK(differing_bits(tokens_of(packed.y, c.shape, 0, first, count), alone.y) == 0);
        CHECK(differing_bits(states_of(packed.final_states, c.shape, s), alone.final_states) == 0);
    }
}

TEST_CASE("empty sequences end in the state zero where none is given") {
    SsdCase c;
    c.shape = {1, 20, 2, 16, 1, 16};
    c.cu_seqlens = {0, 0, 20, 20};
    c.algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    const SsdInputs in = make_inputs(c);
    const SsdRun run = run_ok(c, in);
    check_outputs(c, run, expected(c, in));
    const std::vector<float> zero(2 * 16 * 16, 0.0f);
    CHECK(differing_bits(states_of(run.final_states, c.shape, 0), zero) == 0);
    CHECK(differing_bits(states_of(run.final_states, c.shape, 2), zero) == 0);
}

TEST_CASE("a row with more sequences than max_sequences is all NaN, and alone in that") {
    SsdCase c;
    c.shape = {2, 40, 1, 16, 1, 16};
    c.algorithm = SsdAlgorithm::chunked;
    c.max_sequences = 2;
    for (int32_t t = 0; t < 40; ++t) c.seq_idx.push_back(t / 10);
    for (int32_t t = 0; t < 40; ++t) c.seq_idx.push_back(t / 20);
    const SsdInputs in = make_inputs(c);
    const SsdRun run = run_ok(c, in);
    uint64_t nan = 0;
    for (float value : tokens_of(run.y, c.shape, 0, 0, 40)) nan += std::isnan(value);
    for (float value : states_of(run.final_states, c.shape, 0)) nan += std::isnan(value);
    CHECK(nan == 40 * 16 + 16 * 16);
    const SsdOutputs want = ssd_scan_ref(slice(in, 1, 1, 0, 40));
    CHECK(relative_rms(tokens_of(run.y, c.shape, 1, 0, 40), want.y) < kF32);
    CHECK(relative_rms(states_of(run.final_states, c.shape, 1), want.final_states) < kF32);
}

}  // namespace
}  // namespace scandium::test

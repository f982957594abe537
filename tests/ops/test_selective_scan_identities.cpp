// What selective_scan has to be whatever the numbers: runs that must agree with each other, and with its step.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "support/compare.h"
#include "support/selective_case.h"
#include "support/update_case.h"

namespace scandium::test {
namespace {

std::vector<double> widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// Each variant as the device has it, and the library's own choice.
std::vector<OpPath> variant_paths() {
    std::vector<OpPath> paths = {{Variant::automatic, MemoryAccess::automatic, 16}};
    Variant last = Variant::automatic;
    for (const OpPath& path : op_paths())
        if (path.variant != last) {
            paths.push_back(path);
            last = path.variant;
        }
    return paths;
}

std::vector<float> states_of(const std::vector<float>& states, const SelectiveShape& n, uint64_t row) {
    const uint64_t per_row = n.channels * n.dstate;
    return {states.begin() + ptrdiff_t(row * per_row), states.begin() + ptrdiff_t((row + 1) * per_row)};
}

// One sequence of a packed row, by itself.
void check_alone(const SelectiveCase& packed, const SelectiveInputs& in, const OpRun& together, uint64_t row, uint64_t first,
                 uint64_t count, bool continues, uint64_t state_row, bool ends) {
    SelectiveCase c = packed;
    c.seq_idx.clear();
    c.cu_seqlens.clear();
    c.segments = 1;
    c.shape.batch = 1;
    c.shape.seqlen = count;
    SelectiveInputs alone = slice(in, row, 1, first, count);
    alone.seq_idx.clear();
    alone.cu_seqlens.clear();
    c.initial_states = continues;
    alone.initial_states.clear();
    if (continues) {
        const ptrdiff_t per_row = ptrdiff_t(c.shape.channels * c.shape.dstate);
        const auto begin = in.initial_states.begin() + ptrdiff_t(state_row) * per_row;
        alone.initial_states.assign(begin, begin + per_row);
    }
    const OpRun run = run_ok(c, alone);
    INFO(packed.text() << ", row " << row << ", tokens from " << first);
    CHECK(differing_bits(run.out.at("y"), tokens_of(together.out.at("y"), packed.shape, row, 1, first, count)) == 0);
    if (ends) CHECK(differing_bits(run.out.at("final_states"), states_of(together.out.at("final_states"), packed.shape, state_row)) == 0);
}

TEST_CASE("selective_scan: sequences packed with seq_idx give what each gives alone, bit for bit") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {2, 10, 60, 1, 4};
    c.with_everything();
    const std::vector<std::vector<uint64_t>> bounds = {{0, 7, 24, 60}, {0, 60}};
    // Only a change counts, so indices may return and need not rise.
    const int32_t names[] = {4, 0, 4};
    for (const std::vector<uint64_t>& row : bounds)
        for (size_t k = 0; k + 1 < row.size(); ++k) c.seq_idx.insert(c.seq_idx.end(), row[k + 1] - row[k], names[k]);
    const SelectiveInputs in = make_inputs(c);
    const OpRun together = check_case(c);
    for (uint64_t row = 0; row < 2; ++row)
        for (size_t k = 0; k + 1 < bounds[row].size(); ++k)
            check_alone(c, in, together, row, bounds[row][k], bounds[row][k + 1] - bounds[row][k], k == 0, row,
                        k + 2 == bounds[row].size());
}

TEST_CASE("selective_scan: sequences packed with cu_seqlens give what each gives alone, bit for bit") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.with_everything().with_io(c.path.variant == Variant::scalar ? DType::bf16 : DType::f32);
    c.shape = {1, 10, 60, 2, 4};
    c.cu_seqlens = {0, 7, 7, 23, 60};
    const SelectiveInputs in = make_inputs(c);
    const OpRun together = check_case(c);
    for (size_t k = 0; k + 1 < c.cu_seqlens.size(); ++k) {
        const uint64_t first = uint64_t(c.cu_seqlens[k]), count = uint64_t(c.cu_seqlens[k + 1]) - first;
        if (count != 0) check_alone(c, in, together, 0, first, count, true, k, true);
    }
    // A sequence without tokens leaves its state as it is.
    CHECK(relative_rms(states_of(together.out.at("final_states"), c.shape, 1),
                       std::vector<double>(in.initial_states.begin() + 40, in.initial_states.begin() + 80)) == 0);
}

TEST_CASE("selective_scan: offsets of sequences that leave the tensor or fall stay inside") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {1, 5, 33, 1, 4};
    c.cu_seqlens = {0, 50, -7, 20, 1000};
    SelectiveInputs in = make_inputs(c);
    run_ok(c, in);
}

TEST_CASE("selective_scan: a NaN stays in its own channel and batch row, and is not lost") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {2, 6, 40, 1, 16};
    c.D = c.z = c.dt_bias = c.initial_states = true;
    c.segments = 1;
    constexpr uint64_t kRow = 1, kChannel = 3, kToken = 20;
    const uint64_t at = (kRow * 6 + kChannel) * 40 + kToken;
    struct Spoiler {
        const char* tensor;
        std::vector<double> SelectiveInputs::*values;
        uint64_t index, from;
        bool one_token, both_rows;
    };
    const Spoiler spoilers[] = {
        {"x", &SelectiveInputs::x, at, kToken, false, false},
        {"z", &SelectiveInputs::z, at, kToken, true, false},
        {"dt", &SelectiveInputs::dt, at, kToken, false, false},
        {"A", &SelectiveInputs::A, kChannel * 16 + 7, 0, false, true},
        {"D", &SelectiveInputs::D, kChannel, 0, false, true},
        {"initial_states", &SelectiveInputs::initial_states, (kRow * 6 + kChannel) * 16 + 7, 0, false, false},
    };
    const SelectiveInputs in = make_inputs(c);
    const OpRun clean = run_ok(c, in);
    for (const Spoiler& s : spoilers) {
        SelectiveInputs changed = in;
        (changed.*s.values)[s.index] = std::numeric_limits<double>::quiet_NaN();
        const OpRun spoilt = run_ok(c, changed);
        const std::vector<float>&before = clean.out.at("y"), &after = spoilt.out.at("y");
        size_t strayed = 0, lost = 0;
        for (uint64_t i = 0; i < before.size(); ++i) {
            const uint64_t token = i % 40, channel = i / 40 % 6, row = i / 40 / 6;
            const bool reached = channel == kChannel && (row == kRow || s.both_rows) && (s.one_token ? token == kToken : token >= s.from);
            if (reached)
                lost += !std::isnan(after[i]);
            else
                strayed += std::memcmp(&before[i], &after[i], sizeof(float)) != 0;
        }
        INFO("in " << s.tensor << ", " << c.text());
        CHECK(strayed == 0);
        CHECK(lost == 0);
    }
}

TEST_CASE("selective_scan: an infinite state is forgotten where a sequence starts") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {1, 10, 40, 1, 4};
    c.seq_idx.assign(40, 0);
    for (size_t t = 20; t < 40; ++t) c.seq_idx[t] = 1;
    SelectiveInputs in = make_inputs(c);
    for (uint64_t channel = 0; channel < 10; ++channel) in.x[channel * 40 + 3] = 3e38;
    for (double& b : in.B) b *= 4;
    const OpRun run = run_ok(c, in);
    const SelectiveOutputs want = selective_scan_ref(in);
    CHECK(relative_rms(tokens_of(run.out.at("y"), c.shape, 0, 1, 20, 20), tokens_of(want.y, c.shape, 0, 1, 20, 20)) <= 1e-5);
}

TEST_CASE("selective_scan: a run in two halves gives what the whole gives") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {2, 12, 70, 2, 4};
    c.with_everything();
    const uint64_t first = 37;
    const SelectiveInputs in = make_inputs(c);
    const OpRun whole = run_ok(c, in);
    SelectiveCase half = c;
    half.shape.seqlen = first;
    const OpRun start = run_ok(half, slice(in, 0, 2, 0, first));
    half.shape.seqlen = 70 - first;
    SelectiveInputs rest = slice(in, 0, 2, first, 70 - first);
    rest.initial_states = widened(start.out.at("final_states"));
    const OpRun end = run_ok(half, rest);
    INFO(c.text());
    // Blocks fall elsewhere, but a state's sums and a token's do not change.
    CHECK(differing_bits(start.out.at("y"), tokens_of(whole.out.at("y"), c.shape, 0, 2, 0, first)) == 0);
    CHECK(differing_bits(end.out.at("y"), tokens_of(whole.out.at("y"), c.shape, 0, 2, first, 70 - first)) == 0);
    CHECK(differing_bits(end.out.at("final_states"), whole.out.at("final_states")) == 0);
}

TEST_CASE("selective_scan: the result does not depend on segments") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {2, 12, 300, 1, 8};
    c.initial_states = c.D = true;
    const SelectiveInputs in = make_inputs(c);
    c.segments = 1;
    const OpRun whole = run_ok(c, in);
    c.segments = GENERATE(2u, 9u);
    const OpRun split = run_ok(c, in);
    INFO(c.text());
    CHECK(relative_rms(split.out.at("y"), whole.out.at("y")) <= 1e-5);
    CHECK(relative_rms(split.out.at("final_states"), whole.out.at("final_states")) <= 1e-5);
}

TEST_CASE("selective_scan: runs repeat bit for bit, and what comes later changes nothing before it") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {1, 12, 100, 1, 4};
    c.initial_states = c.z = true;
    c.segments = c.path.variant == Variant::scalar ? 1 : 3;
    const SelectiveInputs in = make_inputs(c, 1), other = make_inputs(c, 2);
    const OpRun once = run_ok(c, in), again = run_ok(c, in);
    INFO(c.text());
    CHECK(differing_bits(once.out.at("y"), again.out.at("y")) == 0);
    CHECK(differing_bits(once.out.at("final_states"), again.out.at("final_states")) == 0);
    constexpr uint64_t kKept = 41;
    SelectiveInputs changed = in;
    for (auto member : {&SelectiveInputs::x, &SelectiveInputs::dt, &SelectiveInputs::B, &SelectiveInputs::C, &SelectiveInputs::z})
        for (size_t i = 0; i < (in.*member).size(); ++i)
            if (i % 100 >= kKept) (changed.*member)[i] = (other.*member)[i];
    const OpRun after = run_ok(c, changed);
    CHECK(differing_bits(tokens_of(once.out.at("y"), c.shape, 0, 1, 0, kKept), tokens_of(after.out.at("y"), c.shape, 0, 1, 0, kKept)) == 0);
    CHECK(differing_bits(once.out.at("y"), after.out.at("y")) > 0);
}

TEST_CASE("selective_scan: steps of selective_state_update give what the scan gives") {
    SelectiveCase c;
    c.path = GENERATE(from_range(variant_paths()));
    c.shape = {2, 20, 5, 1, 8};
    c.with_everything();
    const SelectiveInputs in = make_inputs(c);
    const OpRun scan = run_ok(c, in);
    UpdateCase step;
    step.per_head = step.token_axis = false;
    step.shape = {2, 1, 1, 20, 1, 8};
    UpdateInputs one;
    one.shape = step.shape;
    one.state = in.initial_states;
    step.D = step.z = step.dt_bias = step.dt_softplus = true;
    one.A = in.A;
    one.D = in.D;
    one.dt_bias = in.dt_bias;
    one.dt_softplus = true;
    one.dt_min = in.dt_min;
    one.dt_max = in.dt_max;
    step.dt_min = c.dt_min;
    step.dt_max = c.dt_max;
    for (uint64_t t = 0; t < c.shape.seqlen; ++t) {
        const SelectiveInputs token = slice(in, 0, 2, t, 1);
        one.x = token.x;
        one.dt = token.dt;
        one.B = token.B;
        one.C = token.C;
        one.z = token.z;
        const OpRun run = run_ok(step, one);
        CHECK(relative_rms(run.out.at("y"), tokens_of(scan.out.at("y"), c.shape, 0, 2, t, 1)) <= 1e-5);
        one.state = widened(run.out.at("state"));
    }
    CHECK(relative_rms(scan.out.at("final_states"), one.state) <= 1e-5);
}

}  // namespace
}  // namespace scandium::test

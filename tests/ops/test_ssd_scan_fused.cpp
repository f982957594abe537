// ssd_scan's fused form, where the device has matrix units. Compiling for them is slow on a CPU, so each case has many options.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/compare.h"
#include "support/random.h"
#include "support/ssd_case.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// The last chunk is short, and no tile fits headdim or dstate.
SsdCase fused_case(DType io, MemoryAccess access = MemoryAccess::automatic) {
    SsdCase c;
    c.algorithm = SsdAlgorithm::fused;
    c.variant = Variant::coopmat;
    c.access = access;
    c.shape = {2, 70, 4, 24, 2, 40};
    return c.with_io(io);
}

void skip_if_missing(const SsdCase& c) {
    const std::string reason = missing({c.algorithm, c.variant, c.access});
    if (!reason.empty()) SKIP(reason);
}

TEST_CASE("fused: every option, and fewer tokens than planned") {
    SsdCase c = fused_case(GENERATE(from_range(matrix_dtypes()))).with_everything();
    skip_if_missing(c);
    c.D = SsdD::per_element;
    c.final_dtype = c.x_dtype;
    c.dt_dtype = c.x_dtype;
    for (uint64_t recorded : {0, 1, 32, 47}) {
        c.record_seqlen = recorded;
        check_case(c);
    }
}

TEST_CASE("fused: no option, through descriptors, with y in f32") {
    SsdCase c = fused_case(GENERATE(from_range(matrix_dtypes())), MemoryAccess::descriptor);
    skip_if_missing(c);
    c.shape = {1, 64, 3, 16, 1, 16};
    c.y_dtype = DType::f32;
    c.D = SsdD::per_head;
    c.separate_buffers = true;
    const SsdInputs in = make_inputs(c);
    const SsdRun once = run_ok(c, in), thrice = run_ssd(c, in, 3);
    check_outputs(c, once, expected(c, in));
    CHECK(differing_bits(once.y, thrice.y) == 0);
    CHECK(differing_bits(once.final_states, thrice.final_states) == 0);
}

// Two chunks a segment, the last of one, whose end is ragged. Then fewer tokens than planned: whole segments have none.
TEST_CASE("fused: segments of a sequence side by side") {
    SsdCase c = fused_case(GENERATE(from_range(matrix_dtypes()))).with_everything();
    skip_if_missing(c);
    c.shape = {2, 150, 2, 24, 1, 40};
    c.segments = 3;
    for (uint64_t recorded : {0, 1, 64, 70}) {
        c.record_seqlen = recorded;
        check_case(c);
    }
    c.record_seqlen = 0;
    c.in_place = true;  // the last segment writes the state that the first starts from
    check_case(c);
}

TEST_CASE("fused: segments from nothing repeat bit for bit and are as near as the whole") {
    SsdCase c = fused_case(GENERATE(from_range(matrix_dtypes())));
    skip_if_missing(c);
    c.shape = {1, 130, 2, 32, 1, 32};
    c.D = SsdD::per_head;
    SsdInputs in = make_inputs(c);
    SECTION("as they come") {}
    SECTION("slow decay, so that every segment matters to the last") { in.A = {-1e-4, 0}; }
    SECTION("decay by -1e4 within a segment") {
        in.dt.assign(in.dt.size(), 10);
        in.A = {-32, -0.001};
    }
    c.segments = 1;
    const SsdRun whole = run_ssd(c, in);
    c.segments = 5;
    const SsdRun once = run_ssd(c, in), thrice = run_ssd(c, in, 3);
    REQUIRE((whole.result == Result::ok && once.result == Result::ok && thrice.result == Result::ok));
    const SsdOutputs want = expected(c, in);
    CHECK(relative_rms(once.y, want.y) <= 1.1 * relative_rms(whole.y, want.y));
    CHECK(relative_rms(once.final_states, want.final_states) <= c.state_tolerance());
    CHECK(differing_bits(once.y, thrice.y) == 0);
    CHECK(differing_bits(once.final_states, thrice.final_states) == 0);
}

// What is computed on the way would leave f16 on either side.
TEST_CASE("fused: magnitudes beyond f16") {
    SsdCase c = fused_case(GENERATE(from_range(matrix_dtypes())));
    skip_if_missing(c);
    c.shape = {1, 70, 2, 16, 1, 32};
    c.initial_states = true;
    c.y_dtype = DType::f32;
    SsdInputs in = make_inputs(c);
    const auto times = [](std::vector<double>* values, double factor, DType dtype) {
        for (double& v : *values) v = rounded(v * factor, dtype);
    };
    SECTION("large C B^T and state") {
        times(&in.B, 256, c.bc_dtype);
        times(&in.C, 256, c.bc_dtype);
        in.dt.assign(in.dt.size(), 1);
        in.A = {-0.0001, -0.1};
    }
    SECTION("small x and step") {
        times(&in.x, 1.0 / 1024, c.x_dtype);
        in.dt.assign(in.dt.size(), rounded(1e-4, DType::f32));
        times(&in.initial_states, 1e-9, DType::f32);
    }
    SECTION("a large initial state that decays") {
        times(&in.initial_states, 1 << 20, DType::f32);
        in.A = {-16, -4};
    }
    SECTION("inputs that come and go") {
        for (size_t i = 0; i < in.x.size(); ++i) in.x[i] = rounded(in.x[i] * (i / 32 % 20 == 0 ? 1024 : 1.0 / 64), c.x_dtype);
    }
    SECTION("nothing at all") {
        in.x.assign(in.x.size(), 0);
        in.initial_states.assign(in.initial_states.size(), 0);
    }
    SECTION("decay by -1e4 within a chunk") {
        in.dt.assign(in.dt.size(), 10);
        in.A = {-16, -0.001};
    }
    check_outputs(c, run_ok(c, in), expected(c, in));
}

// ---- infinities and NaN -------------------------------------------------------------------------------------------

// A value is spoilt at a token of one head of one batch row, in the second chunk. What it reaches of y: of the heads from kHead on,
// tokens from `from` on, all elements or only kElement.
constexpr uint64_t kRow = 1, kToken = 40, kChunk = 32, kHead = 2, kElement = 5;

struct Spoiler {
    const char* tensor;
    std::vector<double> SsdInputs::*values;
    uint64_t index, heads, from;
    bool one_token = false, one_element = false, both_rows = false;
};

std::vector<Spoiler> spoilers() {
    const uint64_t at = kRow * 70 + kToken;
    return {
        {"x", &SsdInputs::x, (at * 4 + kHead) * 16 + kElement, 1, kChunk, false, true},
        {"z", &SsdInputs::z, (at * 4 + kHead) * 16 + kElement, 1, kToken, true, true},
        {"B", &SsdInputs::B, (at * 2 + kHead / 2) * 32 + 7, 2, kToken},
        {"C", &SsdInputs::C, (at * 2 + kHead / 2) * 32 + 7, 2, kToken, true},
        {"initial_states", &SsdInputs::initial_states, ((kRow * 4 + kHead) * 16 + kElement) * 32 + 7, 1, 0, false, true},
        {"dt", &SsdInputs::dt, at * 4 + kHead, 1, kToken},
        {"A", &SsdInputs::A, kHead, 1, 0, false, false, true},
    };
}

// Other heads keep their bits; beside it in its own, where f16 may get another scale, values are as good as before.
void check_spoilt(const SsdRun& clean, const SsdRun& spoilt, const Spoiler& s, bool must_be_nan, double tolerance) {
    std::vector<float> beside, wanted;
    size_t strayed = 0, lost = 0;
    for (uint64_t i = 0; i < clean.y.size(); ++i) {
        const uint64_t p = i % 16, head = i / 16 % 4, token = i / 64 % 70, row = i / 64 / 70;
        const bool in_head = head >= kHead && head < kHead + s.heads && (row == kRow || s.both_rows);
        if (!in_head) {
            strayed += std::memcmp(&clean.y[i], &spoilt.y[i], sizeof(float)) != 0;
        } else if (token < s.from || (s.one_token && token != kToken) || (s.one_element && p != kElement)) {
            beside.push_back(spoilt.y[i]);
            wanted.push_back(clean.y[i]);
        } else if (token == kToken || (must_be_nan && token > kToken)) {  // the state carries a NaN on
            lost += must_be_nan ? !std::isnan(spoilt.y[i]) : std::isfinite(spoilt.y[i]);
        }
    }
    CHECK(strayed == 0);
    CHECK(lost == 0);
    if (!beside.empty()) CHECK(relative_rms(beside, wanted) <= tolerance);
}

TEST_CASE("fused: a NaN or an infinity is not lost, and leaves what it does not reach as good as it was") {
    SsdCase c = fused_case(GENERATE(from_range(matrix_dtypes())));
    skip_if_missing(c);
    c.shape = {2, 70, 4, 16, 2, 32};
    c.y_dtype = DType::f32;
    c.z = c.initial_states = true;
    const SsdInputs in = make_inputs(c);
    const SsdRun clean = run_ok(c, in);
    check_outputs(c, clean, expected(c, in));
    for (const bool is_nan : {true, false})
        for (const Spoiler& spoiler : spoilers()) {
            // An A of -inf forgets, and dt is held by dt_max.
            if (!is_nan && (spoiler.values == &SsdInputs::A || spoiler.values == &SsdInputs::dt)) continue;
            SsdInputs changed = in;
            (changed.*spoiler.values)[spoiler.index] =
                is_nan ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
            INFO((is_nan ? "NaN in " : "infinity in ") << spoiler.tensor);
            check_spoilt(clean, run_ok(c, changed), spoiler, is_nan, c.y_tolerance());
        }
}

TEST_CASE("fused: tokens too far apart for one binding, so that the state is carried from part to part") {
    SsdCase c = fused_case(matrix_dtype(), MemoryAccess::descriptor);
    skip_if_missing(c);
    constexpr uint64_t kMiB = (1 << 20) / 2;
    c.separate_buffers = c.initial_states = true;
    c.shape = {1, 41, 1, 8, 1, 8};
    c.x_layout.order = {1, 0, 2, 3};
    c.x_layout.slowest_stride = 4 * kMiB;
    check_case(c);
}

TEST_CASE("fused: what it cannot do is refused with the reason, and left to the staged form where not forced") {
    SsdCase c = fused_case(matrix_dtype());
    skip_if_missing(c);
    std::string reason;
    SECTION("states") {
        c.states = true;
        reason = "states";
    }
    SECTION("packed sequences") {
        c.shape.batch = 1;
        c.cu_seqlens = {0, 30, 70};
        reason = "packed";
    }
    SECTION("an odd headdim") {
        c.shape.headdim = 25;
        reason = "multiple of 8";
    }
    SECTION("a last axis that is not contiguous") {
        c.bc_layout.step = 2;
        reason = "pieces";
    }
    const SsdRun run = run_ssd(c, make_inputs(c));
    CHECK(run.result == Result::unsupported);
    CHECK_THAT(run.message, ContainsSubstring("fused") && ContainsSubstring(reason));
}

}  // namespace
}  // namespace scandium::test

// selective_state_update against float64 loops and against itself.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cmath>
#include <limits>

#include "support/compare.h"
#include "support/update_case.h"

namespace scandium::test {
namespace {

UpdateCase mamba1(uint64_t channels, uint64_t dstate) {
    UpdateCase c;
    c.per_head = c.token_axis = false;
    c.shape = {2, 1, 1, channels, 1, dstate};
    return c;
}

TEST_CASE("selective_state_update: both forms on every path of the device") {
    const bool per_head = GENERATE(true, false);
    UpdateCase c;
    c.path = GENERATE(from_range(op_paths()));
    c.shape = {3, 1, 4, 24, 2, 32};
    c.per_head = per_head;
    c.token_axis = false;
    c.with_everything();
    check_case(c);
}

TEST_CASE("selective_state_update: Mamba-1 as one head of many channels") {
    const auto [channels, dstate] = GENERATE(std::pair(2048, 16), std::pair(200, 16), std::pair(67, 5), std::pair(64, 1));
    UpdateCase c = mamba1(uint64_t(channels), uint64_t(dstate)).with_everything();
    c.path = GENERATE(from_range(main_op_paths()));
    check_case(c);
}

TEST_CASE("selective_state_update: any dstate and headdim") {
    const auto [headdim, dstate] = GENERATE(std::pair(64, 128), std::pair(7, 33), std::pair(5, 512), std::pair(1, 500), std::pair(100, 20),
                                            std::pair(16, 64), std::pair(3, 2), std::pair(1, 1));
    UpdateCase c;
    c.path = GENERATE(from_range(main_op_paths()));
    c.shape = {headdim * dstate == 1 ? 100u : 2u, 2, 2, uint64_t(headdim), 1, uint64_t(dstate)};  // enough for an average
    c.per_head = GENERATE(true, false);
    c.state_dtype = c.per_head ? DType::f32 : DType::bf16;
    check_case(c);
}

TEST_CASE("selective_state_update: types of the state and of what comes in") {
    UpdateCase c;
    c.path = GENERATE(from_range(main_op_paths()));
    c.state_dtype = GENERATE(DType::f32, DType::f16, DType::bf16);
    c.io_dtype = GENERATE(DType::f32, DType::f16, DType::bf16);
    c.state_out = c.io_dtype == DType::f16 ? StateOut::other_tensor : StateOut::in_place;
    c.shape = {2, 1, 4, 24, 2, 40};
    c.with_everything();
    check_case(c);
}

TEST_CASE("selective_state_update: heads in groups") {
    UpdateCase c;
    c.path = GENERATE(from_range(main_op_paths()));
    c.shape = {2, 1, 6, 8, GENERATE(1u, 2u, 3u, 6u), 16};
    check_case(c);
}

TEST_CASE("selective_state_update: each option alone") {
    UpdateCase c;
    c.path = GENERATE(from_range(main_op_paths()));
    c.per_head = GENERATE(true, false);
    const int option = GENERATE(range(0, 8));
    if (option == 0) c.D = true;
    if (option == 1) c.z = true;
    if (option == 2) c.dt_bias = true;
    if (option == 3) c.dt_softplus = true;
    if (option == 4) c.dt_min = 0.3f;
    if (option == 5) c.dt_max = 0.2f;
    if (option == 6) c.snapshots = true;
    if (option == 7) c.token_axis = false;
    check_case(c);
}

TEST_CASE("selective_state_update: a NaN stays in its own head, and is not lost") {
    UpdateCase c;
    c.path = GENERATE(from_range(main_op_paths()));
    c.per_head = GENERATE(true, false);
    c.dt_softplus = true;
    c.dt_min = 0.1f;
    c.dt_max = 0.2f;
    const UpdateInputs in = make_inputs(c);
    const OpRun clean = run_ok(c, in);
    for (auto spoilt : {&UpdateInputs::dt, &UpdateInputs::A}) {
        UpdateInputs changed = in;
        std::vector<double>& values = changed.*spoilt;
        values[0] = std::numeric_limits<double>::quiet_NaN();  // of the first head, and with A in every batch row
        INFO(c.text() << (spoilt == &UpdateInputs::A ? " A" : " dt"));
        const OpRun run = run_ok(c, changed);
        const std::vector<float>&y = run.out.at("y"), &clean_y = clean.out.at("y");
        CHECK(std::isnan(y[0]));
        const uint64_t per_head = y.size() / (c.shape.batch * c.shape.nheads);
        for (uint64_t i = 0; i < y.size(); ++i)
            if (i / per_head % c.shape.nheads != 0) CHECK(y[i] == clean_y[i]);
    }
}

TEST_CASE("selective_state_update: states in slots, with padding and indices that no slot has") {
    UpdateCase c;
    c.path = GENERATE(from_range(op_paths()));
    c.state_dtype = c.io_dtype = GENERATE(DType::f32, DType::bf16);
    c.shape = {6, 1, 2, 24, 1, 16};
    c.shape.slots = 9;
    c.snapshots = c.z = true;
    c.indices = {7, -1, 2, 9, 0, -2147483647 - 1};
    SECTION("in place") {}
    SECTION("in place, another padding") { c.pad = 2; }
    SECTION("to the same slots of another tensor") { c.state_out = StateOut::other_tensor; }
    SECTION("to other slots of the tensor") { c.indices_out = {8, 3, 2, 1, -1, 4}; }
    SECTION("to other slots of another tensor") {
        c.state_out = StateOut::other_tensor;
        c.indices_out = {3, 2, 1, 0, 0, 4};
        c.shape.slots_out = 4;
    }
    check_case(c);
}

TEST_CASE("selective_state_update: rows that write slots of their choice") {
    UpdateCase c;
    c.path = GENERATE(from_range(main_op_paths()));
    c.shape = {4, 1, 2, 8, 1, 16};
    c.shape.slots_out = 6;
    c.state_out = StateOut::other_tensor;
    c.indices_out = {5, -1, 0, 6};
    check_case(c);
}

TEST_CASE("selective_state_update: several tokens") {
    UpdateCase c;
    c.path = GENERATE(from_range(op_paths()));
    c.shape = {3, 5, 4, 20, 2, 24};
    c.per_head = GENERATE(true, false);
    c.record_tokens = GENERATE(0u, 1u, 3u);
    c.with_everything();
    check_case(c);
}

// The tokens of one run, one by one or together.
TEST_CASE("selective_state_update: several tokens give the bits of one after the other, and snapshots those between") {
    UpdateCase c;
    c.path = GENERATE(from_range(op_paths()));
    c.shape = {2, 4, 2, 20, 1, 48};
    c.per_head = GENERATE(true, false);
    c.with_everything();
    const UpdateInputs in = make_inputs(c);
    const OpRun together = run_ok(c, in);
    UpdateCase single = c;
    single.shape.ntokens = 1;
    UpdateInputs one = in;
    one.shape.ntokens = 1;
    const size_t per_state = in.state.size() / 2;
    for (uint64_t t = 0; t < 4; ++t) {
        for (auto member : {&UpdateInputs::x, &UpdateInputs::dt, &UpdateInputs::B, &UpdateInputs::C, &UpdateInputs::z}) {
            const size_t per_token = (in.*member).size() / 8;
            (one.*member).clear();
            for (size_t b = 0; b < 2; ++b)
                (one.*member)
                    .insert((one.*member).end(), (in.*member).begin() + ptrdiff_t((b * 4 + t) * per_token),
                            (in.*member).begin() + ptrdiff_t((b * 4 + t + 1) * per_token));
        }
        const OpRun step = run_ok(single, one);
        const std::vector<float>&state = step.out.at("state"), &snapshots = together.out.at("snapshots");
        for (size_t b = 0; b < 2; ++b) {
            const auto from = snapshots.begin() + ptrdiff_t((b * 4 + t) * per_state);
            const auto mine = state.begin() + ptrdiff_t(b * per_state);
            CHECK(differing_bits({from, from + ptrdiff_t(per_state)}, {mine, mine + ptrdiff_t(per_state)}) == 0);
        }
        one.state.assign(state.begin(), state.end());
        if (t == 3) CHECK(differing_bits(state, together.out.at("state")) == 0);
    }
}

TEST_CASE("selective_state_update: strides") {
    UpdateCase c;
    c.path = GENERATE(from_range(main_op_paths()));
    c.shape = {2, 2, 3, 10, 1, 12};
    c.state_dtype = c.io_dtype = GENERATE(DType::f32, DType::f16);
    c.z = true;
    SECTION("a state of (dstate, headdim)") { c.state_layout.order = {0, 1, 3, 2}; }
    SECTION("heads before rows") {
        c.state_layout.order = {1, 0, 2, 3};
        c.x_layout.order = {2, 0, 1, 3};
    }
    SECTION("padding, which stays as it was") {
        c.state_layout.padding = 4;
        c.x_layout.padding = 3;
    }
    SECTION("every other element") { c.state_layout.step = c.x_layout.step = 2; }
    check_case(c);
}

// Some devices bind 128 MiB at most; whatever axis the distance lies along, the problem is cut there.
TEST_CASE("selective_state_update: states that reach further than one binding") {
    constexpr uint64_t kMiB = (1 << 20) / sizeof(float);
    UpdateCase c;
    c.path = {Variant::automatic, MemoryAccess::descriptor, 16};
    c.separate_buffers = true;
    c.shape = {3, 1, 2, 8, 1, 8};
    SECTION("rows apart") { c.state_layout.slowest_stride = 65 * kMiB; }
    SECTION("slots apart") {
        c.state_layout.slowest_stride = 65 * kMiB;
        c.shape.slots = 4;
        c.indices = {3, 0, 2};
    }
    SECTION("slots apart, to others") {
        c.state_layout.slowest_stride = 65 * kMiB;
        c.shape.slots = 4;
        c.indices = {2, 0, -1};
        c.indices_out = {3, 0, 1};
    }
    SECTION("heads apart, in groups and within one") {
        c.shape.nheads = 4;
        c.shape.ngroups = GENERATE(1u, 2u);
        c.state_layout.order = {1, 0, 2, 3};
        c.state_layout.slowest_stride = 65 * kMiB;
    }
    check_case(c);
}

}  // namespace
}  // namespace scandium::test

// selective_scan against float64 loops.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <tuple>

#include "support/compare.h"
#include "support/selective_case.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

constexpr OpPath kBest = {Variant::automatic, MemoryAccess::automatic, 16}, kFloor = {Variant::scalar, MemoryAccess::descriptor, 4};

// As the library would choose, at the floor, and with lanes of a subgroup if the device can.
std::vector<OpPath> some_paths() {
    std::vector<OpPath> paths = main_op_paths();
    for (const OpPath& path : op_paths())
        if (path.variant == Variant::subgroup && path.alignment == 16 && paths.size() < 3) paths.push_back(path);
    return paths;
}

// Split into two on some of them.
uint32_t segments_on(const OpPath& path) { return path.variant == Variant::automatic ? 1 : 2; }

bool is_split(const OpRun& run) {
    for (const OpStage& stage : run.stages)
        if (stage.name == "selective_scan_segments") return true;
    return false;
}

TEST_CASE("selective_scan: everything, on every path of the device") {
    SelectiveCase c;
    c.path = GENERATE(from_range(op_paths()));
    const bool split = c.path.alignment == 16;
    c.shape = {2, 20, 75, 2, split ? 4u : 8u};
    c.segments = split ? 3 : 1;
    c.with_everything().with_io(split ? DType::f32 : DType::bf16);
    check_case(c);
}

// The grid of mamba_ssm's tests.
TEST_CASE("selective_scan: batch 2, 4 channels, 8 states, 128 to 4096 tokens") {
    const uint64_t seqlen = GENERATE(128u, 256u, 372u, 512u, 784u, 1024u, 1134u, 2048u, 4096u);
    SelectiveCase c;
    c.shape = {2, 4, seqlen, seqlen % 256 == 0 ? 2u : 1u, 8};
    c.with_everything().with_io(seqlen == 784 ? DType::bf16 : DType::f32);
    c.B = c.C = c.shape.ngroups == 1 ? Projection::one_group : Projection::grouped;
    c.path = seqlen == 372 || seqlen == 2048 ? kFloor : kBest;
    check_case(c);
}

TEST_CASE("selective_scan: any number of tokens") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.shape = {2, 9, GENERATE(1u, 7u, 33u, 64u), 1, 8};
    c.initial_states = true;
    check_case(c);
}

TEST_CASE("selective_scan: any dstate") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.shape = {1, 11, 21, 1, GENERATE(1u, 3u, 17u, 64u, 256u)};
    if (c.shape.dstate == 1) c.shape.channels = 40;  // enough for an average
    check_case(c);
}

TEST_CASE("selective_scan: any number of channels") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    const auto [channels, groups] = GENERATE(std::pair(1u, 1u), std::pair(3u, 3u), std::pair(65u, 1u), std::pair(66u, 2u));
    c.shape = {1, channels, 20, groups, 4};
    check_case(c);
}

TEST_CASE("selective_scan: each option alone") {
    SelectiveCase c;
    const int option = GENERATE(range(0, 8));
    c.path = some_paths()[size_t(option) % some_paths().size()];
    c.shape = {2, 24, 40, 1, 4};
    if (option == 0) c.D = true;
    if (option == 1) c.z = true;
    if (option == 2) c.dt_bias = true;
    if (option == 3) c.dt_softplus = true;
    if (option == 4) c.dt_min = 0.3f;
    if (option == 5) c.dt_max = 0.2f;
    if (option == 6) c.initial_states = true;
    if (option == 7) c.final_states = false;
    check_case(c);
}

TEST_CASE("selective_scan: B and C for each token or the same for all") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    std::tie(c.B, c.C) = GENERATE(std::pair(Projection::fixed, Projection::grouped), std::pair(Projection::grouped, Projection::fixed),
                                  std::pair(Projection::fixed, Projection::fixed), std::pair(Projection::one_group, Projection::grouped));
    c.shape.dstate = 4;
    c.segments = segments_on(c.path);
    check_case(c);
}

TEST_CASE("selective_scan: types that differ from tensor to tensor") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.shape.dstate = 4;
    c.with_everything();
    SECTION("all in f16") { c.with_io(DType::f16); }
    SECTION("mixed") {
        c.x_dtype = DType::f16;
        c.dt_dtype = DType::f32;
        c.bc_dtype = DType::bf16;
        c.z_dtype = DType::f32;
        c.y_dtype = DType::bf16;
    }
    SECTION("states") {
        c.initial_dtype = DType::bf16;
        c.final_dtype = DType::f16;
    }
    check_case(c);
}

TEST_CASE("selective_scan: strides") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.shape = {2, 24, 40, 2, 4};
    c.segments = segments_on(c.path);
    c.z = c.initial_states = true;
    SECTION("channels last") { c.channels_last().with_io(DType::bf16); }
    SECTION("channels last, in f32") { c.channels_last(); }
    SECTION("tokens slowest") {
        c.x_layout.order = {2, 0, 1};
        c.bc_layout.order = {3, 1, 0, 2};
        c.state_layout.order = {2, 1, 0};
    }
    SECTION("padding, which stays as it was") {
        c.with_io(DType::f16);
        c.x_layout.padding = 3;
        c.bc_layout.padding = 5;
        c.state_layout.padding = 1;
    }
    SECTION("every other element") { c.x_layout.step = c.bc_layout.step = c.state_layout.step = 2; }
    check_case(c);
}

TEST_CASE("selective_scan: final_states in the place of initial_states") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.initial_states = c.in_place = true;
    c.shape = {2, 24, 70, 1, 4};
    c.segments = GENERATE(1u, 2u);
    c.initial_dtype = c.segments == 1 ? DType::bf16 : DType::f32;
    check_case(c);
}

TEST_CASE("selective_scan: fewer tokens than planned") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.shape = {2, 10, 96, 1, 4};
    c.z = c.initial_states = true;
    c.segments = c.path.variant == Variant::scalar ? 1 : 3;
    c.record_seqlen = GENERATE(1u, 32u, 61u);
    check_case(c);
}

TEST_CASE("selective_scan: few channels and many tokens are split, in the order of time") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.shape = {1, 6, 1030, 1, 4};
    c.initial_states = true;
    SECTION("as asked for") {
        c.segments = 16;
        CHECK(is_split(check_case(c)));
    }
    SECTION("more often than there are blocks") {
        c.segments = 1024;
        CHECK(is_split(check_case(c)));
    }
    SECTION("on the plan's own account, unless the device is a CPU that may choose") {
        const OpRun run = check_case(c);
        const bool cpu = TestDevice::get().caps().device_type == VK_PHYSICAL_DEVICE_TYPE_CPU;
        CHECK(is_split(run) == (!cpu || c.path.variant != Variant::automatic));
    }
    SECTION("forbidden") {
        c.segments = 1;
        CHECK(!is_split(check_case(c)));
    }
}

TEST_CASE("selective_scan: states die, and live for ever") {
    SelectiveCase c;
    c.path = GENERATE(from_range(some_paths()));
    c.shape = {1, 12, 200, 1, 4};
    c.segments = segments_on(c.path) * 2 - 1;
    c.initial_states = true;
    SelectiveInputs in = make_inputs(c);
    SECTION("a decay of exp(-2000)") {
        for (double& a : in.A) a *= 1000;
    }
    SECTION("none at all") {
        for (double& a : in.A) a = 0;
    }
    SECTION("steps of 0") {
        for (double& dt : in.dt) dt = 0;
        c.D = true;
        in.D.assign(12, 1.5);
    }
    const OpRun run = run_ok(c, in);
    const SelectiveOutputs want = selective_scan_ref(in);
    CHECK(relative_rms(run.out.at("y"), want.y) <= tolerance(DType::f32));
    CHECK(relative_rms(run.out.at("final_states"), want.final_states) <= tolerance(DType::f32));
}

// Some devices bind 128 MiB at most; whatever axis the distance lies along, the problem is cut there.
TEST_CASE("selective_scan: tensors that reach further than one binding") {
    constexpr uint64_t kMiB = (1 << 20) / sizeof(float);
    SelectiveCase c;
    c.path = {Variant::automatic, MemoryAccess::descriptor, 16};
    c.separate_buffers = c.initial_states = c.x_alone = true;
    SECTION("rows apart") {
        c.shape = {3, 8, 70, 1, 4};
        c.x_layout.slowest_stride = 65 * kMiB;
    }
    SECTION("channels apart, in groups and within one") {
        c.shape = {1, 4, 70, GENERATE(1u, 2u), 4};
        c.segments = uint32_t(c.shape.ngroups);
        c.x_layout.order = {1, 0, 2};
        c.x_layout.slowest_stride = 65 * kMiB;
    }
    SECTION("tokens apart, so that the state is carried from part to part") {
        c.shape = {1, 4, 150, 1, 4};
        c.x_layout.order = {2, 0, 1};
        c.x_layout.slowest_stride = 1 * kMiB;
        c.record_seqlen = GENERATE(0u, 60u, 140u);
        c.segments = c.record_seqlen == 0 ? 1 : 4;
    }
    check_case(c);
}

}  // namespace
}  // namespace scandium::test

// selective_scan on devices that are made up: what it refuses, chooses and cuts.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <vector>

#include "ops/selective_scan_choose.h"
#include "shared/selective_scan.h"
#include "unit/made_up_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

struct Sizes {
    uint64_t batch = 2, channels = 8, seqlen = 40, groups = 2, dstate = 16;
};

SelectiveScan full_scan(Setup& s, const Sizes& n = Sizes()) {
    const Shape like_x = {n.batch, n.channels, n.seqlen}, like_B = {n.batch, n.groups, n.dstate, n.seqlen};
    SelectiveScan op;
    op.x = s.tensor("x", like_x);
    op.dt = s.tensor("dt", like_x);
    op.A = s.tensor("A", {n.channels, n.dstate});
    op.B = s.tensor("B", like_B);
    op.C = s.tensor("C", like_B);
    op.D = s.tensor("D", {n.channels});
    op.z = s.tensor("z", like_x);
    op.dt_bias = s.tensor("dt_bias", {n.channels});
    op.initial_states = s.tensor("initial_states", {n.batch, n.channels, n.dstate});
    op.y = s.tensor("y", like_x);
    op.final_states = s.tensor("final_states", {n.batch, n.channels, n.dstate});
    return op;
}

TEST_CASE("selective_scan: mistakes are named") {
    struct Fault {
        const char* name;
        void (*make)(Setup&, SelectiveScan&);
    };
    const Fault fault = GENERATE(
        Fault{"", [](Setup&, SelectiveScan&) {}},  //
        Fault{"x is missing", [](Setup&, SelectiveScan& op) { op.x = kNoTensor; }},
        Fault{"dt is missing", [](Setup&, SelectiveScan& op) { op.dt = kNoTensor; }},
        Fault{"A is missing", [](Setup&, SelectiveScan& op) { op.A = kNoTensor; }},
        Fault{"B is missing", [](Setup&, SelectiveScan& op) { op.B = kNoTensor; }},
        Fault{"C is missing", [](Setup&, SelectiveScan& op) { op.C = kNoTensor; }},
        Fault{"y is missing", [](Setup&, SelectiveScan& op) { op.y = kNoTensor; }},
        Fault{"D is tensor", [](Setup&, SelectiveScan& op) { op.D = 4711; }},
        Fault{"x has rank 2", [](Setup& s, SelectiveScan& op) { op.x = s.tensor("other", Shape{2, 8}); }},
        Fault{"dstate", [](Setup& s, SelectiveScan& op) { op.A = s.tensor("other", Shape{8, 257}); }},
        Fault{"axis 0 of A", [](Setup& s, SelectiveScan& op) { op.A = s.tensor("other", Shape{7, 16}); }},
        Fault{"axis 2 of dt", [](Setup& s, SelectiveScan& op) { op.dt = s.tensor("other", Shape{2, 8, 41}); }},
        Fault{"B has rank 1", [](Setup& s, SelectiveScan& op) { op.B = s.tensor("other", Shape{8}); }},
        Fault{"does not divide channels 8", [](Setup& s, SelectiveScan& op) { op.B = s.tensor("other", Shape{2, 3, 16, 40}); }},
        Fault{"ngroups of C is 1, not 2", [](Setup& s, SelectiveScan& op) { op.C = s.tensor("other", Shape{2, 16, 40}); }},
        Fault{"axis 3 of C", [](Setup& s, SelectiveScan& op) { op.C = s.tensor("other", Shape{2, 2, 16, 41}); }},
        Fault{"axis 1 of B", [](Setup& s, SelectiveScan& op) { op.B = s.tensor("other", Shape{8, 15}); }},
        Fault{"axis 0 of D", [](Setup& s, SelectiveScan& op) { op.D = s.tensor("other", Shape{7}); }},
        Fault{"dt_bias is f16", [](Setup& s, SelectiveScan& op) { op.dt_bias = s.tensor("other", Shape{8}, DType::f16); }},
        Fault{"axis 1 of z", [](Setup& s, SelectiveScan& op) { op.z = s.tensor("other", Shape{2, 9, 40}); }},
        Fault{"axis 2 of initial_states", [](Setup& s, SelectiveScan& op) { op.initial_states = s.tensor("other", Shape{2, 8, 17}); }},
        Fault{"axis 0 of final_states", [](Setup& s, SelectiveScan& op) { op.final_states = s.tensor("other", Shape{3, 8, 16}); }},
        Fault{"seq_idx is f32", [](Setup& s, SelectiveScan& op) { op.seq_idx = s.tensor("other", Shape{2, 40}); }},
        Fault{"cu_seqlens needs batch 1", [](Setup& s, SelectiveScan& op) { op.cu_seqlens = s.tensor("other", Shape{3}, DType::i32); }},
        Fault{"exclude each other",
              [](Setup& s, SelectiveScan& op) {
                  op.seq_idx = s.tensor("seq_idx", Shape{2, 40}, DType::i32);
                  op.cu_seqlens = s.tensor("cu_seqlens", Shape{3}, DType::i32);
              }},
        Fault{"packed sequences are not split",
              [](Setup& s, SelectiveScan& op) {
                  op.seq_idx = s.tensor("seq_idx", Shape{2, 40}, DType::i32);
                  op.segments = 2;
              }},
        Fault{"y and x are the same", [](Setup&, SelectiveScan& op) { op.y = op.x; }},
        Fault{"dt_min", [](Setup&, SelectiveScan& op) { op.dt_min = -1; }},
        Fault{"dt_max", [](Setup&, SelectiveScan& op) { op.dt_max = -1; }},
        Fault{"segments", [](Setup&, SelectiveScan& op) { op.segments = 1025; }},
        Fault{"variant", [](Setup&, SelectiveScan& op) { op.variant = Variant(9); }});
    CAPTURE(fault.name);
    Setup s;
    SelectiveScan op = full_scan(s);
    fault.make(s, op);
    const Result result = selective_scan(s.graph, op);
    if (!fault.name[0]) {
        CHECK(result == Result::ok);
        return;
    }
    CHECK(result == Result::invalid_argument);
    REQUIRE(s.told.size() == 1);
    CHECK_THAT(s.told[0], ContainsSubstring(fault.name));
    CHECK(s.graph->dispatches.size() == 0);
}

TEST_CASE("selective_scan: variants that cannot be had are refused") {
    Setup s;  // no subgroups
    SelectiveScan op = full_scan(s);
    op.variant = GENERATE(Variant::subgroup, Variant::coopmat);
    CHECK(selective_scan(s.graph, op) == Result::unsupported);
    REQUIRE(s.told.size() == 1);
    CHECK_THAT(s.told[0], ContainsSubstring(to_string(op.variant)));
}

SelectiveScanChoice choose(const Caps& caps, const SelectiveScanProblem& problem) {
    SelectiveScanChoice choice;
    REQUIRE(choose_selective_scan(caps, Diagnostics(), problem, &choice) == Result::ok);
    CHECK(choice.reason[0] != 0);
    CHECK(choice.lanes * choice.columns >= problem.dstate);
    CHECK(choice.local_size % choice.lanes == 0);
    CHECK(choice.shared_memory <= 16384);
    CHECK(choice.segment % choice.block() == 0);
    return choice;
}

SelectiveScanProblem problem_of(uint64_t batch, uint32_t channels, uint64_t seqlen, uint32_t dstate = 16) {
    SelectiveScanProblem p;
    p.batch = batch;
    p.channels = channels;
    p.seqlen = seqlen;
    p.dstate = dstate;
    return p;
}

TEST_CASE("selective_scan: lanes of a channel, and segments where channels are few") {
    const Caps gpu = gpu_caps(32);
    SECTION("many channels: two lanes each, and one pass") {
        const SelectiveScanChoice c = choose(gpu, problem_of(8, 5120, 4096));
        CHECK(c.variant == Variant::subgroup);
        CHECK(c.lanes == 2);
        CHECK(c.width == 8);
        CHECK(c.staged);
        CHECK(c.segment == 0);
    }
    SECTION("one row: segments") {
        const SelectiveScanChoice c = choose(gpu, problem_of(1, 1536, 2048));
        CHECK(c.lanes == 2);
        CHECK(c.segment >= 128);
        CHECK(c.segment <= 256);
        CHECK_THAT(c.reason, ContainsSubstring("segments of"));
    }
    SECTION("two rows: too few segments to pay, so more lanes") {
        const SelectiveScanChoice c = choose(gpu, problem_of(2, 5120, 4096));
        CHECK(c.lanes == 4);
        CHECK(c.segment == 0);
    }
    SECTION("few channels and few tokens: as many lanes as still move four tokens at once") {
        const SelectiveScanChoice c = choose(gpu, problem_of(1, 64, 100));
        CHECK(c.lanes == 8);
        CHECK(c.width == 4);
        CHECK(c.local_size == 128);
    }
    SECTION("few channels, very many tokens: no more segments than can look at those before") {
        const SelectiveScanChoice c = choose(gpu, problem_of(1, 8, 1 << 20));
        CHECK(c.segment == (1 << 20) / 64);
    }
    SECTION("packed sequences stay whole") {
        SelectiveScanProblem p = problem_of(1, 64, 8192);
        p.packing = Packing::seq_idx;
        const SelectiveScanChoice c = choose(gpu, p);
        CHECK(c.segment == 0);
        CHECK_THAT(c.reason, ContainsSubstring("packed"));
    }
    SECTION("as the caller says") {
        SelectiveScanProblem p = problem_of(8, 5120, 4096);
        p.segments = 4;
        CHECK(choose(gpu, p).segment == 1024);
        p.segments = 1;
        CHECK(choose(gpu, problem_of(1, 8, 4096)).segment != 0);
        p = problem_of(1, 8, 4096);
        p.segments = 1;
        CHECK(choose(gpu, p).segment == 0);
    }
    SECTION("a block's worth of tokens is not split") {
        SelectiveScanProblem p = problem_of(1, 8, 5);
        p.segments = 4;
        CHECK(choose(gpu, p).segment == 0);
    }
    SECTION("a CPU: a lane a channel, B and C read in place, never split") {
        Caps cpu = gpu_caps(8);
        cpu.device_type = VK_PHYSICAL_DEVICE_TYPE_CPU;
        const SelectiveScanChoice c = choose(cpu, problem_of(1, 64, 8192));
        CHECK(c.variant == Variant::scalar);
        CHECK(c.lanes == 1);
        CHECK(!c.staged);
        CHECK(c.segment == 0);
        CHECK(c.local_size == 8);
    }
}

TEST_CASE("selective_scan: registers and shared memory of any dstate") {
    const uint32_t dstate = GENERATE(1u, 2u, 15u, 16u, 17u, 32u, 33u, 64u, 100u, 128u, 256u);
    const uint32_t subgroup = GENERATE(4u, 8u, 16u, 32u, 64u);
    const SelectiveScanChoice floor = choose(Caps(), problem_of(2, 64, 1000, dstate));
    CHECK(floor.variant == Variant::scalar);
    CHECK(floor.local_size <= 128);
    CHECK(floor.columns <= 16);
    const SelectiveScanChoice c = choose(gpu_caps(subgroup), problem_of(64, 4096, 1000, dstate));
    CHECK(c.lanes <= subgroup);
    CHECK(c.columns <= 64);
    CHECK((c.width == 1 || c.block() * c.columns <= 256));
}

// That slices take every channel and token once, tokens in order with the state from one to the next.
void check_slices(const Setup& s, const SelectiveScan& op, const Sizes& n) {
    uint64_t next = 0, covered = 0;
    for (const Dispatch& d : s.graph->dispatches) {
        for (const Argument& argument : d.arguments)
            if (argument.access != Access::none) CHECK(argument.view.bytes() <= s.graph->max_view_bytes());
        const View& y = d.arguments[SELECTIVE_Y].view;
        if (y.tensor == kNoTensor) continue;
        CHECK(d.tokens.first == next);
        CHECK(d.header[HEADER_PLANNED] == y.shape[2]);
        covered += y.shape[0] * y.shape[1] * y.shape[2];
        next += y.shape[2];
        CHECK((d.arguments[SELECTIVE_FINAL].view.tensor == op.final_states) == (next == n.seqlen));
        if (next == n.seqlen) next = 0;
    }
    CHECK(next == 0);
    CHECK(covered == n.batch * n.channels * n.seqlen);
}

TEST_CASE("selective_scan: problems beyond one binding are cut by rows, channels or tokens") {
    Setup s;  // binds 128 MiB
    const uint32_t segments = GENERATE(1u, 8u);
    Sizes n;
    SECTION("rows") { n = {64, 1024, 1000, 1, 16}; }
    SECTION("channels, where tokens lie side by side") { n = {1, 1024, 100000, 1, 16}; }
    SECTION("channels of one group") { n = {1, 1024, 100000, 2, 16}; }
    SECTION("tokens, where channels are few") { n = {1, 2, 40000000, 1, 1}; }
    SelectiveScan op = full_scan(s, n);
    op.segments = segments;
    REQUIRE(selective_scan(s.graph, op) == Result::ok);
    REQUIRE(s.graph->dispatches.size() > 1);
    CHECK(s.graph->dispatches.size() <= 64);  // no more than the workspace's share of each tensor makes necessary
    check_slices(s, op, n);
}

TEST_CASE("selective_scan: one channel that is too large is refused") {
    Setup s;
    SelectiveScan op = full_scan(s, {1, 1, 1 << 26, 1, 2});
    op.seq_idx = s.tensor("seq_idx", {1, 1 << 26}, DType::i32);
    CHECK(selective_scan(s.graph, op) == Result::unsupported);
    REQUIRE(s.told.size() == 1);
    CHECK_THAT(s.told[0], ContainsSubstring("packed sequences are not cut"));
}

TEST_CASE("selective_scan: what passes between the segments' dispatches") {
    Setup s(gpu_caps(32));
    SelectiveScan op = full_scan(s, {1, 64, 4096, 1, 16});
    op.final_states = op.initial_states;
    op.segments = 8;
    REQUIRE(selective_scan(s.graph, op) == Result::ok);
    REQUIRE(s.graph->dispatches.size() == 2);
    const Dispatch &first = s.graph->dispatches[0], &second = s.graph->dispatches[1];
    CHECK(first.groups[1] == 7);
    CHECK(second.groups[1] == 8);
    CHECK(first.header[HEADER_SEGMENT] == 512);
    CHECK(first.arguments[SELECTIVE_Y].access == Access::none);
    // The second may overwrite the initial states, since only the first reads them.
    CHECK(first.arguments[SELECTIVE_INITIAL].access == Access::read);
    CHECK(second.arguments[SELECTIVE_INITIAL].access == Access::none);
    CHECK(second.arguments[SELECTIVE_SEGMENTS].view.tensor == first.arguments[SELECTIVE_SEGMENTS].view.tensor);
    CHECK(second.arguments[SELECTIVE_SEGMENTS].access == Access::read);
}

}  // namespace
}  // namespace scandium::test

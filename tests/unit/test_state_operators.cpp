// selective_state_update and causal_conv1d on devices that are made up: what they refuse, choose and cut.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ops/causal_conv1d_problem.h"
#include "ops/selective_state_update_choose.h"
#include "shared/causal_conv1d.h"
#include "shared/selective_state_update.h"
#include "unit/made_up_device.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// ---- selective_state_update ---------------------------------------------------------------------

struct UpdateSizes {
    uint64_t batch = 2, tokens = 3, heads = 4, headdim = 8, groups = 2, dstate = 16, slots = 6;
};

SelectiveStateUpdate full_update(Setup& s, const UpdateSizes& n = UpdateSizes()) {
    SelectiveStateUpdate op;
    op.state = s.tensor("state", {n.slots, n.heads, n.headdim, n.dstate});
    op.x = s.tensor("x", {n.batch, n.tokens, n.heads, n.headdim});
    op.dt = s.tensor("dt", {n.batch, n.tokens, n.heads});
    op.A = s.tensor("A", {n.heads});
    op.B = s.tensor("B", {n.batch, n.tokens, n.groups, n.dstate});
    op.C = s.tensor("C", {n.batch, n.tokens, n.groups, n.dstate});
    op.D = s.tensor("D", {n.heads});
    op.z = s.tensor("z", {n.batch, n.tokens, n.heads, n.headdim});
    op.dt_bias = s.tensor("dt_bias", {n.heads});
    op.state_batch_indices = s.tensor("state_batch_indices", {n.batch}, DType::i32);
    op.state_out = s.tensor("state_out", {n.slots + 1, n.heads, n.headdim, n.dstate});
    op.state_indices_out = s.tensor("state_indices_out", {n.batch}, DType::i32);
    op.snapshots = s.tensor("snapshots", {n.batch, n.tokens, n.heads, n.headdim, n.dstate});
    op.y = s.tensor("y", {n.batch, n.tokens, n.heads, n.headdim});
    return op;
}

TEST_CASE("selective_state_update: the call that the mistakes are made in is right itself") {
    Setup s;
    CHECK(selective_state_update(s.graph, full_update(s)) == Result::ok);
    CHECK(s.told.empty());
    CHECK(s.graph->dispatches.size() == 1);
}

TEST_CASE("selective_state_update: mistakes are named") {
    struct Fault {
        const char* name;
        void (*make)(Setup&, SelectiveStateUpdate&);
    };
    const Fault fault = GENERATE(
        Fault{"state is missing", [](Setup&, SelectiveStateUpdate& op) { op.state = kNoTensor; }},
        Fault{"x is missing", [](Setup&, SelectiveStateUpdate& op) { op.x = kNoTensor; }},
        Fault{"dt is missing", [](Setup&, SelectiveStateUpdate& op) { op.dt = kNoTensor; }},
        Fault{"A is missing", [](Setup&, SelectiveStateUpdate& op) { op.A = kNoTensor; }},
        Fault{"B is missing", [](Setup&, SelectiveStateUpdate& op) { op.B = kNoTensor; }},
        Fault{"C is missing", [](Setup&, SelectiveStateUpdate& op) { op.C = kNoTensor; }},
        Fault{"y is missing", [](Setup&, SelectiveStateUpdate& op) { op.y = kNoTensor; }},
        Fault{"D is tensor", [](Setup&, SelectiveStateUpdate& op) { op.D = 4711; }},
        Fault{"snapshots is tensor", [](Setup&, SelectiveStateUpdate& op) { op.snapshots = 4711; }},
        Fault{"x has rank",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.x = s.tensor("other", {2, 3});
              }},
        Fault{"dt has rank",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.dt = s.tensor("other", {2, 4});
              }},
        Fault{"A has rank",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.A = s.tensor("other", {4, 8});
              }},
        Fault{"axis 1 of dt",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.dt = s.tensor("other", {2, 4, 4});
              }},
        Fault{"axis 3 of dt",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.dt = s.tensor("other", {2, 3, 4, 9});
              }},
        Fault{"axis 2 of A",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.A = s.tensor("other", {4, 8, 15});
              }},
        Fault{"axis 1 of D",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.D = s.tensor("other", {4, 9});
              }},
        Fault{"axis 0 of dt_bias", [](Setup& s, SelectiveStateUpdate& op) { op.dt_bias = s.tensor("other", {5}); }},
        Fault{"axis 3 of C",
              [](Setup& s, SelectiveStateUpdate& op) {
                  op.C = s.tensor("other", {2, 3, 2, 17});
              }},
        Fault{"axis 3 of B", [](Setup& s, SelectiveStateUpdate& op) { op.B = s.tensor("other", {2, 3, 2, 17}); }},
        Fault{
            "ngroups",
            [](Setup& s, SelectiveStateUpdate& op) {
                op.B = s.tensor("other", {2, 3, 3, 16});
            }},
        Fault{"axis 0 of state", [](Setup&, SelectiveStateUpdate& op) { op.state_batch_indices = kNoTensor; }},
        Fault{"axis 0 of state_out", [](Setup&, SelectiveStateUpdate& op) { op.state_indices_out = kNoTensor; }},
        Fault{"axis 1 of snapshots", [](Setup& s, SelectiveStateUpdate& op) { op.snapshots = s.tensor("other", {2, 2, 4, 8, 16}); }},
        Fault{"state_batch_indices is f32", [](Setup& s, SelectiveStateUpdate& op) { op.state_batch_indices = s.tensor("other", {2}); }},
        Fault{"A is f16", [](Setup& s, SelectiveStateUpdate& op) { op.A = s.tensor("other", {4}, DType::f16); }},
        Fault{"state is i32", [](Setup& s, SelectiveStateUpdate& op) { op.state = s.tensor("other", {6, 4, 8, 16}, DType::i32); }},
        Fault{"y and x are the same", [](Setup&, SelectiveStateUpdate& op) { op.y = op.x; }},
        Fault{"state and state_out are the same",
              [](Setup& s, SelectiveStateUpdate& op) { op.state_out = op.state = s.tensor("t", {6, 4, 8, 16}); }},
        Fault{"dt_min", [](Setup&, SelectiveStateUpdate& op) { op.dt_min = -1; }},
        Fault{"dt_max", [](Setup&, SelectiveStateUpdate& op) { op.dt_max = -1; }},
        Fault{"variant", [](Setup&, SelectiveStateUpdate& op) { op.variant = Variant(9); }});
    CAPTURE(fault.name);
    Setup s;
    SelectiveStateUpdate op = full_update(s);
    fault.make(s, op);
    s.check_refused(selective_state_update(s.graph, op), Result::invalid_argument, fault.name);
}

TEST_CASE("selective_state_update: a state whose elements share a place") {
    Setup s;
    SelectiveStateUpdate op = full_update(s);
    TensorDesc shared = desc("shared", DType::f32, {6, 4, 8, 16});
    const uint64_t strides[] = {16, 128, 16, 1};
    for (uint32_t i = 0; i < 4; ++i) shared.stride[i] = strides[i];
    op.state = add_tensor(s.graph, shared);
    s.check_refused(selective_state_update(s.graph, op), Result::invalid_argument, "strides of state");
}

TEST_CASE("selective_state_update: variants that a device lacks are refused with the reason") {
    Setup s;
    SelectiveStateUpdate op = full_update(s);
    SECTION("coopmat") {
        op.variant = Variant::coopmat;
        s.check_refused(selective_state_update(s.graph, op), Result::unsupported, "no matrix product");
    }
    SECTION("subgroup") {
        op.variant = Variant::subgroup;
        s.check_refused(selective_state_update(s.graph, op), Result::unsupported, "no subgroup arithmetic");
    }
}

UpdateChoice choose(const Caps& caps, const UpdateProblem& problem) {
    UpdateChoice choice;
    REQUIRE(choose_selective_state_update(caps, Diagnostics(), problem, &choice) == Result::ok);
    CHECK(choice.rows * choice.pieces * problem.width <= 64);
    CHECK(choice.local_size % choice.lanes == 0);
    CHECK(choice.lanes * choice.pieces * problem.width >= problem.dstate);
    CHECK(choice.reason[0] != 0);
    return choice;
}

TEST_CASE("selective_state_update: lanes, rows and columns") {
    UpdateProblem p;
    p.batch = 512;
    p.nheads = 80;
    p.headdim = 64;
    p.dstate = 128;
    SECTION("a whole subgroup has a row of f32") {
        p.width = 4;
        const UpdateChoice c = choose(gpu_caps(32), p);
        CHECK(c.variant == Variant::subgroup);
        CHECK(c.lanes == 32);
        CHECK(c.rows == 4);
        CHECK(c.pieces == 1);
    }
    SECTION("half of one a row of bf16") {
        p.width = 8;
        CHECK(choose(gpu_caps(32), p).lanes == 16);
    }
    SECTION("a batch of one leaves fewer rows to a lane, for more workgroups") {
        p.batch = 1;
        p.width = 4;
        CHECK(choose(gpu_caps(32), p).rows < 4);
    }
    SECTION("narrow subgroups take several pieces, as far as registers go") {
        p.width = 4;
        CHECK(choose(gpu_caps(8), p).pieces == 4);
        p.dstate = 512;
        const UpdateChoice c = choose(gpu_caps(4), p);
        CHECK(c.variant == Variant::scalar);
        CHECK_THAT(c.reason, ContainsSubstring("registers"));
    }
    SECTION("the floor: 128 invocations and 16 KiB") {
        p.width = GENERATE(1u, 4u, 8u);
        p.dstate = GENERATE(1u, 16u, 128u, 512u) * (p.width == 1 ? 1 : 8) / 8;
        if (p.dstate == 0) p.dstate = p.width;
        p.dstate = p.dstate < p.width ? p.width : p.dstate;
        const UpdateChoice c = choose(Caps(), p);
        CHECK(c.variant == Variant::scalar);
        CHECK(c.local_size <= 128);
        CHECK(c.shared_memory <= 16384);
    }
}

uint32_t constant(const Dispatch& d, uint32_t id) {
    for (uint32_t i = 0; i < d.spec_count; ++i)
        if (d.specs[i].id == id) return d.specs[i].value;
    FAIL("no constant " << id);
    return 0;
}

TEST_CASE("selective_state_update: states beyond one binding are cut by rows, or by slots") {
    const Caps floor;  // binds 128 MiB
    UpdateSizes n;
    n.batch = n.slots = 96;
    n.tokens = 1;
    n.heads = 64;
    n.headdim = 64;
    n.dstate = 128;  // 2 MiB a slot
    Setup s(floor);
    SelectiveStateUpdate op = full_update(s, n);
    op.state_out = op.state_indices_out = op.snapshots = kNoTensor;
    SECTION("by rows") {
        op.state_batch_indices = kNoTensor;
        REQUIRE(selective_state_update(s.graph, op) == Result::ok);
        CHECK(s.graph->dispatches.size() == 2);
        for (uint32_t argument : {UPDATE_STATE, UPDATE_X, UPDATE_DT, UPDATE_B, UPDATE_C, UPDATE_Z, UPDATE_Y})
            CHECK(s.covered(argument, 96) == std::vector<uint32_t>(96, 1));
    }
    SECTION("by slots, each with all rows") {
        REQUIRE(selective_state_update(s.graph, op) == Result::ok);
        REQUIRE(s.graph->dispatches.size() == 2);
        CHECK(s.covered(UPDATE_STATE, 96) == std::vector<uint32_t>(96, 1));
        CHECK(s.covered(UPDATE_Y, 96) == std::vector<uint32_t>(96, 2));
        const Dispatch& second = s.graph->dispatches[1];
        CHECK(second.header[HEADER_FIRST_SLOT] == 48);
        CHECK(second.header[HEADER_FIRST_SLOT_OUT] == 48);
        CHECK(constant(second, SPEC_SLOT_COUNT) == 48);
        CHECK(second.arguments[UPDATE_STATE].access == Access::read_write);
    }
    SECTION("from every range of slots to every other") {
        op.state_indices_out = s.tensor("to", {96}, DType::i32);
        REQUIRE(selective_state_update(s.graph, op) == Result::ok);
        REQUIRE(s.graph->dispatches.size() == 4);
        CHECK(s.graph->dispatches[1].arguments[UPDATE_STATE].access == Access::read);
        CHECK(s.graph->dispatches[1].arguments[UPDATE_STATE_OUT].view.offset == 48 * s.graph->tensors[op.state].stride[0]);
    }
}

TEST_CASE("selective_state_update: as many rows as the grid has room for") {
    Caps caps;
    caps.max_workgroups[2] = 7;
    Setup s(caps);
    UpdateSizes n;
    n.batch = n.slots = 20;
    SelectiveStateUpdate op = full_update(s, n);
    REQUIRE(selective_state_update(s.graph, op) == Result::ok);
    CHECK(s.covered(UPDATE_Y, 20) == std::vector<uint32_t>(20, 1));
    for (const Dispatch& d : s.graph->dispatches) CHECK(d.groups[2] <= 7);
}

// ---- causal_conv1d ------------------------------------------------------------------------------

CausalConv1d full_conv(Setup& s) {
    CausalConv1d op;
    op.x = s.tensor("x", {2, 40, 24});
    op.weight = s.tensor("weight", {24, 4});
    op.bias = s.tensor("bias", {24});
    op.initial_states = s.tensor("initial_states", {2, 24, 3});
    op.seq_idx = s.tensor("seq_idx", {2, 40}, DType::i32);
    op.y = s.tensor("y", {2, 40, 24});
    op.final_states = s.tensor("final_states", {2, 24, 3});
    return op;
}

TEST_CASE("causal_conv1d: mistakes are named") {
    struct Fault {
        const char* name;
        void (*make)(Setup&, CausalConv1d&);
    };
    const Fault fault = GENERATE(
        Fault{"", [](Setup&, CausalConv1d&) {}},  //
        Fault{"x is missing", [](Setup&, CausalConv1d& op) { op.x = kNoTensor; }},
        Fault{"weight is missing", [](Setup&, CausalConv1d& op) { op.weight = kNoTensor; }},
        Fault{"y is missing", [](Setup&, CausalConv1d& op) { op.y = kNoTensor; }},
        Fault{"x has rank",
              [](Setup& s, CausalConv1d& op) {
                  op.x = s.tensor("other", {2, 24});
              }},
        Fault{"width",
              [](Setup& s, CausalConv1d& op) {
                  op.weight = s.tensor("other", {24, 1});
              }},
        Fault{"width",
              [](Setup& s, CausalConv1d& op) {
                  op.weight = s.tensor("other", {24, 9});
              }},
        Fault{"axis 0 of weight",
              [](Setup& s, CausalConv1d& op) {
                  op.weight = s.tensor("other", {23, 4});
              }},
        Fault{"axis 0 of bias", [](Setup& s, CausalConv1d& op) { op.bias = s.tensor("other", {25}); }},
        Fault{"axis 2 of initial_states",
              [](Setup& s, CausalConv1d& op) {
                  op.initial_states = s.tensor("other", {2, 24, 4});
              }},
        Fault{"axis 1 of final_states",
              [](Setup& s, CausalConv1d& op) {
                  op.final_states = s.tensor("other", {2, 23, 3});
              }},
        Fault{"axis 1 of seq_idx",
              [](Setup& s, CausalConv1d& op) {
                  op.seq_idx = s.tensor("other", {2, 41}, DType::i32);
              }},
        Fault{"seq_idx is f32",
              [](Setup& s, CausalConv1d& op) {
                  op.seq_idx = s.tensor("other", {2, 40});
              }},
        Fault{"y and x are the same", [](Setup&, CausalConv1d& op) { op.y = op.x; }},
        Fault{"final_states and initial_states are the same", [](Setup&, CausalConv1d& op) { op.final_states = op.initial_states; }},
        Fault{"variant", [](Setup&, CausalConv1d& op) { op.variant = Variant(9); }});
    CAPTURE(fault.name);
    Setup s;
    CausalConv1d op = full_conv(s);
    fault.make(s, op);
    const Result result = causal_conv1d(s.graph, op);
    if (fault.name[0])
        s.check_refused(result, Result::invalid_argument, fault.name);
    else
        CHECK(result == Result::ok);
}

TEST_CASE("causal_conv1d_update: mistakes are named") {
    struct Fault {
        const char* name;
        void (*make)(Setup&, CausalConv1dUpdate&);
    };
    const Fault fault = GENERATE(
        Fault{"", [](Setup&, CausalConv1dUpdate&) {}}, Fault{"x is missing", [](Setup&, CausalConv1dUpdate& op) { op.x = kNoTensor; }},
        Fault{"conv_state is missing", [](Setup&, CausalConv1dUpdate& op) { op.conv_state = kNoTensor; }},
        Fault{"x has rank", [](Setup& s, CausalConv1dUpdate& op) { op.x = s.tensor("other", {2}); }},
        Fault{"axis 0 of conv_state", [](Setup&, CausalConv1dUpdate& op) { op.state_batch_indices = kNoTensor; }},
        Fault{"axis 2 of conv_state",
              [](Setup& s, CausalConv1dUpdate& op) {
                  op.conv_state = s.tensor("other", {5, 24, 4});
              }},
        Fault{"state_batch_indices is f32", [](Setup& s, CausalConv1dUpdate& op) { op.state_batch_indices = s.tensor("other", {2}); }},
        Fault{"axis 0 of state_indices_out",
              [](Setup& s, CausalConv1dUpdate& op) { op.state_indices_out = s.tensor("t", {3}, DType::i32); }},
        Fault{"axis 1 of y",
              [](Setup& s, CausalConv1dUpdate& op) {
                  op.y = s.tensor("other", {2, 23});
              }},
        Fault{"y and x are the same", [](Setup&, CausalConv1dUpdate& op) { op.y = op.x; }});
    CAPTURE(fault.name);
    Setup s;
    CausalConv1dUpdate op;
    op.x = s.tensor("x", {2, 24});
    op.weight = s.tensor("weight", {24, 4});
    op.bias = s.tensor("bias", {24});
    op.conv_state = s.tensor("conv_state", {5, 24, 3});
    op.state_batch_indices = s.tensor("state_batch_indices", {2}, DType::i32);
    op.y = s.tensor("y", {2, 24});
    fault.make(s, op);
    const Result result = causal_conv1d_update(s.graph, op);
    if (fault.name[0])
        s.check_refused(result, Result::invalid_argument, fault.name);
    else
        CHECK(result == Result::ok);
}

TEST_CASE("causal_conv1d: there is only a scalar variant") {
    Setup s(gpu_caps(32));
    CausalConv1d op = full_conv(s);
    op.variant = GENERATE(Variant::subgroup, Variant::coopmat);
    s.check_refused(causal_conv1d(s.graph, op), Result::unsupported, "only scalar");
}

TEST_CASE("causal_conv1d: long rows are cut by tokens, each part with the inputs before it") {
    Setup s;  // binds 128 MiB
    CausalConv1d op;
    op.x = s.tensor("x", {1, 100000, 1024});
    op.weight = s.tensor("weight", {1024, 4});
    op.y = s.tensor("y", {1, 100000, 1024});
    op.initial_states = s.tensor("initial_states", {1, 1024, 3});
    op.final_states = s.tensor("final_states", {1, 1024, 3});
    REQUIRE(causal_conv1d(s.graph, op) == Result::ok);
    REQUIRE(s.graph->dispatches.size() > 1);
    uint64_t next = 0;
    for (const Dispatch& d : s.graph->dispatches) {
        const View &x = d.arguments[CONV_X].view, &y = d.arguments[CONV_Y].view;
        const uint64_t before = next == 0 ? 0 : 3;
        CHECK(y.offset == next * 1024);
        CHECK(x.offset == (next - before) * 1024);
        CHECK(x.shape[1] == y.shape[1] + before);
        CHECK(d.header[HEADER_CONV_BEFORE] == before);
        CHECK(d.tokens.first == next);
        CHECK(x.bytes() <= s.graph->max_view_bytes());
        CHECK((d.arguments[CONV_INITIAL].view.tensor != kNoTensor) == (next == 0));
        CHECK(d.arguments[CONV_FINAL].view.tensor == op.final_states);
        next += y.shape[1];
    }
    CHECK(next == 100000);
}

TEST_CASE("causal_conv1d: channels and tokens of an invocation") {
    ConvProblem p;
    p.batch = 8;
    p.tokens = 4096;
    p.channels = 5376;
    p.width = 8;
    const ConvChoice large = choose_causal_conv1d(gpu_caps(32), p);
    CHECK(large.lanes == 64);
    CHECK(large.tokens >= 32);
    p.batch = 1;
    p.tokens = 128;
    CHECK(choose_causal_conv1d(gpu_caps(32), p).tokens == 8);
    p.channels = 64;
    CHECK(choose_causal_conv1d(gpu_caps(32), p).lanes == 8);
    p.update = true;
    p.tokens = 11;
    CHECK(choose_causal_conv1d(gpu_caps(32), p).tokens == 16);
}

}  // namespace
}  // namespace scandium::test

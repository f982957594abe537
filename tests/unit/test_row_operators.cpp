// How operators over rows and elements run on devices that are made up: variants, tiles, and cuts where a device binds little.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "graph/schedule.h"
#include "ops/choose.h"
#include "ops/elementwise_choose.h"
#include "ops/rms_norm_gated_choose.h"
#include "scandium/scandium.h"
#include "shared/elementwise.h"
#include "shared/rms_norm_gated.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;

Caps gpu_caps(uint32_t subgroup_size, uint32_t invocations) {
    Caps caps;
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    caps.subgroup_size = caps.min_subgroup_size = caps.max_subgroup_size = subgroup_size;
    caps.subgroup_arithmetic = caps.subgroup_shuffle = true;
    caps.max_invocations = caps.max_workgroup_size_x = invocations;
    return caps;
}

// ---- the choice of rms_norm_gated ---------------------------------------------------------------------------------

NormChoice choose(const Caps& caps, const NormProblem& problem) {
    NormChoice choice;
    REQUIRE(choose_rms_norm_gated(caps, Diagnostics(), problem, &choice) == Result::ok);
    return choice;
}

NormProblem norm_of(uint64_t rows, uint32_t dim, uint32_t group_size, DType x = DType::bf16) {
    NormProblem problem;
    problem.rows = rows;
    problem.dim = dim;
    problem.group_size = group_size;
    problem.x = x;
    return problem;
}

TEST_CASE("norm choice: every group is covered, whatever the device and the size") {
    const uint32_t subgroup = GENERATE(1, 4, 8, 16, 32, 64, 128);
    const uint32_t invocations = GENERATE(128, 256, 1000, 1024, 4096);
    const auto [dim, group] = GENERATE(std::pair(1u, 1u), std::pair(63u, 9u), std::pair(832u, 64u), std::pair(5120u, 5120u),
                                       std::pair(32768u, 32768u), std::pair(32768u, 1u));
    for (DType x : {DType::f32, DType::bf16})
        for (uint64_t rows : {1, 7, 100000}) {
            const Caps caps = gpu_caps(subgroup, uint32_t(invocations));
            const NormChoice c = choose(caps, norm_of(rows, dim, group, x));
            CAPTURE(subgroup, invocations, dim, group, rows, c.local_size, c.lanes, c.steps, c.pack, c.across, c.rows);
            CHECK(c.lanes * c.steps * c.pack >= group);
            CHECK((c.steps - 1) * c.lanes * c.pack < group);
            CHECK(c.local_size <= caps.max_invocations);
            CHECK(c.lanes * c.across * c.rows == c.local_size);
            CHECK(dim / group % c.across == 0);
            CHECK((c.lanes & (c.lanes - 1)) == 0);
            CHECK(4 * c.local_size <= 16384);
            if (c.keep) CHECK(c.steps * c.pack <= 64);
            if (c.variant == Variant::subgroup) CHECK(c.local_size % subgroup == 0);
            CHECK(c.variant == (subgroup < 4 ? Variant::scalar : Variant::subgroup));
            CHECK(std::string(c.reason) != "");
        }
}

TEST_CASE("norm choice: lanes have loads in flight and little idle time, and rows of usual length stay in registers") {
    const uint32_t dim = GENERATE(768, 2048, 4096, 5120, 8192);
    const NormChoice c = choose(gpu_caps(32, 1024), norm_of(4096, dim, dim));
    CAPTURE(dim, c.lanes, c.steps);
    CHECK(c.keep);
    CHECK(c.pack == 8);
    CHECK(c.steps >= 1);
    CHECK(c.steps * c.pack <= 64);
    const uint64_t packs = (dim + c.pack - 1) / c.pack;
    CHECK(c.lanes * c.steps <= packs + packs / 4);  // few lanes idle in the last step
}

TEST_CASE("norm choice: what a device lacks is the reason, and is refused when forced") {
    Caps caps = gpu_caps(32, 1024);
    std::string why;
    SECTION("no arithmetic") {
        caps.subgroup_arithmetic = false;
        why = "subgroup arithmetic";
    }
    SECTION("sizes that vary") {
        caps.min_subgroup_size = 8;
        caps.features.compute_full_subgroups = true;
        why = "not fixed";
    }
    NormProblem problem = norm_of(10, 512, 512);
    const NormChoice choice = choose(caps, problem);
    CHECK(choice.variant == Variant::scalar);
    CHECK_THAT(choice.reason, ContainsSubstring(why));
    problem.variant = Variant::subgroup;
    NormChoice refused;
    CHECK(choose_rms_norm_gated(caps, Diagnostics(), problem, &refused) == Result::unsupported);
}

// ---- CPUs: neighbouring words at once -----------------------------------------------------------------------------

Caps cpu_caps(uint32_t subgroup_size) {
    Caps caps = gpu_caps(subgroup_size, 1024);
    caps.device_type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    caps.max_workgroups[0] = caps.max_workgroups[1] = caps.max_workgroups[2] = 65535;
    return caps;
}

TEST_CASE("words: CPUs whose subgroups have 8 or 16 lanes, and no other device") {
    const uint32_t lanes = GENERATE(1, 4, 8, 16, 32, 128);
    CAPTURE(lanes);
    CHECK(words_subgroup(cpu_caps(lanes)).size == (lanes == 8 || lanes == 16 ? lanes : 0));
    CHECK(words_subgroup(gpu_caps(lanes, 1024)).size == 0);
    Caps varying = cpu_caps(lanes);
    varying.min_subgroup_size = 1;
    CHECK(words_subgroup(varying).size == 0);
    Caps without = cpu_caps(lanes);
    without.subgroup_arithmetic = false;
    CHECK(words_subgroup(without).size == 0);
}

TEST_CASE("elementwise choice: a CPU takes rows of words, of which workgroups cover all") {
    ElementwiseProblem problem;
    problem.row = GENERATE(64u, 4096u, 4097u, 100001u);
    problem.rows = GENERATE(1u, 65535u, 65536u, 200000u);
    problem.words_by_address = true;
    const ElementwiseChoice c = choose_elementwise(cpu_caps(8), problem);
    CAPTURE(problem.row, problem.rows, c.span);
    CHECK(c.kernel == Kernel::elementwise_words);
    CHECK(c.local_size == 8);
    CHECK(uint64_t(c.groups[0]) * c.span >= problem.row);
    CHECK(uint64_t(c.groups[0] - 1) * c.span < problem.row);
    CHECK(c.groups[1] <= 65535);
    CHECK(uint64_t(c.groups[1]) * c.groups[2] >= problem.rows);
}

TEST_CASE("elementwise choice: packs for GPUs, for rows of few words, and without addresses") {
    ElementwiseProblem problem;
    problem.row = 64;
    problem.words_by_address = true;
    CHECK(choose_elementwise(gpu_caps(32, 1024), problem).kernel == Kernel::elementwise);
    CHECK(choose_elementwise(gpu_caps(32, 1024), problem).packs_of_lane == 4);
    CHECK(choose_elementwise(cpu_caps(4), problem).kernel == Kernel::elementwise);
    problem.row = 31;
    CHECK(choose_elementwise(cpu_caps(8), problem).kernel == Kernel::elementwise);
    problem.row = 64;
    problem.words_by_address = false;
    CHECK(choose_elementwise(cpu_caps(8), problem).kernel == Kernel::elementwise);
    CHECK(choose_elementwise(cpu_caps(8), problem).packs_of_lane == 1);
}

TEST_CASE("norm choice: a CPU gives a group of words to a subgroup") {
    NormProblem problem = norm_of(100, 1536, 1536, DType::f32);
    problem.words_by_address = true;
    const NormChoice c = choose(cpu_caps(8), problem);
    CHECK(c.kernel == Kernel::rms_norm_gated_words);
    CHECK(c.local_size == 8);
    CHECK(c.rows * c.across == 1);
    CHECK(choose(gpu_caps(32, 1024), problem).kernel == Kernel::rms_norm_gated);
    CHECK(choose(cpu_caps(4), problem).kernel == Kernel::rms_norm_gated);
    problem.variant = Variant::subgroup;
    CHECK(choose(cpu_caps(8), problem).kernel == Kernel::rms_norm_gated);
    problem.variant = Variant::automatic;
    problem.dim = problem.group_size = 24;
    CHECK(choose(cpu_caps(8), problem).kernel == Kernel::rms_norm_gated);
}

// ---- cuts ---------------------------------------------------------------------------------------------------------

struct GraphDeleter {
    void operator()(Graph* graph) const { destroy_graph(graph); }
};

struct Built {
    Device device;
    std::vector<std::string> told;
    std::unique_ptr<Graph, GraphDeleter> graph;

    explicit Built(uint64_t limit, uint32_t most_groups = 65535) {
        device.caps.max_storage_range = limit + device.caps.storage_offset_alignment;
        for (uint32_t& groups : device.caps.max_workgroups) groups = most_groups;
        device.diagnostics.user = &told;
        device.diagnostics.callback = [](void* user, Result, VkResult, const char* message) {
            static_cast<std::vector<std::string>*>(user)->push_back(message);
        };
        Graph* made = nullptr;
        REQUIRE(create_graph(&device, MemoryAccess::descriptor, &made) == Result::ok);
        graph.reset(made);
    }

    TensorId add(const char* name, DType dtype, const std::vector<uint64_t>& shape) {
        TensorDesc desc;
        desc.name = name;
        desc.dtype = dtype;
        desc.rank = uint32_t(shape.size());
        for (size_t i = 0; i < shape.size(); ++i) desc.shape[i] = shape[i];
        return add_tensor(graph.get(), desc);
    }

    // Elements that dispatches write of a tensor, and the checks that hold for all of them.
    uint64_t written(TensorId id) const {
        uint64_t count = 0;
        for (const Dispatch& dispatch : graph->dispatches) {
            for (uint32_t i = 0; i < 3; ++i) CHECK(dispatch.groups[i] <= device.caps.max_workgroups[i]);
            for (uint32_t i = 0; i < dispatch.argument_count; ++i) {
                const Argument& argument = dispatch.arguments[i];
                if (argument.view.tensor == kNoTensor) continue;
                CHECK(argument.view.bytes() <= graph->max_view_bytes());
                if (argument.view.tensor != id || !writes(argument.access)) continue;
                uint64_t elements = 1;
                for (uint32_t axis = 0; axis < argument.view.rank; ++axis) elements *= argument.view.shape[axis];
                count += elements;
            }
        }
        return count;
    }

    // First tokens of the dispatches that follow the recorded number.
    std::set<uint64_t> first_tokens() const {
        std::set<uint64_t> out;
        for (const Dispatch& dispatch : graph->dispatches)
            if (dispatch.tokens.count) out.insert(dispatch.tokens.first);
        return out;
    }
};

TEST_CASE("cuts: rms_norm_gated writes every row once") {
    const uint64_t limit = GENERATE(1u << 30, 1u << 20, 64u << 10);
    Built built(limit);
    RmsNormGated op;
    const std::vector<uint64_t> shape = {3, 700, 512};
    op.x = built.add("x", DType::bf16, shape);
    op.z = built.add("z", DType::bf16, shape);
    op.residual = built.add("residual", DType::f32, shape);
    op.weight = built.add("weight", DType::f32, {512});
    op.y = built.add("y", DType::bf16, shape);
    op.residual_out = built.add("residual_out", DType::f32, shape);
    CAPTURE(limit, built.told);
    REQUIRE(rms_norm_gated(built.graph.get(), op) == Result::ok);
    CHECK(built.written(op.y) == 3 * 700 * 512);
    CHECK(built.written(op.residual_out) == 3 * 700 * 512);
    CHECK((built.graph->dispatches.size() > 1) == (limit < 1u << 30));
    CHECK((built.first_tokens().size() > 1) == (limit < 1u << 30));
    // Staged copies fit the workspace too.
    Schedule schedule;
    CHECK(make_schedule(*built.graph, true, &schedule) == Result::ok);
}

TEST_CASE("cuts: a grid of few workgroups is enough") {
    Built built(1u << 30, 64);
    const TensorId x = built.add("x", DType::f32, {5000, 16}), weight = built.add("weight", DType::f32, {16});
    const TensorId y = built.add("y", DType::f32, {5000, 16});
    RmsNormGated op;
    op.x = x;
    op.weight = weight;
    op.y = y;
    CAPTURE(built.told);
    REQUIRE(rms_norm_gated(built.graph.get(), op) == Result::ok);
    CHECK(built.written(y) == 5000 * 16);
}

TEST_CASE("cuts: one row that cannot be bound is refused with the limit") {
    Built built(4096);
    RmsNormGated op;
    op.x = built.add("x", DType::f32, {4, 2048});
    op.weight = built.add("weight", DType::f32, {2048});
    op.y = built.add("y", DType::f32, {4, 2048});
    CHECK(rms_norm_gated(built.graph.get(), op) == Result::unsupported);
    REQUIRE(built.told.size() == 1);
    CHECK_THAT(built.told[0], ContainsSubstring("8192") && ContainsSubstring("4096"));
}

TEST_CASE("cuts: elementwise operators write every element once") {
    const uint64_t limit = GENERATE(1u << 30, 1u << 16, 1000u);
    Built built(limit);
    const TensorId a = built.add("a", DType::f32, {2, 300, 64}), b = built.add("b", DType::bf16, {2, 300, 64});
    const TensorId y = built.add("y", DType::f32, {2, 300, 64}), half = built.add("half", DType::f32, {2, 300, 32});
    CAPTURE(limit, built.told);
    REQUIRE(scandium::add(built.graph.get(), {a, b, y}) == Result::ok);
    REQUIRE(swiglu(built.graph.get(), {a, half}) == Result::ok);
    CHECK(built.written(y) == 2 * 300 * 64);
    CHECK(built.written(half) == 2 * 300 * 32);
    if (limit == 1u << 30) {
        CHECK(built.graph->dispatches.size() == 2);
        CHECK(built.graph->dispatches[0].arguments[ELEMENTWISE_Y].view.shape[kMaxRank - 1] == 2 * 300 * 64);  // packed: one axis
    } else {
        CHECK(built.first_tokens().size() > 1);
    }
}

TEST_CASE("cuts: a table that cannot be bound at once is read in parts, which meet end to end") {
    const uint64_t limit = GENERATE(1u << 30, 1u << 16);
    Built built(limit);
    const TensorId ids = built.add("ids", DType::i32, {50}), table = built.add("table", DType::bf16, {1000, 64});
    const TensorId out = built.add("out", DType::bf16, {50, 64});
    REQUIRE(embedding(built.graph.get(), {ids, table, out}) == Result::ok);
    built.written(out);
    uint64_t next = 0;
    for (const Dispatch& dispatch : built.graph->dispatches) {
        CHECK(dispatch.header[HEADER_FIRST_ID] == next);
        CHECK(dispatch.header[HEADER_VOCAB] == 1000);
        next += dispatch.header[HEADER_ID_COUNT];
    }
    CHECK(next == 1000);
    CHECK((built.graph->dispatches.size() > 1) == (limit == 1u << 16));
}

TEST_CASE("cuts: segsum writes every matrix once, and refuses one that cannot be bound") {
    Built built(1u << 16);
    const TensorId x = built.add("x", DType::f32, {3, 5, 64}), out = built.add("out", DType::f32, {3, 5, 64, 64});
    REQUIRE(segsum(built.graph.get(), {x, out}) == Result::ok);
    CHECK(built.written(out) == 3 * 5 * 64 * 64);
    CHECK(built.graph->dispatches.size() > 1);
    const TensorId long_x = built.add("long_x", DType::f32, {200}), wide = built.add("wide", DType::f32, {200, 200});
    CHECK(segsum(built.graph.get(), {long_x, wide}) == Result::unsupported);
    REQUIRE(built.told.size() == 1);
    CHECK_THAT(built.told[0], ContainsSubstring("65536"));
}

}  // namespace
}  // namespace scandium::test

// causal_conv1d and causal_conv1d_update against float64 loops and against each other.
#include "scandium/ops/causal_conv1d.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "ref/causal_conv1d_ref.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"

namespace scandium::test {
namespace {

struct ConvCase {
    ConvShape shape{2, 40, 24, 4};
    DType io_dtype = DType::f32, weight_dtype = DType::f32, state_dtype = DType::f32;
    bool bias = true, silu = true, initial_states = false, final_states = true;
    std::vector<int32_t> seq_idx;
    Layout x_layout, weight_layout, state_layout;
    uint64_t record_tokens = 0;
    bool separate_buffers = false;
    OpPath path{Variant::automatic, MemoryAccess::automatic, 16};

    std::string text() const {
        return "batch " + std::to_string(shape.batch) + " tokens " + std::to_string(shape.tokens) + " channels " +
               std::to_string(shape.channels) + " taps " + std::to_string(shape.taps) + " io:" + to_string(io_dtype) +
               " weight:" + to_string(weight_dtype) + " state:" + to_string(state_dtype) + (bias ? " bias" : "") + (silu ? " silu" : "") +
               (initial_states ? " initial" : "") + (seq_idx.empty() ? "" : " seq_idx") + " recorded " + std::to_string(record_tokens) +
               " " + to_text(path);
    }
};

std::vector<double> widened(const std::vector<int32_t>& values) { return {values.begin(), values.end()}; }

ConvInputs make_inputs(const ConvCase& c) {
    const ConvShape& n = c.shape;
    Random random(3);
    ConvInputs in;
    in.shape = n;
    in.x = random.normals(n.batch * n.tokens * n.channels, c.io_dtype);
    in.weight = random.normals(n.channels * n.taps, c.weight_dtype);
    if (c.bias) in.bias = random.normals(n.channels, c.weight_dtype);
    if (c.initial_states) in.initial_states = random.normals(n.batch * n.channels * (n.taps - 1), c.state_dtype);
    in.seq_idx = c.seq_idx;
    in.silu = c.silu;
    return in;
}

// Tokens first to first + count - 1 of every row.
template <class T>
std::vector<T> tokens_of(const std::vector<T>& values, const ConvShape& n, uint64_t first, uint64_t count) {
    const uint64_t per_token = values.size() / (n.batch * n.tokens);
    std::vector<T> out;
    for (uint64_t b = 0; b < n.batch; ++b)
        out.insert(out.end(), values.begin() + ptrdiff_t((b * n.tokens + first) * per_token),
                   values.begin() + ptrdiff_t((b * n.tokens + first + count) * per_token));
    return out;
}

CausalConv1d conv_of(const ConvCase& c, const std::function<TensorId(const std::string&)>& id) {
    CausalConv1d op;
    op.x = id("x");
    op.weight = id("weight");
    op.bias = id("bias");
    op.initial_states = id("initial_states");
    op.seq_idx = id("seq_idx");
    op.y = id("y");
    op.final_states = id("final_states");
    op.silu = c.silu;
    op.variant = c.path.variant;
    return op;
}

OpSetup set_up(const ConvCase& c, const ConvInputs& in) {
    const ConvShape& n = c.shape;
    OpSetup s;
    s.add("x", c.io_dtype, {n.batch, n.tokens, n.channels}, in.x, false, c.x_layout);
    s.add("weight", c.weight_dtype, {n.channels, n.taps}, in.weight, false, c.weight_layout);
    if (c.bias) s.add("bias", c.weight_dtype, {n.channels}, in.bias);
    if (c.initial_states)
        s.add("initial_states", c.state_dtype, {n.batch, n.channels, n.taps - 1}, in.initial_states, false, c.state_layout);
    if (!c.seq_idx.empty()) s.add("seq_idx", DType::i32, {n.batch, n.tokens}, widened(c.seq_idx));
    OpTensor& y = s.add("y", c.io_dtype, {n.batch, n.tokens, n.channels}, {}, true, c.x_layout);
    if (c.record_tokens)
        for (uint64_t i = 0; i < n.batch * n.tokens * n.channels; ++i) y.writable.push_back(i / n.channels % n.tokens < c.record_tokens);
    if (c.final_states) s.add("final_states", c.state_dtype, {n.batch, n.channels, n.taps - 1}, {}, true, c.state_layout);
    s.append = [c](Graph* graph, const auto& id) { return causal_conv1d(graph, conv_of(c, id)); };
    s.access = c.path.access;
    s.alignment = c.path.alignment;
    s.record_seqlen = c.record_tokens;
    s.separate_buffers = c.separate_buffers;
    return s;
}

OpRun check_case(const ConvCase& c) {
    INFO(c.text());
    const ConvInputs in = make_inputs(c);
    OpRun run = run_op_ok(set_up(c, in));
    const uint64_t tokens = c.record_tokens ? c.record_tokens : c.shape.tokens;
    ConvInputs seen = in;
    seen.shape.tokens = tokens;
    seen.x = tokens_of(in.x, c.shape, 0, tokens);
    if (!in.seq_idx.empty()) seen.seq_idx = tokens_of(in.seq_idx, c.shape, 0, tokens);
    const ConvOutputs want = causal_conv1d_ref(seen);
    CHECK(relative_rms(tokens_of(run.out.at("y"), c.shape, 0, tokens), want.y) <= tolerance(c.io_dtype));
    if (c.final_states) CHECK(relative_rms(run.out.at("final_states"), want.final_states) <= tolerance(c.state_dtype));
    return run;
}

TEST_CASE("causal_conv1d: each width, on every path of the device") {
    ConvCase c;
    c.path = GENERATE(from_range(scalar_op_paths()));
    c.shape.taps = GENERATE(2u, 3u, 4u, 5u, 8u);
    c.initial_states = true;
    check_case(c);
}

TEST_CASE("causal_conv1d: any number of tokens and channels") {
    ConvCase c;
    const auto [tokens, channels] = GENERATE(std::pair(1, 64), std::pair(2, 8), std::pair(8, 1), std::pair(9, 3), std::pair(129, 64),
                                             std::pair(151, 12), std::pair(372, 6), std::pair(64, 300), std::pair(70, 520));
    c.shape = {2, uint64_t(tokens), uint64_t(channels), 4};
    c.io_dtype = GENERATE(DType::f32, DType::f16);
    c.initial_states = GENERATE(false, true);
    check_case(c);
}

TEST_CASE("causal_conv1d: element types") {
    ConvCase c;
    c.io_dtype = GENERATE(DType::f32, DType::f16, DType::bf16);
    c.weight_dtype = GENERATE(DType::f32, DType::bf16);
    c.state_dtype = c.weight_dtype == DType::f32 ? c.io_dtype : DType::f32;
    c.initial_states = true;
    c.path.access = GENERATE(MemoryAccess::automatic, MemoryAccess::descriptor);
    check_case(c);
}

TEST_CASE("causal_conv1d: without its options") {
    ConvCase c;
    SECTION("bias") { c.bias = false; }
    SECTION("SiLU") { c.silu = false; }
    SECTION("final_states") { c.final_states = false; }
    check_case(c);
}

TEST_CASE("causal_conv1d: fewer tokens than planned") {
    ConvCase c;
    c.initial_states = GENERATE(false, true);
    c.record_tokens = GENERATE(1u, 2u, 8u, 9u, 39u);
    check_case(c);
}

TEST_CASE("causal_conv1d: packed sequences do not mix") {
    ConvCase c;
    c.initial_states = GENERATE(false, true);
    c.shape.taps = GENERATE(3u, 4u, 8u);
    c.io_dtype = GENERATE(DType::f32, DType::bf16);
    // Starts in the middle of blocks, at and just after their ends, one after the other, and an index that comes again.
    for (uint64_t b = 0; b < 2; ++b)
        for (int32_t t = 0; t < 40; ++t) c.seq_idx.push_back(t < 5 ? 0 : t < 8 ? 1 : t < 9 ? 0 : t < 17 + int32_t(b) ? 3 : t < 38 ? 4 : t);
    check_case(c);
}

TEST_CASE("causal_conv1d: strides") {
    ConvCase c;
    c.initial_states = true;
    c.io_dtype = c.state_dtype = GENERATE(DType::f32, DType::f16);
    SECTION("a slice of a wider tensor") { c.x_layout.padding = 8; }
    SECTION("one that rules out wide loads") { c.x_layout.padding = 3; }
    SECTION("tokens fastest") { c.x_layout.order = {0, 2, 1}; }
    SECTION("every other channel") { c.x_layout.step = 2; }
    SECTION("states with channels fastest") { c.state_layout.order = {0, 2, 1}; }
    SECTION("states with padding") { c.state_layout.padding = 1; }
    SECTION("weights with channels fastest") { c.weight_layout.order = {1, 0}; }
    check_case(c);
}

// Some devices bind 128 MiB at most: rows are cut, then tokens.
TEST_CASE("causal_conv1d: inputs that reach further than one binding") {
    constexpr uint64_t kMiB = (1 << 20) / sizeof(float);
    ConvCase c;
    c.path.access = MemoryAccess::descriptor;
    c.separate_buffers = c.initial_states = true;
    SECTION("rows apart") {
        c.shape = {3, 10, 8, 4};
        c.x_layout.slowest_stride = 65 * kMiB;
    }
    SECTION("tokens apart") {
        c.shape = {1, 150, 8, 4};
        c.x_layout.order = {1, 0, 2};
        c.x_layout.slowest_stride = kMiB;
        c.record_tokens = GENERATE(0u, 64u, 130u);
        if (!c.record_tokens)
            for (int32_t t = 0; t < 150; ++t) c.seq_idx.push_back(t < 62 ? 0 : t < 64 ? 1 : t < 129 ? 2 : 3);
    }
    check_case(c);
}

// ---- the update ---------------------------------------------------------------------------------

struct UpdateRun {
    std::vector<float> y, state;
};

struct UpdateSlots {
    uint64_t slots = 0;
    std::vector<int32_t> indices, indices_out;
    int32_t pad = -1;
    std::vector<bool> rows_run, slots_written;  // empty: all
};

CausalConv1dUpdate update_of(const ConvCase& c, const UpdateSlots& slots, const std::function<TensorId(const std::string&)>& id) {
    CausalConv1dUpdate op;
    op.x = id("x");
    op.weight = id("weight");
    op.bias = id("bias");
    op.conv_state = id("conv_state");
    op.state_batch_indices = id("state_batch_indices");
    op.state_indices_out = id("state_indices_out");
    op.y = id("y");
    op.pad_slot_id = slots.pad;
    op.silu = c.silu;
    op.variant = c.path.variant;
    return op;
}

std::vector<bool> repeated(const std::vector<bool>& values, uint64_t times) {
    std::vector<bool> out;
    for (bool value : values) out.insert(out.end(), times, value);
    return out;
}

// Over the inputs' tokens, from `state`; token_axis: x has one.
UpdateRun run_update(const ConvCase& c, const ConvInputs& in, const std::vector<double>& state, const UpdateSlots& slots, bool token_axis) {
    INFO(c.text());
    const ConvShape& n = in.shape;
    std::vector<uint64_t> shape = {n.batch, n.channels};
    if (token_axis) shape.insert(shape.begin() + 1, n.tokens);
    OpSetup s;
    s.add("x", c.io_dtype, shape, in.x);
    s.add("weight", c.weight_dtype, {n.channels, n.taps}, in.weight);
    if (c.bias) s.add("bias", c.weight_dtype, {n.channels}, in.bias);
    s.add("conv_state", c.state_dtype, {slots.slots ? slots.slots : n.batch, n.channels, n.taps - 1}, state, true, c.state_layout);
    s.tensors.back().writable = repeated(slots.slots_written, n.channels * (n.taps - 1));
    if (!slots.indices.empty()) s.add("state_batch_indices", DType::i32, {n.batch}, widened(slots.indices));
    if (!slots.indices_out.empty()) s.add("state_indices_out", DType::i32, {n.batch}, widened(slots.indices_out));
    s.add("y", c.io_dtype, shape, {}, true).writable = repeated(slots.rows_run, n.tokens * n.channels);
    s.append = [&](Graph* graph, const auto& id) { return causal_conv1d_update(graph, update_of(c, slots, id)); };
    s.access = c.path.access;
    s.alignment = c.path.alignment;
    s.separate_buffers = c.separate_buffers;
    OpRun run = run_op_ok(s);
    return {run.out.at("y"), run.out.at("conv_state")};
}

TEST_CASE("causal_conv1d_update: however the tokens are divided, the bits are those of one causal_conv1d") {
    ConvCase c;
    c.path = GENERATE(from_range(scalar_op_paths()));
    struct Sizes {
        uint32_t channels, width;
        DType dtype;
    };
    const auto [channels, width, dtype] = GENERATE(Sizes{24, 2, DType::f32}, Sizes{24, 4, DType::bf16}, Sizes{24, 7, DType::bf16},
                                                   Sizes{7, 2, DType::bf16}, Sizes{7, 4, DType::f32}, Sizes{7, 7, DType::f32});
    c.shape = {2, 11, channels, width};
    c.io_dtype = c.state_dtype = dtype;
    c.initial_states = true;
    if (c.shape.channels == 7) c.state_layout.order = {0, 2, 1};
    const ConvInputs in = make_inputs(c);
    const OpRun whole = check_case(c);
    std::vector<double> state = in.initial_states;
    uint64_t first = 0;
    for (uint64_t count : {1, 1, 5, 3, 1}) {
        ConvInputs part = in;
        part.shape.tokens = count;
        part.x = tokens_of(in.x, c.shape, first, count);
        const UpdateRun run = run_update(c, part, state, UpdateSlots(), count != 1 || first == 0);
        CHECK(differing_bits(run.y, tokens_of(whole.out.at("y"), c.shape, first, count)) == 0);
        state.assign(run.state.begin(), run.state.end());
        first += count;
        if (first == 11) CHECK(differing_bits(run.state, whole.out.at("final_states")) == 0);
    }
}

TEST_CASE("causal_conv1d_update: states in slots, with padding and indices that no slot has") {
    ConvCase c;
    c.path = GENERATE(from_range(scalar_op_paths()));
    c.shape = {6, 2, 24, 4};
    c.io_dtype = c.state_dtype = GENERATE(DType::f32, DType::f16);
    constexpr uint64_t kPerSlot = 24 * 3;
    UpdateSlots slots;
    slots.slots = 9;
    slots.indices = {7, -1, 2, 9, 0, -2147483647 - 1};
    slots.rows_run = {true, false, true, false, true, false};
    std::vector<int32_t> to = slots.indices;
    SECTION("in place") {}
    SECTION("another padding") {
        slots.pad = 2;
        slots.rows_run[2] = false;
    }
    SECTION("to other slots") {
        to = slots.indices_out = {8, 3, 2, 1, -1, 4};
        slots.rows_run[4] = false;
    }
    SECTION("slots further apart than one binding") {
        c.path = {Variant::automatic, MemoryAccess::descriptor, 16};
        c.separate_buffers = true;
        slots.slots = 3;
        slots.indices = {2, -1, 0, 3, 1, 5};
        to = slots.indices_out = {1, 0, 0, 0, -1, 0};
        slots.rows_run[4] = false;
        c.state_layout.slowest_stride = (65 << 20) / size_of(c.io_dtype);
    }
    slots.slots_written.assign(slots.slots, false);
    ConvInputs in = make_inputs(c);
    const std::vector<double> state = Random(5).normals(slots.slots * kPerSlot, c.state_dtype);
    for (uint64_t b = 0; b < 6; ++b)
        if (slots.rows_run[b]) slots.slots_written[size_t(to[b])] = true;
    const UpdateRun run = run_update(c, in, state, slots, true);
    for (uint64_t b = 0; b < 6; ++b) {
        if (!slots.rows_run[b]) continue;
        CAPTURE(b);
        ConvInputs row = in;
        row.shape.batch = 1;
        row.x.assign(in.x.begin() + ptrdiff_t(b * 48), in.x.begin() + ptrdiff_t(b * 48 + 48));
        const auto from = state.begin() + ptrdiff_t(uint64_t(slots.indices[b]) * kPerSlot);
        row.initial_states.assign(from, from + kPerSlot);
        const ConvOutputs want = causal_conv1d_ref(row);
        const auto y = run.y.begin() + ptrdiff_t(b * 48), after = run.state.begin() + ptrdiff_t(uint64_t(to[b]) * kPerSlot);
        CHECK(relative_rms(std::vector<float>(y, y + 48), want.y) <= tolerance(c.io_dtype));
        CHECK(relative_rms(std::vector<float>(after, after + kPerSlot), want.final_states) <= tolerance(c.state_dtype));
    }
}

}  // namespace
}  // namespace scandium::test

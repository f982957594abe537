// causal_conv1d at the sizes of its reference's own suite, Dao-AILab's. On one path, the library's choice; types take turns.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "ref/causal_conv1d_ref.h"
#include "scandium/ops/causal_conv1d.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"

namespace scandium::test {
namespace {

constexpr uint64_t kBefore = 32, kAfter = 64;  // channels of the wider tensor beside those of x

std::string named(const char* what, uint64_t length) {
    std::string name = what;
    name += std::to_string(length);
    return name;
}

// Channels from `first` of the leading `tokens` tokens of every row.
TensorId part_of(Graph* graph, TensorId tensor, const ConvShape& n, uint64_t wide, uint64_t first, uint64_t tokens) {
    ViewDesc view;
    view.name = "part";
    view.tensor = tensor;
    view.offset = first;
    view.rank = 3;
    const uint64_t shape[] = {n.batch, tokens, n.channels}, stride[] = {n.tokens * wide, wide, 1};
    std::copy_n(shape, 3, view.shape);
    std::copy_n(stride, 3, view.stride);
    return add_view(graph, view);
}

std::vector<double> leading_tokens(const std::vector<double>& y, const ConvShape& n, uint64_t tokens) {
    std::vector<double> out;
    for (uint64_t b = 0; b < n.batch; ++b) {
        const auto from = y.begin() + ptrdiff_t(b * n.tokens * n.channels);
        out.insert(out.end(), from, from + ptrdiff_t(tokens * n.channels));
    }
    return out;
}

// Each length, up to n.tokens, as the leading tokens of one tensor in one plan, whose pipelines serve many of them. x is a part of a
// wider tensor, beside which there is NaN.
void check_lengths(const ConvShape& n, DType dtype, const std::vector<uint64_t>& lengths) {
    INFO("batch " << n.batch << " tokens " << n.tokens << " channels " << n.channels << " width " << n.taps << ' ' << to_string(dtype));
    const uint64_t wide = kBefore + n.channels + kAfter, before = n.taps - 1;
    Random random(7);
    ConvInputs in;
    in.shape = n;
    in.silu = true;
    in.x = random.uniforms(n.batch * n.tokens * n.channels, -2, 2, dtype);
    in.weight = random.normals(n.channels * n.taps, dtype);
    in.bias = random.normals(n.channels, dtype);
    std::vector<double> around(n.batch * n.tokens * wide, std::numeric_limits<double>::quiet_NaN());
    for (uint64_t row = 0; row < n.batch * n.tokens; ++row)
        std::copy_n(in.x.begin() + ptrdiff_t(row * n.channels), n.channels, around.begin() + ptrdiff_t(row * wide + kBefore));
    OpSetup s;
    s.add("wide", dtype, {n.batch, n.tokens, wide}, around);
    s.add("weight", dtype, {n.channels, n.taps}, in.weight);
    s.add("bias", dtype, {n.channels}, in.bias);
    for (uint64_t length : lengths) {
        // Rows as far apart as those of the longest, so that strides do not tell lengths apart.
        Layout rows;
        rows.slowest_stride = n.tokens * n.channels;
        s.add(named("y", length), dtype, {n.batch, length, n.channels}, {}, true, rows);
        s.add(named("final_states", length), dtype, {n.batch, n.channels, before}, {}, true);
    }
    s.alignment = 16;
    s.append = [&](Graph* graph, const auto& id) {
        for (uint64_t length : lengths) {
            CausalConv1d op;
            op.x = part_of(graph, id("wide"), n, wide, kBefore, length);
            op.weight = id("weight");
            op.bias = id("bias");
            op.y = id(named("y", length));
            op.final_states = id(named("final_states", length));
            op.silu = true;
            if (Result r = causal_conv1d(graph, op); r != Result::ok) return r;
        }
        return Result::ok;
    };
    const OpRun run = run_op_ok(s);
    CHECK(run.stages.size() == lengths.size());
    // What comes later changes nothing before it, so the longest has the outputs of all.
    const ConvOutputs want = causal_conv1d_ref(in);
    for (uint64_t length : lengths) {
        INFO("length " << length);
        CHECK(relative_rms(run.out.at(named("y", length)), leading_tokens(want.y, n, length)) <= tolerance(dtype));
        std::vector<double> last;
        for (uint64_t b = 0; b < n.batch; ++b)
            for (uint64_t c = 0; c < n.channels; ++c)
                for (uint64_t t = length; t < length + before; ++t)  // of tokens, those before the row's first among them
                    last.push_back(t < before ? 0 : in.x[(b * n.tokens + t - before) * n.channels + c]);
        CHECK(relative_rms(run.out.at(named("final_states", length)), last) == 0);
    }
}

TEST_CASE("grid: causal_conv1d of 64 channels in a wider tensor") {
    const std::vector<uint64_t> lengths = {1, 2, 8, 16, 129, 151, 372, 1134, 4096};
    check_lengths({2, 4096, 64, 2}, DType::bf16, lengths);
    check_lengths({2, 4096, 64, 3}, DType::f16, lengths);
    check_lengths({2, 4096, 64, 4}, DType::f32, lengths);
}

// Each length with one width: the long ones take a CPU seconds.
TEST_CASE("grid: causal_conv1d of 4128 channels in a wider tensor") {
    check_lengths({2, 372, 4128, 2}, DType::f16, {1, 2, 8, 372});
    check_lengths({1, 1134, 4128, 3}, DType::bf16, {16, 129, 1134});
    check_lengths({1, 4096, 4128, 4}, DType::f32, {1, 151, 4096});
}

}  // namespace
}  // namespace scandium::test

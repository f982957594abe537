// What a Mamba-2 block does between its two projections, in one graph on parts of in_proj's output (z, x, B, C, dt side by side): a
// dispatch for the convolution with SiLU, those of the scan with bias and softplus of dt, and one for norm and gate. Nothing is copied.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "ref/causal_conv1d_ref.h"
#include "ref/rms_norm_gated_ref.h"
#include "ref/selective_state_update_ref.h"
#include "scandium/ops/causal_conv1d.h"
#include "scandium/ops/rms_norm_gated.h"
#include "scandium/ops/selective_state_update.h"
#include "scandium/ops/ssd_scan.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

using Values = std::vector<double>;
using Names = std::vector<std::string>;

struct Mixer {
    uint64_t batch = 2, tokens = 37, nheads = 8, headdim = 8, ngroups = 2, dstate = 16, taps = 4;
    DType io = DType::f32;

    uint64_t inner() const { return nheads * headdim; }
    uint64_t bc() const { return ngroups * dstate; }
    uint64_t conv() const { return inner() + 2 * bc(); }
    uint64_t projected() const { return inner() + conv() + nheads; }
    uint64_t rows() const { return batch * tokens; }
    uint64_t dt_at() const { return inner() + conv(); }
};

struct MixerInputs {
    Values projected, conv_weight, conv_bias, A, D, dt_bias, norm_weight, conv_state, state;
};

MixerInputs make_inputs(const Mixer& n) {
    Random random(11);
    MixerInputs in;
    in.projected = random.normals(n.rows() * n.projected(), n.io);
    in.conv_weight = random.normals(n.conv() * n.taps, n.io);
    in.conv_bias = random.normals(n.conv(), n.io);
    in.A = random.uniforms(n.nheads, -4, -0.1, DType::f32);
    in.D = random.normals(n.nheads, DType::f32);
    in.dt_bias = random.uniforms(n.nheads, -4, 0, DType::f32);
    in.norm_weight = random.normals(n.inner(), DType::f32);
    in.conv_state = random.normals(n.batch * n.conv() * (n.taps - 1), n.io);
    in.state = random.normals(n.batch * n.inner() * n.dstate, DType::f32);
    return in;
}

// `count` columns from `first` of rows of `length`.
Values columns(const Values& values, uint64_t length, uint64_t first, uint64_t count) {
    Values out;
    for (size_t row = 0; row < values.size(); row += length)
        out.insert(out.end(), values.begin() + ptrdiff_t(row + first), values.begin() + ptrdiff_t(row + first + count));
    return out;
}

Values stored(Values values, DType dtype) {
    for (double& value : values) value = rounded(value, dtype);
    return values;
}

ConvOutputs conv_ref(const Mixer& n, const MixerInputs& in, bool from_state) {
    ConvInputs conv;
    conv.shape = {n.batch, n.tokens, n.conv(), n.taps};
    conv.x = columns(in.projected, n.projected(), n.inner(), n.conv());
    conv.weight = in.conv_weight;
    conv.bias = in.conv_bias;
    if (from_state) conv.initial_states = in.conv_state;
    conv.silu = true;
    return causal_conv1d_ref(conv);
}

// Of the scan's y.
Values norm_ref(const Mixer& n, const MixerInputs& in, const Values& y) {
    NormInputs norm;
    norm.rows = n.rows();
    norm.dim = norm.group_size = n.inner();
    norm.x = stored(y, n.io);
    norm.z = columns(in.projected, n.projected(), 0, n.inner());
    norm.weight = in.norm_weight;
    return rms_norm_gated_ref(norm).y;
}

OpSetup set_up(const Mixer& n, const MixerInputs& in, const OpPath& path) {
    OpSetup s;
    s.add("projected", n.io, {n.batch, n.tokens, n.projected()}, in.projected);
    s.add("conv_weight", n.io, {n.conv(), n.taps}, in.conv_weight);
    s.add("conv_bias", n.io, {n.conv()}, in.conv_bias);
    s.add("A", DType::f32, {n.nheads}, in.A);
    s.add("D", DType::f32, {n.nheads}, in.D);
    s.add("dt_bias", DType::f32, {n.nheads}, in.dt_bias);
    s.add("norm_weight", DType::f32, {n.inner()}, in.norm_weight);
    s.add("out", n.io, {n.batch, n.tokens, n.inner()}, {}, true);
    s.access = path.access;
    s.alignment = path.alignment;
    return s;
}

// The parts of a block's tensors, each (batch, tokens, ...), as operators take them.
class Parts {
public:
    Parts(Graph* graph, const Mixer& n, TensorId projected) : graph_(graph), n_(n) {
        convolved = transient("convolved", n.conv());
        scanned = transient("scanned", n.inner());
        z = part("z", projected, n.projected(), 0, {n.inner()});
        conv_x = part("conv_x", projected, n.projected(), n.inner(), {n.conv()});
        dt = part("dt", projected, n.projected(), n.dt_at(), {n.nheads});
        x = part("x", convolved, n.conv(), 0, {n.nheads, n.headdim});
        B = part("B", convolved, n.conv(), n.inner(), {n.ngroups, n.dstate});
        C = part("C", convolved, n.conv(), n.inner() + n.bc(), {n.ngroups, n.dstate});
        y = part("y", scanned, n.inner(), 0, {n.nheads, n.headdim});
    }

    TensorId convolved, scanned, z, conv_x, dt, x, B, C, y;

private:
    TensorId transient(const char* name, uint64_t channels) {
        TensorDesc desc;
        desc.name = name;
        desc.dtype = n_.io;
        desc.rank = 3;
        const uint64_t shape[] = {n_.batch, n_.tokens, channels};
        std::copy_n(shape, 3, desc.shape);
        return add_transient(graph_, desc);
    }

    // Channels from `first` on of rows of `length`, in one axis or two.
    TensorId part(const char* name, TensorId of, uint64_t length, uint64_t first, std::vector<uint64_t> axes) {
        ViewDesc view;
        view.name = name;
        view.tensor = of;
        view.offset = first;
        axes.insert(axes.begin(), {n_.batch, n_.tokens});
        view.rank = uint32_t(axes.size());
        std::copy(axes.begin(), axes.end(), view.shape);
        view.stride[0] = n_.tokens * length;
        view.stride[1] = length;
        view.stride[2] = axes.size() == 4 ? axes[3] : 1;
        if (axes.size() == 4) view.stride[3] = 1;
        return add_view(graph_, view);
    }

    Graph* graph_;
    const Mixer& n_;
};

template <class Id>
Result append_norm(Graph* graph, const Parts& parts, const Id& id) {
    RmsNormGated norm;
    norm.x = parts.scanned;
    norm.z = parts.z;
    norm.weight = id("norm_weight");
    norm.y = id("out");
    return rms_norm_gated(graph, norm);
}

// Names of dispatches, those with a barrier before them behind a bar. With descriptors the planner may copy what has no slot of its own.
void check_dispatches(const OpRun& run, const Names& wanted) {
    if (!TestDevice::get().caps().features.buffer_device_address) return;
    Names names;
    for (const OpStage& stage : run.stages) names.push_back((stage.barrier_before ? "|" : "") + stage.name);
    CHECK(names == wanted);
}

TEST_CASE("mamba2 mixer: a sequence from in_proj to out_proj without a copy") {
    Mixer n;
    n.io = GENERATE(DType::f32, DType::bf16);
    if (n.io == DType::bf16) n.nheads = 5, n.ngroups = 1;  // parts at odd places
    const SsdAlgorithm algorithm = GENERATE(SsdAlgorithm::recurrent, SsdAlgorithm::chunked);
    const OpPath path = algorithm == SsdAlgorithm::recurrent ? GENERATE(from_range(main_op_paths())) : main_op_paths().front();
    INFO(to_string(n.io) << ' ' << to_text(path) << ' ' << to_string(algorithm));
    const MixerInputs in = make_inputs(n);
    OpSetup s = set_up(n, in, path);
    s.append = [&](Graph* graph, const auto& id) {
        const Parts parts(graph, n, id("projected"));
        CausalConv1d conv;
        conv.x = parts.conv_x;
        conv.weight = id("conv_weight");
        conv.bias = id("conv_bias");
        conv.y = parts.convolved;
        conv.silu = true;
        if (Result r = causal_conv1d(graph, conv); r != Result::ok) return r;
        SsdScan scan;
        scan.x = parts.x;
        scan.dt = parts.dt;
        scan.A = id("A");
        scan.B = parts.B;
        scan.C = parts.C;
        scan.D = id("D");
        scan.dt_bias = id("dt_bias");
        scan.y = parts.y;
        scan.dt_softplus = true;
        scan.algorithm = algorithm;
        if (Result r = ssd_scan(graph, scan); r != Result::ok) return r;
        return append_norm(graph, parts, id);
    };
    const OpRun run = run_op_ok(s);
    const bool on_cpu = TestDevice::get().caps().device_type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    const Names chunked = {"causal_conv1d",      "ssd_chunk_cumsum", "|ssd_bmm_chunk", "ssd_chunk_state",
                           "|ssd_state_passing", "|ssd_chunk_scan",  "|rms_norm_gated"};
    const Names tiled = {"causal_conv1d", "|ssd_recurrent_terms", "|ssd_recurrent_tile", "|rms_norm_gated"};
    const Names recurrent = on_cpu ? tiled : Names{"causal_conv1d", "|ssd_recurrent", "|rms_norm_gated"};
    if (path.access == MemoryAccess::automatic) check_dispatches(run, algorithm == SsdAlgorithm::chunked ? chunked : recurrent);

    const Values convolved = stored(conv_ref(n, in, false).y, n.io);
    SsdInputs scan;
    scan.shape = {n.batch, n.tokens, n.nheads, n.headdim, n.ngroups, n.dstate};
    scan.x = columns(convolved, n.conv(), 0, n.inner());
    scan.B = columns(convolved, n.conv(), n.inner(), n.bc());
    scan.C = columns(convolved, n.conv(), n.inner() + n.bc(), n.bc());
    scan.dt = columns(in.projected, n.projected(), n.dt_at(), n.nheads);
    scan.A = in.A;
    scan.D = in.D;
    scan.dt_bias = in.dt_bias;
    scan.dt_softplus = true;
    CHECK(relative_rms(run.out.at("out"), norm_ref(n, in, ssd_scan_ref(scan).y)) <= tolerance(n.io));
}

TEST_CASE("mamba2 mixer: a step of decoding from in_proj to out_proj without a copy") {
    Mixer n;
    n.batch = 30;  // enough for an average
    n.tokens = 1;
    n.io = GENERATE(DType::f32, DType::bf16);
    if (n.io == DType::bf16) n.nheads = 5, n.ngroups = 1;
    const OpPath path = GENERATE(from_range(main_op_paths()));
    INFO(to_string(n.io) << ' ' << to_text(path));
    const MixerInputs in = make_inputs(n);
    OpSetup s = set_up(n, in, path);
    s.add("conv_state", n.io, {n.batch, n.conv(), n.taps - 1}, in.conv_state, true);
    s.add("state", DType::f32, {n.batch, n.nheads, n.headdim, n.dstate}, in.state, true);
    s.append = [&](Graph* graph, const auto& id) {
        const Parts parts(graph, n, id("projected"));
        CausalConv1dUpdate conv;
        conv.x = parts.conv_x;
        conv.weight = id("conv_weight");
        conv.bias = id("conv_bias");
        conv.conv_state = id("conv_state");
        conv.y = parts.convolved;
        conv.silu = true;
        if (Result r = causal_conv1d_update(graph, conv); r != Result::ok) return r;
        SelectiveStateUpdate update;
        update.state = id("state");
        update.x = parts.x;
        update.dt = parts.dt;
        update.A = id("A");
        update.B = parts.B;
        update.C = parts.C;
        update.D = id("D");
        update.dt_bias = id("dt_bias");
        update.y = parts.y;
        update.dt_softplus = true;
        if (Result r = selective_state_update(graph, update); r != Result::ok) return r;
        return append_norm(graph, parts, id);
    };
    const OpRun run = run_op_ok(s);
    if (path.access == MemoryAccess::automatic)
        check_dispatches(run, {"causal_conv1d_update", "|selective_state_update", "|rms_norm_gated"});

    const ConvOutputs conv = conv_ref(n, in, true);
    const Values convolved = stored(conv.y, n.io);
    UpdateInputs update;
    update.shape = {n.batch, 1, n.nheads, n.headdim, n.ngroups, n.dstate};
    update.per_head = update.dt_softplus = true;
    update.state = in.state;
    update.x = columns(convolved, n.conv(), 0, n.inner());
    update.B = columns(convolved, n.conv(), n.inner(), n.bc());
    update.C = columns(convolved, n.conv(), n.inner() + n.bc(), n.bc());
    update.dt = columns(in.projected, n.projected(), n.dt_at(), n.nheads);
    update.A = in.A;
    update.D = in.D;
    update.dt_bias = in.dt_bias;
    const UpdateOutputs want = selective_state_update_ref(update);
    CHECK(relative_rms(run.out.at("out"), norm_ref(n, in, want.y)) <= tolerance(n.io));
    CHECK(relative_rms(run.out.at("state"), want.state) <= (n.io == DType::f32 ? tolerance(n.io) : 1e-4));
    CHECK(relative_rms(run.out.at("conv_state"), conv.final_states) == 0);
}

}  // namespace
}  // namespace scandium::test

#include "support/selective_case.h"

#include <catch2/catch_test_macros.hpp>

#include "support/compare.h"
#include "support/random.h"

namespace scandium::test {
namespace {

std::vector<double> widened(const std::vector<int32_t>& values) { return {values.begin(), values.end()}; }

uint64_t rows_of_states(const SelectiveCase& c) { return c.cu_seqlens.empty() ? c.shape.batch : c.cu_seqlens.size() - 1; }

void add_projection(const SelectiveCase& c, const char* name, Projection form, const std::vector<double>& values, OpSetup* s) {
    const SelectiveShape& n = c.shape;
    if (form == Projection::fixed)
        s->add(name, c.bc_dtype, {n.channels, n.dstate}, values);
    else if (form == Projection::one_group)
        s->add(name, c.bc_dtype, {n.batch, n.dstate, n.seqlen}, values);
    else
        s->add(name, c.bc_dtype, {n.batch, n.ngroups, n.dstate, n.seqlen}, values, false, c.bc_layout);
}

SelectiveScan scan_of(const SelectiveCase& c, const std::function<TensorId(const std::string&)>& id) {
    SelectiveScan op;
    op.x = id("x");
    op.dt = id("dt");
    op.A = id("A");
    op.B = id("B");
    op.C = id("C");
    op.D = id("D");
    op.z = id("z");
    op.dt_bias = id("dt_bias");
    op.initial_states = id("initial_states");
    op.seq_idx = id("seq_idx");
    op.cu_seqlens = id("cu_seqlens");
    op.y = id("y");
    op.final_states = c.in_place ? op.initial_states : id("final_states");
    op.dt_softplus = c.dt_softplus;
    op.dt_min = c.dt_min;
    op.dt_max = c.dt_max;
    op.segments = c.segments;
    op.variant = c.path.variant;
    return op;
}

OpSetup set_up(const SelectiveCase& c, const SelectiveInputs& in) {
    const SelectiveShape& n = c.shape;
    const std::vector<uint64_t> like_x = {n.batch, n.channels, n.seqlen}, like_states = {rows_of_states(c), n.channels, n.dstate};
    const Layout others = c.x_alone ? Layout() : c.x_layout;
    OpSetup s;
    s.add("x", c.x_dtype, like_x, in.x, false, c.x_layout);
    s.add("dt", c.dt_dtype, like_x, in.dt, false, others);
    s.add("A", DType::f32, {n.channels, n.dstate}, in.A);
    add_projection(c, "B", c.B, in.B, &s);
    add_projection(c, "C", c.C, in.C, &s);
    if (c.D) s.add("D", DType::f32, {n.channels}, in.D);
    if (c.z) s.add("z", c.z_dtype, like_x, in.z, false, others);
    if (c.dt_bias) s.add("dt_bias", DType::f32, {n.channels}, in.dt_bias);
    if (c.initial_states) s.add("initial_states", c.initial_dtype, like_states, in.initial_states, c.in_place, c.state_layout);
    if (!c.seq_idx.empty()) s.add("seq_idx", DType::i32, {n.batch, n.seqlen}, widened(c.seq_idx));
    if (!c.cu_seqlens.empty()) s.add("cu_seqlens", DType::i32, {c.cu_seqlens.size()}, widened(c.cu_seqlens));
    OpTensor& y = s.add("y", c.y_dtype, like_x, {}, true, others);
    if (c.record_seqlen)
        for (uint64_t i = 0; i < n.batch * n.channels * n.seqlen; ++i) y.writable.push_back(i % n.seqlen < c.record_seqlen);
    if (c.final_states && !c.in_place) s.add("final_states", c.final_dtype, like_states, {}, true, c.state_layout);
    s.append = [c](Graph* graph, const auto& id) { return selective_scan(graph, scan_of(c, id)); };
    s.access = c.path.access;
    s.alignment = c.path.alignment;
    s.record_seqlen = c.record_seqlen;
    s.separate_buffers = c.separate_buffers;
    return s;
}

}  // namespace

SelectiveCase& SelectiveCase::with_io(DType dtype) {
    x_dtype = dt_dtype = bc_dtype = z_dtype = y_dtype = dtype;
    return *this;
}

SelectiveCase& SelectiveCase::with_everything() {
    D = z = dt_bias = dt_softplus = initial_states = true;
    dt_min = 0.001f;
    dt_max = 0.5f;
    return *this;
}

SelectiveCase& SelectiveCase::channels_last() {
    x_layout.order = {0, 2, 1};
    bc_layout.order = {0, 3, 1, 2};
    return *this;
}

std::string SelectiveCase::text() const {
    const SelectiveShape& n = shape;
    std::string text = "batch " + std::to_string(n.batch) + " channels " + std::to_string(n.channels) + " seqlen " +
                       std::to_string(n.seqlen) + " ngroups " + std::to_string(n.ngroups) + " dstate " + std::to_string(n.dstate) +
                       " segments " + std::to_string(segments) + " x:" + to_string(x_dtype) + " dt:" + to_string(dt_dtype) +
                       " BC:" + to_string(bc_dtype) + " y:" + to_string(y_dtype);
    const std::pair<const char*, bool> flags[] = {{" D", D},
                                                  {" z", z},
                                                  {" dt_bias", dt_bias},
                                                  {" softplus", dt_softplus},
                                                  {" initial", initial_states},
                                                  {" in place", in_place},
                                                  {" seq_idx", !seq_idx.empty()},
                                                  {" cu_seqlens", !cu_seqlens.empty()},
                                                  {" B fixed", B == Projection::fixed},
                                                  {" C fixed", C == Projection::fixed},
                                                  {" other layout", !x_layout.order.empty()}};
    for (const auto& [name, set] : flags)
        if (set) text += name;
    return text + " recorded " + std::to_string(record_seqlen) + " " + to_text(path);
}

SelectiveInputs make_inputs(const SelectiveCase& c, uint64_t seed) {
    const SelectiveShape& n = c.shape;
    const uint64_t count = n.batch * n.channels * n.seqlen, per_state = n.channels * n.dstate;
    const uint64_t variable = n.batch * n.ngroups * n.dstate * n.seqlen;
    Random random(seed);
    SelectiveInputs in;
    in.shape = n;
    in.B_fixed = c.B == Projection::fixed;
    in.C_fixed = c.C == Projection::fixed;
    in.x = random.normals(count, c.x_dtype);
    in.dt = c.dt_softplus ? random.uniforms(count, -4, 0, c.dt_dtype) : random.uniforms(count, 0.01, 0.5, c.dt_dtype);
    in.A = random.uniforms(per_state, -4, -0.1, DType::f32);
    in.B = random.normals(in.B_fixed ? per_state : variable, c.bc_dtype);
    in.C = random.normals(in.C_fixed ? per_state : variable, c.bc_dtype);
    if (c.D) in.D = random.normals(n.channels, DType::f32);
    if (c.z) in.z = random.normals(count, c.z_dtype);
    if (c.dt_bias) in.dt_bias = random.uniforms(n.channels, -0.5, 0.5, DType::f32);
    if (c.initial_states) in.initial_states = random.normals(rows_of_states(c) * per_state, c.initial_dtype);
    in.seq_idx = c.seq_idx;
    in.cu_seqlens = c.cu_seqlens;
    in.dt_softplus = c.dt_softplus;
    in.dt_min = double(c.dt_min);
    in.dt_max = double(c.dt_max);
    return in;
}

SelectiveInputs slice(const SelectiveInputs& in, uint64_t row, uint64_t rows, uint64_t first, uint64_t count) {
    const SelectiveShape& n = in.shape;
    SelectiveInputs out = in;
    out.shape.batch = rows;
    out.shape.seqlen = count;
    const auto cut = [&](auto* values) { *values = tokens_of(*values, n, row, rows, first, count); };
    for (auto member : {&SelectiveInputs::x, &SelectiveInputs::dt, &SelectiveInputs::z}) cut(&(out.*member));
    if (!in.B_fixed) cut(&out.B);
    if (!in.C_fixed) cut(&out.C);
    cut(&out.seq_idx);
    if (in.cu_seqlens.empty() && !in.initial_states.empty()) {
        const ptrdiff_t per_row = ptrdiff_t(n.channels * n.dstate);
        const auto begin = in.initial_states.begin() + ptrdiff_t(row) * per_row;
        out.initial_states.assign(begin, begin + ptrdiff_t(rows) * per_row);
    }
    return out;
}

OpRun run_ok(const SelectiveCase& c, const SelectiveInputs& in) {
    INFO(c.text());
    OpRun run = run_op_ok(set_up(c, in));
    bool found = false;
    for (const OpStage& stage : run.stages) {
        if (stage.name != "selective_scan") continue;
        found = true;
        if (c.path.variant != Variant::automatic) CHECK(stage.variant == c.path.variant);
        CHECK(stage.reason != "");
    }
    CHECK(found);
    return run;
}

const std::vector<float>& final_states(const SelectiveCase& c, const OpRun& run) {
    return run.out.at(c.in_place ? "initial_states" : "final_states");
}

OpRun check_case(const SelectiveCase& c, uint64_t seed) {
    INFO(c.text());
    const SelectiveInputs in = make_inputs(c, seed);
    OpRun run = run_ok(c, in);
    const uint64_t tokens = c.record_seqlen ? c.record_seqlen : c.shape.seqlen;
    const SelectiveOutputs want = selective_scan_ref(slice(in, 0, c.shape.batch, 0, tokens));
    CHECK(relative_rms(tokens_of(run.out.at("y"), c.shape, 0, c.shape.batch, 0, tokens), want.y) <= tolerance(c.y_dtype));
    if (c.final_states)
        CHECK(relative_rms(final_states(c, run), want.final_states) <= tolerance(c.in_place ? c.initial_dtype : c.final_dtype));
    return run;
}

}  // namespace scandium::test

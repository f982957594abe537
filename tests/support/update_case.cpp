#include "support/update_case.h"

#include <catch2/catch_test_macros.hpp>

#include "support/compare.h"
#include "support/random.h"

namespace scandium::test {
namespace {

// Elements of `values` whose entry along the first axis is wanted.
template <class T>
std::vector<T> entries(const std::vector<T>& values, const std::vector<bool>& wanted) {
    const size_t per_entry = values.size() / wanted.size();
    std::vector<T> out;
    for (size_t i = 0; i < wanted.size(); ++i)
        if (wanted[i]) out.insert(out.end(), values.begin() + ptrdiff_t(i * per_entry), values.begin() + ptrdiff_t((i + 1) * per_entry));
    return out;
}

std::vector<bool> widen(const std::vector<bool>& entries, size_t per_entry) {
    std::vector<bool> out;
    for (bool entry : entries) out.insert(out.end(), per_entry, entry);
    return out;
}

std::vector<double> widened(const std::vector<int32_t>& values) { return {values.begin(), values.end()}; }

// Only the tokens that are recorded.
UpdateInputs shortened(const UpdateCase& c, const UpdateInputs& in) {
    UpdateInputs out = in;
    if (!c.record_tokens) return out;
    const uint64_t rows = in.shape.batch, before = in.shape.ntokens;
    out.shape.ntokens = c.record_tokens;
    for (auto member : {&UpdateInputs::x, &UpdateInputs::dt, &UpdateInputs::B, &UpdateInputs::C, &UpdateInputs::z}) {
        const size_t per_token = (in.*member).size() / (rows * before);
        (out.*member).clear();
        for (uint64_t b = 0; b < rows; ++b)
            (out.*member)
                .insert((out.*member).end(), (in.*member).begin() + ptrdiff_t(b * before * per_token),
                        (in.*member).begin() + ptrdiff_t((b * before + c.record_tokens) * per_token));
    }
    return out;
}

// Which of a row's planned tokens are run, for every row.
std::vector<bool> tokens_run(const UpdateCase& c, const std::vector<bool>& rows) {
    std::vector<bool> out;
    for (bool row : rows)
        for (uint64_t t = 0; t < c.shape.ntokens; ++t) out.push_back(row && (!c.record_tokens || t < c.record_tokens));
    return out;
}

}  // namespace

UpdateCase& UpdateCase::with_everything() {
    D = z = dt_bias = snapshots = dt_softplus = true;
    dt_min = 0.001f;
    dt_max = 0.5f;
    return *this;
}

std::string UpdateCase::text() const {
    const UpdateShape& n = shape;
    std::string text = "batch " + std::to_string(n.batch) + " ntokens " + std::to_string(n.ntokens) + " nheads " +
                       std::to_string(n.nheads) + " headdim " + std::to_string(n.headdim) + " ngroups " + std::to_string(n.ngroups) +
                       " dstate " + std::to_string(n.dstate) + " slots " + std::to_string(n.slots) + "/" + std::to_string(n.slots_out);
    text += std::string(per_head ? " per head" : " per element") + " state:" + to_string(state_dtype) + " io:" + to_string(io_dtype);
    const std::pair<const char*, bool> flags[] = {{" D", D},
                                                  {" z", z},
                                                  {" dt_bias", dt_bias},
                                                  {" snapshots", snapshots},
                                                  {" softplus", dt_softplus},
                                                  {" indices", !indices.empty()},
                                                  {" indices_out", !indices_out.empty()},
                                                  {" state_out", state_out != StateOut::in_place}};
    for (const auto& [name, set] : flags)
        if (set) text += name;
    return text + " recorded " + std::to_string(record_tokens) + " " + to_text(path);
}

UpdateInputs make_inputs(const UpdateCase& c, uint64_t seed) {
    const UpdateShape& n = c.shape;
    const uint64_t tokens = n.batch * n.ntokens, small = n.nheads * (c.per_head ? 1 : n.headdim), slots = n.slots ? n.slots : n.batch;
    Random random(seed);
    UpdateInputs in;
    in.shape = n;
    in.per_head = c.per_head;
    in.state = random.normals(slots * n.nheads * n.headdim * n.dstate, c.state_dtype);
    in.x = random.normals(tokens * n.nheads * n.headdim, c.io_dtype);
    in.dt = c.dt_softplus ? random.uniforms(tokens * small, -4, 0, c.io_dtype) : random.uniforms(tokens * small, 0.01, 0.5, c.io_dtype);
    in.A = random.uniforms(small * (c.per_head ? 1 : n.dstate), -4, -0.1, DType::f32);
    in.B = random.normals(tokens * n.ngroups * n.dstate, c.io_dtype);
    in.C = random.normals(tokens * n.ngroups * n.dstate, c.io_dtype);
    if (c.D) in.D = random.normals(small, DType::f32);
    if (c.z) in.z = random.normals(tokens * n.nheads * n.headdim, c.io_dtype);
    if (c.dt_bias) in.dt_bias = random.uniforms(small, -0.5, 0.5, DType::f32);
    in.indices = c.indices;
    in.indices_out = c.indices_out;
    in.pad = c.pad;
    in.dt_softplus = c.dt_softplus;
    in.dt_min = double(c.dt_min);
    in.dt_max = double(c.dt_max);
    return in;
}

SelectiveStateUpdate update_of(const UpdateCase& c, const std::function<TensorId(const std::string&)>& id) {
    SelectiveStateUpdate op;
    op.state = id("state");
    op.x = id("x");
    op.dt = id("dt");
    op.A = id("A");
    op.B = id("B");
    op.C = id("C");
    op.D = id("D");
    op.z = id("z");
    op.dt_bias = id("dt_bias");
    op.state_batch_indices = id("state_batch_indices");
    op.state_out = id("state_out");
    op.state_indices_out = id("state_indices_out");
    op.snapshots = id("snapshots");
    op.y = id("y");
    op.pad_slot_id = c.pad;
    op.dt_softplus = c.dt_softplus;
    op.dt_min = c.dt_min;
    op.dt_max = c.dt_max;
    op.variant = c.path.variant;
    return op;
}

OpSetup set_up(const UpdateCase& c, const UpdateInputs& in) {
    const UpdateShape& n = c.shape;
    const UpdateOutputs want = selective_state_update_ref(in);
    const std::vector<bool> tokens = tokens_run(c, want.rows);
    const uint64_t slots = n.slots ? n.slots : n.batch, slots_out = n.slots_out ? n.slots_out : slots;
    const auto per_token = [&](std::vector<uint64_t> rest) {
        if (c.token_axis) rest.insert(rest.begin(), n.ntokens);
        rest.insert(rest.begin(), n.batch);
        return rest;
    };
    const std::vector<uint64_t> head = c.per_head ? std::vector<uint64_t>{n.nheads} : std::vector<uint64_t>{n.nheads, n.headdim};
    const bool in_place = c.state_out == StateOut::in_place;
    const size_t per_slot = n.nheads * n.headdim * n.dstate;
    OpSetup s;
    s.add("state", c.state_dtype, {slots, n.nheads, n.headdim, n.dstate}, in.state, in_place, c.state_layout);
    if (in_place) s.tensors.back().writable = widen(want.slots, per_slot);
    s.add("x", c.io_dtype, per_token({n.nheads, n.headdim}), in.x, false, c.x_layout);
    s.add("dt", c.io_dtype, per_token(head), in.dt);
    s.add("A", DType::f32, c.per_head ? head : std::vector<uint64_t>{n.nheads, n.headdim, n.dstate}, in.A);
    s.add("B", c.io_dtype, per_token({n.ngroups, n.dstate}), in.B);
    s.add("C", c.io_dtype, per_token({n.ngroups, n.dstate}), in.C);
    if (c.D) s.add("D", DType::f32, head, in.D);
    if (c.z) s.add("z", c.io_dtype, per_token({n.nheads, n.headdim}), in.z, false, c.x_layout);
    if (c.dt_bias) s.add("dt_bias", DType::f32, head, in.dt_bias);
    if (!c.indices.empty()) s.add("state_batch_indices", DType::i32, {n.batch}, widened(c.indices));
    if (!c.indices_out.empty()) s.add("state_indices_out", DType::i32, {n.batch}, widened(c.indices_out));
    s.add("y", c.io_dtype, per_token({n.nheads, n.headdim}), {}, true, c.x_layout).writable = widen(tokens, n.nheads * n.headdim);
    if (!in_place) {
        s.add("state_out", c.state_dtype, {slots_out, n.nheads, n.headdim, n.dstate}, {}, true, c.state_layout);
        s.tensors.back().writable = widen(want.slots, per_slot);
    }
    if (c.snapshots) {
        s.add("snapshots", DType::f32, {n.batch, n.ntokens, n.nheads, n.headdim, n.dstate}, {}, true);
        s.tensors.back().writable = widen(tokens, per_slot);
    }
    s.append = [c](Graph* graph, const auto& id) { return selective_state_update(graph, update_of(c, id)); };
    s.access = c.path.access;
    s.alignment = c.path.alignment;
    s.record_seqlen = c.record_tokens;
    s.separate_buffers = c.separate_buffers;
    return s;
}

OpRun run_ok(const UpdateCase& c, const UpdateInputs& in) {
    INFO(c.text());
    OpRun run = run_op_ok(set_up(c, in));
    REQUIRE(!run.stages.empty());
    for (const OpStage& stage : run.stages) {
        if (stage.name != "selective_state_update") continue;
        if (c.path.variant != Variant::automatic) CHECK(stage.variant == c.path.variant);
        CHECK(stage.reason != "");
    }
    return run;
}

void check_case(const UpdateCase& c, uint64_t seed) {
    INFO(c.text());
    const UpdateInputs in = make_inputs(c, seed);
    const OpRun run = run_ok(c, in);
    const UpdateOutputs want = selective_state_update_ref(shortened(c, in));
    const std::vector<bool> tokens = tokens_run(c, want.rows);
    const auto rows_of = [&](const std::vector<double>& values) { return entries(values, want.rows); };
    CHECK(relative_rms(entries(run.out.at("y"), tokens), rows_of(want.y)) <= tolerance(c.io_dtype));
    const std::vector<float>& state = run.out.at(c.state_out == StateOut::in_place ? "state" : "state_out");
    CHECK(relative_rms(entries(state, want.slots), entries(want.state, want.slots)) <= tolerance(c.state_dtype));
    if (c.snapshots) CHECK(relative_rms(entries(run.out.at("snapshots"), tokens), rows_of(want.snapshots)) <= tolerance(DType::f32));
}

}  // namespace scandium::test

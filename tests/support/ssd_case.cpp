#include "support/ssd_case.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "support/compare.h"
#include "support/random.h"

namespace scandium::test {
namespace {

struct Member {
    const char* name;
    TensorId SsdScan::*id;
};

constexpr Member kMembers[] = {
    {"x", &SsdScan::x},
    {"dt", &SsdScan::dt},
    {"A", &SsdScan::A},
    {"B", &SsdScan::B},
    {"C", &SsdScan::C},
    {"D", &SsdScan::D},
    {"z", &SsdScan::z},
    {"dt_bias", &SsdScan::dt_bias},
    {"initial_states", &SsdScan::initial_states},
    {"seq_idx", &SsdScan::seq_idx},
    {"cu_seqlens", &SsdScan::cu_seqlens},
    {"y", &SsdScan::y},
    {"final_states", &SsdScan::final_states},
    {"states", &SsdScan::states},
};

std::string number(double value) {
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

std::string layout_text(const char* name, const Layout& layout) {
    if (layout.order.empty() && layout.padding == 0 && layout.step == 1 && layout.slowest_stride == 0) return {};
    std::string text = std::string(" ") + name + "_layout(";
    for (uint32_t axis : layout.order) text += std::to_string(axis);
    return text + " padding " + std::to_string(layout.padding) + " step " + std::to_string(layout.step) + " slowest stride " +
           std::to_string(layout.slowest_stride) + ")";
}

// Copies elements [first, first + count) of the second axis of rows [row, row + rows).
template <class T>
std::vector<T> cut(const std::vector<T>& values, uint64_t batch, uint64_t seqlen, uint64_t row, uint64_t rows, uint64_t first,
                   uint64_t count) {
    const uint64_t per_token = values.size() / (batch * seqlen);
    std::vector<T> out;
    for (uint64_t r = row; r < row + rows; ++r) {
        const auto begin = values.begin() + ptrdiff_t((r * seqlen + first) * per_token);
        out.insert(out.end(), begin, begin + ptrdiff_t(count * per_token));
    }
    return out;
}

}  // namespace

SsdCase& SsdCase::with_io(DType dtype) {
    x_dtype = bc_dtype = z_dtype = y_dtype = dtype;
    return *this;
}

SsdCase& SsdCase::with_everything() {
    D = SsdD::per_head;
    z = dt_bias = initial_states = dt_softplus = true;
    dt_min = 0.001f;
    dt_max = 0.1f;
    return *this;
}

std::string SsdCase::text() const {
    const SsdShape& n = shape;
    std::string text = "batch " + std::to_string(n.batch) + " seqlen " + std::to_string(n.seqlen) + " nheads " + std::to_string(n.nheads) +
                       " headdim " + std::to_string(n.headdim) + " ngroups " + std::to_string(n.ngroups) + " dstate " +
                       std::to_string(n.dstate);
    const std::pair<const char*, DType> dtypes[] = {{"x", x_dtype},         {"B, C", bc_dtype},       {"dt", dt_dtype},
                                                    {"z", z_dtype},         {"y", y_dtype},           {"initial", initial_dtype},
                                                    {"final", final_dtype}, {"states", states_dtype}, {"chunk_states", chunk_states_dtype}};
    for (const auto& [name, dtype] : dtypes)
        if (dtype != DType::f32) text += std::string(" ") + name + ":" + to_string(dtype);
    if (D != SsdD::none) text += D == SsdD::per_head ? " D(nheads)" : " D(nheads, headdim)";
    const std::pair<const char*, bool> flags[] = {{" z", z},
                                                  {" dt_bias", dt_bias},
                                                  {" initial_states", initial_states},
                                                  {" no final_states", !final_states},
                                                  {" states", states},
                                                  {" in place", in_place},
                                                  {" seq_idx", !seq_idx.empty()},
                                                  {" cu_seqlens", !cu_seqlens.empty()},
                                                  {" dt_softplus", dt_softplus},
                                                  {" separate buffers", separate_buffers}};
    for (const auto& [name, set] : flags)
        if (set) text += name;
    if (dt_min > 0) text += " dt_min " + number(double(dt_min));
    if (dt_max < 1e9f) text += " dt_max " + number(double(dt_max));
    if (alignment != 16) text += " aligned by " + std::to_string(alignment);
    if (segments) text += " segments " + std::to_string(segments);
    if (record_seqlen) text += " recorded " + std::to_string(record_seqlen);
    text += layout_text("x", x_layout) + layout_text("dt", dt_layout) + layout_text("bc", bc_layout) + layout_text("state", state_layout) +
            layout_text("boundary", boundary_layout);
    return text + " chunk_size " + std::to_string(chunk_size) + " " + to_text(SsdPath{algorithm, variant, access});
}

double SsdCase::y_tolerance() const {
    double worst = tolerance(y_dtype);
    if (algorithm != SsdAlgorithm::recurrent) worst = std::max(worst, tolerance(chunk_states_dtype));
    // Matrix units multiply in the type of their operands; the other variants compute in f32 whatever is stored.
    if (variant != Variant::scalar && variant != Variant::subgroup) worst = std::max({worst, tolerance(x_dtype), tolerance(bc_dtype)});
    return worst;
}

double SsdCase::state_tolerance() const {
    SsdCase stored = *this;
    stored.y_dtype = in_place ? initial_dtype : final_dtype;
    // The fused form rounds what goes into the state as well as, in 16 bits, the state itself.
    const bool rounds_twice = algorithm == SsdAlgorithm::fused && stored.y_dtype != DType::f32;
    return stored.y_tolerance() * (rounds_twice ? std::sqrt(2.0) : 1);
}

double SsdCase::boundary_tolerance() const {
    SsdCase stored = *this;
    stored.y_dtype = states_dtype;
    return stored.y_tolerance();
}

std::string to_text(const SsdPath& path) {
    return std::string(to_string(path.algorithm)) + "/" + to_string(path.variant) + "/" + to_string(path.access);
}

SsdCase on_path(SsdCase c, const SsdPath& path) {
    c.algorithm = path.algorithm;
    c.variant = path.variant;
    c.access = path.access;
    if (path.access == MemoryAccess::descriptor) c.alignment = 4;
    return c;
}

SsdInputs make_inputs(const SsdCase& c, uint64_t seed) {
    const SsdShape& n = c.shape;
    const uint64_t tokens = n.batch * n.seqlen, rows = c.cu_seqlens.empty() ? n.batch : c.cu_seqlens.size() - 1;
    Random random(seed);
    SsdInputs in;
    in.shape = n;
    in.x = random.normals(tokens * n.nheads * n.headdim, c.x_dtype);
    in.dt =
        c.dt_softplus ? random.uniforms(tokens * n.nheads, -5, -1, c.dt_dtype) : random.uniforms(tokens * n.nheads, 0.001, 0.1, c.dt_dtype);
    in.A = random.uniforms(n.nheads, -4, -0.1, DType::f32);
    in.B = random.normals(tokens * n.ngroups * n.dstate, c.bc_dtype);
    in.C = random.normals(tokens * n.ngroups * n.dstate, c.bc_dtype);
    if (c.D != SsdD::none) in.D = random.normals(n.nheads * (c.D == SsdD::per_head ? 1 : n.headdim), DType::f32);
    if (c.z) in.z = random.normals(tokens * n.nheads * n.headdim, c.z_dtype);
    if (c.dt_bias) in.dt_bias = random.uniforms(n.nheads, -0.5, 0.5, DType::f32);
    if (c.initial_states) in.initial_states = random.normals(rows * n.nheads * n.headdim * n.dstate, c.initial_dtype);
    in.seq_idx = c.seq_idx;
    in.cu_seqlens = c.cu_seqlens;
    in.dt_softplus = c.dt_softplus;
    in.dt_min = double(c.dt_min);
    in.dt_max = double(c.dt_max);
    return in;
}

SsdInputs slice(const SsdInputs& in, uint64_t row, uint64_t rows, uint64_t first, uint64_t count) {
    const uint64_t batch = in.shape.batch, seqlen = in.shape.seqlen;
    SsdInputs out = in;
    out.shape.batch = rows;
    out.shape.seqlen = count;
    for (auto tensor : {&SsdInputs::x, &SsdInputs::dt, &SsdInputs::B, &SsdInputs::C, &SsdInputs::z})
        out.*tensor = cut(in.*tensor, batch, seqlen, row, rows, first, count);
    out.seq_idx = cut(in.seq_idx, batch, seqlen, row, rows, first, count);
    if (in.cu_seqlens.empty()) out.initial_states = cut(in.initial_states, batch, 1, row, rows, 0, 1);
    return out;
}

SsdOutputs expected(const SsdCase& c, const SsdInputs& in) {
    SsdInputs seen = c.record_seqlen ? slice(in, 0, in.shape.batch, 0, c.record_seqlen) : in;
    seen.chunk_size = c.states ? c.chunk_size : 0;
    return ssd_scan_ref(seen);
}

std::map<std::string, PlacedTensor> place_tensors(const SsdCase& c) {
    const SsdShape& n = c.shape;
    const uint64_t rows = c.cu_seqlens.empty() ? n.batch : c.cu_seqlens.size() - 1;
    const std::vector<uint64_t> x_shape = {n.batch, n.seqlen, n.nheads, n.headdim}, bc_shape = {n.batch, n.seqlen, n.ngroups, n.dstate},
                                state_shape = {rows, n.nheads, n.headdim, n.dstate};
    std::map<std::string, PlacedTensor> out;
    const auto add = [&](const char* name, DType dtype, const std::vector<uint64_t>& shape, const Layout& layout = {}) {
        out[name] = place(name, dtype, shape, layout);
        out[name].alignment = c.alignment;
    };
    add("x", c.x_dtype, x_shape, c.x_layout);
    add("dt", c.dt_dtype, {n.batch, n.seqlen, n.nheads}, c.dt_layout);
    add("A", DType::f32, {n.nheads});
    add("B", c.bc_dtype, bc_shape, c.bc_layout);
    add("C", c.bc_dtype, bc_shape, c.bc_layout);
    if (c.D == SsdD::per_head) add("D", DType::f32, {n.nheads});
    if (c.D == SsdD::per_element) add("D", DType::f32, {n.nheads, n.headdim});
    if (c.z) add("z", c.z_dtype, x_shape, c.x_layout);
    if (c.dt_bias) add("dt_bias", DType::f32, {n.nheads});
    if (c.initial_states) add("initial_states", c.initial_dtype, state_shape, c.state_layout);
    if (!c.seq_idx.empty()) add("seq_idx", DType::i32, {n.batch, n.seqlen});
    if (!c.cu_seqlens.empty()) add("cu_seqlens", DType::i32, {c.cu_seqlens.size()});
    add("y", c.y_dtype, x_shape, c.x_layout);
    if (c.final_states && !c.in_place) add("final_states", c.final_dtype, state_shape, c.state_layout);
    const uint64_t nchunks = c.states ? (n.seqlen + c.chunk_size - 1) / c.chunk_size : 0;
    if (c.states) add("states", c.states_dtype, {n.batch, nchunks, n.nheads, n.headdim, n.dstate}, c.boundary_layout);
    return out;
}

SsdScan options_of(const SsdCase& c) {
    SsdScan op;
    op.dt_softplus = c.dt_softplus;
    op.dt_min = c.dt_min;
    op.dt_max = c.dt_max;
    op.chunk_size = c.chunk_size;
    op.max_sequences = c.max_sequences;
    op.segments = c.segments;
    op.chunk_states_dtype = c.chunk_states_dtype;
    op.algorithm = c.algorithm;
    op.variant = c.variant;
    return op;
}

TensorId& member(SsdScan& op, const std::string& name) {
    for (const Member& m : kMembers)
        if (name == m.name) return op.*m.id;
    throw std::logic_error("SsdScan has no tensor " + name);
}

bool is_output(const std::string& name) { return name == "y" || name == "final_states" || name == "states"; }

std::vector<double> values_of(const SsdInputs& in, const std::string& name) {
    if (name == "seq_idx") return {in.seq_idx.begin(), in.seq_idx.end()};
    if (name == "cu_seqlens") return {in.cu_seqlens.begin(), in.cu_seqlens.end()};
    const std::pair<const char*, std::vector<double> SsdInputs::*> members[] = {
        {"x", &SsdInputs::x}, {"dt", &SsdInputs::dt}, {"A", &SsdInputs::A}, {"B", &SsdInputs::B},
        {"C", &SsdInputs::C}, {"D", &SsdInputs::D},   {"z", &SsdInputs::z}, {"dt_bias", &SsdInputs::dt_bias}};
    for (const auto& [key, values] : members)
        if (name == key) return in.*values;
    return in.initial_states;
}

}  // namespace scandium::test

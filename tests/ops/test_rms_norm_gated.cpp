// rms_norm_gated on every path: options, sizes, types, layouts, in place.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string_view>

#include "ref/rms_norm_gated_ref.h"
#include "scandium/ops/rms_norm_gated.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"
#include "support/safetensors.h"
#include "support/test_device.h"

namespace scandium::test {
namespace {

struct NormCase {
    std::vector<uint64_t> shape{3, 192};  // (rows, dim) or (batch, seqlen, dim)
    uint64_t group_size = 0;
    DType x = DType::f32, z = DType::f32, weight = DType::f32, residual = DType::f32, y = DType::f32, residual_out = DType::f32;
    bool has_z = false, has_bias = false, has_residual = false, has_residual_out = false;
    NormKind kind = NormKind::rms;
    bool norm_before_gate = false;
    float eps = 1e-5f;
    double offset = 0;                       // of x, in standard deviations
    std::string_view y_in, residual_out_in;  // inputs that the outputs replace
    Layout layout;
    uint64_t record_seqlen = 0;

    uint64_t dim() const { return shape.back(); }
    uint64_t elements() const {
        uint64_t n = 1;
        for (uint64_t size : shape) n *= size;
        return n;
    }
    NormCase& with_io(DType dtype) {
        x = z = residual = y = dtype;
        return *this;
    }
    NormCase& with_everything() {
        has_z = has_bias = has_residual = has_residual_out = true;
        return *this;
    }
};

NormInputs make_inputs(const NormCase& c, uint64_t seed = 1) {
    Random random(seed);
    NormInputs in;
    in.dim = c.dim();
    in.rows = c.elements() / c.dim();
    in.group_size = c.group_size ? c.group_size : c.dim();
    in.x = random.normals(c.elements(), c.x);
    for (double& v : in.x) v = rounded(v + c.offset, c.x);
    in.weight = random.uniforms(c.dim(), 0.5, 1.5, c.weight);
    if (c.has_z) in.z = random.normals(c.elements(), c.z);
    if (c.has_bias) in.bias = random.normals(c.dim(), c.weight);
    if (c.has_residual) in.residual = random.normals(c.elements(), c.residual);
    in.layer = c.kind == NormKind::layer;
    in.norm_before_gate = c.norm_before_gate;
    in.eps = double(c.eps);
    return in;
}

// Elements of tokens that a recording of `record_seqlen` tokens reaches.
std::vector<bool> recorded(const NormCase& c) {
    std::vector<bool> out;
    for (uint64_t i = 0; i < c.elements(); ++i) out.push_back(i / c.dim() % c.shape[1] < c.record_seqlen);
    return out;
}

OpSetup make_setup(const NormCase& c, const NormInputs& in, const OpPath& path) {
    OpSetup setup;
    setup.access = path.access;
    setup.alignment = path.alignment;
    setup.record_seqlen = c.record_seqlen;
    const auto replaced = [&](const char* name) { return c.y_in == name || c.residual_out_in == name; };
    setup.add("x", c.x, c.shape, in.x, replaced("x"), c.layout);
    if (c.has_z) setup.add("z", c.z, c.shape, in.z, replaced("z"), c.layout);
    setup.add("weight", c.weight, {c.dim()}, in.weight);
    if (c.has_bias) setup.add("bias", c.weight, {c.dim()}, in.bias);
    if (c.has_residual) setup.add("residual", c.residual, c.shape, in.residual, replaced("residual"), c.layout);
    if (c.y_in.empty()) setup.add("y", c.y, c.shape, {}, true, c.layout);
    if (c.has_residual_out && c.residual_out_in.empty()) setup.add("residual_out", c.residual_out, c.shape, {}, true, c.layout);
    if (c.record_seqlen)
        for (OpTensor& tensor : setup.tensors)
            if (tensor.written) tensor.writable = recorded(c);
    setup.append = [c, path](Graph* graph, const std::function<TensorId(const std::string&)>& id) {
        RmsNormGated op;
        op.x = id("x");
        op.z = id("z");
        op.weight = id("weight");
        op.bias = id("bias");
        op.residual = id("residual");
        op.y = id(c.y_in.empty() ? "y" : std::string(c.y_in));
        op.residual_out = id(c.residual_out_in.empty() ? "residual_out" : std::string(c.residual_out_in));
        op.kind = c.kind;
        op.eps = c.eps;
        op.group_size = c.group_size;
        op.norm_before_gate = c.norm_before_gate;
        op.variant = path.variant;
        return rms_norm_gated(graph, op);
    };
    return setup;
}

double tolerance_of(DType dtype) { return dtype == DType::f32 ? 1e-6 : tolerance(dtype); }

template <class T>
std::vector<T> kept(const NormCase& c, const std::vector<T>& values) {
    if (!c.record_seqlen) return values;
    const std::vector<bool> wanted = recorded(c);
    std::vector<T> out;
    for (size_t i = 0; i < values.size(); ++i)
        if (wanted[i]) out.push_back(values[i]);
    return out;
}

void check_case(const NormCase& c, const OpPath& path, uint64_t seed = 1) {
    INFO(to_text(path) << " rows " << c.elements() / c.dim() << " dim " << c.dim() << " group " << c.group_size);
    const NormInputs in = make_inputs(c, seed);
    const NormOutputs want = rms_norm_gated_ref(in);
    const OpRun run = run_op_ok(make_setup(c, in, path));
    REQUIRE(run.stages.size() >= 1);
    CHECK(relative_rms(kept(c, run.out.at(c.y_in.empty() ? "y" : std::string(c.y_in))), kept(c, want.y)) <= tolerance_of(c.y));
    if (c.has_residual_out) {
        const std::vector<float>& got = run.out.at(c.residual_out_in.empty() ? "residual_out" : std::string(c.residual_out_in));
        CHECK(relative_rms(kept(c, got), kept(c, want.residual_out)) <= tolerance_of(c.residual_out));
    }
    for (const OpStage& stage : run.stages)
        if (stage.name == "rms_norm_gated" && path.variant != Variant::automatic) {
            CHECK(stage.variant == path.variant);
            CHECK(stage.reason != "");
        }
}

TEST_CASE("norm: each option alone") {
    const OpPath path = GENERATE(from_range(op_paths()));
    const int option = GENERATE(range(0, 8));
    NormCase c;
    if (option == 1) c.has_z = true;
    if (option == 2) c.has_z = c.norm_before_gate = true;
    if (option == 3) c.has_bias = true;
    if (option == 4) c.has_residual = true;
    if (option == 5) c.has_residual_out = true;
    if (option == 6) c.kind = NormKind::layer;
    if (option == 7) c.eps = 0.7f;
    CAPTURE(option);
    check_case(c, path);
}

TEST_CASE("norm: every option together, in both orders and kinds") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const bool norm_first = GENERATE(false, true);
    const NormKind kind = GENERATE(NormKind::rms, NormKind::layer);
    NormCase c;
    c.with_everything();
    c.norm_before_gate = norm_first;
    c.kind = kind;
    c.group_size = 64;
    check_case(c, path);
}

TEST_CASE("norm: sizes that fill no pack, team or workgroup") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const uint64_t dim = GENERATE(1, 3, 8, 63, 260, 832, 1000);
    NormCase c;
    c.shape = {5, dim};
    c.has_z = true;
    c.kind = NormKind::layer;
    check_case(c, path);
}

TEST_CASE("norm: groups of any size") {
    const OpPath path = GENERATE(from_range(op_paths()));
    const auto [dim, group] = GENERATE(std::pair(12, 3), std::pair(60, 20), std::pair(63, 9), std::pair(96, 1), std::pair(1024, 64),
                                       std::pair(1152, 384), std::pair(2048, 1024));
    const DType io = GENERATE(DType::f32, DType::bf16);
    NormCase c;
    c.shape = {3, uint64_t(dim)};
    c.group_size = uint64_t(group);
    c.has_z = true;
    check_case(c.with_io(io), path);
}

TEST_CASE("norm: rows of every length up to the longest") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const uint64_t dim = GENERATE(4096, 8191, 32768);
    const bool norm_first = GENERATE(false, true);
    NormCase c;
    c.shape = {2, dim};
    c.with_everything();
    c.norm_before_gate = norm_first;
    c.kind = NormKind::layer;
    check_case(c, path);
}

TEST_CASE("norm: element types, each tensor for itself") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const int which = GENERATE(range(0, 5));
    NormCase c;
    c.shape = {4, 328};
    c.with_everything();
    if (which == 0) c.with_io(DType::f16);
    if (which == 1) c.with_io(DType::bf16).weight = DType::bf16;
    if (which == 2) c.x = c.weight = DType::f16, c.y = DType::bf16;
    if (which == 3) c.x = DType::bf16;  // residual stream in f32
    if (which == 4) c.z = c.residual = c.residual_out = DType::bf16, c.y = DType::f16;
    CAPTURE(which);
    check_case(c, path);
}

TEST_CASE("norm: outputs in the place of inputs") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const auto [y_in, residual_out_in] = GENERATE(std::pair("x", ""), std::pair("z", "residual"), std::pair("residual", "x"),
                                                  std::pair("", "residual"), std::pair("x", "z"));
    const uint64_t dim = GENERATE(192, 16384);
    NormCase c;
    c.shape = {3, dim};
    c.with_everything();
    c.y_in = y_in;
    c.residual_out_in = residual_out_in;
    c.norm_before_gate = dim > 1000;
    CAPTURE(y_in, residual_out_in);
    check_case(c, path);
}

TEST_CASE("norm: rows and elements apart in memory") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    NormCase c;
    c.with_everything();
    c.shape = {2, 5, 72};
    const int layout = GENERATE(range(0, 5));
    const DType io = GENERATE(DType::f32, DType::f16);
    if (layout == 0) c.layout.padding = 8;
    if (layout == 1) c.layout.padding = 3;
    if (layout == 2) c.layout.step = 2;
    if (layout == 3) c.layout.order = {0, 2, 1};
    if (layout == 4) c.layout.order = {1, 0, 2};
    CAPTURE(layout);
    check_case(c.with_io(io), path);
}

TEST_CASE("norm: batches of tokens, and fewer than planned") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const uint64_t tokens = GENERATE(0, 1, 4, 9);
    const uint64_t dim = GENERATE(24, 320);
    NormCase c;
    c.shape = {3, 9, dim};
    c.with_everything();
    c.record_seqlen = tokens;
    check_case(c, path);
}

TEST_CASE("norm: a batch of single tokens") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    NormCase c;
    c.shape = {70, 1, 40};
    c.with_everything();
    check_case(c, path);
}

TEST_CASE("norm: the mean is taken off before squares are summed") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    NormCase c;
    c.kind = NormKind::layer;
    c.offset = 300;
    c.shape = {3, 2048};
    const NormInputs in = make_inputs(c);
    const OpRun run = run_op_ok(make_setup(c, in, path));
    CHECK(relative_rms(run.out.at("y"), rms_norm_gated_ref(in).y) <= 2e-5);  // sums of squares would be off by 1e-2
}

TEST_CASE("norm: a row of zeros gives zeros, and no row depends on another") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    NormCase c;
    c.shape = {40, 36};
    NormInputs in = make_inputs(c);
    for (uint64_t i = 0; i < 36; ++i) in.x[7 * 36 + i] = 0;
    for (uint64_t i = 0; i < 36; ++i) in.x[9 * 36 + i] = 1e18;  // its squares fit f32, and no other row's sum may hold them
    const OpRun run = run_op_ok(make_setup(c, in, path));
    CHECK(relative_rms(run.out.at("y"), rms_norm_gated_ref(in).y) <= 1e-6);
    for (uint64_t i = 0; i < 36; ++i) CHECK(run.out.at("y")[7 * 36 + i] == 0);
}

TEST_CASE("norm: reference files") {
    const OpPath path = GENERATE(from_range(op_paths()));
    const std::string name = GENERATE("norm_gate_first", "norm_gate_last_groups", "norm_plain");
    const StoredFile file = read_safetensors(std::string(SCANDIUM_TEST_REFERENCE_DIR) + "/" + name + ".safetensors");
    NormCase c;
    c.shape = file.at("x").shape;
    c.with_io(file.at("x").dtype);
    c.has_z = file.has("z");
    c.group_size = std::stoull(file.option("group_size", "0"));
    c.norm_before_gate = file.option("norm_before_gate", "") == "1";
    c.eps = std::stof(file.option("eps", ""));
    NormInputs in = make_inputs(c);
    in.x = file.at("x").values();
    in.weight = file.at("weight").values();
    if (c.has_z) in.z = file.at("z").values();
    CAPTURE(name, to_text(path));
    const OpRun run = run_op_ok(make_setup(c, in, path));
    CHECK(relative_rms(run.out.at("y"), file.at("expected.y").values()) <= tolerance_of(c.y));
    CHECK(relative_rms(rms_norm_gated_ref(in).y, file.at("expected.y").values()) <= 1e-7);
}

TEST_CASE("norm: automatic takes subgroups where they can be trusted") {
    const NormCase c;
    const OpRun run = run_op_ok(make_setup(c, make_inputs(c), OpPath()));
    const Caps& caps = TestDevice::get().caps();
    const bool fixed =
        caps.min_subgroup_size == caps.max_subgroup_size || (caps.can_require_subgroup_size && caps.features.compute_full_subgroups);
    const bool trusted = caps.subgroup_arithmetic && caps.subgroup_shuffle && caps.subgroup_size >= 4 && fixed;
    CHECK(run.stages.back().variant == (trusted ? Variant::subgroup : Variant::scalar));
}

// ---- misuse -----------------------------------------------------------------------------------------------------

void check_refused(const NormCase& c, const std::function<void(OpSetup&)>& change, const std::string& word) {
    OpSetup setup = make_setup(c, make_inputs(c), OpPath());
    change(setup);
    const OpRun run = run_op(setup);
    CHECK(run.result == Result::invalid_argument);
    CHECK_THAT(run.message, Catch::Matchers::ContainsSubstring("rms_norm_gated") && Catch::Matchers::ContainsSubstring(word));
}

void replace(OpSetup& setup, const std::string& name, DType dtype, const std::vector<uint64_t>& shape) {
    for (OpTensor& tensor : setup.tensors)
        if (tensor.tensor.name == name) tensor.tensor = place(name, dtype, shape);
}

TEST_CASE("norm: a tensor that does not fit is named") {
    NormCase c;
    c.with_everything();
    const std::string name = GENERATE("z", "weight", "bias", "residual", "y", "residual_out");
    const bool row = name == "weight" || name == "bias";
    const std::vector<uint64_t> right = row ? std::vector<uint64_t>{192} : std::vector<uint64_t>{3, 192};
    std::vector<uint64_t> wider = right, deeper = right;
    wider.back() += 1;
    deeper.insert(deeper.begin(), 1);
    check_refused(
        c, [&](OpSetup& setup) { replace(setup, name, DType::i32, right); }, name);
    check_refused(
        c, [&](OpSetup& setup) { replace(setup, name, DType::f32, wider); }, name);
    check_refused(
        c, [&](OpSetup& setup) { replace(setup, name, DType::f32, deeper); }, name);
}

TEST_CASE("norm: options out of range are named") {
    NormCase c;
    SECTION("group_size") {
        c.group_size = 65;
        check_refused(
            c, [](OpSetup&) {}, "group_size");
        c.group_size = 384;
        check_refused(
            c, [](OpSetup&) {}, "group_size");
    }
    SECTION("eps") {
        c.eps = -1;
        check_refused(
            c, [](OpSetup&) {}, "eps");
        c.eps = INFINITY;
        check_refused(
            c, [](OpSetup&) {}, "eps");
    }
    SECTION("kind") {
        c.kind = NormKind(7);
        check_refused(
            c, [](OpSetup&) {}, "kind");
    }
    SECTION("dim") {
        c.shape = {1, 32769};
        check_refused(
            c, [](OpSetup&) {}, "32768");
    }
    SECTION("rank") {
        c.shape = {2, 2, 2, 8};
        check_refused(
            c, [](OpSetup&) {}, "rank");
    }
    SECTION("missing") {
        check_refused(
            c, [](OpSetup& setup) { setup.tensors.erase(setup.tensors.begin()); }, "x is missing");
        check_refused(
            c, [](OpSetup& setup) { setup.tensors.erase(setup.tensors.begin() + 1); }, "weight is missing");
        check_refused(
            c, [](OpSetup& setup) { setup.tensors.pop_back(); }, "y is missing");
    }
    SECTION("two outputs in one place") {
        c.with_everything();
        c.y_in = c.residual_out_in = "x";
        check_refused(
            c, [](OpSetup&) {}, "residual_out");
    }
}

}  // namespace
}  // namespace scandium::test

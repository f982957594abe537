// silu, softplus, add and swiglu on every path: sizes, types, layouts, in place, fewer tokens.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string_view>

#include "ref/elementwise_ref.h"
#include "scandium/ops/elementwise.h"
#include "scandium/ops/swiglu.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"
#include "support/safetensors.h"

namespace scandium::test {
namespace {

using Ids = std::function<TensorId(const std::string&)>;

enum class Op { silu, softplus, copy, add, swiglu };

struct ElementCase {
    Op op = Op::silu;
    std::vector<uint64_t> shape{5, 40};  // of y
    DType a = DType::f32, b = DType::f32, y = DType::f32;
    Layout in_layout, out_layout;
    std::string_view y_in;  // the input that y replaces
    uint32_t token_axis = kMaxRank;
    uint64_t record_seqlen = 0;
    double spread = 3;

    uint64_t elements() const {
        uint64_t n = 1;
        for (uint64_t size : shape) n *= size;
        return n;
    }
};

struct ElementInputs {
    std::vector<double> a, b;  // swiglu: a is x
};

ElementInputs make_inputs(const ElementCase& c) {
    Random random(7);
    ElementInputs in;
    in.a = random.normals(c.elements() * (c.op == Op::swiglu ? 2 : 1), c.a);
    for (double& v : in.a) v = rounded(v * c.spread, c.a);
    if (c.op == Op::add) in.b = random.normals(c.elements(), c.b);
    return in;
}

std::vector<double> expected(const ElementCase& c, const ElementInputs& in) {
    if (c.op == Op::swiglu) return swiglu_ref(in.a, c.shape.back());
    std::vector<double> y;
    for (size_t i = 0; i < in.a.size(); ++i)
        y.push_back(c.op == Op::silu       ? silu(in.a[i])
                    : c.op == Op::softplus ? softplus(in.a[i])
                    : c.op == Op::copy     ? in.a[i]
                                           : in.a[i] + in.b[i]);
    return y;
}

Result append(Graph* graph, const ElementCase& c, const Ids& id) {
    const TensorId y = id(c.y_in.empty() ? "y" : std::string(c.y_in));
    if (c.op == Op::add) return scandium::add(graph, {id("a"), id("b"), y, c.token_axis});
    if (c.op == Op::swiglu) return scandium::swiglu(graph, {id("x"), y});
    const Activation op{id("x"), y, c.token_axis};
    if (c.op == Op::copy) return scandium::copy(graph, op);
    return c.op == Op::silu ? scandium::silu(graph, op) : scandium::softplus(graph, op);
}

// Elements whose index along the token axis is recorded.
std::vector<bool> recorded(const ElementCase& c) {
    std::vector<bool> out(c.elements(), true);
    const uint32_t axis = c.op == Op::swiglu && c.shape.size() == 3 ? 1 : c.token_axis;
    if (!c.record_seqlen || axis == kMaxRank) return out;
    uint64_t inner = 1;
    for (size_t i = axis + 1; i < c.shape.size(); ++i) inner *= c.shape[i];
    for (size_t i = 0; i < out.size(); ++i) out[i] = i / inner % c.shape[axis] < c.record_seqlen;
    return out;
}

OpSetup make_setup(const ElementCase& c, const ElementInputs& in, const OpPath& path) {
    OpSetup setup;
    setup.access = path.access;
    setup.alignment = path.alignment;
    setup.record_seqlen = c.record_seqlen;
    std::vector<uint64_t> shape = c.shape;
    if (c.op == Op::swiglu) shape.back() *= 2;
    const char* first = c.op == Op::add ? "a" : "x";
    setup.add(first, c.a, shape, in.a, c.y_in == first, c.in_layout);
    if (c.op == Op::add) setup.add("b", c.b, shape, in.b, c.y_in == "b", c.in_layout);
    if (c.y_in.empty()) setup.add("y", c.y, c.shape, {}, true, c.out_layout);
    for (OpTensor& tensor : setup.tensors)
        if (tensor.written) tensor.writable = recorded(c);
    setup.append = [c](Graph* graph, const Ids& id) { return append(graph, c, id); };
    return setup;
}

void check_case(const ElementCase& c, const OpPath& path) {
    INFO(to_text(path) << " op " << int(c.op) << " rank " << c.shape.size() << " last axis " << c.shape.back());
    const ElementInputs in = make_inputs(c);
    const OpRun run = run_op_ok(make_setup(c, in, path));
    const std::vector<float>& y = run.out.at(c.y_in.empty() ? "y" : std::string(c.y_in));
    const std::vector<double> all = expected(c, in);
    const std::vector<bool> wanted = recorded(c);
    REQUIRE(y.size() == all.size());
    std::vector<double> got, want;
    for (size_t i = 0; i < all.size(); ++i)
        if (wanted[i]) {
            got.push_back(double(y[i]));
            want.push_back(all[i]);
        }
    CHECK(relative_rms(got, want) <= (c.y == DType::f32 ? 1e-6 : tolerance(c.y)));
}

TEST_CASE("elementwise: each operator over sizes that fill no pack") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    ElementCase c;
    c.op = GENERATE(Op::silu, Op::softplus, Op::copy, Op::add, Op::swiglu);
    c.shape = GENERATE(std::vector<uint64_t>{1, 1}, std::vector<uint64_t>{3, 7}, std::vector<uint64_t>{5, 192});
    check_case(c, path);
}

TEST_CASE("elementwise: more than a workgroup") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    ElementCase c;
    c.op = GENERATE(Op::add, Op::swiglu);
    c.shape = {9, 4099};
    check_case(c, path);
}

TEST_CASE("elementwise: element types, each tensor for itself") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const int which = GENERATE(range(0, 4));
    ElementCase c;
    c.op = GENERATE(Op::add, Op::swiglu);
    c.shape = {4, 88};
    if (which == 0) c.a = c.b = c.y = DType::f16;
    if (which == 1) c.a = c.b = c.y = DType::bf16;
    if (which == 2) c.b = DType::bf16, c.y = DType::f16;
    if (which == 3) c.a = DType::bf16;
    CAPTURE(which);
    check_case(c, path);
}

TEST_CASE("elementwise: any rank and order of axes") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const int which = GENERATE(range(0, 8));
    ElementCase c;
    c.op = Op::add;
    c.shape = {2, 3, 4, 5, 12};
    if (which == 1) c.shape = {130};
    if (which == 2) c.in_layout.order = c.out_layout.order = {4, 2, 0, 1, 3};
    if (which == 3) c.out_layout.order = {1, 0, 3, 2, 4};
    if (which == 4) c.in_layout.order = {4, 3, 2, 1, 0};
    if (which == 5) c.in_layout.padding = 4, c.out_layout.padding = 3;
    if (which == 6) c.in_layout.step = 2;
    if (which == 7) c.shape = {1, 6, 1, 8, 1};
    CAPTURE(which);
    check_case(c, path);
}

TEST_CASE("swiglu: halves apart in memory") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const int which = GENERATE(range(0, 4));
    ElementCase c;
    c.op = Op::swiglu;
    c.shape = {2, 3, 36};
    if (which == 0) c.in_layout.padding = 4;
    if (which == 1) c.in_layout.order = {0, 2, 1};
    if (which == 2) c.out_layout.order = {1, 0, 2};
    if (which == 3) c.shape.back() = 33;  // the second half begins at an odd place
    c.a = GENERATE(DType::f32, DType::bf16);
    CAPTURE(which);
    check_case(c, path);
}

TEST_CASE("elementwise: y in the place of an input") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    ElementCase c;
    const auto [op, y_in] = GENERATE(std::pair(Op::silu, "x"), std::pair(Op::add, "a"), std::pair(Op::add, "b"));
    c.op = op;
    c.y_in = y_in;
    check_case(c, path);
}

TEST_CASE("elementwise: fewer tokens than planned, along any axis") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    const uint32_t axis = GENERATE(0u, 1u, 2u, 4u, kMaxRank);
    ElementCase c;
    c.op = Op::add;
    c.shape = {6, 7, 6, 3, 10};
    c.token_axis = axis;
    c.record_seqlen = 5;
    const int layout = GENERATE(0, 1, 2);
    if (layout == 1) c.in_layout.order = c.out_layout.order = {1, 4, 0, 3, 2};
    if (layout == 2) c.in_layout.order = {4, 3, 2, 1, 0};  // so that no two axes lie packed in all tensors
    CAPTURE(axis);
    check_case(c, path);
}

TEST_CASE("swiglu: fewer tokens than planned") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    ElementCase c;
    c.op = Op::swiglu;
    c.shape = {2, 9, GENERATE(20u, 168u)};
    c.record_seqlen = GENERATE(1, 9);
    check_case(c, path);
}

TEST_CASE("softplus and silu keep their relative accuracy far out") {
    const OpPath path = GENERATE(from_range(main_op_paths()));
    ElementCase c;
    c.op = GENERATE(Op::softplus, Op::silu);
    ElementInputs in;
    for (int i = 0; i < 200; ++i) in.a.push_back(-80 + 0.8 * i);
    for (double& v : in.a) v = rounded(v, DType::f32);
    const std::vector<double> want = expected(c, in);
    const OpRun run = run_op_ok(make_setup(c, in, path));
    for (size_t i = 0; i < want.size(); ++i) {
        CAPTURE(in.a[i]);
        // exp() itself is only good to 3 + 2 |x| units in the last place.
        CHECK(std::abs(double(run.out.at("y")[i]) - want[i]) <= (5 + 2 * std::abs(in.a[i])) * 1.2e-7 * std::abs(want[i]));
    }
}

TEST_CASE("swiglu: reference file") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    const StoredFile file = read_safetensors(std::string(SCANDIUM_TEST_REFERENCE_DIR) + "/swiglu_basic.safetensors");
    ElementCase c;
    c.op = Op::swiglu;
    c.shape = file.at("expected.y").shape;
    const ElementInputs in{file.at("x").values(), {}};
    const OpRun run = run_op_ok(make_setup(c, in, path));
    CHECK(relative_rms(run.out.at("y"), file.at("expected.y").values()) <= 1e-6);
    CHECK(relative_rms(expected(c, in), file.at("expected.y").values()) <= 1e-7);
}

// ---- misuse -----------------------------------------------------------------------------------------------------

void check_refused(const ElementCase& c, const std::function<void(OpSetup&)>& change, const std::string& word) {
    OpSetup setup = make_setup(c, make_inputs(c), OpPath());
    change(setup);
    const OpRun run = run_op(setup);
    CHECK(run.result == Result::invalid_argument);
    CHECK_THAT(run.message, Catch::Matchers::ContainsSubstring(word));
}

void replace(OpSetup& setup, const std::string& name, DType dtype, const std::vector<uint64_t>& shape) {
    for (OpTensor& tensor : setup.tensors)
        if (tensor.tensor.name == name) tensor.tensor = place(name, dtype, shape);
}

TEST_CASE("elementwise: a tensor that does not fit is named") {
    ElementCase c;
    c.op = Op::add;
    const std::string name = GENERATE("b", "y");
    check_refused(
        c,
        [&](OpSetup& setup) {
            replace(setup, name, DType::i32, {5, 40});
        },
        "add: " + name);
    check_refused(
        c,
        [&](OpSetup& setup) {
            replace(setup, name, DType::f32, {5, 41});
        },
        "of " + name);
    check_refused(
        c,
        [&](OpSetup& setup) {
            replace(setup, name, DType::f32, {5, 40, 1});
        },
        "add: " + name);
}

TEST_CASE("elementwise: what is missing or out of range is named") {
    ElementCase c;
    check_refused(
        c, [](OpSetup& setup) { setup.tensors.pop_back(); }, "silu: y is missing");
    c.op = Op::softplus;
    check_refused(
        c, [](OpSetup& setup) { setup.tensors.erase(setup.tensors.begin()); }, "softplus: x is missing");
    c.op = Op::add;
    check_refused(
        c, [](OpSetup& setup) { setup.tensors.erase(setup.tensors.begin() + 1); }, "add: b is missing");
    c.token_axis = 2;
    check_refused(
        c, [](OpSetup&) {}, "token_axis");
    c.token_axis = kMaxRank + 1;
    check_refused(
        c, [](OpSetup&) {}, "token_axis");
    c.op = Op::swiglu;
    check_refused(
        c,
        [](OpSetup& setup) {
            replace(setup, "x", DType::f32, {5, 81});
        },
        "not even");
    check_refused(
        c,
        [](OpSetup& setup) {
            replace(setup, "y", DType::f32, {5, 80});
        },
        "of y");
    c.shape = {2, 2, 2, 2};
    check_refused(
        c, [](OpSetup&) {}, "rank");
}

}  // namespace
}  // namespace scandium::test

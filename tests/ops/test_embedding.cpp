// embedding and segsum on every path.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "ref/elementwise_ref.h"
#include "scandium/ops/embedding.h"
#include "scandium/ops/segsum.h"
#include "support/compare.h"
#include "support/op_run.h"
#include "support/random.h"

namespace scandium::test {
namespace {

using Ids = std::function<TensorId(const std::string&)>;

OpSetup on_path(const OpPath& path) {
    OpSetup setup;
    setup.access = path.access;
    setup.alignment = path.alignment;
    return setup;
}

void check_refused(const OpSetup& setup, const std::string& word) {
    const OpRun run = run_op(setup);
    CHECK(run.result == Result::invalid_argument);
    CHECK_THAT(run.message, Catch::Matchers::ContainsSubstring(word));
}

// ---- embedding --------------------------------------------------------------------------------------------------

struct EmbeddingCase {
    std::vector<uint64_t> shape{11};  // of ids
    uint64_t vocab = 23, dim = 40;
    DType table = DType::f32, out = DType::f32;
    Layout table_layout, out_layout;
    uint64_t record_seqlen = 0;

    uint64_t rows() const { return shape.size() == 1 ? shape[0] : shape[0] * shape[1]; }
};

// Some ids are of no row.
std::vector<double> make_ids(const EmbeddingCase& c) {
    Random random(3);
    std::vector<double> ids;
    for (uint64_t i = 0; i < c.rows(); ++i) ids.push_back(std::floor(random.uniform(0, double(c.vocab))));
    ids[c.rows() / 2] = double(c.vocab);
    ids[c.rows() / 3] = -1;
    ids[0] = double(c.vocab - 1);
    if (c.rows() > 5) ids[c.rows() - 1] = 2147483647;
    return ids;
}

OpSetup make_setup(const EmbeddingCase& c, const OpPath& path, const std::vector<double>& ids, const std::vector<double>& table) {
    OpSetup setup = on_path(path);
    setup.record_seqlen = c.record_seqlen;
    std::vector<uint64_t> out_shape = c.shape;
    out_shape.push_back(c.dim);
    setup.add("ids", DType::i32, c.shape, ids);
    setup.add("table", c.table, {c.vocab, c.dim}, table, false, c.table_layout);
    OpTensor& out = setup.add("out", c.out, out_shape, {}, true, c.out_layout);
    for (uint64_t i = 0; c.record_seqlen && i < c.rows() * c.dim; ++i) out.writable.push_back(i / c.dim % c.shape.back() < c.record_seqlen);
    setup.append = [](Graph* graph, const Ids& id) { return embedding(graph, {id("ids"), id("table"), id("out")}); };
    return setup;
}

void check_case(const EmbeddingCase& c, const OpPath& path) {
    INFO(to_text(path) << " rows " << c.rows() << " dim " << c.dim);
    Random random(5);
    const std::vector<double> ids = make_ids(c), table = random.normals(c.vocab * c.dim, c.table);
    const std::vector<double> want = embedding_ref(ids, table, c.dim);
    const OpRun run = run_op_ok(make_setup(c, path, ids, table));
    const std::vector<float>& out = run.out.at("out");
    REQUIRE(out.size() == want.size());
    size_t wrong = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        const bool is_recorded = !c.record_seqlen || i / c.dim % c.shape.back() < c.record_seqlen;
        wrong += is_recorded && !(double(out[i]) == rounded(want[i], c.out));
    }
    CHECK(wrong == 0);
}

TEST_CASE("embedding: rows of any length") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    EmbeddingCase c;
    c.dim = GENERATE(1, 6, 40, 768, 2051);
    check_case(c, path);
}

TEST_CASE("embedding: element types are converted") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    EmbeddingCase c;
    c.table = GENERATE(DType::f32, DType::f16, DType::bf16);
    c.out = GENERATE(DType::f32, DType::f16, DType::bf16);
    check_case(c, path);
}

TEST_CASE("embedding: batches, layouts and fewer tokens than planned") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    const int which = GENERATE(range(0, 6));
    EmbeddingCase c;
    c.shape = {3, 7};
    if (which == 1) c.table_layout.padding = 5;
    if (which == 2) c.table_layout.order = {1, 0};
    if (which == 3) c.out_layout.order = {1, 0, 2};
    if (which == 4) c.record_seqlen = 4;
    if (which == 5) c.shape = {300, 1};
    CAPTURE(which);
    check_case(c, path);
}

TEST_CASE("embedding: what does not fit is named") {
    EmbeddingCase c;
    const std::vector<double> ids = make_ids(c), table(c.vocab * c.dim);
    const auto changed = [&](size_t index, DType dtype, const std::vector<uint64_t>& shape) {
        OpSetup setup = make_setup(c, OpPath(), ids, table);
        setup.tensors[index].tensor = place(setup.tensors[index].tensor.name, dtype, shape);
        return setup;
    };
    check_refused(changed(0, DType::f32, {11}), "embedding: ids");
    check_refused(changed(0, DType::i32, {12}), "of out");
    check_refused(changed(0, DType::i32, {1, 1, 11}), "embedding: ids");
    check_refused(changed(1, DType::i32, {23, 40}), "embedding: table");
    check_refused(changed(1, DType::f32, {23}), "embedding: table");
    check_refused(changed(2, DType::f32, {11, 41}), "of out");
    check_refused(changed(2, DType::f32, {11}), "embedding: out");
    for (size_t missing : {0, 1, 2}) {
        OpSetup setup = make_setup(c, OpPath(), ids, table);
        const std::string name = setup.tensors[missing].tensor.name;
        setup.tensors.erase(setup.tensors.begin() + ptrdiff_t(missing));
        check_refused(setup, name + " is missing");
    }
}

// ---- segsum -----------------------------------------------------------------------------------------------------

void check_segsum(const std::vector<uint64_t>& shape, DType dtype, const Layout& x_layout, const Layout& out_layout, const OpPath& path) {
    INFO(to_text(path) << " rank " << shape.size() << " seqlen " << shape.back());
    uint64_t elements = 1;
    for (uint64_t size : shape) elements *= size;
    Random random(9);
    const std::vector<double> x = random.uniforms(elements, -1, 0.2, dtype);
    std::vector<uint64_t> out_shape = shape;
    out_shape.push_back(shape.back());
    OpSetup setup = on_path(path);
    setup.add("x", dtype, shape, x, false, x_layout);
    setup.add("out", DType::f32, out_shape, {}, true, out_layout);
    setup.append = [](Graph* graph, const Ids& id) { return segsum(graph, {id("x"), id("out")}); };
    const OpRun run = run_op_ok(setup);
    const std::vector<float>& out = run.out.at("out");
    const std::vector<double> want = segsum_ref(x, shape.back());
    REQUIRE(out.size() == want.size());
    std::vector<double> got_sums, sums;
    size_t wrong = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        if (std::isinf(want[i])) {
            wrong += !(double(out[i]) == want[i]);
        } else {
            got_sums.push_back(double(out[i]));
            sums.push_back(want[i]);
        }
    }
    CHECK(wrong == 0);
    if (shape.back() > 1)
        CHECK(relative_rms(got_sums, sums) <= 1e-6);
    else
        CHECK(got_sums == sums);
}

TEST_CASE("segsum: sequences of any length") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    const uint64_t seqlen = GENERATE(1, 2, 7, 8, 9, 64, 130);
    check_segsum({2, seqlen}, DType::f32, {}, {}, path);
}

TEST_CASE("segsum: ranks, element types and layouts") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    const int which = GENERATE(range(0, 6));
    CAPTURE(which);
    if (which == 0) check_segsum({20}, DType::f16, {}, {}, path);
    if (which == 1) check_segsum({2, 3, 5, 12}, DType::bf16, {}, {}, path);
    if (which == 2) check_segsum({3, 12}, DType::f32, {{1, 0}}, {}, path);
    if (which == 3) check_segsum({3, 12}, DType::f32, {}, {{0, 2, 1}}, path);
    if (which == 4) check_segsum({3, 12}, DType::f32, {}, {{1, 0, 2}, 4}, path);
    if (which == 5) check_segsum({2, 3, 12}, DType::f32, {{2, 1, 0}}, {{}, 1}, path);
}

TEST_CASE("segsum: an infinite value spoils its own segments only") {
    const OpPath path = GENERATE(from_range(scalar_op_paths()));
    std::vector<double> x(8, -0.5);
    x[3] = -INFINITY;
    OpSetup setup = on_path(path);
    setup.add("x", DType::f32, {8}, x);
    setup.add("out", DType::f32, {8, 8}, {}, true);
    setup.append = [](Graph* graph, const Ids& id) { return segsum(graph, {id("x"), id("out")}); };
    const OpRun run = run_op_ok(setup);
    const std::vector<double> want = segsum_ref(x, 8);
    for (size_t i = 0; i < want.size(); ++i) CHECK(double(run.out.at("out")[i]) == want[i]);
}

TEST_CASE("segsum: what does not fit is named") {
    const auto setup = [](DType x, std::vector<uint64_t> x_shape, DType out, std::vector<uint64_t> out_shape) {
        OpSetup s;
        s.add("x", x, x_shape, {});
        s.add("out", out, out_shape, {}, true);
        s.append = [](Graph* graph, const Ids& id) { return segsum(graph, {id("x"), id("out")}); };
        return s;
    };
    check_refused(setup(DType::i32, {2, 4}, DType::f32, {2, 4, 4}), "segsum: x");
    check_refused(setup(DType::f32, {2, 4}, DType::f16, {2, 4, 4}), "segsum: out");
    check_refused(setup(DType::f32, {2, 4}, DType::f32, {2, 4, 5}), "of out");
    check_refused(setup(DType::f32, {2, 4}, DType::f32, {2, 4}), "segsum: out");
    check_refused(setup(DType::f32, {1, 1, 1, 1, 4}, DType::f32, {1, 1, 1, 1, 4}), "segsum: x");
}

}  // namespace
}  // namespace scandium::test

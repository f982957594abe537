// ops `embedding` and `segsum`.
#include "scandium/ops/embedding.h"

#include "check.h"
#include "files/text.h"
#include "problem.h"
#include "scandium/ops/segsum.h"

namespace scandium::program {
namespace {

constexpr Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
constexpr Problem::Axes kRow = {"rows"}, kTokens = {"batch", "seqlen"};
constexpr Problem::Axes kRowOfTable = {"rows", "dim"}, kTokensOfTable = {"batch", "seqlen", "dim"};

size_t rank_of(const Problem& problem, const char* name) {
    const SafetensorsEntry* entry = problem.source().file().find(name);
    return entry ? entry->shape.size() : 0;
}

}  // namespace

void prepare_embedding(Problem& problem, const Choices&) {
    const bool batch = rank_of(problem, "ids") == 2;
    problem.require("ids", {DType::i32}, batch ? kTokens : kRow);
    problem.require("table", kFloats, {"vocab", "dim"});
    const DType dtype = problem.inputs().back().dtype, io_dtype = problem.source().dtype("io_dtype", dtype);
    problem.output("out", io_dtype, batch ? kTokensOfTable : kRowOfTable, default_tolerance(io_dtype));
    problem.summary = format("%s, vocab %llu, dim %llu", to_string(io_dtype), static_cast<unsigned long long>(problem.axis("vocab")),
                             static_cast<unsigned long long>(problem.axis("dim")));
    problem.append = [](Graph* graph, const TensorIds& ids) {
        Embedding op;
        op.ids = ids.in("ids");
        op.table = ids.in("table");
        op.out = ids.out("out");
        return embedding(graph, op);
    };
}

// Its infinities have no relative error, so a case's expectations cannot be checked, only written.
void prepare_segsum(Problem& problem, const Choices&) {
    const bool rows = rank_of(problem, "x") == 2;
    if (rows)
        problem.require("x", kFloats, {"rows", "seqlen"});
    else
        problem.require("x", kFloats, {"seqlen"});
    problem.set_axis("columns", problem.axis("seqlen"), "by 'x'");
    if (rows)
        problem.output("out", DType::f32, {"rows", "seqlen", "columns"}, default_tolerance(DType::f32));
    else
        problem.output("out", DType::f32, {"seqlen", "columns"}, default_tolerance(DType::f32));
    problem.summary = format("seqlen %llu", static_cast<unsigned long long>(problem.axis("seqlen")));
    problem.append = [](Graph* graph, const TensorIds& ids) {
        Segsum op;
        op.x = ids.in("x");
        op.out = ids.out("out");
        return segsum(graph, op);
    };
}

}  // namespace scandium::program

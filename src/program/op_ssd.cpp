// op `ssd`: ssd_scan, the forward pass of Mamba-2's state space duality layer.
#include <algorithm>

#include "check.h"
#include "files/text.h"
#include "problem.h"

namespace scandium::program {
namespace {

constexpr Problem::Types kFloats = {DType::f32, DType::f16, DType::bf16};
constexpr Problem::Types kF32 = {DType::f32};
constexpr Problem::Types kI32 = {DType::i32};

// The most sequences that any row is packed with.
uint32_t count_sequences(const Problem& problem, const SafetensorsEntry& entry) {
    const std::vector<int32_t> index = problem.read_integers(entry);
    const size_t seqlen = problem.axis("seqlen");
    uint32_t most = 1, sequences = 1;
    for (size_t i = 0; i < index.size(); ++i) {
        const bool starts_row = i % seqlen == 0;
        if (index[i] < 0 || (!starts_row && index[i] < index[i - 1]))
            problem.source().fail("tensor 'seq_idx' has %d at token %zu of row %zu; it must not be negative or fall", index[i], i % seqlen,
                                  i / seqlen);
        sequences = starts_row ? 1 : sequences + (index[i] != index[i - 1]);
        most = std::max(most, sequences);
    }
    return most;
}

void check_cu_seqlens(const Problem& problem, const SafetensorsEntry& entry) {
    const std::vector<int32_t> starts = problem.read_integers(entry);
    if (problem.axis("batch") != 1) problem.source().fail("tensor 'cu_seqlens' needs a batch of 1");
    if (starts.size() < 2) problem.source().fail("tensor 'cu_seqlens' has %zu numbers; it must have at least 2", starts.size());
    for (size_t i = 1; i < starts.size(); ++i)
        if (starts[i] < starts[i - 1])
            problem.source().fail("tensor 'cu_seqlens' has %d after %d; it must not fall", starts[i], starts[i - 1]);
    if (starts.front() != 0 || static_cast<uint64_t>(starts.back()) != problem.axis("seqlen"))
        problem.source().fail("tensor 'cu_seqlens' goes from %d to %d; it must go from 0 to seqlen, %llu", starts.front(), starts.back(),
                              static_cast<unsigned long long>(problem.axis("seqlen")));
}

void read_inputs(Problem& problem) {
    problem.require("x", kFloats, {"batch", "seqlen", "nheads", "headdim"});
    problem.require("dt", kFloats, {"batch", "seqlen", "nheads"});
    problem.require("A", kF32, {"nheads"});
    problem.require("B", kFloats, {"batch", "seqlen", "ngroups", "dstate"});
    problem.require("C", kFloats, {"batch", "seqlen", "ngroups", "dstate"});
    problem.optional("z", kFloats, {"batch", "seqlen", "nheads", "headdim"});
    problem.optional("dt_bias", kF32, {"nheads"});
    const SafetensorsEntry* D = problem.source().file().find("D");
    if (D && D->shape.size() == 1)
        problem.optional("D", kF32, {"nheads"});
    else
        problem.optional("D", kF32, {"nheads", "headdim"});
    if (problem.axis("nheads") % problem.axis("ngroups") != 0)
        problem.source().fail("tensor 'B' has %llu groups, which do not divide the %llu heads of 'x'",
                              static_cast<unsigned long long>(problem.axis("ngroups")),
                              static_cast<unsigned long long>(problem.axis("nheads")));
}

// Packed sequences; returns the axis that states are counted along.
const char* read_packing(Problem& problem, SsdScan* op) {
    if (const SafetensorsEntry* seq_idx = problem.optional("seq_idx", kI32, {"batch", "seqlen"}))
        op->max_sequences = count_sequences(problem, *seq_idx);
    const SafetensorsEntry* cu_seqlens = problem.optional("cu_seqlens", kI32, {"num_sequences + 1"});
    if (!cu_seqlens) return "batch";
    if (problem.source().file().find("seq_idx")) problem.source().fail("tensors 'seq_idx' and 'cu_seqlens' exclude each other");
    check_cu_seqlens(problem, *cu_seqlens);
    problem.set_axis("num_sequences", cu_seqlens->elements - 1, "by 'cu_seqlens'");
    return "num_sequences";
}

void read_options(const Case& source, const Choices& choices, SsdScan* op) {
    op->dt_softplus = source.flag("dt_softplus", false);
    const Case::Limits dt = source.dt_limits();
    op->dt_min = dt.min;
    op->dt_max = dt.max;
    const uint64_t chunk_size = source.integer("chunk_size", 64);
    if (chunk_size < 16 || chunk_size > 256 || chunk_size % 16 != 0)
        source.fail("option chunk_size is %llu; it must be a multiple of 16 from 16 to 256", static_cast<unsigned long long>(chunk_size));
    const bool has_chunk_size = source.file().metadata().contains("chunk_size");
    op->segments = static_cast<uint32_t>(std::min<uint64_t>(source.integer("segments", 0), 1u << 31));
    op->chunk_size = choices.chunk_size.value_or(has_chunk_size ? static_cast<uint32_t>(chunk_size) : 0);
    op->variant = choices.variant;
    op->algorithm = choices.algorithm;
}

std::string summarize(const Problem& problem, DType io_dtype, const SsdScan& op) {
    std::string text = to_string(io_dtype);
    for (const char* axis : {"batch", "seqlen", "nheads", "headdim", "ngroups", "dstate"})
        text += format(", %s %llu", axis, static_cast<unsigned long long>(problem.axis(axis)));
    return text + (op.chunk_size ? format(", chunk_size %u", op.chunk_size) : ", chunk_size auto");
}

}  // namespace

void prepare_ssd(Problem& problem, const Choices& choices) {
    SsdScan op;
    read_inputs(problem);
    const char* rows = read_packing(problem, &op);
    problem.optional("initial_states", kFloats, {rows, "nheads", "headdim", "dstate"});
    read_options(problem.source(), choices, &op);

    const DType x_dtype = problem.inputs().front().dtype;
    const DType io_dtype = problem.source().dtype("io_dtype", x_dtype);
    if (io_dtype != x_dtype) problem.source().fail("option io_dtype is %s, but tensor 'x' is %s", to_string(io_dtype), to_string(x_dtype));
    const DType state_dtype = problem.source().dtype("state_dtype", DType::f32);
    // States are sums of products of io_dtype's precision, rounded to their own.
    const double tolerance = default_tolerance(io_dtype);
    problem.output("y", io_dtype, {"batch", "seqlen", "nheads", "headdim"}, tolerance);
    problem.output("final_states", state_dtype, {rows, "nheads", "headdim", "dstate"}, std::max(tolerance, default_tolerance(state_dtype)));
    problem.summary = summarize(problem, io_dtype, op);

    problem.append = [op](Graph* graph, const TensorIds& ids) {
        SsdScan filled = op;
        filled.x = ids.in("x");
        filled.dt = ids.in("dt");
        filled.A = ids.in("A");
        filled.B = ids.in("B");
        filled.C = ids.in("C");
        filled.D = ids.in("D");
        filled.z = ids.in("z");
        filled.dt_bias = ids.in("dt_bias");
        filled.initial_states = ids.in("initial_states");
        filled.seq_idx = ids.in("seq_idx");
        filled.cu_seqlens = ids.in("cu_seqlens");
        filled.y = ids.out("y");
        filled.final_states = ids.out("final_states");
        return ssd_scan(graph, filled);
    };
}

}  // namespace scandium::program

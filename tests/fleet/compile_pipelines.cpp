// Compiles the pipelines of every operator, variant, algorithm and way to memory on one Vulkan device, and
// prints what its driver says of the machine code: registers, spills, shared memory. Runs nothing, so that
// it serves on devices that only compile.
//
//   compile_pipelines [--device INDEX|NAME] [--json FILE] [--quick]
//
// --quick: one case and one way to memory only, for drivers that run under an emulator.
// Exit status: 0 all compiled, 1 something failed, 2 usage, 77 no device that Scandium serves. What the device cannot
// have (a variant whose features it lacks) is skipped, with the library's sentence as the reason.
#include <scandium/context.h>
#include <scandium/ops/ssd_scan.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "pipeline_report.h"

using namespace scandium;

namespace {

constexpr int kSkipped = 77;

void keep_message(void* user, Result, VkResult, const char* message) { *static_cast<std::string*>(user) = message; }

enum class Packing { none, seq_idx, cu_seqlens };

// What a plan is made for. `optional`: with every optional tensor, else with none.
struct Case {
    const char* name;
    DType io, dt, state;
    uint64_t nheads, headdim, ngroups, dstate;
    bool optional;
    Packing packing;
};

constexpr uint64_t kSeqlen = 384;  // more than one chunk of any size
constexpr uint64_t kSequences = 3;

constexpr Case kCases[] = {
    {"f32 64x128", DType::f32, DType::f32, DType::f32, 4, 64, 1, 128, true, Packing::none},
    {"f16 64x128", DType::f16, DType::f16, DType::f16, 4, 64, 2, 128, true, Packing::none},
    {"bf16 64x128", DType::bf16, DType::f32, DType::bf16, 4, 64, 1, 128, false, Packing::none},
    {"f32 80x16", DType::f32, DType::f32, DType::f32, 3, 80, 3, 16, false, Packing::none},
    {"f16 64x64 seq_idx", DType::f16, DType::f32, DType::f32, 4, 64, 1, 64, true, Packing::seq_idx},
    {"f32 64x64 cu_seqlens", DType::f32, DType::f32, DType::f32, 4, 64, 1, 64, true, Packing::cu_seqlens},
};

constexpr size_t kQuickCase = 1;

TensorId add(Graph* graph, const char* name, DType dtype, const std::vector<uint64_t>& shape) {
    TensorDesc desc;
    desc.name = name;
    desc.dtype = dtype;
    desc.rank = uint32_t(shape.size());
    for (size_t i = 0; i < shape.size(); ++i) desc.shape[i] = shape[i];
    return add_tensor(graph, desc);
}

SsdScan declare(Graph* graph, const Case& c) {
    const uint64_t sequences = c.packing == Packing::cu_seqlens ? kSequences : 1;
    const std::vector<uint64_t> like_x = {1, kSeqlen, c.nheads, c.headdim}, like_B = {1, kSeqlen, c.ngroups, c.dstate};
    const std::vector<uint64_t> like_states = {sequences, c.nheads, c.headdim, c.dstate};
    SsdScan op;
    op.x = add(graph, "x", c.io, like_x);
    op.dt = add(graph, "dt", c.dt, {1, kSeqlen, c.nheads});
    op.A = add(graph, "A", DType::f32, {c.nheads});
    op.B = add(graph, "B", c.io, like_B);
    op.C = add(graph, "C", c.io, like_B);
    op.y = add(graph, "y", c.io, like_x);
    if (c.optional) {
        op.D = add(graph, "D", DType::f32, {c.nheads});
        op.z = add(graph, "z", c.io, like_x);
        op.dt_bias = add(graph, "dt_bias", DType::f32, {c.nheads});
        op.dt_softplus = true;
        op.initial_states = add(graph, "initial_states", c.state, like_states);
        op.final_states = add(graph, "final_states", c.state, like_states);
    }
    if (c.packing == Packing::seq_idx) {
        op.seq_idx = add(graph, "seq_idx", DType::i32, {1, kSeqlen});
        op.max_sequences = kSequences;
    }
    if (c.packing == Packing::cu_seqlens) op.cu_seqlens = add(graph, "cu_seqlens", DType::i32, {kSequences + 1});
    return op;
}

bool has_matrix_shape(const Caps& caps, DType type) {
    for (uint32_t i = 0; i < caps.cooperative_matrix_count; ++i) {
        const CooperativeMatrixShape& shape = caps.cooperative_matrices[i];
        if (shape.a == type && shape.b == type && shape.c == DType::f32 && shape.result == DType::f32) return true;
    }
    return false;
}

// Whether the device has what the variant is made for, so that leaving it out would be a fault.
bool must_compile(const Caps& caps, Variant variant, DType io) {
    if (variant == Variant::subgroup)
        return caps.subgroup_arithmetic && caps.subgroup_shuffle && caps.subgroup_size >= 4 && caps.features.compute_full_subgroups;
    if (variant == Variant::coopmat)
        return io == DType::f16 && caps.features.cooperative_matrix && caps.features.shader_float16 && has_matrix_shape(caps, io) &&
               !caps.bug_cooperative_matrix_crash;
    return true;
}

struct Tester {
    Context* context = nullptr;
    std::string message;
    PipelineReport report;

    const Caps& caps() const { return device_caps(context_device(context)); }

    Result make_plan(const Case& c, SsdAlgorithm algorithm, Variant variant, MemoryAccess access, Plan** plan) {
        Graph* graph = nullptr;
        Result result = create_graph(context_device(context), access, &graph);
        if (result != Result::ok) return result;
        SsdScan op = declare(graph, c);
        op.algorithm = algorithm;
        op.variant = variant;
        result = ssd_scan(graph, op);
        PlanOptions options;
        options.capture_statistics = caps().features.pipeline_executable_info;
        if (result == Result::ok) result = create_plan(graph, options, plan);
        destroy_graph(graph);
        return result;
    }

    // Whether it compiled.
    bool compile(const Case& c, SsdAlgorithm algorithm, Variant variant, MemoryAccess access) {
        const auto start = std::chrono::steady_clock::now();
        PlanRow row;
        row.name = std::string(c.name) + ", " + to_string(algorithm) + ", " + to_string(variant) + ", " + to_string(access);
        std::printf("%s: ", row.name.c_str());
        std::fflush(stdout);  // a driver may abort: the last line then says on what
        message.clear();
        Plan* plan = nullptr;
        Result result = make_plan(c, algorithm, variant, access, &plan);
        if (result == Result::ok) result = report.add_pipelines(plan, variant, &row);
        destroy_plan(plan);
        if (result != Result::ok) row.reason = message;
        if (result == Result::ok && row.has_variant)
            row.status = PlanRow::compiled;
        else if ((result == Result::ok || result == Result::unsupported) && !must_compile(caps(), variant, c.io))
            row.status = PlanRow::skipped;
        else
            row.status = PlanRow::failed;
        row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        row.print();
        report.plans.push_back(row);
        return row.status == PlanRow::compiled;
    }

    // Only the chunked algorithm has products for matrix units, which take 16-bit operands. Forcing `scalar` on it where
    // there are subgroups changes one small kernel of five: the first case will do.
    void compile_case(const Case& c, MemoryAccess access) {
        const bool subgroups = compile(c, SsdAlgorithm::chunked, Variant::subgroup, access);
        if (!subgroups || &c == kCases) compile(c, SsdAlgorithm::chunked, Variant::scalar, access);
        if (c.io != DType::f32) compile(c, SsdAlgorithm::chunked, Variant::coopmat, access);
        if (c.io != DType::f32 && c.packing == Packing::none) compile(c, SsdAlgorithm::fused, Variant::coopmat, access);
        compile(c, SsdAlgorithm::recurrent, Variant::subgroup, access);
        compile(c, SsdAlgorithm::recurrent, Variant::scalar, access);
    }

    void compile_all(bool quick) {
        const bool addresses = caps().features.buffer_device_address;
        for (const Case& c : kCases) {
            if (quick && &c != &kCases[kQuickCase]) continue;
            if (addresses) compile_case(c, MemoryAccess::address);
            if (!addresses || !quick) compile_case(c, MemoryAccess::descriptor);
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    const char* json = nullptr;
    bool quick = false;
    Tester tester;
    ContextOptions options;
    options.diagnostics = keep_message;
    options.diagnostics_user = &tester.message;
    for (int i = 1; i < argc; ++i) {
        const char** value = !std::strcmp(argv[i], "--json") ? &json : !std::strcmp(argv[i], "--device") ? &options.device : nullptr;
        if (!std::strcmp(argv[i], "--quick")) {
            quick = true;
        } else if (value && i + 1 < argc) {
            *value = argv[++i];
        } else {
            std::fprintf(stderr, "usage: compile_pipelines [--device INDEX|NAME] [--json FILE] [--quick]\n");
            return 2;
        }
    }

    Result result = create_context(options, &tester.context);
    if (result != Result::ok) {
        std::printf("%s: %s\n", result == Result::unsupported ? "skipped" : "FAILED", tester.message.c_str());
        return result == Result::unsupported ? kSkipped : 1;
    }
    tester.compile_all(quick);
    tester.report.print(tester.caps());
    bool written = !json || tester.report.write_json(json, tester.caps());
    if (!written) std::fprintf(stderr, "compile_pipelines: cannot write %s\n", json);
    const bool failed = tester.report.count(PlanRow::failed) != 0 || tester.report.count(PlanRow::compiled) == 0;
    // The context is left to the end of the process: destroying it waits for the queue, and a compile-only device signals
    // before its driver's submit thread has had its turn, which crashes v3dv (Mesa 25.0) now and then.
    return failed || !written ? 1 : 0;
}

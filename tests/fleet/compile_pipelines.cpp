// Compiles the pipelines of every operator, variant, algorithm and way to memory on one Vulkan device, and
// prints what its driver says of the machine code: registers, spills, shared memory. Runs nothing, so that
// it serves on devices that only compile.
//
//   compile_pipelines [--device INDEX|NAME] [--json FILE] [--quick]
//
// What is compiled stands in plan_cases_*.cpp.
// --quick: a case of each operator, one way to memory, and scalar variants only where there is no subgroup one: for drivers that run
// under an emulator.
// Exit status: 0 all compiled, 1 something failed, 2 usage, 77 no device that Scandium serves. What the device cannot
// have (a variant whose features it lacks) is skipped, with the library's sentence as the reason.
#include <scandium/context.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "pipeline_report.h"
#include "plan_cases.h"

using namespace scandium;

namespace {

constexpr int kSkipped = 77;

void keep_message(void* user, Result, VkResult, const char* message) { *static_cast<std::string*>(user) = message; }

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

    Result make_plan(const PlanCase& c, Variant variant, MemoryAccess access, Plan** plan) {
        Graph* graph = nullptr;
        Result result = create_graph(context_device(context), access, &graph);
        if (result != Result::ok) return result;
        result = c.append(graph, variant);
        PlanOptions options;
        options.capture_statistics = caps().features.pipeline_executable_info;
        if (result == Result::ok) result = create_plan(graph, options, plan);
        destroy_graph(graph);
        return result;
    }

    // Whether it compiled.
    bool compile(const PlanCase& c, Variant variant, MemoryAccess access) {
        const auto start = std::chrono::steady_clock::now();
        PlanRow row;
        row.name = c.name + ", " + to_string(variant) + ", " + to_string(access);
        std::printf("%s: ", row.name.c_str());
        std::fflush(stdout);  // a driver may abort: the last line then says on what
        message.clear();
        Plan* plan = nullptr;
        Result result = make_plan(c, variant, access, &plan);
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

    void compile_case(const PlanCase& c, MemoryAccess access, bool quick) {
        bool subgroups = false;
        for (Variant variant : c.variants) {
            if (variant == Variant::scalar && subgroups && (quick || c.scalar_if_no_subgroups)) continue;
            const bool compiled = compile(c, variant, access);
            subgroups |= compiled && variant == Variant::subgroup;
        }
    }

    void compile_all(bool quick) {
        const bool addresses = caps().features.buffer_device_address;
        for (const std::vector<PlanCase>& cases : {ssd_scan_cases(), operator_cases()})
            for (const PlanCase& c : cases) {
                if (quick && !c.quick) continue;
                if (addresses) compile_case(c, MemoryAccess::address, quick);
                if (!addresses || !quick) compile_case(c, MemoryAccess::descriptor, quick);
            }
    }
};

}  // namespace

TensorId add(Graph* graph, const char* name, DType dtype, const std::vector<uint64_t>& shape) {
    TensorDesc desc;
    desc.name = name;
    desc.dtype = dtype;
    desc.rank = uint32_t(shape.size());
    for (size_t i = 0; i < shape.size(); ++i) desc.shape[i] = shape[i];
    return add_tensor(graph, desc);
}

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

// The smallest host: it owns everything that is Vulkan's, has Scandium record one SSD scan into its own
// command buffer, and checks the result against a direct loop.
// Exit status: 0 right, 1 wrong or failed, 77 no Vulkan device here.
#include <scandium/scandium.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "host.h"

using namespace scandium;

namespace {

constexpr uint64_t kSeqlen = 200, kHeads = 4, kHeaddim = 32, kDstate = 16;

void print_diagnostics(void*, Result result, VkResult, const char* message) {
    std::fprintf(stderr, "scandium: %s: %s\n", to_string(result), message);
}

void check(Result result) {
    if (result != Result::ok) std::exit(1);
}

// The recurrence of ssd_scan.h, token by token, in double precision; y is (seqlen, nheads, headdim).
std::vector<double> direct_scan(const float* x, const float* dt, const float* A, const float* B, const float* C) {
    std::vector<double> y(kSeqlen * kHeads * kHeaddim);
    std::vector<double> state(kHeads * kHeaddim * kDstate);
    for (uint64_t row = 0; row < y.size(); ++row) {
        const uint64_t t = row / (kHeads * kHeaddim), h = row / kHeaddim % kHeads;
        const double step = dt[t * kHeads + h], decay = std::exp(step * A[h]);
        for (uint64_t n = 0; n < kDstate; ++n) {
            double& s = state[row % (kHeads * kHeaddim) * kDstate + n];
            s = decay * s + step * x[row] * B[t * kDstate + n];
            y[row] += s * C[t * kDstate + n];
        }
    }
    return y;
}

double relative_error(const float* found, const std::vector<double>& expected) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        difference += (found[i] - expected[i]) * (found[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    return std::sqrt(difference / size);
}

// Something smooth between low and high.
void fill(const host::MappedBuffer& buffer, float low, float high) {
    for (size_t i = 0; i < buffer.size / 4; ++i) buffer.data[i] = low + (high - low) * (0.5f + 0.5f * std::sin(float(i) * 1.7f));
}

BufferView view(const host::MappedBuffer& buffer) { return {buffer.buffer, 0, buffer.size}; }

int run(host::Host& host) {
    // [embed]
    // Before the device is made: which extensions and features help? The host decides what to grant.
    Requirements need;
    check(query_requirements(vkGetInstanceProcAddr, host.instance, host.gpu, host::kApiVersion, &need));
    FeatureChain chain;
    host.make_device(need.extensions, need.extension_count, fill_feature_chain(need.features, &chain));

    // Scandium makes no device or queue of its own: it is told of the host's.
    Device* device = nullptr;
    check(wrap_device({.instance = host.instance,
                       .physical_device = host.gpu,
                       .device = host.device,
                       .get_instance_proc_addr = vkGetInstanceProcAddr,
                       .api_version = host::kApiVersion,
                       .enabled = need.features,
                       .diagnostics = print_diagnostics},
                      &device));

    // A graph of operators over named tensors, and a plan of it: what can fail has failed by now.
    Graph* graph = nullptr;
    check(create_graph(device, MemoryAccess::automatic, &graph));
    SsdScan op;
    op.x = add_tensor(graph, {"x", DType::f32, 4, {1, kSeqlen, kHeads, kHeaddim}, {}});
    op.dt = add_tensor(graph, {"dt", DType::f32, 3, {1, kSeqlen, kHeads}, {}});
    op.A = add_tensor(graph, {"A", DType::f32, 1, {kHeads}, {}});
    op.B = add_tensor(graph, {"B", DType::f32, 4, {1, kSeqlen, 1, kDstate}, {}});
    op.C = add_tensor(graph, {"C", DType::f32, 4, {1, kSeqlen, 1, kDstate}, {}});
    op.y = add_tensor(graph, {"y", DType::f32, 4, {1, kSeqlen, kHeads, kHeaddim}, {}});
    check(ssd_scan(graph, op));
    Plan* plan = nullptr;
    check(create_plan(graph, PlanOptions(), &plan));
    // [/embed]

    const VkBufferUsageFlags usage = buffer_usage(plan);
    const host::MappedBuffer x = host.make_buffer(kSeqlen * kHeads * kHeaddim * 4, usage), y = host.make_buffer(x.size, usage);
    const host::MappedBuffer dt = host.make_buffer(kSeqlen * kHeads * 4, usage), A = host.make_buffer(kHeads * 4, usage);
    const host::MappedBuffer B = host.make_buffer(kSeqlen * kDstate * 4, usage), C = host.make_buffer(B.size, usage);
    VkCommandBuffer commands = host.begin_commands();

    // [embed]
    // Memory is the host's too: its buffers for the tensors, and scratch that plans may share.
    const WorkspaceInfo scratch = workspace_info(plan);
    const BufferView workspace = view(host.make_buffer(scratch.size, scratch.usage));
    const Binding tensors[] = {{op.x, view(x)}, {op.dt, view(dt)}, {op.A, view(A)}, {op.B, view(B)}, {op.C, view(C)}, {op.y, view(y)}};
    Bindings* bindings = nullptr;
    check(create_bindings(plan, tensors, workspace, &bindings));

    // Every frame: cannot fail, allocates nothing, submits nothing.
    record(commands, plan, bindings);
    // [/embed]

    fill(x, -1, 1);
    fill(dt, 0.01f, 0.1f);
    fill(A, -4, -0.5f);
    fill(B, -1, 1);
    fill(C, -1, 1);
    fill(y, NAN, NAN);
    host.submit_and_wait(sync_info(plan).last_stage, sync_info(plan).last_access);
    const double error = relative_error(y.data, direct_scan(x.data, dt.data, A.data, B.data, C.data));
    std::printf("%s: relative error %.2e\n", device_caps(device).device_name, error);

    destroy_bindings(bindings);
    destroy_plan(plan);
    destroy_graph(graph);
    destroy_device(device);
    return error < 1e-5 ? 0 : 1;  // also for NaN
}

}  // namespace

int main() {
    host::Host host;
    if (!host.make_instance()) {
        std::printf("skipped: no Vulkan 1.1 device with a compute queue\n");
        return 77;
    }
    return run(host);
}

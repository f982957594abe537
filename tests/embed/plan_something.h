// Shared by the hosts: makes a small plan on a device, which takes every part of the library except recording.
#pragma once

#include <scandium/scandium.h>

#include <cstdio>

inline void print_message(void*, scandium::Result, VkResult, const char* message) { std::fprintf(stderr, "%s\n", message); }

// False if something failed; it has been printed then.
inline bool plan_something(const scandium::Device* device) {
    using namespace scandium;
    Graph* graph = nullptr;
    if (create_graph(device, MemoryAccess::automatic, &graph) != Result::ok) return false;
    SsdScan op;
    op.x = add_tensor(graph, {"x", DType::f32, 4, {1, 100, 2, 24}, {}});
    op.dt = add_tensor(graph, {"dt", DType::f32, 3, {1, 100, 2}, {}});
    op.A = add_tensor(graph, {"A", DType::f32, 1, {2}, {}});
    op.B = add_tensor(graph, {"B", DType::f32, 4, {1, 100, 1, 16}, {}});
    op.C = add_tensor(graph, {"C", DType::f32, 4, {1, 100, 1, 16}, {}});
    op.y = add_tensor(graph, {"y", DType::f32, 4, {1, 100, 2, 24}, {}});
    Plan* plan = nullptr;
    const bool made = ssd_scan(graph, op) == Result::ok && create_plan(graph, PlanOptions(), &plan) == Result::ok;
    const bool sensible = made && dispatch_count(plan) > 0 && (buffer_usage(plan) & VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    if (made) std::printf("%s: %u dispatches\n", device_caps(device).device_name, dispatch_count(plan));
    destroy_plan(plan);
    destroy_graph(graph);
    return sensible;
}

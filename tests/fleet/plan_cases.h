// What compile_pipelines makes plans of.
#pragma once

#include <scandium/graph.h>

#include <functional>
#include <string>
#include <vector>

struct PlanCase {
    std::string name;
    scandium::DType io = scandium::DType::f32;  // of what matrix units would multiply
    std::vector<scandium::Variant> variants;    // each makes a plan
    std::function<scandium::Result(scandium::Graph*, scandium::Variant)> append;
    bool quick = false;                   // also for drivers that run under an emulator
    bool scalar_if_no_subgroups = false;  // scalar only where subgroup did not compile
};

// ssd_scan by every algorithm, and the operators of one kernel each.
std::vector<PlanCase> ssd_scan_cases();
std::vector<PlanCase> operator_cases();

// A packed tensor.
scandium::TensorId add(scandium::Graph* graph, const char* name, scandium::DType dtype, const std::vector<uint64_t>& shape);

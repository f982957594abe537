#include "json.h"
#include "report.h"
#include "scandium/scandium.h"

namespace scandium::program {
void write_identity(Json& json, const Caps& caps) {
    json.text("name", caps.device_name);
    json.text("type", device_type_name(caps.device_type));
    json.text("driver", caps.driver_name);
    json.text("driver_info", caps.driver_info);
    json.number("driver_version", caps.driver_version);
    json.text("api_version", version_text(caps.api_version));
    json.number("vendor_id", caps.vendor_id);
    json.number("device_id", caps.device_id);
}

namespace {

void write_features(Json& json, const Features& features) {
    json.flag("storageBuffer16BitAccess", features.storage_buffer_16bit);
    json.flag("shaderFloat16", features.shader_float16);
    json.flag("bufferDeviceAddress", features.buffer_device_address);
    json.flag("subgroupSizeControl", features.subgroup_size_control);
    json.flag("computeFullSubgroups", features.compute_full_subgroups);
    json.flag("vulkanMemoryModel", features.vulkan_memory_model);
    json.flag("cooperativeMatrix", features.cooperative_matrix);
    json.flag("shaderBFloat16CooperativeMatrix", features.bfloat16_cooperative_matrix);
    json.flag("cooperativeMatrixConversions", features.cooperative_matrix_conversions);
    json.flag("pipelineExecutableInfo", features.pipeline_executable_info);
}

void write_device(Json& json, const DeviceEntry& device) {
    const Caps& caps = device.caps;
    json.number("index", device.index);
    write_identity(json, caps);
    json.object("features", [&] { write_features(json, caps.features); });
    json.number("subgroup_size", caps.subgroup_size);
    json.number("min_subgroup_size", caps.min_subgroup_size);
    json.number("max_subgroup_size", caps.max_subgroup_size);
    json.flag("subgroup_arithmetic", caps.subgroup_arithmetic);
    json.flag("subgroup_shuffle", caps.subgroup_shuffle);
    json.flag("can_require_subgroup_size", caps.can_require_subgroup_size);
    json.number("max_invocations", caps.max_invocations);
    json.numbers("max_workgroups", caps.max_workgroups);
    json.number("shared_memory", caps.shared_memory);
    json.number("max_storage_range", caps.max_storage_range);
    json.number("storage_offset_alignment", caps.storage_offset_alignment);
    json.real("timestamp_period_ns", caps.timestamp_period);
    const Span<CooperativeMatrixShape> shapes(caps.cooperative_matrices, caps.cooperative_matrix_count);
    const std::vector<CooperativeMatrixShape> rows(shapes.data, shapes.data + shapes.size);
    json.objects("cooperative_matrices", rows, [&](const CooperativeMatrixShape& shape) {
        json.numbers("mnk", std::vector<uint32_t>{shape.m, shape.n, shape.k});
        json.text("a", to_string(shape.a));
        json.text("b", to_string(shape.b));
        json.text("c", to_string(shape.c));
        json.text("result", to_string(shape.result));
    });
}

void write_stage(Json& json, const StageReport& stage) {
    json.text("stage", stage.name);
    json.text("kernel", stage.kernel);
    json.text("variant", to_string(stage.variant));
    json.text("reason", stage.reason);
    json.number("dispatches", stage.dispatches);
    json.numbers("groups", stage.groups);
    json.real("us", stage.us, stage.us >= 0);
}

void write_output(Json& json, const OutputReport& output) {
    json.text("name", output.name);
    json.text("dtype", to_string(output.dtype));
    json.numbers("shape", output.shape);
    json.flag("checked", output.checked);
    if (!output.checked) return;
    json.real("error", output.error);
    json.real("tolerance", output.tolerance);
    json.number("not_finite", output.not_finite);
    json.flag("passed", output.passed);
}

void write_case(Json& json, const CaseReport& report) {
    json.text("case", report.path);
    json.text("op", report.op);
    json.text("summary", report.summary);
    json.text("result", report.verdict());
    if (!report.unsupported.empty()) return json.text("reason", report.unsupported);
    json.text("access", to_string(report.access));
    json.number("workspace_bytes", report.workspace);
    json.number("repeats", report.repeats);
    json.objects("stages", report.stages, [&](const StageReport& stage) { write_stage(json, stage); });
    json.real("device_us", report.device_us, report.device_us >= 0);
    json.real("host_us", report.host_us);
    json.objects("outputs", report.outputs, [&](const OutputReport& output) { write_output(json, output); });
    json.number("validation_messages", report.validation_messages);
}

}  // namespace

std::string devices_json(const std::vector<DeviceEntry>& devices) {
    Json json;
    json.objects("devices", devices, [&](const DeviceEntry& device) { write_device(json, device); });
    return json.finish();
}

std::string run_json(const std::vector<CaseReport>& reports, const Caps& caps) {
    Json json;
    uint64_t failed = 0;
    for (const CaseReport& report : reports) failed += !report.passed();
    json.object("device", [&] { write_identity(json, caps); });
    json.objects("cases", reports, [&](const CaseReport& report) { write_case(json, report); });
    json.number("failed", failed);
    return json.finish();
}

}  // namespace scandium::program
